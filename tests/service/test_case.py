"""Cases and removal notices through the real transport, from the alert to the last confirmation."""

import time
from collections.abc import Callable
from dataclasses import replace

import grpc
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from matcher.agency.client import FeedClient
from matcher.errors import RemoteError, StoreError, StoreFullError
from matcher.rpc import refusals
from matcher.service.identity import REFUSAL
from matcher.v1 import alert_service_pb2, case_service_pb2, feed_service_pb2, status_service_pb2

from ..factory import ANNA, BORIS, Sighting, alias
from .conftest import Matcher, sighting_today, until

_OPEN, _PLANNED = case_service_pb2.CASE_STATE_OPEN, case_service_pb2.CASE_STATE_PLANNED
_CLOSING, _CLOSED = case_service_pb2.CASE_STATE_CLOSING, case_service_pb2.CASE_STATE_CLOSED


def alerts(matcher: Matcher, after: int = 0) -> list[alert_service_pb2.Alert]:
    """The alert log."""
    matcher.settle()
    with refusals():
        return list(matcher.alerts().ListAlerts(alert_service_pb2.ListAlertsRequest(after_sequence=after)).alerts)


def anna_is_known(matcher: Matcher) -> bytes:
    """Anna becomes known to the police and the hospital; her person."""
    matcher.send("police", sighting_today(Sighting("p", ANNA)))
    matcher.send("hospital", sighting_today(Sighting("h", ANNA)))
    return alerts(matcher)[-1].person_id


def open_case(matcher: Matcher, person_id: bytes) -> bytes:
    """Open a case; its name."""
    with refusals():
        return matcher.cases().OpenCase(case_service_pb2.OpenCaseRequest(person_id=person_id)).case_id


def decide(matcher: Matcher, case_id: bytes, decision_id: str, *participants: str) -> None:
    """Record a decision."""
    request = case_service_pb2.RecordDecisionRequest(
        case_id=case_id, decision_id=decision_id, participants=participants
    )
    with refusals():
        matcher.cases().RecordDecision(request)


def close(matcher: Matcher, case_id: bytes) -> None:
    """Close a case."""
    with refusals():
        matcher.cases().CloseCase(case_service_pb2.CloseCaseRequest(case_id=case_id))


def case(matcher: Matcher, case_id: bytes) -> case_service_pb2.GetCaseResponse:
    """Where a case stands."""
    with refusals():
        return matcher.cases().GetCase(case_service_pb2.GetCaseRequest(case_id=case_id))


def refused(call: Callable[[], object]) -> RemoteError:
    """The refusal a call ends in."""
    with pytest.raises(RemoteError) as caught, refusals():
        call()
    return caught.value


def test_a_case_from_the_alert_to_the_last_confirmation(matcher: Matcher) -> None:
    began = int(time.time())
    person_id = anna_is_known(matcher)
    case_id = open_case(matcher, person_id)
    assert open_case(matcher, person_id) == case_id
    opened = case(matcher, case_id)
    assert (opened.state, opened.person_id, opened.decisions, opened.closed_at) == (_OPEN, person_id, 0, 0)
    assert began <= opened.opened_at <= time.time()
    for decision_id in ("first", "first", "second"):
        decide(matcher, case_id, decision_id, "police", "hospital", "council")
    assert (case(matcher, case_id).state, case(matcher, case_id).decisions) == (_PLANNED, 2)

    close(matcher, case_id)
    assert case(matcher, case_id).state == _CLOSING
    close(matcher, case_id)
    matcher.settle()
    closing = case(matcher, case_id)
    assert (closing.state, closing.person_id, closing.decisions) == (_CLOSING, b"", 0)
    assert list(closing.awaiting_removal) == ["hospital", "police"]
    assert closing.opened_at <= closing.closed_at <= time.time()
    assert alerts(matcher) == []
    with refusals():
        unconfirmed = matcher.status().GetStatus(status_service_pb2.GetStatusRequest()).removals_unconfirmed
    assert (unconfirmed.value, unconfirmed.at_most) == (7, True)

    police, hospital = (FeedClient(matcher.channel(f"agency-{name}")) for name in ("police", "hospital"))
    notice = next(iter(police.removals()))
    assert (notice.alias, notice.closed_at) == (alias("police", "p"), closing.closed_at)
    hospital.confirm([notice.notice_id])
    assert list(case(matcher, case_id).awaiting_removal) == ["hospital", "police"]
    for _ in range(2):
        police.confirm([notice.notice_id])
    assert list(case(matcher, case_id).awaiting_removal) == ["hospital"]
    hospital.confirm([next(iter(hospital.removals())).notice_id])
    closed = case(matcher, case_id)
    assert (closed.state, list(closed.awaiting_removal), closed.closed_at) == (_CLOSED, [], closing.closed_at)


