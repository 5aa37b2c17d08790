"""Tokenising in several processes: the same tokens in the same order, few chunks held, no process left or waited for
in vain."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path

import pytest

from matcher.agency import parallel
from matcher.agency.identity import SOURCE_COLUMNS, RawBatch
from matcher.agency.parallel import held, in_order
from matcher.agency.push import ClearTextSource
from matcher.config import AgencyConfig
from matcher.errors import InputFileError, WorkerError
from matcher.linking import link_files
from matcher.scheme import UK_PERSON_V1
from matcher.v1.records_pb2 import RecordBatch
from tests.agency.deployed import agency_config, csv_of
from tests.service.servers import LINKAGE_KEY, Deployed, Person, people

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def any_size_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "LEAST_ROWS", 1)


def chunks(count: int, rows: int = 3) -> Iterator[RawBatch]:
    for number in range(count):
        numbers = list(range(number * rows, (number + 1) * rows))
        yield RawBatch(numbers, {name: list(map(str, numbers)) for name in SOURCE_COLUMNS})


def first_row(chunk: RawBatch) -> int:
    return chunk.rows[0]


def slow_at_first(chunk: RawBatch) -> tuple[int, int]:
    if chunk.rows[0] == 0:
        time.sleep(0.5)
    return chunk.rows[0], os.getpid()


def killed_at_9(chunk: RawBatch) -> int:
    if chunk.rows[0] == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    return chunk.rows[0]


def wrong_at_9(chunk: RawBatch) -> int:
    if chunk.rows[0] == 9:
        raise InputFileError("row 9 is wrong")
    return chunk.rows[0]


def test_results_come_in_order_from_several_processes() -> None:
    found = list(in_order(slow_at_first, chunks(12), 2))
    assert [row for row, _ in found] == list(range(0, 36, 3))
    assert len({process for _, process in found} - {os.getpid()}) == 2
    assert not active_children()


@pytest.mark.parametrize(("jobs", "least"), [(1, 1), (2, 1000)])
def test_one_job_or_a_small_file_needs_no_process(jobs: int, least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "LEAST_ROWS", least)
    found = list(in_order(slow_at_first, chunks(4), jobs))
    assert found == [(row, os.getpid()) for row in range(0, 12, 3)]


def test_few_chunks_are_held_whatever_the_length() -> None:
    taken = 0
    most = 0

    def counted() -> Iterator[RawBatch]:
        nonlocal taken
        for chunk in chunks(60):
            taken += 1
            yield chunk

    for given, _ in enumerate(in_order(first_row, counted(), 2)):
        most = max(most, taken - given)
    assert taken == 60
    assert most <= held(2)


def test_a_process_that_is_killed_is_told_of() -> None:
    found = []
    with pytest.raises(WorkerError, match="ended before"):
        for row in in_order(killed_at_9, chunks(40), 2):
            found.append(row)
    assert found == [0, 3, 6][: len(found)]
    assert not active_children()


def test_what_the_work_raises_is_raised_at_its_place() -> None:
    found = []
    with pytest.raises(InputFileError, match="row 9 is wrong"):
        for row in in_order(wrong_at_9, chunks(40), 2):
            found.append(row)
    assert found == [0, 3, 6]
    assert not active_children()


def test_an_iteration_left_early_leaves_no_process() -> None:
    found = in_order(first_row, chunks(40), 2)
    assert next(found) == 0
    assert active_children()
    found.close()
    assert not active_children()


# -- commands ---------------------------------------------------------------------------------------------------------


@dataclass
class Files:
    config: AgencyConfig
    csv: Path


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    with Deployed(tmp_path) as deployed:
        lines = ["LONG" * 20 + ",Anna,Lee,1985-03-07,F,,,,", "BAD-1,Anna,Lee,1985-03-07,F,,,1234567890,", "SHORT,Anna"]
        csv = csv_of(tmp_path / "police.csv", people(range(50)), *lines)
        yield Files(AgencyConfig.load(agency_config(deployed, "police", batch_records=4)), csv)


def known(batch: RecordBatch) -> tuple[bytes, ...]:
    """What of a batch does not change from one run to the next."""
    return batch.aliases, batch.block_tokens, batch.field_masks, batch.pass_masks, batch.observed_days, batch.flags


def test_one_process_and_two_make_the_same_tokens_and_name_the_same_rows(files: Files) -> None:
    sources = [ClearTextSource(files.csv, files.config, jobs=jobs) for jobs in (1, 2)]
    one, two = (list(source.batches(0)) for source in sources)
    assert list(map(known, one)) == list(map(known, two))
    assert [batch.first_offset for batch in one] == [batch.first_offset for batch in two]
    assert sum(batch.record_count for batch in two) == 51
    assert sorted(problem.row for problem in sources[1].problems) == [52, 53, 54]
    assert sources[0].problems == sources[1].problems
    resumed = list(ClearTextSource(files.csv, files.config, jobs=2).batches(30))
    assert b"".join(each.aliases for each in resumed) == b"".join(each.aliases for each in one)[16 * 30 :]


def test_linking_in_two_processes_finds_the_same(tmp_path: Path) -> None:
    paths = []
    for agency in ("police", "clinic"):
        path = csv_of(tmp_path / f"{agency}.csv", people(range(30)))
        header, *lines = path.read_text().splitlines()
        path.write_text("\n".join([header + ",agency", *(f"{line},{agency}" for line in lines)]) + "\n")
        paths.append(path)
    one, two = (link_files(paths, UK_PERSON_V1, jobs=jobs) for jobs in (1, 2))
    assert one.references == two.references
    assert one.persons() == two.persons()


def many(count: int) -> list[Person]:
    made = people(range(90))
    return [made[number % 90] | {"record_ref": f"REF-{number}"} for number in range(count)]


def of_command(folder: Path, csv: Path, *options: str) -> list[str]:
    code = "import matcher.agency.parallel as p; p.LEAST_ROWS = 1; from matcher.cli import main; main()"
    out = str(folder / "out.tokens")
    return [
        sys.executable,
        "-c",
        code,
        "tokenise",
        str(csv),
        "--config",
        str(folder / "police.toml"),
        "--out",
        out,
        *options,
    ]


def members(group: int) -> list[Path]:
    """Of a process group, those in /proc that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of) == group and state != "Z":
            found.append(stat.parent)
    return found


