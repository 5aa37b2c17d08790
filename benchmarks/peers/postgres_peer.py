"""PostgreSQL doing the matcher's incremental job on the same tokens, in a cluster of its own in a temporary folder.

Tokens stand in a table with a hash index. Each batch is copied in binary, its candidates are found and weighed by one
statement against every rival of the model, links and tokens are stored, and the transaction is committed durably: what
the matcher does, but for persons, alerts, erasure and TLS. It speaks over a Unix socket, and one session does it all,
as one thread matches.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.peers.scored import Scored
from matcher.model import TokenBatch
from matcher.scheme import LinkageScheme
from matcher.scoring.model import MatchModel, Rival, prior_weight, tables_against

INSTALL = "PostgreSQL's server is not found: install it (Debian: apt-get install postgresql), or leave postgres out"
_INSTALLED = "lib/postgresql/*/bin"
_USERS = {"postgres", "nobody"}
"""One of them runs the server if we are root, as whom it refuses to run."""
_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "2GB",
    "work_mem": "256MB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_buffers": "64MB",
    "autovacuum": "off",
    "jit": "off",
    # a batch is small beside what is held: it is always looked up, whatever the statistics, which nobody gathers, say
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
}
"""Durability stays as it comes: fsync, full pages, synchronous commit."""
_START_SECONDS = 60.0
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_NUMBERS = {"smallint": ">i2", "integer": ">i4"}


@dataclass(frozen=True, slots=True)
class Linked:
    """What came of it."""

    scored: Scored
    """Links, by the order in which records came."""
    seconds: float
    version: str


def link(batches: Sequence[tuple[int, TokenBatch]], model: MatchModel, population: int, floor: float) -> Linked:
    """Take in batches, each of an agency's number, one after the other. Pairs of `floor` bits or more are links;
    `population` as the matcher's `expected_population`. `FileNotFoundError` that says what to install."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as made, _cluster(Path(made)) as psql:
        folder = Path(made)
        version = _ask(psql, "show server_version")
        _ask(psql, _tables(model.scheme))
        script = folder / "job.sql"
        script.write_text("".join(_job(batches, model, population, floor, folder)))
        started = time.perf_counter()
        subprocess.run([*psql, "-f", script], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        links = folder / "links.csv"
        _ask(psql, rf"\copy link to '{links}' csv header")
        found = pd.read_csv(links)
    left, right = found["older"].to_numpy(np.int64), found["newer"].to_numpy(np.int64)
    return Linked(Scored(left, right, found["weight"].to_numpy(np.float64)), seconds, version)


# -- the server ------------------------------------------------------------------------------------------------------


def program(name: str) -> Path:
    """A program of the server; `FileNotFoundError` that says what to install."""
    folders = sorted(Path("/usr").glob(_INSTALLED), key=lambda each: float(each.parent.name), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ["PATH"]]))
    if found is None:
        raise FileNotFoundError(INSTALL)
    return Path(found)


@contextmanager
def _cluster(folder: Path) -> Iterator[list[str | Path]]:
    """A server on a socket in the folder; the command that speaks to it."""
    data, initdb, postgres = folder / "data", program("initdb"), program("postgres")
    data.mkdir()
    someone: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = next(each for each in pwd.getpwall() if each.pw_name in _USERS)
        someone = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chown(data, user.pw_uid, user.pw_gid)
        folder.chmod(0o711)
    make: list[str | Path] = [
        initdb,
        "-D",
        data,
        "-U",
        "matcher",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd=data, **someone)
    options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    serve: list[str | Path] = [postgres, "-D", data, "-k", data, *options]
    psql: list[str | Path] = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", data]
    psql += ["-U", "matcher", "-d", "postgres"]
    with (
        (folder / "server.log").open("w+") as log,
        subprocess.Popen(serve, cwd=data, stdout=log, stderr=log, **someone) as server,
    ):
        try:
            until = time.monotonic() + _START_SECONDS
            while subprocess.run([*psql, "-c", "select 1"], check=False, capture_output=True).returncode:
                if server.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise RuntimeError(f"PostgreSQL did not start:\n{log.read()}")
                time.sleep(0.1)
            yield psql
        finally:
            server.terminate()


def _ask(psql: Sequence[str | Path], what: str) -> str:
    return subprocess.run([*psql, "-c", what], check=True, capture_output=True, text=True).stdout.strip()


# -- the job ---------------------------------------------------------------------------------------------------------


def _tables(scheme: LinkageScheme) -> str:
    fields = ", ".join(f"f{f} bit({field.bits})" for f, field in enumerate(scheme.encoded))
    row = f"token uuid, pass smallint, record integer, agency smallint, mask smallint, {fields}"
    return f"""
        create table record
            (number integer, agency smallint, alias uuid, day integer, sealed bytea, primary key (agency, alias));
        create table block ({row});
        create index on block using hash (token);
        create table link (older integer, newer integer, weight real);
    """


def _job(
    batches: Iterable[tuple[int, TokenBatch]], model: MatchModel, population: int, floor: float, folder: Path
) -> Iterator[str]:
    """All statements of the session, and in the folder what they copy."""
    yield "create temporary table incoming (like block) on commit delete rows;\n"
    yield f"prepare match as {statement(model, population, floor)};\n"
    count = 0
    for number, (agency, batch) in enumerate(batches):
        if batch.row_count != batch.record_count:
            raise ValueError("each record must have one row")
        records = np.arange(count, count + batch.record_count)
        count += batch.record_count
        held, incoming = folder / f"{number}.record", folder / f"{number}.block"
        held.write_bytes(_records(records, agency, batch))
        incoming.write_bytes(_rows(records, agency, batch, model.scheme))
        yield f"begin;\n\\copy record from '{held}' (format binary)\n"
        yield f"\\copy incoming from '{incoming}' (format binary)\n"
        yield "execute match;\ninsert into block select * from incoming;\ncommit;\n"


