"""Where secrets stand that nobody meant to look at: the database's files, and what a crash leaves."""

import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import apsw
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.deployment import Deployment, matcher
from benchmarks.population import AGENCIES, generate
from benchmarks.sending import Sender
from benchmarks.traces import Traces
from matcher.agency.client import FeedClient
from matcher.cli import main
from matcher.config import ServerConfig
from matcher.service.database import open_store
from matcher.service.server import Server
from matcher.v1 import case_service_pb2 as case_pb
from matcher.v1 import feed_service_pb2 as pb
from matcher.v1.case_service_pb2_grpc import CaseServiceStub
from matcher.wire import batch_message
from tests.factory import DATABASE_KEY
from tests.service.servers import (
    COORDINATOR_KEY,
    KEYS,
    LINKAGE_KEY,
    SCHEME,
    Deployed,
    Person,
    alias,
    people,
    person,
    tokens,
)

MATCHED = [person(1, record_ref="REF-XYZZY-7")]
ALONE = [person(number, record_ref=f"REF-PLUGH-{number}") for number in (2, 3, 4)]


def secrets_of(persons: list[Person], agency: str = "police") -> dict[str, np.ndarray]:
    """Aliases, sealed references, block tokens and encodings of some people: (n, width) each."""
    made = tokens(agency, persons)
    found = {name: getattr(made, name).reshape(len(persons), -1) for name in ("aliases", "sealed")}
    for name in ("block_tokens", "encodings"):
        column = getattr(made, name)
        found[name] = column.reshape(-1, column.shape[-1])
    return found


def keys() -> np.ndarray:
    """Every key there is, derived ones too, 32 bytes each."""
    held = [LINKAGE_KEY, COORDINATOR_KEY, *(bytes([number] * 32) for number in (1, 2, 3))]
    held += [KEYS.sign_key(field.name) for field in SCHEME.encoded]
    held += [KEYS.pass_key(blocking_pass.name) for blocking_pass in SCHEME.passes]
    return np.frombuffer(b"".join(held), np.uint8).reshape(-1, 32)


def values(persons: list[Person]) -> np.ndarray:
    """Clear text in the ways it may be written, the first 8 bytes of each value of 8 or more."""
    written = [
        text.encode()[:8]
        for each in persons
        for value in each.values()
        for text in {value, value.upper(), value.replace(" ", "").upper(), value.replace("-", "")}
        if len(text) >= 8
    ]
    return np.frombuffer(b"".join(written), np.uint8).reshape(-1, 8)


