"""FeedService over real TLS: offsets, request ids, and replies that say nothing about what others hold."""

import threading
import time
from queue import Queue
from time import monotonic
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from matcher import beat
from matcher.model import AlertKind
from matcher.service.matching import MOST_WAITING
from matcher.v1 import alert_service_pb2 as alert_pb
from matcher.v1 import feed_service_pb2 as pb
from matcher.v1.records_pb2 import RecordBatch
from tests.service.servers import (
    EPOCH,
    KEYS,
    MOST_RECORDS,
    SCHEME,
    Deployed,
    alias,
    batch,
    people,
    person,
    refused,
)

EXISTS, RANGE = grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.OUT_OF_RANGE
TODAY_DAYS = (20_000).to_bytes(4, "little")


def append(deployed: Deployed, agency: str, *batches: RecordBatch, feed_id: str = "f") -> list[int]:
    requests = iter([pb.AppendRecordsRequest(feed_id=feed_id, batch=each) for each in batches])
    return [reply.next_offset for reply in deployed.feed(agency).AppendRecords(requests, timeout=20)]


def next_offset(deployed: Deployed, agency: str, feed_id: str = "f") -> int:
    return deployed.feed(agency).OpenFeed(pb.OpenFeedRequest(feed_id=feed_id)).next_offset


# -- the treaty ------------------------------------------------------------------------------------------------------


def test_get_scheme_tells_the_whole_treaty(deployed: Deployed) -> None:
    told = deployed.feed("police").GetScheme(pb.GetSchemeRequest())
    assert (told.epoch, told.key_check, told.max_batch_records) == (EPOCH, KEYS.key_check, MOST_RECORDS)
    assert told.agency == "police"
    assert deployed.feed("clinic").GetScheme(pb.GetSchemeRequest()).agency == "clinic"
    assert told.scheme.digest == SCHEME.digest
    assert told.scheme.canonical_json == SCHEME.to_json()
    assert [field.name for field in told.scheme.fields] == [field.name for field in SCHEME.fields]
    assert sum(field.bits for field in told.scheme.fields) == 8 * told.scheme.encoding_bytes
    assert list(told.scheme.passes) == [each.name for each in SCHEME.passes]
    sent = batch("police", people(range(2)))
    assert len(sent.sealed_references) == 2 * told.scheme.sealed_bytes
    assert len(sent.encodings) == 2 * len(told.scheme.passes) * told.scheme.encoding_bytes


# -- feeds -----------------------------------------------------------------------------------------------------------


def test_each_batch_is_acknowledged_by_what_is_committed(deployed: Deployed) -> None:
    batches = [batch("police", people(range(at, at + 3)), at) for at in (0, 3, 6)]
    assert append(deployed, "police", *batches) == [3, 6, 9]
    assert next_offset(deployed, "police") == 9
    assert deployed.frames() == 3


def test_an_acknowledgement_does_not_wait_for_more(deployed: Deployed) -> None:
    waiting: Queue[pb.AppendRecordsRequest | None] = Queue()
    replies = deployed.feed("police").AppendRecords(iter(waiting.get, None), timeout=20)
    for at in (0, 2):
        waiting.put(pb.AppendRecordsRequest(feed_id="f", batch=batch("police", people(range(at, at + 2)), at)))
        assert next(replies).next_offset == at + 2
        assert next_offset(deployed, "police") == at + 2
    waiting.put(None)
    assert list(replies) == []


def test_a_gap_is_refused_and_names_where_to_resume(deployed: Deployed) -> None:
    append(deployed, "police", batch("police", people(range(3))))
    found = refused(lambda: append(deployed, "police", batch("police", people(range(5, 7)), 5)))
    assert (found.code, found.reason) == (RANGE, "ERROR_REASON_OFFSET_GAP")
    assert found.metadata == {"resume_offset": "3"}
    assert (next_offset(deployed, "police"), deployed.frames()) == (3, 1)


@pytest.mark.parametrize(("first", "count"), [(0, 3), (0, 1), (2, 1), (1, 5)])
def test_offsets_committed_before_are_refused_and_nothing_is_written(
    deployed: Deployed, first: int, count: int
) -> None:
    append(deployed, "police", batch("police", people(range(3))))
    found = refused(lambda: append(deployed, "police", batch("police", people(range(count)), first)))
    assert (found.code, found.reason) == (EXISTS, "ERROR_REASON_OFFSET_COMMITTED")
    assert found.metadata == {"resume_offset": "3"}
    assert (next_offset(deployed, "police"), deployed.frames()) == (3, 1)


