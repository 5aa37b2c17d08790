"""What concerns restricted records is seen by the reviewers configured for it, and by nobody else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from matcher.coordinator.client import AlertClient
from matcher.coordinator.opening import Opener
from matcher.rpc import open_channel
from matcher.v1 import alert_service_pb2 as pb
from tests.factory import ANNA, BORIS, CHLOE, COORDINATOR, SCHEME, VAGUE_ANNA, Sighting
from tests.service.conftest import Matcher, sighting_today
from tests.service.servers import refused

SAME = pb.Resolution.RESOLUTION_SAME_PERSON


@pytest.fixture
def matcher(tmp_path: Path) -> Iterator[Matcher]:
    """A matcher with a reviewer of restricted records, "deputy"; Anna and Boris are known to two, he restrictedly."""
    made = Matcher(tmp_path)
    hub, deputy = made.config.coordinators
    made.config = replace(made.config, coordinators=(hub, replace(deputy, restricted=True)))
    made.start()
    made.send("police", *map(sighting_today, (Sighting("p", ANNA), Sighting("p2", BORIS), Sighting("p3", CHLOE))))
    made.send("hospital", *map(sighting_today, (Sighting("h", ANNA), Sighting("h2", BORIS, restricted=True))))
    made.settle()
    yield made
    made.stop()


def names(answer: pb.ListRestrictedPersonsResponse) -> list[list[str]]:
    """Agencies of each person."""
    return [[member.agency for member in person.members] for person in answer.persons]


def test_a_person_with_a_restricted_record_is_shown_to_its_reviewer_alone(matcher: Matcher) -> None:
    listed = matcher.alerts("deputy").ListRestrictedPersons(pb.ListRestrictedPersonsRequest())
    assert (names(listed), listed.more) == ([["police", "hospital"]], False)
    channel = open_channel(matcher.server.address, matcher.tls("coordinator-deputy"))
    with AlertClient(channel, "reviewer", Opener(COORDINATOR.private_bytes_raw()), SCHEME) as client:
        [(person_id, members)] = client.restricted_persons()
        assert [each.reference.reference for each in members if each.reference] == ["p2", "h2"]
        assert person_id == listed.persons[0].person_id
    found = refused(lambda: matcher.alerts("hub").ListRestrictedPersons(pb.ListRestrictedPersonsRequest()))
    assert (found.code, found.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ERROR_REASON_PERMISSION_DENIED")
    for coordinator in ("hub", "deputy"):
        alerts = matcher.alerts(coordinator).ListAlerts(pb.ListAlertsRequest()).alerts
        assert [[member.agency for member in alert.members] for alert in alerts] == [["police", "hospital"]]
        assert alerts[0].person_id != person_id


def test_it_leaves_the_queue_when_nothing_is_restricted_or_too_few_are_active(matcher: Matcher) -> None:
    deputy = matcher.alerts("deputy")
    matcher.send("hospital", sighting_today(Sighting("h2", BORIS)))
    matcher.settle()
    assert names(deputy.ListRestrictedPersons(pb.ListRestrictedPersonsRequest())) == []
    assert len(deputy.ListAlerts(pb.ListAlertsRequest()).alerts) == 2
    matcher.send("hospital", sighting_today(Sighting("h2", BORIS, restricted=True), -400))
    matcher.settle()
    assert names(deputy.ListRestrictedPersons(pb.ListRestrictedPersonsRequest())) == []


def test_the_queue_comes_in_pages(matcher: Matcher) -> None:
    matcher.send("council", sighting_today(Sighting("c3", CHLOE, restricted=True)))
    matcher.settle()
    deputy = matcher.alerts("deputy")
    first = deputy.ListRestrictedPersons(pb.ListRestrictedPersonsRequest(page_size=1))
    after = first.persons[0].person_id
    second = deputy.ListRestrictedPersons(pb.ListRestrictedPersonsRequest(page_size=1, after_person_id=after))
    assert (len(first.persons), first.more, len(second.persons), second.more) == (1, True, 1, False)
    assert second.persons[0].person_id > after


def test_a_possible_match_with_a_restricted_record_is_asked_of_its_reviewer_alone(matcher: Matcher) -> None:
    matcher.send("council", sighting_today(Sighting("c", VAGUE_ANNA, restricted=True)))
    matcher.settle()
    hub, deputy = matcher.alerts("hub"), matcher.alerts("deputy")
    assert list(hub.ListPossibleMatches(pb.ListPossibleMatchesRequest()).possible_matches) == []
    asked = deputy.ListPossibleMatches(pb.ListPossibleMatchesRequest()).possible_matches
    assert {frozenset((each.agency_l, each.agency_r)) for each in asked} == {
        frozenset(("police", "council")),
        frozenset(("hospital", "council")),
    }
    answer = pb.ResolvePossibleMatchRequest(
        possible_match_id=asked[0].possible_match_id, resolution=SAME, reviewer="A. Reviewer"
    )
    found = refused(lambda: hub.ResolvePossibleMatch(answer))
    assert (found.code, found.reason) == (grpc.StatusCode.NOT_FOUND, "ERROR_REASON_NOT_FOUND")
    deputy.ResolvePossibleMatch(answer)
    matcher.settle()
    assert len(deputy.ListRestrictedPersons(pb.ListRestrictedPersonsRequest()).persons) == 2


def test_a_record_that_becomes_restricted_is_shown_to_nobody_by_alerts_of_before(matcher: Matcher) -> None:
    matcher.send("hospital", sighting_today(Sighting("h", ANNA, restricted=True)))
    matcher.settle()
    for coordinator in ("hub", "deputy"):
        alerts = matcher.alerts(coordinator).ListAlerts(pb.ListAlertsRequest()).alerts
        assert not any(alert.members for alert in alerts)
