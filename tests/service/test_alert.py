"""AlertService over real TLS: no gaps, one watcher a consumer, evidence that adds up, answers that hold."""

import itertools
import time
from collections.abc import Callable, Iterator
from itertools import takewhile

import grpc
import pytest

from matcher.beat import Beat
from matcher.model import AlertKind
from matcher.service import alert as alert_service
from matcher.service.matching import Matching
from matcher.store.memory import MemoryStore
from matcher.v1 import alert_service_pb2 as pb
from matcher.v1 import feed_service_pb2 as feed_pb
from tests.service.servers import Deployed, Person, alias, batch, little, people, person, refused, wait_until

INVALID, ABSENT = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
MISSING, AGREE = pb.EvidenceBand.EVIDENCE_BAND_MISSING, pb.EvidenceBand.EVIDENCE_BAND_AGREE


def send(deployed: Deployed, agency: str, persons: list[Person]) -> None:
    request = feed_pb.SubmitRecordsRequest(request_id=f"s{time.time_ns()}", batch=batch(agency, persons))
    deployed.feed(agency).SubmitRecords(request)


def known_to_two(deployed: Deployed, count: int, start: int = 0) -> None:
    """Persons that police and the clinic know: as many alerts."""
    for agency in ("police", "clinic"):
        send(deployed, agency, people(range(start, start + count)))
    deployed.settle()


def watch(deployed: Deployed, consumer: str = "desk", after: int | None = None, timeout: float = 20.0):
    return deployed.alert.WatchAlerts(pb.WatchAlertsRequest(consumer=consumer, after_sequence=after), timeout=timeout)


def until_checkpoint(events: Iterator[pb.WatchAlertsResponse]) -> tuple[list[pb.Alert], int]:
    """Alerts up to the first checkpoint, and the checkpoint."""
    found = []
    for event in events:
        if not event.alerts:
            return found, event.checkpoint
        found += event.alerts
    raise AssertionError("the stream ended")


# -- watching --------------------------------------------------------------------------------------------------------


def test_an_empty_log_gives_a_checkpoint_at_once(deployed: Deployed) -> None:
    assert until_checkpoint(watch(deployed)) == ([], 0)


def test_checkpoints_come_on_after_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_service, "CHECKPOINT_SECONDS", 0.02)
    monkeypatch.setattr(alert_service, "_FENCE_SECONDS", 0.005)
    clock = itertools.count(1_900_000_000, -3600)
    matching = Matching(MemoryStore(), Beat(), pytest.fail)  # type: ignore[arg-type]  # no pipeline is needed
    servicer = alert_service.AlertServicer(matching, 1, lambda _: False, lambda: next(clock))

    class Context:
        until = time.monotonic() + 5.0

        def is_active(self) -> bool:
            return time.monotonic() < self.until

    events = servicer.WatchAlerts(pb.WatchAlertsRequest(consumer="desk"), Context())  # type: ignore[arg-type]
    assert [event.checkpoint for event in itertools.islice(events, 4)] == [0, 0, 0, 0]


def test_alerts_come_in_order_and_without_gaps_then_a_checkpoint(deployed: Deployed) -> None:
    known_to_two(deployed, 30)
    alerts, checkpoint = until_checkpoint(watch(deployed))
    assert [alert.sequence for alert in alerts] == list(range(1, 31))
    assert checkpoint == 30
    assert len({alert.alert_id for alert in alerts}) == len({alert.person_id for alert in alerts}) == 30