def test_an_offset_no_feed_can_have_is_a_gap(deployed: Deployed) -> None:
    found = refused(lambda: append(deployed, "police", batch("police", people(range(1)), 2**64 - 1)))
    assert (found.reason, found.metadata) == ("ERROR_REASON_OFFSET_GAP", {"resume_offset": "0"})


def test_a_stream_ends_at_the_first_bad_batch_and_keeps_the_good_ones(deployed: Deployed) -> None:
    good, bad, later = (batch("police", people(range(at, at + 2)), at) for at in (0, 2, 4))
    bad.epoch = EPOCH + 1
    replies = deployed.feed("police").AppendRecords(
        iter([pb.AppendRecordsRequest(feed_id="f", batch=each) for each in (good, bad, later)]), timeout=20
    )
    assert next(replies).next_offset == 2
    assert refused(lambda: list(replies)).reason == "ERROR_REASON_UNKNOWN_EPOCH"
    assert (next_offset(deployed, "police"), deployed.frames()) == (2, 1)
    bad.epoch = EPOCH
    assert append(deployed, "police", bad, later) == [4, 6]


def test_a_client_that_goes_away_leaves_whole_batches(deployed: Deployed) -> None:
    waiting: Queue[pb.AppendRecordsRequest] = Queue()
    with deployed.new_channel("agency-police") as channel:
        call = channel.stream_stream(
            "/matcher.v1.FeedService/AppendRecords",
            pb.AppendRecordsRequest.SerializeToString,
            pb.AppendRecordsResponse.FromString,
        )
        replies = call(iter(waiting.get, None))
        waiting.put(pb.AppendRecordsRequest(feed_id="f", batch=batch("police", people(range(2)))))
        assert next(replies).next_offset == 2
        replies.cancel()
        waiting.put(pb.AppendRecordsRequest(feed_id="f", batch=batch("police", people(range(2, 4)), 2)))
    waiting.put(None)  # type: ignore[arg-type]
    assert append(deployed, "police", batch("police", people(range(2, 4)), 2)) == [4]


def test_two_writers_of_one_feed_never_write_an_offset_twice(deployed: Deployed) -> None:
    outcomes: Queue[str] = Queue()

    def write() -> None:
        for at in range(0, 20, 2):
            try:
                append(deployed, "police", batch("police", people(range(at, at + 2)), at))
                outcomes.put("written")
            except grpc.RpcError as error:
                outcomes.put(error.code().name)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = [outcomes.get() for _ in range(20)]
    assert found.count("written") == deployed.frames() == 10
    assert set(found) <= {"written", "ALREADY_EXISTS", "OUT_OF_RANGE"}
    assert next_offset(deployed, "police") == 20


def test_feeds_of_one_name_of_two_agencies_do_not_meet(deployed: Deployed) -> None:
    append(deployed, "police", batch("police", people(range(3))))
    assert next_offset(deployed, "clinic") == 0
    assert append(deployed, "clinic", batch("clinic", people(range(2)))) == [2]
    assert (next_offset(deployed, "police"), next_offset(deployed, "clinic")) == (3, 2)
    assert next_offset(deployed, "police", "g") == 0


def test_a_feed_goes_on_where_it_was_after_a_restart(deployed: Deployed) -> None:
    append(deployed, "police", batch("police", people(range(3))))
    deployed.restart()
    deployed.close_channels()
    assert next_offset(deployed, "police") == 3
    assert append(deployed, "police", batch("police", people(range(3, 5)), 3)) == [5]


# -- requests outside feeds ------------------------------------------------------------------------------------------


def test_a_repeated_request_is_acknowledged_and_changes_nothing(deployed: Deployed) -> None:
    feed, sent = deployed.feed("police"), batch("police", people(range(2)))
    contacts = pb.ReportContactsRequest(request_id="c", aliases=alias("police", person(0)), observed_days=TODAY_DAYS)
    removal = pb.RemoveRecordsRequest(request_id="r", aliases=alias("police", person(1)))
    for _ in range(3):
        feed.SubmitRecords(pb.SubmitRecordsRequest(request_id="s", batch=sent))
        feed.ReportContacts(contacts)
        feed.RemoveRecords(removal)
    assert deployed.frames() == 3