def test_decisions_need_health_and_police_in_an_open_case(matcher: Matcher) -> None:
    case_id = open_case(matcher, anna_is_known(matcher))
    for participants in ((), ("police",), ("hospital", "council"), ("police", "police", "housing")):
        assert refused(lambda who=participants: decide(matcher, case_id, "d", *who)).reason == (
            "ERROR_REASON_GREEN_AND_BLUE_REQUIRED"
        )
    unknown = refused(lambda: decide(matcher, case_id, "d", "police", "secret-name"))
    assert unknown.reason == "ERROR_REASON_INVALID_ARGUMENT"
    assert "number 2" in str(unknown)
    assert "secret-name" not in str(unknown)
    assert case(matcher, case_id).state == _OPEN
    close(matcher, case_id)
    after = refused(lambda: decide(matcher, case_id, "d", "police", "hospital"))
    assert after.reason == "ERROR_REASON_CASE_STATE"


def test_cases_are_listed_in_pages_with_what_is_overdue(matcher: Matcher) -> None:
    people = [replace(ANNA, forename=name) for name in ("ANNA", "BELINDA", "CHARLOTTE")]
    for agency in ("police", "hospital"):
        matcher.send(agency, *(sighting_today(Sighting(f"{agency}{n}", each)) for n, each in enumerate(people)))
    opened = sorted(open_case(matcher, alert.person_id) for alert in alerts(matcher))
    assert len(opened) == 3
    with refusals():
        first = matcher.cases().ListCases(case_service_pb2.ListCasesRequest(page_size=2))
        rest = matcher.cases().ListCases(case_service_pb2.ListCasesRequest(page_size=2, after_case_id=opened[1]))
    assert ([each.case_id for each in first.cases], first.more) == (opened[:2], True)
    assert ([each.case_id for each in rest.cases], rest.more) == (opened[2:], False)
    assert first.cases[0].standing == case(matcher, opened[0])
    close(matcher, opened[0])
    matcher.settle()
    store = matcher.server.matching.store
    assert not case(matcher, opened[0]).removal_overdue
    closed_at = store.case(opened[0]).closed_at
    assert [store.removals_overdue(closed_at + after) for after in (0, 1)] == [0, 2]
    for wrong in ({"page_size": 1001}, {"after_case_id": b"short"}):
        request = case_service_pb2.ListCasesRequest(**wrong)
        reason = refused(lambda request=request: matcher.cases().ListCases(request)).reason
        assert reason == "ERROR_REASON_INVALID_ARGUMENT"


def test_what_is_not_there_and_what_is_malformed_is_refused(matcher: Matcher) -> None:
    person_id = anna_is_known(matcher)
    for call in (
        lambda: open_case(matcher, bytes(16)),
        lambda: decide(matcher, bytes(16), "d", "police", "hospital"),
        lambda: close(matcher, bytes(16)),
        lambda: case(matcher, bytes(16)),
    ):
        assert refused(call).reason == "ERROR_REASON_NOT_FOUND"
    case_id = open_case(matcher, person_id)
    police = FeedClient(matcher.channel("agency-police"))
    for call in (
        lambda: open_case(matcher, person_id[:-1]),
        lambda: decide(matcher, case_id, "no spaces", "police", "hospital"),
        lambda: decide(matcher, case_id, "", "police", "hospital"),
        lambda: close(matcher, b""),
        lambda: case(matcher, case_id + b"x"),
        lambda: police.confirm([]),
        lambda: police.confirm([bytes(16), bytes(15)]),
        lambda: police.confirm([bytes(16)] * 1001),
    ):
        assert refused(call).reason == "ERROR_REASON_INVALID_ARGUMENT"
    close(matcher, case_id)
    assert refused(lambda: open_case(matcher, person_id)).reason == "ERROR_REASON_NOT_FOUND"
    matcher.settle()
    assert refused(lambda: open_case(matcher, person_id)).reason == "ERROR_REASON_NOT_FOUND"


def test_only_a_coordinator_may_call_about_cases_and_only_an_agency_about_removals(matcher: Matcher) -> None:
    for caller in ("agency-police", "operator-ops"):
        for method in ("OpenCase", "RecordDecision", "CloseCase", "GetCase", "ListCases"):
            call = matcher.channel(caller).unary_unary(f"/matcher.v1.CaseService/{method}")
            refusal = refused(lambda call=call: call(b""))
            assert (refusal.reason, REFUSAL in str(refusal)) == ("ERROR_REASON_PERMISSION_DENIED", True)
    for caller in ("coordinator-hub", "operator-ops"):
        watch = matcher.channel(caller).unary_stream("/matcher.v1.FeedService/WatchRemovals")
        assert refused(lambda watch=watch: next(watch(b""))).reason == "ERROR_REASON_PERMISSION_DENIED"
        confirm = matcher.channel(caller).unary_unary("/matcher.v1.FeedService/ConfirmRemoval")
        assert refused(lambda confirm=confirm: confirm(b"")).reason == "ERROR_REASON_PERMISSION_DENIED"


