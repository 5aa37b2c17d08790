"""Every role x every method x what is its own and what is another's, in one table.

Police act; the hospital is the other. What is named is real: aliases that are held, feeds, notices, alerts and cases
that exist, so that a refusal does not come of a wrong request.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message

from matcher.service.identity import REFUSAL
from matcher.v1 import alert_service_pb2 as alert_pb
from matcher.v1 import case_service_pb2 as case_pb
from matcher.v1 import feed_service_pb2 as feed_pb
from matcher.v1 import status_service_pb2 as status_pb
from matcher.wire import batch_message

from ..factory import ANNA, BORIS, CHLOE, SCHEME, VAGUE_ANNA, Human, Sighting, alias, tokens
from .conftest import Matcher, sighting_today, until
from .servers import Refusal, refused
from .test_callers import METHODS, Method

DIANA = Human("DIANA", "PEMBERTON", "1968-02-20", "F", "BS34TT", "5 QUAY STREET")
REFS = {"police": ("anna", "boris", "chloe"), "hospital": ("anna", "boris", "diana")}
OTHER_FEED = {"police": "mine", "hospital": "theirs"}
PARTY = {"agency": "agency-police", "coordinator": "coordinator-hub", "operator": "operator-ops"}
WATCHING = ("WatchAlerts", "WatchRemovals")


@dataclass
class Scene:
    """A matcher at which everyone has something, and what it is called."""

    matcher: Matcher
    alerts: dict[str, bytes]
    """By whose record it names: "own" (police) or "other" (hospital and council)."""
    persons: dict[str, bytes]
    cases: dict[str, bytes]
    possible: list[bytes]

    def state(self, agency: str) -> tuple[object, ...]:
        """All that is stored for an agency: records with their days and places, feeds, notices."""
        self.matcher.settle()
        pipeline = self.matcher.server.matching.pipeline
        names = [each.name for each in pipeline.settings.agencies]
        refs = sorted({*REFS["police"], *REFS["hospital"], "new"})
        aliases = np.frombuffer(b"".join(alias(holder, ref) for holder in REFS for ref in refs), np.uint8)
        records = pipeline.registry.find(names.index(agency), aliases.reshape(-1, 16)).tolist()
        held = [record for record in records if record >= 0]
        stands = tuple((pipeline.registry.day(record), pipeline.registry.place(record)) for record in held)
        offsets = tuple(pipeline.store.next_offset(agency, feed) for feed in ("f", *OTHER_FEED.values()))
        notices = tuple(notice.notice_id for notice in pipeline.store.notices_after(agency, 0, 100))
        return stands, tuple(record >= 0 for record in records), offsets, notices

    def notices(self, agency: str) -> list[bytes]:
        store = self.matcher.server.matching.store
        return [notice.notice_id for notice in store.notices_after(agency, 0, 100)]

    def call(self, method: Method, party: str, request: Message) -> list[bytes]:
        """The bodies of a reply, raw. A watch ends when nothing more comes."""
        kind = "stream" if method.client_streaming else "unary"
        raw = request.SerializeToString()
        call = getattr(self.matcher.channel(party), f"{kind}_stream")(method.path)
        bodies: list[bytes] = []
        watching = method.name in WATCHING
        try:
            for body in call(iter([raw]) if method.client_streaming else raw, timeout=1.5 if watching else 20):
                bodies.append(body)
        except grpc.RpcError as error:
            if not (watching and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED):
                raise
        return bodies


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    matcher = Matcher(tmp_path)
    matcher.start()
    try:
        matcher.send("police", *(sighting_today(each) for each in (Sighting("anna", ANNA), Sighting("boris", BORIS))))
        matcher.send("hospital", *(sighting_today(each) for each in (Sighting("anna", ANNA), Sighting("boris", BORIS))))
        matcher.send("police", sighting_today(Sighting("chloe", CHLOE)))
        matcher.send("council", sighting_today(Sighting("chloe", CHLOE)), sighting_today(Sighting("diana", DIANA)))
        matcher.send("hospital", sighting_today(Sighting("diana", DIANA)))
        matcher.send("housing", sighting_today(Sighting("vague", VAGUE_ANNA)))
        matcher.settle()
        told = matcher.alerts().ListAlerts(alert_pb.ListAlertsRequest()).alerts
        by_record = {member.alias: alert for alert in told for member in alert.members}
        named = {"own": by_record[alias("police", "chloe")], "other": by_record[alias("hospital", "diana")]}
        closing = by_record[alias("police", "boris")].person_id
        closed = matcher.cases().OpenCase(case_pb.OpenCaseRequest(person_id=closing)).case_id
        matcher.cases().CloseCase(case_pb.CloseCaseRequest(case_id=closed))
        cases = {
            whose: matcher.cases("hub" if whose == "own" else "deputy")
            .OpenCase(case_pb.OpenCaseRequest(person_id=alert.person_id))
            .case_id
            for whose, alert in named.items()
        }
        matcher.settle()
        listed = matcher.alerts().ListPossibleMatches(alert_pb.ListPossibleMatchesRequest()).possible_matches
        made = Scene(
            matcher,
            {whose: alert.alert_id for whose, alert in named.items()},
            {whose: alert.person_id for whose, alert in named.items()},
            cases,
            [each.possible_match_id for each in listed],
        )
        until(lambda: len(made.notices("police")) == len(made.notices("hospital")) == 1)
        yield made
    finally:
        matcher.stop()


def _records(agency: str, ref: str) -> Any:
    """A batch of police's with the alias that an agency gave a record."""
    made = batch_message(tokens("police", sighting_today(Sighting("new", BORIS))), SCHEME)
    made.aliases = alias(agency, ref)
    return made