def soon(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + 60
    while not holds() and time.monotonic() < until:
        time.sleep(0.05)
    return holds()


@pytest.mark.parametrize("killing", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_or_killed_a_command_leaves_no_process(
    files: Files, tmp_path: Path, killing: signal.Signals
) -> None:
    csv = csv_of(tmp_path / "many.csv", many(150_000))  # so that the first part is written long before the last
    command = of_command(tmp_path, csv, "--jobs", "2")
    running = subprocess.Popen(
        command,
        start_new_session=True,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - tests in the background ignore it
    )
    assert soon((tmp_path / "out.tokens").exists)
    assert soon(lambda: (tmp_path / "out.tokens").stat().st_size > 1000)
    # the keyboard interrupts the whole group; a kill hits one process
    os.killpg(running.pid, killing) if killing is signal.SIGINT else running.kill()
    _, said = running.communicate(timeout=60)
    assert soon(lambda: not members(running.pid))
    assert running.returncode
    assert b"Traceback" not in said
    assert (tmp_path / "out.tokens").exists() == (killing is signal.SIGKILL)


def test_the_key_is_in_no_argument_and_no_environment(files: Files, tmp_path: Path) -> None:
    csv = csv_of(tmp_path / "many.csv", many(5_000))
    running = subprocess.Popen(of_command(tmp_path, csv, "--jobs", "2"), start_new_session=True, cwd=ROOT)
    seen = set()
    while running.poll() is None:
        for process in members(running.pid):
            for name in ("cmdline", "environ"):
                with suppress(OSError):
                    seen.add((process / name).read_bytes())
        time.sleep(0.02)
    assert running.returncode == 0
    assert any(b"spawn_main" in each for each in seen)
    for key in (LINKAGE_KEY, LINKAGE_KEY.hex().encode()):
        assert not any(key in each for each in seen)