def test_a_watching_agency_hears_of_its_own_removals_as_cases_close(matcher: Matcher) -> None:
    anna = open_case(matcher, anna_is_known(matcher))
    matcher.send("hospital", sighting_today(Sighting("h2", BORIS)))
    matcher.send("council", sighting_today(Sighting("c2", BORIS)))
    boris = open_case(matcher, alerts(matcher)[-1].person_id)
    stream = matcher.feed("hospital").WatchRemovals(feed_service_pb2.WatchRemovalsRequest())
    close(matcher, anna)
    first = next(stream)
    close(matcher, boris)
    second = next(stream)
    assert [first.alias, second.alias] == [alias("hospital", "h"), alias("hospital", "h2")]
    stream.cancel()
    again = FeedClient(matcher.channel("agency-hospital")).removals()
    assert [next(again).notice_id for _ in range(2)] == [first.notice_id, second.notice_id]
    own = FeedClient(matcher.channel("agency-police")).removals()
    assert next(own).alias == alias("police", "p")


def test_a_consumer_s_checkpoint_passes_over_purged_alerts(matcher: Matcher) -> None:
    stream = matcher.alerts().WatchAlerts(alert_service_pb2.WatchAlertsRequest(consumer="c", after_sequence=0))
    assert next(stream).checkpoint == 0
    case_id = open_case(matcher, anna_is_known(matcher))
    assert [next(stream).alerts[0].sequence, next(stream).checkpoint] == [1, 1]
    matcher.send("council", sighting_today(Sighting("c2", BORIS)))
    matcher.send("housing", sighting_today(Sighting("o2", BORIS)))
    assert [next(stream).alerts[0].sequence, next(stream).checkpoint] == [2, 2]
    close(matcher, case_id)
    assert [alert.sequence for alert in alerts(matcher)] == [2]
    boris = open_case(matcher, alerts(matcher)[0].person_id)
    close(matcher, boris)
    assert alerts(matcher) == []
    stream.cancel()
    late = matcher.alerts("deputy").WatchAlerts(alert_service_pb2.WatchAlertsRequest(consumer="d", after_sequence=0))
    assert next(late).checkpoint == 2
    late.cancel()
    with refusals():
        mark = alert_service_pb2.AcknowledgeAlertsRequest(consumer="d", through_sequence=2)
        assert matcher.alerts("deputy").AcknowledgeAlerts(mark).through_sequence == 2


def test_after_a_closure_the_person_is_told_of_again_once_both_met_it_later(matcher: Matcher) -> None:
    close(matcher, open_case(matcher, anna_is_known(matcher)))
    matcher.settle()
    tomorrow = sighting_today(Sighting("", ANNA), 1).day
    for agency, ref in (("police", "p"), ("hospital", "h")):
        assert alerts(matcher) == []
        FeedClient(matcher.channel(f"agency-{agency}")).report_contacts("r", [alias(agency, ref)], [tomorrow])
    (alert,) = alerts(matcher)
    assert (alert.sequence, alert.kind) == (2, alert_service_pb2.ALERT_KIND_KNOWN_TO_TWO)


def test_cases_and_notices_survive_a_restart(matcher: Matcher) -> None:
    person_id = anna_is_known(matcher)
    case_id = open_case(matcher, person_id)
    decide(matcher, case_id, "d", "police", "hospital")
    matcher.stop()
    matcher.start()
    assert (case(matcher, case_id).state, open_case(matcher, person_id)) == (_PLANNED, case_id)
    close(matcher, case_id)
    matcher.settle()
    matcher.stop()
    matcher.start()
    assert list(case(matcher, case_id).awaiting_removal) == ["hospital", "police"]
    assert next(iter(FeedClient(matcher.channel("agency-police")).removals())).alias == alias("police", "p")
    assert alerts(matcher) == []
    assert not matcher.server.matching.pipeline.is_told(person_id)


def test_a_store_that_fails_says_nothing_of_its_place(matcher: Matcher, monkeypatch: pytest.MonkeyPatch) -> None:
    store = matcher.server.matching.store
    for error, reason in (
        (StoreError("/secret/path is damaged"), "ERROR_REASON_STORE_UNAVAILABLE"),
        (StoreFullError("/secret/path is full"), "ERROR_REASON_STORE_FULL"),
    ):

        def fail(case_id: bytes, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(store, "case", fail)
        refusal = refused(lambda: case(matcher, bytes(16)))
        assert (refusal.reason, "secret" in str(refusal)) == (reason, False)


def test_reflection_names_every_service_of_the_contract(matcher: Matcher) -> None:
    names = ProtoReflectionDescriptorDatabase(matcher.channel("operator-ops")).get_services()
    assert {name for name in names if name.startswith("matcher.v1")} == {
        f"matcher.v1.{name}Service" for name in ("Feed", "Alert", "Case", "Status")
    }


def test_a_watch_ends_when_the_server_stops(matcher: Matcher) -> None:
    stream = matcher.feed("police").WatchRemovals(feed_service_pb2.WatchRemovalsRequest())
    until(stream.is_active)
    began = time.monotonic()
    matcher.server.stop(grace=5)
    with pytest.raises((grpc.RpcError, StopIteration)):
        next(stream)
    assert time.monotonic() - began < 4
    matcher.start()