def test_first_offset_means_nothing_outside_a_feed(deployed: Deployed) -> None:
    feed, sent = deployed.feed("police"), batch("police", people(range(2)))
    feed.SubmitRecords(pb.SubmitRecordsRequest(request_id="s", batch=sent))
    sent.first_offset = 17
    feed.SubmitRecords(pb.SubmitRecordsRequest(request_id="s", batch=sent))
    assert deployed.frames() == 1


def test_a_request_id_used_for_other_content_is_refused(deployed: Deployed) -> None:
    feed = deployed.feed("police")
    feed.SubmitRecords(pb.SubmitRecordsRequest(request_id="s", batch=batch("police", people(range(2)))))
    one = alias("police", person(0))
    others = [
        lambda: feed.SubmitRecords(pb.SubmitRecordsRequest(request_id="s", batch=batch("police", people(range(3))))),
        lambda: feed.ReportContacts(pb.ReportContactsRequest(request_id="s", aliases=one, observed_days=TODAY_DAYS)),
        lambda: feed.RemoveRecords(pb.RemoveRecordsRequest(request_id="s", aliases=one)),
    ]
    for other in others:
        found = refused(other)
        assert (found.code, found.reason, found.metadata) == (EXISTS, "ERROR_REASON_REQUEST_REUSED", {})
    assert deployed.frames() == 1


def test_request_ids_of_two_agencies_do_not_meet(deployed: Deployed) -> None:
    for agency in ("police", "clinic"):
        deployed.feed(agency).SubmitRecords(
            pb.SubmitRecordsRequest(request_id="s", batch=batch(agency, people(range(2))))
        )
    assert deployed.frames() == 2
    assert len(deployed.alerts()) == 2


def test_contacts_and_removals_of_aliases_never_sent_are_accepted(deployed: Deployed) -> None:
    feed = deployed.feed("police")
    feed.ReportContacts(pb.ReportContactsRequest(request_id="c", aliases=bytes(16), observed_days=TODAY_DAYS))
    feed.RemoveRecords(pb.RemoveRecordsRequest(request_id="r", aliases=bytes(16)))
    assert deployed.alerts() == []


def test_an_agency_cannot_remove_another_agencys_record(deployed: Deployed) -> None:
    for agency in ("police", "clinic"):
        append(deployed, agency, batch(agency, people(range(1))))
    theirs = alias("police", person(0))
    deployed.feed("clinic").RemoveRecords(pb.RemoveRecordsRequest(request_id="r", aliases=theirs))
    assert [alert.kind for alert in deployed.alerts()] == [AlertKind.KNOWN_TO_TWO]
    deployed.feed("police").RemoveRecords(pb.RemoveRecordsRequest(request_id="r", aliases=theirs))
    assert [alert.kind for alert in deployed.alerts()] == [AlertKind.KNOWN_TO_TWO, AlertKind.WITHDRAWN]


# -- replies that say nothing ----------------------------------------------------------------------------------------

Reply = tuple[bytes, tuple[object, ...], tuple[object, ...], str, grpc.StatusCode]
OUTSIDE_FEEDS = {
    "SubmitRecords": lambda at, each: pb.SubmitRecordsRequest(request_id=f"s{at}", batch=batch("police", [each])),
    "ReportContacts": lambda at, each: pb.ReportContactsRequest(
        request_id=f"c{at}", aliases=alias("police", each), observed_days=TODAY_DAYS
    ),
    "RemoveRecords": lambda at, each: pb.RemoveRecordsRequest(request_id=f"r{at}", aliases=alias("police", each)),
}


def known_elsewhere(deployed: Deployed) -> None:
    """The clinic holds persons 1 and 2; police holds 2."""
    append(deployed, "clinic", batch("clinic", people([1, 2])))
    append(deployed, "police", batch("police", people([2])), feed_id="before")
    assert len(deployed.alerts()) == 1