def test_an_alert_holds_what_the_contract_says(deployed: Deployed) -> None:
    known_to_two(deployed, 1)
    [alert], _ = until_checkpoint(watch(deployed))
    assert alert.kind == pb.ALERT_KIND_KNOWN_TO_TWO
    assert [(each.agency, each.sector) for each in alert.members] == [("police", "police"), ("clinic", "health")]
    assert [each.alias for each in alert.members] == [alias(agency, person(0)) for agency in ("police", "clinic")]
    assert {len(each.encapsulation) for each in alert.members} == {80}
    assert {each.observed_day for each in alert.members} == {-1}
    assert {each.epoch for each in alert.members} == {3}
    assert (alert.health_present, alert.police_present) == (True, True)
    assert (len(alert.alert_id), len(alert.person_id), alert.surviving_person_id) == (16, 16, b"")
    assert alert.confidence == pb.CONFIDENCE_BAND_VERY_HIGH
    assert abs(alert.raised_at - time.time()) < 60


def test_alerts_of_a_first_load_are_marked_and_it_keeps_its_mark_when_it_is_sent_again(deployed: Deployed) -> None:
    for agency in ("police", "clinic"):
        client = deployed.feed_client(agency)
        assert list(client.append("first", [batch(agency, people(range(3)))], backfill=True)) == [3]
    send(deployed, "police", [person(4)])
    send(deployed, "clinic", [person(4)])
    deployed.settle()
    alerts, _ = until_checkpoint(watch(deployed))
    assert [alert.backfill for alert in alerts] == [True, True, True, False]


def test_an_alert_raised_while_watching_comes_through(deployed: Deployed) -> None:
    events = watch(deployed)
    until_checkpoint(events)
    for sequence in (1, 2):
        known_to_two(deployed, 1, sequence)
        assert next(alert.sequence for event in events for alert in event.alerts) == sequence


def test_a_watcher_starts_behind_its_mark_or_where_it_says(deployed: Deployed) -> None:
    known_to_two(deployed, 5)
    assert deployed.alert.AcknowledgeAlerts(
        pb.AcknowledgeAlertsRequest(consumer="desk", through_sequence=3)
    ) == pb.AcknowledgeAlertsResponse(through_sequence=3)  # fmt: skip
    for consumer, after, expected in (
        ("desk", None, [4, 5]),
        ("desk", 0, [1, 2, 3, 4, 5]),
        ("desk", 4, [5]),
        ("other", None, [1, 2, 3, 4, 5]),
        ("other", 5, []),
    ):
        alerts, checkpoint = until_checkpoint(watch(deployed, consumer, after))
        assert ([alert.sequence for alert in alerts], checkpoint) == (expected, 5)


def test_a_watcher_ahead_of_the_log_is_told(deployed: Deployed) -> None:
    known_to_two(deployed, 2)
    found = refused(lambda: next(watch(deployed, "desk", 3)))
    assert (found.code, found.reason) == (grpc.StatusCode.OUT_OF_RANGE, "ERROR_REASON_ACKNOWLEDGE_AHEAD")


def test_a_redelivered_alert_is_the_same(deployed: Deployed) -> None:
    known_to_two(deployed, 3)
    first, again = (until_checkpoint(watch(deployed, after=0))[0] for _ in range(2))
    deployed.restart()
    deployed.close_channels()
    assert first == again == until_checkpoint(watch(deployed, after=0))[0]


def test_a_log_longer_than_a_page_comes_whole(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_service, "_PAGE", 4)
    known_to_two(deployed, 22)
    alerts, checkpoint = until_checkpoint(watch(deployed))
    assert ([alert.sequence for alert in alerts], checkpoint) == (list(range(1, 23)), 22)


def test_alerts_that_are_there_come_in_one_message_and_a_new_one_waits_for_no_other(deployed: Deployed) -> None:
    known_to_two(deployed, 22)
    events = watch(deployed)
    assert [alert.sequence for alert in next(events).alerts] == list(range(1, 23))
    assert next(events).checkpoint == 22
    known_to_two(deployed, 1, 22)
    assert [alert.sequence for alert in next(events).alerts] == [23]