Whose = str
Request = Callable[[Scene, Whose], Message]
AGENCY = {"own": "police", "other": "hospital"}
REQUESTS: dict[str, Request] = {
    "GetScheme": lambda scene, whose: feed_pb.GetSchemeRequest(),
    "OpenFeed": lambda scene, whose: feed_pb.OpenFeedRequest(feed_id="f" if whose == "own" else "theirs"),
    "AppendRecords": lambda scene, whose: feed_pb.AppendRecordsRequest(
        feed_id=OTHER_FEED[AGENCY[whose]], batch=_records("police", "new")
    ),
    "SubmitRecords": lambda scene, whose: feed_pb.SubmitRecordsRequest(
        request_id="r", batch=_records(AGENCY[whose], "anna")
    ),
    "ReportContacts": lambda scene, whose: feed_pb.ReportContactsRequest(
        request_id="r",
        aliases=alias(AGENCY[whose], "anna"),
        observed_days=(sighting_today(Sighting("", ANNA), 1).day).to_bytes(4, "little"),
    ),
    "RemoveRecords": lambda scene, whose: feed_pb.RemoveRecordsRequest(
        request_id="r", aliases=alias(AGENCY[whose], "anna")
    ),
    "WatchRemovals": lambda scene, whose: feed_pb.WatchRemovalsRequest(),
    "ConfirmRemoval": lambda scene, whose: feed_pb.ConfirmRemovalRequest(notice_ids=scene.notices(AGENCY[whose])),
    "WatchAlerts": lambda scene, whose: alert_pb.WatchAlertsRequest(consumer=whose, after_sequence=0),
    "AcknowledgeAlerts": lambda scene, whose: alert_pb.AcknowledgeAlertsRequest(consumer=whose, through_sequence=1),
    "ListAlerts": lambda scene, whose: alert_pb.ListAlertsRequest(),
    "ExplainAlert": lambda scene, whose: alert_pb.ExplainAlertRequest(alert_id=scene.alerts[whose]),
    "ParkAlert": lambda scene, whose: alert_pb.ParkAlertRequest(consumer=whose, sequence=1),
    "ListParkedAlerts": lambda scene, whose: alert_pb.ListParkedAlertsRequest(consumer=whose),
    "ReleaseAlert": lambda scene, whose: alert_pb.ReleaseAlertRequest(consumer=whose, sequence=1),
    "ListRestrictedPersons": lambda scene, whose: alert_pb.ListRestrictedPersonsRequest(),
    "ListPossibleMatches": lambda scene, whose: alert_pb.ListPossibleMatchesRequest(),
    "ResolvePossibleMatch": lambda scene, whose: alert_pb.ResolvePossibleMatchRequest(
        possible_match_id=scene.possible[0], resolution=alert_pb.RESOLUTION_DIFFERENT_PEOPLE, reviewer="r"
    ),
    "OpenCase": lambda scene, whose: case_pb.OpenCaseRequest(person_id=scene.persons[whose]),
    "RecordDecision": lambda scene, whose: case_pb.RecordDecisionRequest(
        case_id=scene.cases[whose], decision_id="d", participants=["police", "hospital"]
    ),
    "CloseCase": lambda scene, whose: case_pb.CloseCaseRequest(case_id=scene.cases[whose]),
    "GetCase": lambda scene, whose: case_pb.GetCaseRequest(case_id=scene.cases[whose]),
    "ListCases": lambda scene, whose: case_pb.ListCasesRequest(),
    "GetStatus": lambda scene, whose: status_pb.GetStatusRequest(),
}
"""A right request of every method, about what is police's (or the calling coordinator's) own, or another's."""
MAY = {
    "FeedService": "agency",
    "AlertService": "coordinator",
    "CaseService": "coordinator",
    "StatusService": "operator",
}
REVIEWERS_ONLY = {"ListRestrictedPersons"}
"""Methods of those coordinators alone that the configuration names, and it names none here."""
CHANGES_OWN = {"AppendRecords", "SubmitRecords", "ReportContacts", "RemoveRecords", "ConfirmRemoval"}
SAME_REPLY = {"SubmitRecords", "ReportContacts", "RemoveRecords", "ConfirmRemoval", "GetScheme"}
"""Methods whose reply does not even tell whether what was named is the caller's."""