@pytest.mark.parametrize("method", OUTSIDE_FEEDS)
def test_replies_are_the_same_bytes_whoever_holds_the_person(deployed: Deployed, method: str) -> None:
    known_elsewhere(deployed)
    call = deployed.channel("agency-police").unary_unary(f"/matcher.v1.FeedService/{method}")
    replies: set[Reply] = set()
    for at, number in enumerate((0, 1, 2)):  # known to nobody, to another, to both
        request = OUTSIDE_FEEDS[method](at, person(number))
        for _ in range(2):
            reply, state = call.with_call(request.SerializeToString())
            replies.add(whole(reply, state))
            deployed.settle()
    assert replies == {(b"", (), (), "", grpc.StatusCode.OK)}


def test_acknowledgements_are_the_same_bytes_whoever_holds_the_person(deployed: Deployed) -> None:
    known_elsewhere(deployed)
    call = deployed.channel("agency-police").stream_stream("/matcher.v1.FeedService/AppendRecords")
    replies: set[Reply] = set()
    for number in (0, 1, 2):
        request = pb.AppendRecordsRequest(feed_id=f"feed-{number}", batch=batch("police", people([number])))
        state = call(iter([request.SerializeToString()]))
        replies |= {whole(reply, state) for reply in state}
    assert replies == {(pb.AppendRecordsResponse(next_offset=1).SerializeToString(), (), (), "", grpc.StatusCode.OK)}


def test_refusals_are_the_same_whoever_holds_the_person(deployed: Deployed) -> None:
    known_elsewhere(deployed)
    found = set()
    for number in (0, 1, 2):
        bad = batch("police", people([number]))
        bad.aliases += b"\0"
        refusal = refused(lambda bad=bad: append(deployed, "police", bad))
        found.add((refusal.code, refusal.reason, refusal.message, tuple(refusal.metadata.items())))
    assert len(found) == 1


def test_the_scheme_and_the_offset_say_nothing_of_others(deployed: Deployed) -> None:
    scheme = deployed.feed("police").GetScheme(pb.GetSchemeRequest())
    before = (scheme, next_offset(deployed, "police"))
    append(deployed, "clinic", batch("clinic", people(range(50))))
    deployed.settle()
    assert (deployed.feed("police").GetScheme(pb.GetSchemeRequest()), next_offset(deployed, "police")) == before


