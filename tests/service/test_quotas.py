"""What an agency may send in a day, put into one block and hold open; it counts for that agency only."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest

from matcher.config import ServerConfig
from matcher.errors import QuotaExceededError
from matcher.frame import pack_records
from matcher.model import DAY_SECONDS, FrameKind
from matcher.service.quotas import FRAME_OCTETS, Quotas
from matcher.store.sqlite import SqliteStore
from matcher.v1 import feed_service_pb2 as pb
from tests.factory import DATABASE_KEY
from tests.service.servers import (
    Deployed,
    Refusal,
    alias,
    batch,
    people,
    person,
    refused,
    tokens,
    wait_until,
    write_config,
)

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
DAYS = (20_000).to_bytes(4, "little")


def opened(tmp_path: Path, **options: int) -> Deployed:
    return Deployed(tmp_path, **options)


def submit(deployed: Deployed, name: str, agency: str, numbers: list[int]) -> None:
    request = pb.SubmitRecordsRequest(request_id=name, batch=batch(agency, people(numbers)))
    deployed.feed(agency).SubmitRecords(request)


def quota_refused(call: Callable[[], object], quota: str, limit: int) -> Refusal:
    found = refused(call)
    assert (found.code, found.reason) == (EXHAUSTED, "ERROR_REASON_QUOTA_EXCEEDED")
    assert found.metadata == {"quota": quota, "limit": str(limit)}
    assert quota in found.message
    return found


def test_records_contacts_and_removals_count_and_only_for_who_sent_them(tmp_path: Path) -> None:
    with opened(tmp_path, records_per_day=5) as deployed:
        feed = deployed.feed("police")
        submit(deployed, "a", "police", [1, 2])
        requests = iter([pb.AppendRecordsRequest(feed_id="f", batch=batch("police", people([3])))])
        assert [reply.next_offset for reply in feed.AppendRecords(requests)] == [1]
        one = alias("police", person(1))
        feed.ReportContacts(pb.ReportContactsRequest(request_id="b", aliases=one, observed_days=DAYS))
        quota_refused(lambda: submit(deployed, "c", "police", [4, 5]), "records_per_day", 5)
        feed.RemoveRecords(pb.RemoveRecordsRequest(request_id="d", aliases=one))
        before = deployed.frames()
        more = pb.AppendRecordsRequest(feed_id="h", batch=batch("police", people([6])))
        for call in (
            lambda: submit(deployed, "e", "police", [4]),
            lambda: feed.RemoveRecords(pb.RemoveRecordsRequest(request_id="f", aliases=one)),
            lambda: feed.ReportContacts(pb.ReportContactsRequest(request_id="g", aliases=one, observed_days=DAYS)),
            lambda: list(feed.AppendRecords(iter([more]))),
        ):
            quota_refused(call, "records_per_day", 5)
        assert deployed.frames() == before
        assert feed.OpenFeed(pb.OpenFeedRequest(feed_id="f")).next_offset == 1
        submit(deployed, "a", "clinic", [1, 2, 3, 4, 5])


def test_bytes_count(tmp_path: Path) -> None:
    size = len(pack_records(tokens("police", people(range(80)))))
    times = 1_000_000 // (size + FRAME_OCTETS)
    with opened(tmp_path, megabytes_per_day=1, block_rows_per_day=10_000) as deployed:
        for number in range(times):
            submit(deployed, f"{number:02}", "police", list(range(80)))
        quota_refused(lambda: submit(deployed, "no", "police", list(range(80))), "megabytes_per_day", 1)
        submit(deployed, "00", "clinic", [1])


def test_rows_of_one_block_count(tmp_path: Path) -> None:
    with opened(tmp_path, block_rows_per_day=3) as deployed:
        for number in range(3):
            submit(deployed, f"{number}", "police", [7])
        quota_refused(lambda: submit(deployed, "3", "police", [7]), "block_rows_per_day", 3)
        quota_refused(lambda: submit(deployed, "4", "police", [8, 7]), "block_rows_per_day", 3)
        for number in range(3):  # what was refused was not counted
            submit(deployed, f"o{number}", "police", [8])
        submit(deployed, "5", "clinic", [7])


def test_streams_count_until_they_end(tmp_path: Path) -> None:
    with opened(tmp_path, streams_per_caller=2) as deployed:
        feed = deployed.feed("police")
        guard = deployed.server._guard
        watching = [feed.WatchRemovals(pb.WatchRemovalsRequest()) for _ in range(2)]
        wait_until(lambda: len(guard._streams) == 2)
        quota_refused(lambda: next(feed.WatchRemovals(pb.WatchRemovalsRequest())), "streams_per_caller", 2)
        submit(deployed, "a", "police", [1])  # no stream
        clinic = deployed.feed("clinic").WatchRemovals(pb.WatchRemovalsRequest())
        wait_until(lambda: len(guard._streams) == 3)
        watching[0].cancel()
        wait_until(lambda: len(guard._streams) == 2)
        again = feed.WatchRemovals(pb.WatchRemovalsRequest())
        wait_until(lambda: len(guard._streams) == 3)
        for stream in (*watching, clinic, again):
            stream.cancel()
        wait_until(lambda: not guard._streams)


# -- the counts ------------------------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> ServerConfig:
    return write_config(tmp_path)


def test_a_day_begins_anew(config: ServerConfig) -> None:
    now = [20_000 * DAY_SECONDS + DAY_SECONDS - 1]
    quotas = Quotas(replace(config, records_per_day=3, block_rows_per_day=1), lambda: now[0])
    one = tokens("police", people([1]))
    quotas.charge("police", 3, 10, one)
    for octets, sent in ((10, None), (10, one)):
        with pytest.raises(QuotaExceededError):
            quotas.charge("police", 1, octets, sent)
    now[0] += 1
    quotas.charge("police", 3, 10, one)


def test_a_call_counts_as_what_it_takes_on_disk(config: ServerConfig) -> None:
    quotas = Quotas(replace(config, megabytes_per_day=1))
    calls = 1_000_000 // (100 + FRAME_OCTETS)
    for _ in range(calls):
        quotas.charge("police", 1, 100)
    with pytest.raises(QuotaExceededError, match="megabytes_per_day"):
        quotas.charge("police", 1, 100)


@pytest.mark.parametrize("key", [None, DATABASE_KEY], ids=["plain", "encrypted"])
@pytest.mark.parametrize("octets", [0, 20, 2000, 2800, 4096, 9000, 100_000, 1_000_000])
def test_no_frame_takes_more_on_disk_than_it_counts_as(tmp_path: Path, key: bytes | None, octets: int) -> None:
    payload = bytes(octets) if octets else pack_records(tokens("police", people([1])))
    frames = 5 if octets > 10_000 else 40

    def size(first: int) -> int:
        store = SqliteStore(tmp_path / "matcher.db", key)
        for number in range(first, first + frames):
            store.submit("police", f"{number:064}", FrameKind.RECORDS, 1, payload, bytes(32), 0)
        store.close()
        return (tmp_path / "matcher.db").stat().st_size

    before = size(0)
    taken = (size(frames) - before) / frames - len(payload)
    assert FRAME_OCTETS / 3 < taken <= FRAME_OCTETS + octets / 40  # a page is not all payload, least with a key


def test_a_block_is_never_counted_too_low_and_seldom_too_high(config: ServerConfig) -> None:
    """A day's worth of records leaves room: 1,000,000 rows of other blocks do not use up one."""
    quotas = Quotas(replace(config, block_rows_per_day=40))
    rng = np.random.default_rng(3)
    few = tokens("police", people([1]))
    shape = (50_000, *few.block_tokens.shape[1:])
    for _ in range(20):
        many = replace(few, block_tokens=np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8).reshape(shape))
        quotas.charge("police", 1, 1, many)
    for _ in range(10):
        quotas.charge("police", 1, 1, few)
    with pytest.raises(QuotaExceededError):
        for _ in range(31):
            quotas.charge("police", 1, 1, few)


def test_two_threads_do_not_lose_a_count(config: ServerConfig) -> None:
    quotas = Quotas(replace(config, records_per_day=10**6))
    one = tokens("police", people([1]))

    def charge() -> None:
        for _ in range(200):
            quotas.charge("police", 1, 1, one)

    threads = [threading.Thread(target=charge) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(QuotaExceededError, match="block_rows_per_day is 500"):
        for _ in range(101):
            quotas.charge("police", 1, 1, one)


def test_absent_passes_are_no_block(config: ServerConfig) -> None:
    quotas = Quotas(replace(config, block_rows_per_day=1))
    for number in (1, 2, 3):
        quotas.charge("police", 1, 1, tokens("police", [person(number, identifier="", postcode="", address="")]))