def test_every_method_has_a_row() -> None:
    assert set(REQUESTS) == {method.name for method in METHODS}
    assert len(REQUESTS) == len(METHODS)


def test_who_may_not_call_a_method_is_refused_for_own_and_others_alike_and_changes_nothing(scene: Scene) -> None:
    before = [scene.state(agency) for agency in ("police", "hospital")]
    cells = 0
    for method in METHODS:
        for role, party in PARTY.items():
            if role == MAY[method.service]:
                continue
            for whose in ("own", "other"):
                request = REQUESTS[method.name](scene, whose)
                found = refused(lambda m=method, p=party, r=request: scene.call(m, p, r))
                assert found == Refusal(
                    grpc.StatusCode.PERMISSION_DENIED, "ERROR_REASON_PERMISSION_DENIED", REFUSAL, {}
                ), (method.path, role, whose)
                cells += 1
    assert cells == 4 * len(METHODS)
    assert [scene.state(agency) for agency in ("police", "hospital")] == before
    assert {
        scene.matcher.cases().GetCase(case_pb.GetCaseRequest(case_id=each)).state for each in scene.cases.values()
    } == {case_pb.CASE_STATE_OPEN}


@pytest.mark.parametrize("method", [each for each in METHODS if each.service == "FeedService"], ids=lambda m: m.name)
def test_an_agency_reaches_its_own_and_nothing_of_another(scene: Scene, method: Method) -> None:
    replies = {}
    others = {agency: scene.state(agency) for agency in ("hospital", "council")}
    for whose in ("other", "own"):
        own = scene.state("police")
        request = REQUESTS[method.name](scene, whose)
        if whose == "own" and hasattr(request, "request_id"):
            request.request_id = "r2"
        replies[whose] = scene.call(method, PARTY["agency"], request)
        assert {agency: scene.state(agency) for agency in others} == others, whose
        if whose == "own":
            assert (scene.state("police") != own) == (method.name in CHANGES_OWN)
    if method.name in SAME_REPLY:
        assert replies["own"] == replies["other"]
    if method.name == "OpenFeed":
        offsets = {whose: feed_pb.OpenFeedResponse.FromString(body).next_offset for whose, [body] in replies.items()}
        assert offsets == {"own": 3, "other": 0}
    if method.name == "WatchRemovals":
        told = {feed_pb.WatchRemovalsResponse.FromString(body).alias for body in replies["own"]}
        assert told == {alias("police", "boris")}


@pytest.mark.parametrize(
    "method", [each for each in METHODS if MAY[each.service] == "coordinator"], ids=lambda method: method.name
)
@pytest.mark.parametrize("coordinator", ["hub", "deputy"])
def test_coordinators_share_everything(scene: Scene, method: Method, coordinator: str) -> None:
    """By design: the coordinator is one party, with several certificates perhaps. No agency's record changes by it."""
    if method.name in REVIEWERS_ONLY:
        found = refused(lambda: scene.call(method, f"coordinator-{coordinator}", REQUESTS[method.name](scene, "own")))
        assert (found.code, found.message) == (grpc.StatusCode.PERMISSION_DENIED, REFUSAL)
        return
    whose = ("own",) if method.name == "ResolvePossibleMatch" else ("own", "other")
    records = [scene.state(agency)[:3] for agency in ("police", "hospital")]
    for each in whose:
        assert scene.call(method, f"coordinator-{coordinator}", REQUESTS[method.name](scene, each)), each
    assert [scene.state(agency)[:3] for agency in ("police", "hospital")] == records


def test_an_operator_gets_its_status_and_no_more(scene: Scene) -> None:
    [method] = [each for each in METHODS if MAY[each.service] == "operator"]
    [body] = scene.call(method, PARTY["operator"], REQUESTS[method.name](scene, "own"))
    status = status_pb.GetStatusResponse.FromString(body)
    assert {feed.agency for feed in status.feeds} == {"police", "hospital", "council", "housing"}
    assert all(feed.records.at_most or feed.records.value % 5 == 0 for feed in status.feeds)