def by_table(path: Path) -> dict[str, bytes]:
    """A database's bytes by the table or index whose pages they stand on; pages of none under ''."""
    octets = path.read_bytes()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    pages = dict(connection.execute("SELECT pageno, name FROM dbstat").fetchall())
    connection.close()
    found: dict[str, bytearray] = defaultdict(bytearray)
    for number in range(1, len(octets) // 4096 + 1):
        found[pages.get(number, "")] += octets[4096 * (number - 1) : 4096 * number]
    return {name: bytes(part) for name, part in found.items()}


def tables_with(parts: dict[str, bytes], traces: Traces) -> set[str]:
    """Names of the tables that hold any of the secrets."""
    return {name for name, part in parts.items() if traces.found(part)}


@pytest.fixture(params=[None, "database.key"], ids=["plain", "encrypted"])
def life(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployed]:
    """A matcher at which people were matched, one was told of and its case closed, and one record removed."""
    with Deployed(tmp_path, database_key=request.param) as deployed:
        sent = {"police": [*MATCHED, *ALONE, person(5), person(6)], "clinic": [*MATCHED, person(5)]}
        for agency, persons in sent.items():
            made = tokens(agency, persons)
            SEALED[agency] = made.sealed.copy()
            client = FeedClient(deployed.channel(f"agency-{agency}"))
            assert list(client.append("f", [batch_message(made, SCHEME)])) == [len(persons)]
        alerts = deployed.alerts()
        disclosed = deployed.server.matching.pipeline.disclosures(alerts)
        told = {
            member.alias: alert.person_id
            for alert, members in zip(alerts, disclosed, strict=True)
            for member in members
        }
        cases = CaseServiceStub(deployed.channel("coordinator-hub"))
        opened = cases.OpenCase(case_pb.OpenCaseRequest(person_id=told[alias("police", person(5))]))
        cases.CloseCase(case_pb.CloseCaseRequest(case_id=opened.case_id))
        gone = pb.RemoveRecordsRequest(request_id="r", aliases=alias("police", person(6)))
        deployed.feed("police").RemoveRecords(gone)
        deployed.settle()
        yield deployed


DATABASE_KEYS = np.frombuffer(DATABASE_KEY, np.uint8).reshape(1, 32)
SEALED: dict[str, np.ndarray] = {}
"""As sent: sealing is random."""


@pytest.mark.parametrize("life", [None], indirect=True, ids=["plain"])
def test_what_stands_where_in_the_database(life: Deployed) -> None:
    life.server.stop(1.0)
    try:
        path = life.config.database
        parts = by_table(path)
        assert {"frame", "alert", "notice", "request", "links", "numbering"} <= set(parts)
        unmatched, matched = secrets_of(ALONE), secrets_of(MATCHED)
        unmatched["sealed"], matched["sealed"] = SEALED["police"][1:4], SEALED["police"][:1]
        for kind in unmatched:
            assert tables_with(parts, Traces(unmatched[kind])) == {"frame"}, kind
        for kind in matched:  # an alert names records, and holds nothing of them
            assert tables_with(parts, Traces(matched[kind])) == {"frame"}, kind
        closed = np.frombuffer(alias("police", person(5)), np.uint8).reshape(1, 16)
        assert tables_with(parts, Traces(closed)) == {"frame", "notice"}
        removed = secrets_of([person(6)])
        for kind in ("aliases", "block_tokens", "encodings"):
            assert tables_with(parts, Traces(removed[kind])) == set(), kind
        assert tables_with(parts, Traces(SEALED["police"][5:])) == set()
        for kept in (keys(), values([*MATCHED, *ALONE, *people([5, 6])])):
            assert tables_with(parts, Traces(kept)) == set()
        beside = [each for each in path.parent.iterdir() if each.name.startswith(path.name) and each != path]
        assert beside, "a sum and a lock"
        for file in beside:
            for kept in (*unmatched.values(), *matched.values(), keys(), values([*MATCHED, *ALONE])):
                assert Traces(kept).found(file.read_bytes()) == set(), file.name
    finally:
        life.server = Server(life.config, open_store(life.config))
        life.server.start()


def test_a_stolen_database_holds_no_token_without_its_key(life: Deployed) -> None:
    """Stolen while the matcher runs, is stopped, and from its backups; where nothing is encrypted all is found."""
    path, everyone = life.config.database, [*MATCHED, *ALONE, person(5)]
    kinds = secrets_of(everyone) | {"sealed": SEALED["police"][:5]}
    command = ("backup", str(path.with_name("backup")), "--config", str(path.with_name("matcher.toml")))
    subprocess.run(matcher(*command), check=True, capture_output=True)
    stolen = [subprocess.run(["cat", *path.parent.glob(f"{path.name}*")], capture_output=True, check=True).stdout]
    assert path.with_name(f"{path.name}-wal").exists()
    life.server.stop(1.0)
    try:
        stolen += [each.read_bytes() for each in (path, path.with_name("backup"))]
        beside = [*path.parent.glob(f"{path.name}.*"), path.with_name("backup.sum")]
        stolen.append(b"".join(each.read_bytes() for each in beside))
        for kind, secrets in kinds.items():
            found = [Traces(secrets).found(disk) for disk in stolen]
            all_of_them = set(range(len(secrets))) if life.config.database_key is None else set()
            assert found == [all_of_them, all_of_them, all_of_them, set()], kind
        assert not any(Traces(DATABASE_KEYS).found(disk) for disk in stolen)
    finally:
        life.server = Server(life.config, open_store(life.config))
        life.server.start()


def test_the_search_would_see_keys_and_values_in_a_table(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE leak (key BLOB, value TEXT)")
    connection.execute("INSERT INTO leak VALUES (?, ?)", (keys()[9].tobytes(), MATCHED[0]["address"].upper()))
    connection.close()
    parts = by_table(path)
    assert tables_with(parts, Traces(keys())) == tables_with(parts, Traces(values(MATCHED))) == {"leak"}


# -- crashes ---------------------------------------------------------------------------------------------------------


def test_what_an_abort_prints_holds_no_secret(tmp_path: Path) -> None:
    """Every thread's stack is shown, and nothing that it holds."""
    with Deployment(tmp_path, agencies=AGENCIES[:2]) as deployment:
        deployment.set_up()
        deployment.start()
        records = generate(200, 1).records.drop(columns=["observed_day"])
        sender = Sender(deployment, AGENCIES[0].name)
        made = sender.tokens(records)
        assert list(FeedClient(sender.channel).append("f", [batch_message(made, SCHEME)])) == [len(records)]
        sender.channel.close()
        deployment.wait_until_matched()  # the stack of what loads compiled loops is too deep to be shown
        deployment.abort()
        printed = (tmp_path / "matcher.log").read_bytes()
    assert b"Fatal Python error: Aborted" in printed
    assert b"matching.py" in printed
    for kind in ("aliases", "sealed", "block_tokens", "encodings"):
        column = getattr(made, kind)
        assert Traces(column.reshape(-1, column.shape[-1])).found(printed) == set(), kind


def test_a_fault_of_the_program_is_shown_without_its_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(path: Path, **_: object) -> ServerConfig:
        raise ValueError("Quixotterby")

    monkeypatch.setattr(ServerConfig, "load", broken)
    (tmp_path / "matcher.toml").touch()
    ended = CliRunner().invoke(main, ["serve", "--config", str(tmp_path / "matcher.toml")])
    assert ended.exit_code == 70
    assert "in broken" in ended.output
    assert "ValueError" in ended.output
    assert "Quixotterby" not in ended.output.replace('raise ValueError("Quixotterby")', "")
