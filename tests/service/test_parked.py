"""Alerts that a consumer cannot handle: put aside, passed over, read again, and gone with a closed case."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from matcher.errors import RemoteError
from matcher.v1 import alert_service_pb2 as pb
from matcher.v1 import case_service_pb2 as case_pb
from matcher.v1.case_service_pb2_grpc import CaseServiceStub
from tests.service.servers import Deployed, refused, wait_until
from tests.service.test_alert import known_to_two, until_checkpoint, watch


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    with Deployed(tmp_path) as made:
        known_to_two(made, 5)
        yield made


def test_an_alert_put_aside_is_passed_over_and_read_again_until_it_is_handled(deployed: Deployed) -> None:
    with deployed.alert_client("desk") as desk:
        for opened in desk.alerts(follow=False):
            if opened.sequence in (2, 4):  # it cannot be handled now
                desk.park(opened.sequence)
            desk.acknowledge(opened.sequence)
        assert list(desk.alerts(follow=False)) == []
        deployed.restart()
        [two, four] = list(desk.parked())
        assert [two.sequence, four.sequence] == [2, 4]
        assert all(member.reference for member in two.members)
        desk.park(2)
        desk.release(2)
        desk.release(2)
        assert [opened.sequence for opened in desk.parked()] == [4]
    with deployed.alert_client("archive") as archive:
        assert list(archive.parked()) == []
        assert [opened.sequence for opened in archive.alerts(follow=False)] == [1, 2, 3, 4, 5]
    alerts, _ = until_checkpoint(watch(deployed, "desk", 1))
    assert [alert.sequence for alert in alerts] == [2, 3, 4, 5]


def test_those_put_aside_come_in_pages(deployed: Deployed) -> None:
    for sequence in (5, 1, 3):
        deployed.alert.ParkAlert(pb.ParkAlertRequest(consumer="desk", sequence=sequence))
    page = deployed.alert.ListParkedAlerts(pb.ListParkedAlertsRequest(consumer="desk", page_size=2))
    assert ([alert.sequence for alert in page.alerts], page.more) == ([1, 3], True)
    request = pb.ListParkedAlertsRequest(consumer="desk", page_size=2, after_sequence=3)
    page = deployed.alert.ListParkedAlerts(request)
    assert ([alert.sequence for alert in page.alerts], page.more) == ([5], False)


def test_what_is_not_there_cannot_be_put_aside(deployed: Deployed) -> None:
    with deployed.alert_client("desk") as desk:
        for sequence in (0, 6, 2**63, 2**64 - 1):
            with pytest.raises(RemoteError, match="no such alert"):
                desk.park(sequence)
        desk.release(6)
    found = refused(lambda: deployed.alert.ParkAlert(pb.ParkAlertRequest(consumer="two words", sequence=1)))
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "ERROR_REASON_INVALID_ARGUMENT")


def test_a_closed_case_takes_its_alerts_from_those_put_aside(deployed: Deployed) -> None:
    cases = CaseServiceStub(deployed.channel("coordinator-hub"))
    for sequence in (2, 3):
        deployed.alert.ParkAlert(pb.ParkAlertRequest(consumer="desk", sequence=sequence))
    [alert] = deployed.alert.ListAlerts(pb.ListAlertsRequest(after_sequence=1, page_size=1)).alerts
    case_id = cases.OpenCase(case_pb.OpenCaseRequest(person_id=alert.person_id)).case_id
    cases.CloseCase(case_pb.CloseCaseRequest(case_id=case_id))
    deployed.settle()
    with deployed.alert_client("desk") as desk:
        wait_until(lambda: [opened.sequence for opened in desk.parked()] == [3])
        with pytest.raises(RemoteError, match="no such alert"):
            desk.park(2)
