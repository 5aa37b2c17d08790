"""A frame that matching cannot take: the log names it, and an operator takes it out of the way."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from matcher.intake import Intake
from matcher.model import AlertKind, Frame, FrameKind
from matcher.pipeline import Pipeline
from matcher.service import matching
from matcher.service.database import open_store
from matcher.v1 import case_service_pb2 as case_pb
from matcher.v1 import feed_service_pb2 as feed_pb
from matcher.v1.case_service_pb2_grpc import CaseServiceStub
from tests.cli.test_commands import run
from tests.service.servers import Deployed, batch, people, wait_until

POISON = 3
SECRET = "Quixotterby"


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """Two frames are matched; at the third, matching fails, as a fault of ours might make it."""
    right = Intake.enter

    def enter(self: Intake, frames: Iterator[Frame], *others: object) -> None:
        frames = list(frames)
        if POISON in [frame.frame_id for frame in frames if frame.payload]:
            raise KeyError(SECRET)
        right(self, frames, *others)

    monkeypatch.setattr(Intake, "enter", enter)
    monkeypatch.setattr(matching, "_RETRY_SECONDS", 0.05)
    with Deployed(tmp_path) as made:
        for number, agency in enumerate(("police", "clinic")):
            submit(made, agency, number, 1)
        made.settle()
        yield made


def submit(deployed: Deployed, agency: str, number: int, person: int) -> None:
    request = feed_pb.SubmitRecordsRequest(request_id=f"r{number}", batch=batch(agency, people([person])))
    deployed.feed(agency).SubmitRecords(request)


def named(caplog: pytest.LogCaptureFixture) -> bool:
    return f"matching failed (KeyError at frame {POISON})" in caplog.text


def drop(deployed: Deployed, frame: int) -> tuple[int, str]:
    options = ("--config", deployed.folder / "matcher.toml", "--justification", "INC-7")
    done = run("drop-frame", str(frame), *options)
    return done.exit_code, done.output


def test_the_log_names_it_and_once_it_is_dropped_those_behind_it_are_matched(
    deployed: Deployed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    for number, (agency, person) in enumerate([("clinic", 2), ("police", 3), ("clinic", 3)], 2):
        submit(deployed, agency, number, person)
    wait_until(lambda: named(caplog))
    assert SECRET not in caplog.text
    store = deployed.server.matching.store
    assert store.matched_through == POISON - 1
    (poison,) = store.frames_after(POISON - 1, 1)
    deployed.close_channels()

    def mend() -> None:
        refused, said = drop(deployed, 2)
        assert (refused, "not the next one to be matched: the next is 3" in said) == (1, True)
        assert drop(deployed, POISON) == (0, "dropped frame 3: RECORDS of clinic; start the matcher\n")
        assert drop(deployed, POISON)[0] == 1
        files = b"".join(file.read_bytes() for file in deployed.folder.glob("matcher.db*"))
        assert poison.payload[-64:] not in files
        stored = open_store(deployed.config)
        assert stored.frames_after(POISON - 1, 1)[0].payload == b""
        stored.close()

    deployed.restart(while_down=mend)
    told = [alert for alert in deployed.alerts() if alert.kind is AlertKind.KNOWN_TO_TWO]
    assert len(told) == 2
    assert not deployed.server.matching.pipeline.frames_waiting
    submit(deployed, "clinic", 20, 2)  # sent again
    submit(deployed, "police", 21, 2)
    assert len(deployed.alerts()) == 3
    lines = [json.loads(line) for line in (deployed.folder / "audit.log").read_text().splitlines()]
    (entry,) = [line for line in lines if line.get("event") == "drop-frame"]
    noted = {"operation": "erasure", "frame": 3, "kind": "RECORDS", "agency": "clinic", "justification": "INC-7"}
    assert noted.items() <= entry.items()


def test_a_frame_is_named_for_what_fails_at_it_alone(
    deployed: Deployed, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Pipeline.rebuild
    failures = iter([True, True])

    def rebuild(self: Pipeline) -> None:
        if named(caplog) and next(failures, False):
            raise MemoryError
        right(self)

    monkeypatch.setattr(Pipeline, "rebuild", rebuild)
    submit(deployed, "clinic", 2, 2)
    wait_until(lambda: caplog.text.count("MemoryError") == 2 and caplog.text.count("KeyError at frame") > 1)
    assert "MemoryError at frame" not in caplog.text
    deployed.close_channels()
    deployed.restart(while_down=lambda: drop(deployed, POISON))


def test_frames_matched_singly_after_a_failure_are_matched_together_again(
    deployed: Deployed, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(deployed, "clinic", 2, 2)
    wait_until(lambda: named(caplog))
    deployed.close_channels()
    deployed.restart(while_down=lambda: drop(deployed, POISON))
    groups: list[int] = []
    right = Intake.enter

    def enter(self: Intake, frames: Iterator[Frame], *others: object) -> None:
        frames = list(frames)
        groups.append(len(frames))
        right(self, frames, *others)

    monkeypatch.setattr(Intake, "enter", enter)
    with deployed.server.matching.pipeline.lock:
        for number in range(10, 14):
            submit(deployed, "police", number, number)
    deployed.settle()
    assert max(groups) > 1


def test_nothing_is_dropped_where_nothing_waits_or_there_is_no_database(deployed: Deployed) -> None:
    deployed.close_channels()
    assert drop(deployed, 2)[0] == 1  # in use

    def try_it() -> None:
        assert "not the next one to be matched: none waits" in drop(deployed, 2)[1]
        for file in deployed.folder.glob("matcher.db*"):
            file.rename(file.with_name("away" + file.name))
        assert "is not there" in drop(deployed, 2)[1]
        for file in deployed.folder.glob("awaymatcher.db*"):
            file.rename(file.with_name(file.name.removeprefix("away")))

    deployed.restart(while_down=try_it)


def test_a_frame_that_closes_a_case_is_not_dropped(deployed: Deployed) -> None:
    (alert,) = deployed.alerts()
    cases = CaseServiceStub(deployed.channel("coordinator-hub"))
    case_id = cases.OpenCase(case_pb.OpenCaseRequest(person_id=alert.person_id)).case_id
    matching_thread = deployed.server.matching
    matching_thread.stop()  # so that the closure waits
    cases.CloseCase(case_pb.CloseCaseRequest(case_id=case_id))
    assert matching_thread.store.frames_after(2, 1)[0].kind is FrameKind.CLOSURE
    deployed.close_channels()
    deployed.restart(while_down=lambda: assert_refused(deployed))


def assert_refused(deployed: Deployed) -> None:
    code, said = drop(deployed, POISON)
    assert (code, "closes a case" in said) == (1, True)
