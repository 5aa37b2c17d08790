"""StatusService over real TLS: what an operator is told, and that nobody can be told apart by it."""

import time

import pytest

from matcher.service.operation import blurred
from matcher.v1 import feed_service_pb2 as feed_pb
from matcher.v1 import status_service_pb2 as pb
from tests.service.servers import SECTORS, Deployed, alias, batch, people, person


def status(deployed: Deployed) -> pb.GetStatusResponse:
    deployed.settle()
    return deployed.status.GetStatus(pb.GetStatusRequest())


def exactly(value: int) -> pb.BlurredCount:
    return pb.BlurredCount(value=value)


AT_MOST_7 = pb.BlurredCount(value=7, at_most=True)


@pytest.mark.parametrize("count", range(1, 8))
def test_one_to_seven_look_alike(count: int) -> None:
    assert blurred(count) == AT_MOST_7


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (8, 10), (12, 10), (13, 15), (99, 100), (10_002, 10_000)])
def test_other_counts_are_rounded_to_five(count: int, shown: int) -> None:
    assert blurred(count) == exactly(shown)


def test_an_empty_matcher(deployed: Deployed) -> None:
    told = status(deployed)
    assert told.version
    assert (told.frames_waiting, told.records, told.alerts) == (0, exactly(0), exactly(0))
    assert [feed.agency for feed in told.feeds] == sorted(SECTORS)
    assert {feed.last_committed_day for feed in told.feeds} == {-1}


def test_counts_are_blurred_and_apart_by_agency(deployed: Deployed) -> None:
    for agency, count in (("police", 23), ("clinic", 3)):
        request = feed_pb.SubmitRecordsRequest(request_id="s", batch=batch(agency, people(range(count))))
        deployed.feed(agency).SubmitRecords(request)
    told = status(deployed)
    assert (told.records, told.alerts, told.frames_waiting) == (exactly(25), AT_MOST_7, 0)
    feeds = {feed.agency: feed for feed in told.feeds}
    assert {name: feed.records for name, feed in feeds.items()} == {
        "clinic": AT_MOST_7,
        "council": exactly(0),
        "police": exactly(25),
    }
    assert feeds["police"].last_committed_day == int(time.time()) // 86400
    assert feeds["council"].last_committed_day == -1


def test_records_removed_are_not_counted(deployed: Deployed) -> None:
    feed = deployed.feed("police")
    feed.SubmitRecords(feed_pb.SubmitRecordsRequest(request_id="s", batch=batch("police", people(range(10)))))
    gone = b"".join(alias("police", each) for each in people(range(10)))
    feed.RemoveRecords(feed_pb.RemoveRecordsRequest(request_id="r", aliases=gone))
    assert status(deployed).records == exactly(0)


def test_a_record_sent_again_counts_once(deployed: Deployed) -> None:
    for number in range(3):
        changed = [person(each, address=f"{number} Elsewhere") for each in range(10)]
        request = feed_pb.SubmitRecordsRequest(request_id=f"s{number}", batch=batch("police", changed))
        deployed.feed("police").SubmitRecords(request)
    assert status(deployed).records == exactly(10)
