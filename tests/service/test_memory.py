"""Erasure reaches the memory of a matcher that serves: what was removed or replaced stands nowhere in it any more.

The matcher runs with the setting that the example unit offers (`deploy/matcher.service`).
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.deployment import Deployment
from benchmarks.population import AGENCIES, generate
from benchmarks.sending import Sender, part
from benchmarks.traces import Traces
from matcher.agency.client import FeedClient
from matcher.model import TokenBatch
from matcher.v1 import feed_service_pb2 as pb
from matcher.v1.feed_service_pb2_grpc import FeedServiceStub
from matcher.wire import batch_message

_UNIT = Path(__file__).parents[2] / "deploy" / "matcher.service"
_SECRETS = ("aliases", "block_tokens", "encodings", "sealed")
_IDLE_SECONDS, _TRIES = 1.0, 3
_FEW = 8
"""Pieces that may be left: numpy keeps the last small arrays it freed."""
_PAGE, _STRIDE, _LARGE, _OVERLAP = 1 << 12, 1 << 18, 1 << 30, 64


def memory(process: int) -> Iterator[bytes]:
    """All that a process has written to and nobody else sees, in parts that overlap."""
    folder = Path(f"/proc/{process}")
    with (folder / "mem").open("rb", buffering=0) as held, (folder / "pagemap").open("rb", buffering=0) as pages:
        for line in (folder / "maps").read_text().splitlines():
            span, flags = line.split()[:2]
            first, last = (int(place, 16) for place in span.split("-"))
            if not (flags.startswith("rw") and flags.endswith("p")):
                continue
            for large in range(first, last, _LARGE):  # much is set aside and never touched
                pages.seek(large // _PAGE * 8)
                there = np.frombuffer(pages.read(min(_LARGE, last - large) // _PAGE * 8), "<u8") >> 62 != 0
                for block in np.unique(np.flatnonzero(there) * _PAGE // _STRIDE).tolist():
                    start = large + block * _STRIDE
                    try:
                        held.seek(start)
                        yield held.read(min(_STRIDE + _OVERLAP, last - start))
                    except OSError:  # given back meanwhile
                        continue


def pieces(name: str, *batches: TokenBatch) -> np.ndarray:
    """A column of some records in pieces of 8 bytes, (n,)."""
    columns = [getattr(batch, name) for batch in batches]
    cut = [column.reshape(-1, column.shape[-1])[:, : column.shape[-1] // 8 * 8] for column in columns]
    return np.unique(np.concatenate([np.ascontiguousarray(each).view("<u8").ravel() for each in cut]))


def found(process: int, *sought: dict[str, np.ndarray]) -> list[dict[str, int]]:
    """How many pieces of each column stand in a process's memory, raw, in hex or in base64."""
    columns = [column for each in sought for column in each.values()]
    traces = Traces(np.concatenate(columns).view(np.uint8).reshape(-1, 8))
    numbers = np.array(sorted(set().union(*map(traces.found, memory(process)))), int)
    ends = np.cumsum([len(column) for column in columns])
    counts = iter(np.bincount(np.searchsorted(ends, numbers, "right"), minlength=len(columns)).tolist())
    return [{name: next(counts) for name in each} for each in sought]


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A running matcher of two agencies."""
    for line in _UNIT.read_text().splitlines():
        if line.startswith("#Environment=GLIBC_TUNABLES"):
            monkeypatch.setenv(*line.removeprefix("#Environment=").split("=", 1))
    with Deployment(tmp_path, agencies=AGENCIES[:2]) as deployment:
        deployment.set_up()
        deployment.start()
        yield deployment


def test_what_was_removed_or_replaced_stands_nowhere_in_memory(deployed: Deployment) -> None:
    people = generate(900, 1).records.drop(columns=["observed_day"]).iloc[:900]
    ours, theirs = (Sender(deployed, agency.name) for agency in AGENCIES[:2])
    made, other = ours.tokens(people), theirs.tokens(people.iloc[400:600])
    kept, removed, replaced, replacing = (part(made, *span) for span in ((0, 500), (500, 700), (700, 800), (800, 900)))
    replacing = replace(replacing, aliases=replaced.aliases)  # the same records, of whom all else is known now
    for sender, batches in ((ours, (kept, removed, replaced, replacing)), (theirs, (other,))):
        offsets = np.cumsum([0, *(batch.record_count for batch in batches)]).tolist()
        messages = [batch_message(batch, sender.scheme, at) for batch, at in zip(batches, offsets, strict=False)]
        assert list(FeedClient(sender.channel).append("f", messages))[-1] == offsets[-1]
    deployed.wait_until_matched()
    held = {name: pieces(name, kept, replacing, other) for name in _SECRETS}
    gone = {name: np.setdiff1d(pieces(name, removed, replaced), held[name]) for name in _SECRETS}
    assert all(len(each) > 300 for each in gone.values())
    aliases = removed.aliases.tobytes()
    FeedServiceStub(ours.channel).RemoveRecords(pb.RemoveRecordsRequest(request_id="r", aliases=aliases))
    deployed.wait_until_matched()
    for sender in (ours, theirs):
        sender.channel.close()
    for _ in range(_TRIES):
        time.sleep(2 * _IDLE_SECONDS)  # the matcher lets go of its caches when it has nothing to do
        left, still = found(deployed.process, gone, held)
        if max(left.values()) <= _FEW:
            break
    assert max(left.values()) <= _FEW
    assert all(still[name] > 0.4 * len(held[name]) for name in _SECRETS)  # half a block token is held as it came


def test_the_end_of_a_frame_that_was_copied_into_the_database_is_gone_with_its_records(deployed: Deployment) -> None:
    """Whoever copies the log keeps the last page of it."""
    sender = Sender(deployed, AGENCIES[0].name)
    made = sender.tokens(generate(2000, 1).records.drop(columns=["observed_day"]).iloc[:1500])
    [held] = FeedClient(sender.channel).append("f", [batch_message(made, sender.scheme, 0)])
    assert held == made.record_count
    deployed.wait_until_matched()
    database = deployed.folder / "matcher.db"
    until = time.monotonic() + 10
    while database.stat().st_size < len(made.encodings.tobytes()):  # the frame is copied
        assert time.monotonic() < until
        time.sleep(0.05)
    last = part(made, made.record_count - 60, made.record_count)
    gone = {"sealed": pieces("sealed", last)}
    assert found(deployed.process, gone)[0]["sealed"] > 300  # memory holds seals
    request = pb.RemoveRecordsRequest(request_id="r", aliases=last.aliases.tobytes())
    FeedServiceStub(sender.channel).RemoveRecords(request)
    deployed.wait_until_matched()
    sender.channel.close()
    for _ in range(_TRIES):
        time.sleep(2 * _IDLE_SECONDS)
        [left] = found(deployed.process, gone)
        if left["sealed"] <= _FEW:
            break
    assert left["sealed"] <= _FEW