def test_no_answer_to_an_agency_leaves_while_matching_may_work(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What matching does shows in no reply; that times tell nothing is measured by `python -m benchmarks replies`."""
    feed, sent = deployed.feed("police"), batch("police", people(range(2)))
    append(deployed, "police", batch("police", people(range(3))))
    monkeypatch.setattr(beat, "BEAT_SECONDS", 0.6)
    monkeypatch.setattr(beat, "_BUSY_SECONDS", 0.5)
    batches = [batch("police", people([at]), at) for at in (3, 4, 5)]
    for call in (
        lambda: feed.GetScheme(pb.GetSchemeRequest()),
        lambda: feed.SubmitRecords(pb.SubmitRecordsRequest(request_id="s", batch=sent)),
        lambda: refused(lambda: feed.OpenFeed(pb.OpenFeedRequest(feed_id=""))),
        lambda: refused(lambda: append(deployed, "police", batches[0], feed_id="other")),
        lambda: append(deployed, "police", *batches),
    ):
        time.sleep(beat.to_beat())
        began = time.monotonic()
        call()
        assert time.monotonic() - began > 0.4
        assert time.monotonic() % 0.6 >= 0.5


def test_streams_and_methods_that_are_not_there_keep_the_beat_too(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = deployed.channel("agency-police")
    HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    monkeypatch.setattr(beat, "BEAT_SECONDS", 0.6)
    monkeypatch.setattr(beat, "_BUSY_SECONDS", 0.5)
    for call in (
        lambda: next(HealthStub(channel).Watch(health_pb2.HealthCheckRequest())),
        lambda: refused(lambda: channel.unary_unary("/matcher.v1.FeedService/FindPerson")(b"")),
        lambda: refused(lambda: channel.unary_unary("/matcher.v1.StatusService/GetStatus")(b"")),
        lambda: refused(lambda: deployed.channel("agency-removed").unary_unary("/a.B/C")(b"")),
    ):
        time.sleep(beat.to_beat())
        call()
        assert time.monotonic() % 0.6 >= 0.5


def test_a_beat_waits_for_a_call_in_hand_whose_reply_leaves_ahead_of_it(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(deployed, "police", batch("police", people(range(3))))
    deployed.settle()
    feed, store = deployed.feed("police"), deployed.server.matching.store
    monkeypatch.setattr(beat, "BEAT_SECONDS", 0.6)
    monkeypatch.setattr(beat, "_BUSY_SECONDS", 0.2)
    monkeypatch.setattr(beat, "_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(beat, "_LEAVING_SECONDS", 0.1)
    submit = store.submit

    def slow(*frame: Any) -> None:
        submit(*frame)
        time.sleep(0.2)

    monkeypatch.setattr(store, "submit", slow)
    time.sleep(beat.to_beat() + 0.5)
    feed.SubmitRecords(pb.SubmitRecordsRequest(request_id="s", batch=batch("police", people([7]))))
    answered = time.monotonic()
    assert 0.05 < answered % 0.6 < 0.19  # had the beat not waited, this would have
    assert store.matched_through < store.committed_through
    deployed.settle()
    assert time.monotonic() - answered < 0.4  # on the same beat


def test_what_comes_after_a_call_begins_on_a_beat(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matching from rest, telling the coordinator of it, and what others than agencies ask."""
    append(deployed, "clinic", batch("clinic", people([7])))
    deployed.settle()
    told = deployed.alert.WatchAlerts(alert_pb.WatchAlertsRequest(consumer="watch"), timeout=30)
    next(told)  # there is nothing to tell of yet
    store = deployed.server.matching.store
    monkeypatch.setattr(beat, "BEAT_SECONDS", 0.6)
    for number in range(3):
        time.sleep(beat.to_beat() + 0.3)
        append(deployed, "police", batch("police", people([7 + number]), number))
        assert store.matched_through < store.committed_through
        deployed.settle()
        assert time.monotonic() % 0.6 < 0.2
        if number == 0:
            matched = time.monotonic()
            assert next(told).alerts
            assert time.monotonic() - matched > 0.3  # on the next beat, however short matching was
            assert time.monotonic() % 0.6 < 0.2
    told.cancel()
    for _ in range(3):
        time.sleep(beat.to_beat() + 0.3)
        deployed.alert.AcknowledgeAlerts(alert_pb.AcknowledgeAlertsRequest(consumer="desk"))
        assert time.monotonic() % 0.6 < 0.2


def whole(reply: bytes, call: grpc.Call) -> Reply:
    """All that a caller sees of an answer."""
    return reply, tuple(call.initial_metadata()), tuple(call.trailing_metadata()), call.details() or "", call.code()


# -- malice ----------------------------------------------------------------------------------------------------------


def test_one_token_sent_for_every_pass_harms_nobody(deployed: Deployed) -> None:
    """Rows in one block through several passes must not tie the index into a ring."""
    odd = []
    for agency in ("police", "clinic"):
        message = batch(agency, people(range(3)))
        message.block_tokens = message.block_tokens[:16] * (len(message.block_tokens) // 16)
        odd.append((agency, message))
    for agency, message in odd:
        append(deployed, agency, message)
    deployed.settle()
    gone = b"".join(alias("police", each) for each in people(range(3)))
    deployed.feed("police").RemoveRecords(pb.RemoveRecordsRequest(request_id="r", aliases=gone))
    deployed.settle()
    for agency in ("police", "clinic"):
        append(deployed, agency, batch(agency, people(range(10, 12))), feed_id="good")
    told = [alert for alert in deployed.alerts() if alert.kind is AlertKind.KNOWN_TO_TWO]
    disclosed = deployed.server.matching.pipeline.disclosures(told)
    aliases = {member.alias for members in disclosed for member in members}
    assert aliases >= {alias("police", person(10)), alias("clinic", person(11))}


def test_an_agency_s_feed_does_not_wait_for_what_others_sent(deployed: Deployed) -> None:
    append(deployed, "clinic", batch("clinic", people(range(1))))
    deployed.settle()
    with deployed.server.matching.pipeline.lock:  # as if there were much to match
        for at in range(MOST_WAITING + 1):
            append(deployed, "police", batch("police", people(range(at, at + 1)), at))
        started = monotonic()
        append(deployed, "clinic", batch("clinic", people(range(1, 2)), 1))
        assert monotonic() - started < 5