@pytest.mark.parametrize("most", [1, 2000])
def test_a_message_is_bounded_in_bytes(deployed: Deployed, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(alert_service, "_MOST_BYTES", most)
    known_to_two(deployed, 22)
    messages = list(takewhile(lambda event: event.alerts, watch(deployed)))
    assert [alert.sequence for event in messages for alert in event.alerts] == list(range(1, 23))
    sizes = [sum(alert.ByteSize() for alert in event.alerts) for event in messages]
    assert all(size <= most or len(event.alerts) == 1 for size, event in zip(sizes, messages, strict=True))
    assert max(sizes) > most / 2


def test_checkpoints_are_a_sign_of_life(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_service, "CHECKPOINT_SECONDS", 0.05)
    monkeypatch.setattr(alert_service, "_FENCE_SECONDS", 0.05)
    events = watch(deployed)
    assert [next(events).checkpoint for _ in range(3)] == [0, 0, 0]


def test_a_newer_watcher_of_a_consumer_fences_the_older(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_service, "_FENCE_SECONDS", 0.05)
    older, another = watch(deployed), watch(deployed, "another")
    until_checkpoint(older)
    until_checkpoint(another)
    newer = watch(deployed)
    until_checkpoint(newer)
    found = refused(lambda: list(older))
    assert (found.code, found.reason) == (grpc.StatusCode.ABORTED, "ERROR_REASON_CONSUMER_FENCED")
    known_to_two(deployed, 1)
    for alive in (newer, another):
        assert next(alert.sequence for event in alive for alert in event.alerts) == 1


@pytest.mark.parametrize("consumer", ["", "x" * 65, "a b", "a/b"])
def test_a_bad_consumer_is_refused(deployed: Deployed, consumer: str) -> None:
    for call in (
        lambda: list(watch(deployed, consumer)),
        lambda: deployed.alert.AcknowledgeAlerts(pb.AcknowledgeAlertsRequest(consumer=consumer)),
    ):
        found = refused(call)
        assert (found.code, found.reason, found.metadata) == (
            INVALID,
            "ERROR_REASON_INVALID_ARGUMENT",
            {"field": "consumer"},
        )


# -- acknowledging and listing ---------------------------------------------------------------------------------------


def test_a_mark_only_moves_forward(deployed: Deployed) -> None:
    known_to_two(deployed, 5)
    for through, stands in ((2, 2), (1, 2), (2, 2), (5, 5), (0, 5)):
        request = pb.AcknowledgeAlertsRequest(consumer="desk", through_sequence=through)
        assert deployed.alert.AcknowledgeAlerts(request).through_sequence == stands


@pytest.mark.parametrize("through", [3, 2**63, 2**64 - 1])
def test_acknowledging_ahead_is_refused(deployed: Deployed, through: int) -> None:
    known_to_two(deployed, 2)
    found = refused(
        lambda: deployed.alert.AcknowledgeAlerts(pb.AcknowledgeAlertsRequest(consumer="desk", through_sequence=through))
    )
    assert (found.code, found.reason) == (grpc.StatusCode.OUT_OF_RANGE, "ERROR_REASON_ACKNOWLEDGE_AHEAD")
    assert until_checkpoint(watch(deployed))[1] == 2


def page(deployed: Deployed, after: int = 0, size: int = 0) -> tuple[list[int], bool]:
    answer = deployed.alert.ListAlerts(pb.ListAlertsRequest(after_sequence=after, page_size=size))
    return [alert.sequence for alert in answer.alerts], answer.more


def test_pages_cover_the_log(deployed: Deployed) -> None:
    known_to_two(deployed, 7)
    assert page(deployed) == ([1, 2, 3, 4, 5, 6, 7], False)
    assert page(deployed, 0, 3) == ([1, 2, 3], True)
    assert page(deployed, 3, 3) == ([4, 5, 6], True)
    assert page(deployed, 6, 3) == ([7], False)
    assert page(deployed, 4, 3) == ([5, 6, 7], False)
    assert page(deployed, 7) == ([], False)
    assert page(deployed, 2**64 - 1) == ([], False)
    assert page(deployed, 0, 1000) == ([1, 2, 3, 4, 5, 6, 7], False)


def test_a_page_larger_than_what_is_filled_in_at_once_is_the_same(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_to_two(deployed, 7)
    at_once = deployed.alert.ListAlerts(pb.ListAlertsRequest())
    monkeypatch.setattr(alert_service, "_PAGE", 3)
    assert deployed.alert.ListAlerts(pb.ListAlertsRequest()) == at_once
    assert {len(alert.members) for alert in at_once.alerts} == {2}
    assert len({alert.members[0].alias for alert in at_once.alerts}) == 7


def test_alerts_wait_while_memory_is_incomplete(deployed: Deployed) -> None:
    known_to_two(deployed, 1)
    pipeline = deployed.server.matching.pipeline
    pipeline._complete = False
    for call in (lambda: next(watch(deployed)), lambda: page(deployed)):
        found = refused(call)
        assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "ERROR_REASON_STORE_UNAVAILABLE")
    pipeline._complete = True
    assert page(deployed) == ([1], False)


def test_a_page_too_large_is_refused(deployed: Deployed) -> None:
    calls: list[Callable[[], object]] = [
        lambda: page(deployed, 0, 1001),
        lambda: deployed.alert.ListPossibleMatches(pb.ListPossibleMatchesRequest(page_size=1001)),
    ]
    for call in calls:
        found = refused(call)
        assert (found.code, found.reason) == (INVALID, "ERROR_REASON_INVALID_ARGUMENT")
        assert found.metadata == {"field": "page_size"}


# -- explaining ------------------------------------------------------------------------------------------------------


def explained(deployed: Deployed, alert_id: bytes) -> pb.ExplainAlertResponse:
    return deployed.alert.ExplainAlert(pb.ExplainAlertRequest(alert_id=alert_id))


@pytest.mark.parametrize(
    "other", [{}, {"surname": "Ackroid", "postcode": ""}, {"dob": "1940-02-20", "address": "Nowhere 1"}]
)
def test_evidence_sums_to_the_weight(deployed: Deployed, other: dict[str, str]) -> None:
    send(deployed, "police", [person(0)])
    send(deployed, "clinic", [person(0, **other)])
    [alert] = deployed.alerts()
    answer = explained(deployed, alert.alert_id)
    [link] = answer.links
    assert answer.person_id == alert.person_id
    assert (link.agency_l, link.alias_l) == ("police", alias("police", person(0)))
    assert (link.agency_r, link.alias_r) == ("clinic", alias("clinic", person(0)))
    fields = [field.name for field in deployed.config.scheme.fields]
    assert [each.field for each in link.evidence] == fields
    assert all(2 * each.weight == round(2 * each.weight) for each in link.evidence)
    total = link.prior + sum(each.weight for each in link.evidence)
    assert abs(total - link.weight) <= 0.25 * (len(fields) + 2)
    assert link.weight > 0
    assert not link.reviewed
    bands = {each.field: each.band for each in link.evidence}
    assert (bands["forename"], bands["sex"]) == (AGREE, AGREE)
    assert (bands["postcode"] == MISSING) == (other.get("postcode") == "")
    assert (bands["surname"] == AGREE) == ("surname" not in other)


def test_an_explanation_has_every_link_strongest_first(deployed: Deployed) -> None:
    for agency, other in (("police", {}), ("clinic", {}), ("council", {"postcode": "", "address": ""})):
        send(deployed, agency, [person(0, **other)])
        deployed.settle()  # what is matched together makes one alert
    alert = deployed.alerts()[-1]
    assert alert.kind is AlertKind.FURTHER_AGENCY
    links = explained(deployed, alert.alert_id).links
    assert {(link.agency_l, link.agency_r) for link in links} == {
        ("police", "clinic"),
        ("police", "council"),
        ("clinic", "council"),
    }
    assert [link.weight for link in links] == sorted((link.weight for link in links), reverse=True)


@pytest.mark.parametrize("alert_id", [b"", bytes(15), bytes(17)])
def test_an_alert_id_of_another_length_is_refused(deployed: Deployed, alert_id: bytes) -> None:
    found = refused(lambda: explained(deployed, alert_id))
    assert (found.code, found.reason, found.metadata) == (
        INVALID,
        "ERROR_REASON_INVALID_ARGUMENT",
        {"field": "alert_id"},
    )


def test_an_unknown_alert_is_not_found(deployed: Deployed) -> None:
    known_to_two(deployed, 1)
    found = refused(lambda: explained(deployed, bytes(16)))
    assert (found.code, found.reason) == (ABSENT, "ERROR_REASON_NOT_FOUND")


def test_a_person_known_to_two_no_more_is_not_explained(deployed: Deployed) -> None:
    known_to_two(deployed, 1)
    [alert] = deployed.alerts()
    removal = feed_pb.RemoveRecordsRequest(request_id="r", aliases=alias("clinic", person(0)))
    deployed.feed("clinic").RemoveRecords(removal)
    told, gone = deployed.alerts()
    assert (told.alert_id, gone.kind) == (alert.alert_id, AlertKind.WITHDRAWN)
    for alert_id in (told.alert_id, gone.alert_id):
        found = refused(lambda alert_id=alert_id: explained(deployed, alert_id))
        assert (found.code, found.reason) == (ABSENT, "ERROR_REASON_NOT_FOUND")


# -- possible matches ------------------------------------------------------------------------------------------------


def asked(deployed: Deployed, size: int = 0, after: bytes = b"") -> pb.ListPossibleMatchesResponse:
    deployed.settle()
    return deployed.alert.ListPossibleMatches(
        pb.ListPossibleMatchesRequest(page_size=size, after_possible_match_id=after)
    )


def resolve(deployed: Deployed, possible_match_id: bytes, resolution: int, **more: object) -> None:
    deployed.alert.ResolvePossibleMatch(
        pb.ResolvePossibleMatchRequest(
            **{
                "possible_match_id": possible_match_id,
                "resolution": resolution,
                "reviewer": "R. Evans",
                "expires_at": 0,
            }
            | more
        )
    )
    deployed.settle()


SAME, DIFFERENT = pb.Resolution.RESOLUTION_SAME_PERSON, pb.Resolution.RESOLUTION_DIFFERENT_PEOPLE


@pytest.fixture
def doubtful(deployed: Deployed) -> Deployed:
    """Police and the clinic each know somebody of the same name and date of birth."""
    send(deployed, "police", [person(0)])
    send(deployed, "clinic", [little(0)])
    return deployed


def test_a_possible_match_awaits_a_reviewer_and_raises_no_alert(doubtful: Deployed) -> None:
    answer = asked(doubtful)
    [match] = answer.possible_matches
    assert (match.agency_l, match.agency_r, answer.more) == ("police", "clinic", False)
    assert len(match.possible_match_id) == 16
    bands = {each.field: each.band for each in match.evidence}
    assert bands["surname"] == AGREE
    assert bands["postcode"] == MISSING
    assert doubtful.alerts() == []
    sent = [alias("police", person(0)), alias("clinic", person(0))]
    assert not any(each in match.SerializeToString() for each in sent)


def test_same_person_raises_the_alert(doubtful: Deployed) -> None:
    [match] = asked(doubtful).possible_matches
    resolve(doubtful, match.possible_match_id, SAME)
    [alert] = doubtful.alerts()
    assert (alert.kind, alert.agencies) == (AlertKind.KNOWN_TO_TWO, ("clinic", "police"))
    assert not asked(doubtful).possible_matches
    [link] = explained(doubtful, alert.alert_id).links
    assert link.reviewed
    assert link.confidence == pb.CONFIDENCE_BAND_VERY_HIGH


def test_different_people_is_never_asked_again(doubtful: Deployed) -> None:
    [match] = asked(doubtful).possible_matches
    resolve(doubtful, match.possible_match_id, DIFFERENT)
    assert not asked(doubtful).possible_matches
    # not when the record is sent again, nor when it comes with all it takes for a match, nor after a restart
    for record in (little(0), person(0)):
        send(doubtful, "clinic", [record])
        assert not asked(doubtful).possible_matches
        assert doubtful.alerts() == []
    doubtful.restart()
    doubtful.close_channels()
    assert not asked(doubtful).possible_matches


def test_the_last_answer_holds(doubtful: Deployed) -> None:
    [match] = asked(doubtful).possible_matches
    for resolution in (DIFFERENT, SAME, SAME, DIFFERENT):
        resolve(doubtful, match.possible_match_id, resolution)
    assert [alert.kind for alert in doubtful.alerts()] == [AlertKind.KNOWN_TO_TWO, AlertKind.WITHDRAWN]


def test_the_queue_comes_in_pages_in_order_of_name(deployed: Deployed) -> None:
    send(deployed, "police", people(range(7)))
    send(deployed, "clinic", [little(number) for number in range(7)])
    whole = [match.possible_match_id for match in asked(deployed).possible_matches]
    assert len(whole) == 7
    assert whole == sorted(whole)
    pages, after = [], b""
    while True:
        answer = asked(deployed, 3, after)
        pages.append([match.possible_match_id for match in answer.possible_matches])
        if not answer.more:
            break
        after = pages[-1][-1]
    assert pages == [whole[:3], whole[3:6], whole[6:]]


@pytest.mark.parametrize("name", [b"", bytes(15), bytes(17)])
def test_a_name_of_another_length_is_refused(doubtful: Deployed, name: bytes) -> None:
    found = refused(lambda: resolve(doubtful, name, SAME))
    assert (found.code, found.metadata) == (INVALID, {"field": "possible_match_id"})


@pytest.mark.parametrize("name", [bytes(16), b"\xff" * 16])
def test_an_unknown_name_is_not_found(doubtful: Deployed, name: bytes) -> None:
    doubtful.settle()
    before = doubtful.frames()
    found = refused(lambda: resolve(doubtful, name, SAME))
    assert (found.code, found.reason) == (ABSENT, "ERROR_REASON_NOT_FOUND")
    assert doubtful.frames() == before


def test_a_name_of_a_record_removed_is_not_found(doubtful: Deployed) -> None:
    [match] = asked(doubtful).possible_matches
    removal = feed_pb.RemoveRecordsRequest(request_id="r", aliases=alias("clinic", person(0)))
    doubtful.feed("clinic").RemoveRecords(removal)
    assert not asked(doubtful).possible_matches
    assert refused(lambda: resolve(doubtful, match.possible_match_id, SAME)).code is ABSENT


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("resolution", 0),
        ("resolution", 3),
        ("reviewer", ""),
        ("reviewer", "x" * 65),
        ("expires_at", 1),
        ("expires_at", -1),
    ],
)
def test_a_bad_answer_is_refused(doubtful: Deployed, field: str, value: object) -> None:
    [match] = asked(doubtful).possible_matches
    found = refused(lambda: resolve(doubtful, match.possible_match_id, **{"resolution": SAME, field: value}))
    assert (found.code, found.reason, found.metadata) == (INVALID, "ERROR_REASON_INVALID_ARGUMENT", {"field": field})
    assert asked(doubtful).possible_matches == [match]


def test_an_answer_with_an_end_holds_until_a_day_begins_and_is_asked_again(
    doubtful: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    [match] = asked(doubtful).possible_matches
    resolve(doubtful, match.possible_match_id, DIFFERENT, expires_at=int(time.time()) + 2)
    send(doubtful, "council", people([50]))
    assert not asked(doubtful).possible_matches
    monkeypatch.setattr(doubtful.server.matching.pipeline, "_now", lambda: time.time() + 2 * 86400)
    wait_until(lambda: asked(doubtful).possible_matches)
    assert not doubtful.alerts()