def statement(model: MatchModel, population: int, floor: float) -> str:
    """What finds and weighs a batch's candidates and stores the links: the rules of `matcher/scoring/kernels.py`."""
    scheme = model.scheme
    encoded = range(len(scheme.encoded))
    number = {each.name: p for p, each in enumerate(scheme.passes)}
    sums = [f"sum(bit_count(i.f{f} # b.f{f})::integer) as s{f}" for f in encoded]
    distances = [
        f"case when mask >> {f} & 1 = 0 then null when s{f} = 0 then 0"
        f" else greatest((2 * s{f} + shared) / (2 * shared), 1) end as d{f}"
        for f in encoded
    ]
    for f, field in enumerate(scheme.fields[len(encoded) :], len(encoded)):
        sums.append(f"bool_or(i.pass = {number[field.name]}) as s{f}")
        distances.append(f"case when s{f} then 0 end as d{f}")
    vetoes = "".join(f" and not coalesce(d{f} > 0, false)" for f in encoded if scheme.fields[f].vetoes)
    rivals = (Rival("stranger", (), prior_weight(population)), *model.rivals)
    weights = ", ".join(_weight(rival, model) for rival in rivals)
    return f"""
        with shared as (
            select b.record as older, i.record as newer, i.mask & b.mask as mask, count(*) as shared, {", ".join(sums)}
            from incoming i join block b on b.token = i.token and b.agency <> i.agency
            group by b.record, i.record, i.mask & b.mask
        ), compared as (select older, newer, {", ".join(distances)} from shared),
        weighed as (select older, newer, least({weights}) as weight from compared where true{vetoes})
        insert into link select older, newer, weight from weighed where weight >= {floor}
    """  # noqa: S608


def _weight(rival: Rival, model: MatchModel) -> str:
    """Bits for one person against a rival."""
    tables = tables_against(rival.explains, model.scheme, model.tables)
    bits = [
        f"('{{{','.join(f'{weight:.4f}' for weight in table)}}}'::real[])[d{f} + 1]" for f, table in enumerate(tables)
    ]
    comparisons = []
    for least, alternatives in zip(model.least, model.scheme.alternatives, strict=True):
        each = [_sum([bits[f] for f in fields], [f"d{f}" for f in fields]) for fields in alternatives]
        best = f"greatest({', '.join(each)})"
        comparisons.append(f"coalesce(greatest({best}, case when {best} is not null then {least} end), 0)")
    return f"{rival.prior} + {' + '.join(comparisons)}"


def _sum(bits: list[str], distances: list[str]) -> str:
    """Of what is not missing; null if all is."""
    if len(bits) == 1:
        return bits[0]
    total = " + ".join(f"coalesce({each}, 0)" for each in bits)
    return f"case when coalesce({', '.join(distances)}) is not null then {total} end"


# -- what is copied --------------------------------------------------------------------------------------------------


def _records(numbers: NDArray[np.int64], agency: int, batch: TokenBatch) -> bytes:
    return _binary([
        ("integer", numbers), ("smallint", np.full(len(numbers), agency)), ("uuid", batch.aliases),
        ("integer", batch.observed_days), ("bytea", batch.sealed),
    ])  # fmt: skip


def _rows(numbers: NDArray[np.int64], agency: int, batch: TokenBatch, scheme: LinkageScheme) -> bytes:
    """A row of each record for each of its blocks."""
    present = (batch.pass_masks[:, None] >> np.arange(len(scheme.passes)) & 1) == 1
    row, in_pass = np.nonzero(present)
    encodings = batch.encodings.reshape(len(numbers), len(scheme.passes), -1)[row, in_pass]
    ends = np.cumsum([field.bits // 8 for field in scheme.encoded])
    return _binary([
        ("uuid", batch.block_tokens.reshape(len(numbers), len(scheme.passes), -1)[row, in_pass]),
        ("smallint", in_pass), ("integer", numbers[row]), ("smallint", np.full(len(row), agency)),
        ("smallint", batch.field_masks[row]),
        *(("bit", each) for each in np.split(encodings, ends[:-1], axis=1)),
    ])  # fmt: skip


def _binary(columns: Sequence[tuple[str, NDArray[Any]]]) -> bytes:
    """Columns of numbers (n,) and of bytes (n, width) in PostgreSQL's binary format."""
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    for at, (kind, column) in enumerate(columns):
        value = _NUMBERS.get(kind) or f"V{column.shape[1]}"
        layout += [(f"length{at}", ">i4"), *([(f"bits{at}", ">i4")] if kind == "bit" else []), (f"value{at}", value)]
    rows = np.zeros(len(columns[0][1]), layout)
    rows["columns"] = len(columns)
    for at, (kind, column) in enumerate(columns):
        if kind in _NUMBERS:
            rows[f"value{at}"] = column
            rows[f"length{at}"] = int(_NUMBERS[kind][-1])
            continue
        width = column.shape[1]
        rows[f"value{at}"] = np.ascontiguousarray(column).view(f"V{width}")[:, 0]
        rows[f"length{at}"] = width + 4 if kind == "bit" else width
        if kind == "bit":
            rows[f"bits{at}"] = 8 * width
    return _HEADER + rows.tobytes() + b"\xff\xff"
