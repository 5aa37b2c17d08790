"""What the audit log says of a running matcher's calls: every one leaves its entry, and none holds a secret."""

import base64
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from matcher.audit.proof import prove
from matcher.errors import AuditError
from matcher.rpc import open_channel
from matcher.service.auditing import METHODS as NOTED
from matcher.v1 import alert_service_pb2 as alert_pb
from matcher.v1 import case_service_pb2 as case_pb
from matcher.v1 import feed_service_pb2 as pb
from matcher.v1 import status_service_pb2 as status_pb
from matcher.v1.alert_service_pb2_grpc import AlertServiceStub
from matcher.v1.case_service_pb2_grpc import CaseServiceStub
from tests.service.servers import (
    Deployed,
    alias,
    batch,
    little,
    people,
    person,
    raw_channel,
    refused,
    tokens,
    wait_until,
)
from tests.service.test_callers import METHODS, PARTY, authority_of, issued
from tests.service.test_cells import MAY, REQUESTS, Scene, scene
from tests.service.test_logs import encodings_of

__all__ = ["scene"]
CHAIN = {"number", "time", "before", "signature"}
CALLER = {"agency": "agency/police", "coordinator": "coordinator/hub", "operator": "operator/ops"}
ASKED = {
    "GetScheme": ("consultation", set()),
    "OpenFeed": ("consultation", {"feed"}),
    "AppendRecords": ("collection", {"feed", "offset", "records"}),
    "SubmitRecords": ("collection", {"records"}),
    "ReportContacts": ("alteration", {"records"}),
    "RemoveRecords": ("erasure", {"records"}),
    "WatchRemovals": ("disclosure", set()),
    "ConfirmRemoval": ("alteration", {"notices"}),
    "WatchAlerts": ("disclosure", {"consumer"}),
    "AcknowledgeAlerts": ("alteration", {"consumer", "sequence"}),
    "ParkAlert": ("alteration", {"consumer", "sequence"}),
    "ReleaseAlert": ("alteration", {"consumer", "sequence"}),
    "ListParkedAlerts": ("disclosure", {"consumer"}),
    "ListAlerts": ("disclosure", set()),
    "ExplainAlert": ("consultation", set()),
    "ListPossibleMatches": ("consultation", set()),
    "ListRestrictedPersons": ("disclosure", set()),
    "ResolvePossibleMatch": ("combination", set()),
    "OpenCase": ("alteration", set()),
    "RecordDecision": ("alteration", set()),
    "CloseCase": ("erasure", set()),
    "GetCase": ("consultation", set()),
    "ListCases": ("consultation", set()),
    "GetStatus": ("consultation", set()),
}
"""Operation, and what is said of the request."""
TOLD = {
    "WatchRemovals": {"notice_id"},
    "WatchAlerts": {"first_sequence", "last_sequence"},
    "ListParkedAlerts": {"first_sequence", "last_sequence"},
    "ListAlerts": {"first_sequence", "last_sequence"},
    "ExplainAlert": {"alert_id"},
    "ListPossibleMatches": {"first_possible_match_id", "last_possible_match_id"},
    "ResolvePossibleMatch": {"possible_match_id", "resolution", "reviewer", "expires_at"},
    "OpenCase": {"person_id", "case_id"},
    "RecordDecision": {"case_id", "decision", "participants"},
    "CloseCase": {"case_id"},
    "GetCase": {"case_id"},
    "ListCases": {"first_case_id", "last_case_id"},
}
"""What is said of each reply, where something is."""
Entry = dict[str, Any]


def entries(folder: Path) -> list[Entry]:
    """All there are, proved."""
    prove([folder / "audit.log"], folder / "audit.pub")
    return [json.loads(line) for line in (folder / "audit.log").read_bytes().splitlines()]


def of_calls(found: list[Entry]) -> list[Entry]:
    return [entry for entry in found if "method" in entry]


# -- every method, every role ------------------------------------------------------------------------------------------


def test_every_method_of_the_contract_is_noted() -> None:
    assert set(NOTED) == set(ASKED) == {method.name for method in METHODS}
    assert len(METHODS) == len(NOTED), "a method's name is that of one service"


def test_every_call_leaves_its_entries(scene: Scene) -> None:
    """Whoever may call a method leaves what was asked and told, whoever may not a refusal."""
    folder = scene.matcher.folder
    last = {"CloseCase": 1, "RemoveRecords": 1, "ConfirmRemoval": 1, "ReleaseAlert": 1}
    for method in sorted(METHODS, key=lambda each: last.get(each.name, 0)):
        name = method.name
        request: Any = REQUESTS[name](scene, "own")
        if hasattr(request, "request_id"):
            request.request_id = name
        for role, party in PARTY.items():
            scene.matcher.settle()
            before = len(entries(folder))
            call = {"caller": CALLER[role], "method": f"{method.service}/{name}"}
            if role != MAY[method.service]:
                refused(lambda m=method, p=party, r=request: scene.call(m, p, r))
                [entry] = entries(folder)[before:]
                reason = "ERROR_REASON_PERMISSION_DENIED"
                assert said(entry) == {"operation": "refusal", **call, "reason": reason}, name
                continue
            if name == "ListRestrictedPersons":  # of reviewers alone; see below
                refused(lambda m=method, p=party, r=request: scene.call(m, p, r))
            else:
                scene.call(method, party, request)
            scene.matcher.settle()
            asked, *told = of_calls(entries(folder)[before:])
            operation, facts = ASKED[name]
            assert asked.keys() == CHAIN | {"operation", "caller", "method"} | facts, name
            assert {key: asked[key] for key in ("operation", "caller", "method")} == {"operation": operation, **call}
            if name == "ListRestrictedPersons":
                assert [each["reason"] for each in told] == ["ERROR_REASON_PERMISSION_DENIED"]
                continue
            assert bool(told) == (name in TOLD), name
            for each in told:
                assert each.keys() - asked.keys() - {"of"} == TOLD[name] - facts, name
                assert (each["of"], each["operation"], each["method"]) == (asked["number"], operation, call["method"])
            if name == "WatchAlerts":
                assert [(each["first_sequence"], each["last_sequence"]) for each in told] == [
                    (1, scene.matcher.server.matching.store.last_sequence)
                ]


def said(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name not in CHAIN}


def test_what_restricted_persons_were_told_of_is_noted(tmp_path: Path) -> None:
    with Deployed(tmp_path) as deployed:
        deployed.config = replace(
            deployed.config, coordinators=(replace(deployed.config.coordinators[0], restricted=True),)
        )
        deployed.restart()
        flags = np.ones(1, np.uint8)
        for agency in ("police", "clinic"):
            request = pb.SubmitRecordsRequest(request_id="r", batch=batch(agency, people([1]), flags=flags))
            deployed.feed(agency).SubmitRecords(request)
        deployed.settle()
        [found] = deployed.alert.ListRestrictedPersons(alert_pb.ListRestrictedPersonsRequest()).persons
        told = of_calls(entries(tmp_path))[-1]
    assert told["first_person_id"] == found.person_id.hex()


def test_unknown_callers_are_noted_by_their_certificate(deployed: Deployed) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    key, pem = issued(deployed.folder / "pki", [x509.DNSName("Quixotterby")])
    with raw_channel(deployed.address, authority_of(deployed.folder), key, pem) as channel:
        refused(lambda: METHODS[0].call(channel, b""))
    entry = said(entries(deployed.folder)[-1])
    fingerprint = x509.load_pem_x509_certificate(pem).fingerprint(SHA256()).hex()
    assert entry.pop("method").startswith(METHODS[0].service)
    assert entry == {
        "operation": "refusal", "certificate": fingerprint, "reason": "ERROR_REASON_UNKNOWN_CALLER"
    }  # fmt: skip


def test_a_refused_request_is_told_from_one_that_was_done(deployed: Deployed) -> None:
    feed = deployed.feed("police")
    good = pb.AppendRecordsRequest(feed_id="f", batch=batch("police", people([1, 2])))
    again = pb.AppendRecordsRequest(feed_id="f", batch=batch("police", people([1, 2])))
    assert "COMMITTED" in refused(lambda: list(feed.AppendRecords(iter([good, again])))).reason
    assert "INVALID" in refused(lambda: feed.OpenFeed(pb.OpenFeedRequest(feed_id="Quixotterby 1"))).reason
    done, sent_again, refusal, unread, wrong = of_calls(entries(deployed.folder))
    assert (done["records"], done["offset"], sent_again["operation"]) == (2, 0, "collection")
    assert (refusal["of"], refusal["reason"]) == (sent_again["number"], "ERROR_REASON_OFFSET_COMMITTED")
    assert (unread["feed"], wrong["of"]) == ("(invalid)", unread["number"])


def test_health_of_a_known_caller_is_not_noted(deployed: Deployed) -> None:
    before = len(entries(deployed.folder))
    HealthStub(deployed.channel("operator-ops")).Check(health_pb2.HealthCheckRequest())
    assert len(entries(deployed.folder)) == before


def test_a_caller_may_say_why(deployed: Deployed) -> None:
    for given, reason in (("CASE-2026.7", None), ("not a name", "ERROR_REASON_INVALID_ARGUMENT")):
        with open_channel(deployed.address, deployed.tls("coordinator-hub"), justification=given) as channel:
            ask = AlertServiceStub(channel).ListAlerts
            if reason is None:
                ask(alert_pb.ListAlertsRequest())
                assert [entry["justification"] for entry in of_calls(entries(deployed.folder))] == [given] * 2
            else:
                assert refused(lambda a=ask: a(alert_pb.ListAlertsRequest())).reason == reason
    assert said(entries(deployed.folder)[-1])["operation"] == "refusal"


# -- the service itself ------------------------------------------------------------------------------------------------


def test_starts_and_stops_are_noted_with_what_was_run(tmp_path: Path) -> None:
    with Deployed(tmp_path) as deployed:
        deployed.restart()
        deployed.config = replace(deployed.config, look_back_days=100)
        deployed.restart()
    events = [entry for entry in entries(tmp_path) if entry["operation"] == "service"]
    assert [entry["event"] for entry in events] == ["start", "stop"] * 3
    first, second, third = events[::2]
    assert first["version"] == second["version"]
    assert first["model"] == second["model"] == deployed.server.matching.pipeline.scorer.model.digest
    assert second["configuration"] != third["configuration"]


def test_a_matcher_without_an_audit_log_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    deployed = Deployed(tmp_path, audit_log=None, audit_key=None)
    with deployed:
        assert deployed.feed("police").GetScheme(pb.GetSchemeRequest()).epoch
    assert "no audit log is kept" in caplog.text
    assert not (tmp_path / "audit.log").exists()


def test_combination_is_noted_before_it_is_committed(deployed: Deployed) -> None:
    feed = deployed.feed("police")
    for request_id, numbers in (("a", [1, 2, 3]), ("b", [2, 3])):
        feed.SubmitRecords(pb.SubmitRecordsRequest(request_id=request_id, batch=batch("police", people(numbers))))
        deployed.settle()
    feed.RemoveRecords(pb.RemoveRecordsRequest(request_id="c", aliases=alias("police", person(1))))
    deployed.settle()
    found = [said(entry) for entry in entries(deployed.folder) if "first_frame" in entry]
    assert found == [
        {"operation": "combination", "first_frame": 1, "last_frame": 1},
        {"operation": "combination", "first_frame": 2, "last_frame": 2, "replaced": 2},
        {"operation": "combination", "first_frame": 3, "last_frame": 3, "erased": 1},
    ]


# -- nothing secret ----------------------------------------------------------------------------------------------------


def test_the_log_is_the_same_whether_or_not_a_record_matches(tmp_path: Path) -> None:
    """But for what the coordinator is told, which the law wants noted."""
    logs = []
    for number, name in ((1, "matches"), (2, "does not")):
        folder = tmp_path / name
        folder.mkdir()
        with Deployed(folder) as deployed:
            for agency, who in (("clinic", 1), ("police", number)):
                request = pb.AppendRecordsRequest(feed_id="f", batch=batch(agency, people([who])))
                assert list(deployed.feed(agency).AppendRecords(iter([request])))
                deployed.settle()
            assert len(deployed.alerts()) == (number == 1)
        logs.append([said(entry) for entry in entries(folder) if entry["operation"] != "service"])
    assert logs[0] == logs[1]
    assert len(logs[0]) == 4


def test_no_secret_and_no_reference_is_in_the_log(deployed: Deployed) -> None:
    """Not of matched records either, and not when a caller puts one where it does not belong."""
    sent = {"police": [*people([1, 2]), little(3)], "clinic": [*people([1]), little(3), little(4)]}
    made = {}
    for agency, each_of in sent.items():
        persons = [each | {"record_ref": f"XYZZY-{agency}-{number}"} for number, each in enumerate(each_of)]
        made[agency] = tokens(agency, persons)
        message = batch(agency, persons)
        feed = deployed.feed(agency)
        assert list(feed.AppendRecords(iter([pb.AppendRecordsRequest(feed_id="f", batch=message)])))
        feed.SubmitRecords(pb.SubmitRecordsRequest(request_id=f"XYZZY-{agency}-1", batch=message))
        aliases = message.aliases[:16]
        day = (int(time.time()) // 86400).to_bytes(4, "little")
        feed.ReportContacts(pb.ReportContactsRequest(request_id="XYZZY-c", aliases=aliases, observed_days=day))
    deployed.settle()
    alerts, cases = deployed.alert, CaseServiceStub(deployed.channel("coordinator-hub"))
    told = list(alerts.ListAlerts(alert_pb.ListAlertsRequest()).alerts)
    assert told
    alerts.ExplainAlert(alert_pb.ExplainAlertRequest(alert_id=told[0].alert_id))
    assert alerts.ListPossibleMatches(alert_pb.ListPossibleMatchesRequest()).possible_matches
    cases.OpenCase(case_pb.OpenCaseRequest(person_id=told[0].person_id))
    misplaced = made["police"].aliases[1].tobytes()
    wrong: list[tuple[Any, Message]] = [
        (alerts.ExplainAlert, alert_pb.ExplainAlertRequest(alert_id=misplaced)),
        (
            alerts.ResolvePossibleMatch,
            alert_pb.ResolvePossibleMatchRequest(possible_match_id=misplaced, resolution=1, reviewer="XYZZY"),
        ),
        (cases.OpenCase, case_pb.OpenCaseRequest(person_id=misplaced)),
        (cases.RecordDecision, case_pb.RecordDecisionRequest(case_id=misplaced, decision_id="XYZZY-police-1")),
        (cases.CloseCase, case_pb.CloseCaseRequest(case_id=misplaced)),
        (cases.GetCase, case_pb.GetCaseRequest(case_id=misplaced)),
        (deployed.feed("police").OpenFeed, pb.OpenFeedRequest(feed_id=misplaced.hex() * 3)),
        (
            deployed.feed("police").ConfirmRemoval,
            pb.ConfirmRemovalRequest(notice_ids=[misplaced[:15]]),
        ),
    ]
    for call, request in wrong:
        refused(lambda c=call, r=request: c(r))
    remove = pb.RemoveRecordsRequest(request_id="XYZZY-police-2", aliases=misplaced)
    deployed.feed("police").RemoveRecords(remove)
    deployed.settle()
    assert len(entries(deployed.folder)) > 30
    written = (deployed.folder / "audit.log").read_bytes() + (deployed.folder / "audit.log.head").read_bytes()
    text = written.decode().lower()
    for batches in made.values():
        secrets = [*batches.aliases, *batches.sealed, *batches.block_tokens[batches.block_tokens.any(axis=2)]]
        for secret in map(np.ndarray.tobytes, secrets):
            assert not any(each in text for each in encodings_of(secret[:16]))
    assert "xyzzy" not in text
    for persons in sent.values():
        for each in persons:
            assert not any(value.lower() in text for value in each.values() if len(value) > 4)
    key = (deployed.folder / "audit.key").read_text().splitlines()[1]
    assert key not in text
    assert base64.b64encode(bytes.fromhex(key)).decode()[:-1].lower() not in text


# -- when it cannot be written -----------------------------------------------------------------------------------------


def test_what_cannot_be_noted_is_not_done(deployed: Deployed, caplog: pytest.LogCaptureFixture) -> None:
    log = deployed.server._auditor._log
    assert log is not None
    write, frames = log.write, deployed.frames()

    def full(_said: object) -> int:
        raise AuditError("/a/path cannot be written (No space left on device)")

    log.write = full  # type: ignore[method-assign]
    request = pb.SubmitRecordsRequest(request_id="r", batch=batch("police", people([1])))
    for call in (
        lambda: deployed.feed("police").SubmitRecords(request),
        lambda: list(deployed.feed("police").AppendRecords(iter([pb.AppendRecordsRequest(feed_id="f")]))),
        lambda: deployed.alert.ListAlerts(alert_pb.ListAlertsRequest()),
        lambda: list(deployed.alert.WatchAlerts(alert_pb.WatchAlertsRequest(consumer="c"))),
        lambda: deployed.status.GetStatus(status_pb.GetStatusRequest()),
    ):
        found = refused(call)
        assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "ERROR_REASON_AUDIT_UNAVAILABLE")
        assert "/a/path" not in found.message
    assert deployed.frames() == frames
    # who may not call hears so all the same
    denied = deployed.channel("agency-police").unary_unary("/matcher.v1.AlertService/ListAlerts")
    assert refused(lambda: denied(b"")).reason == "ERROR_REASON_PERMISSION_DENIED"
    log.write = write  # type: ignore[method-assign]
    deployed.feed("police").SubmitRecords(request)
    deployed.settle()
    assert [entry["operation"] for entry in entries(deployed.folder)] == ["service", "collection", "combination"]


def test_nothing_is_matched_that_cannot_be_noted(deployed: Deployed) -> None:
    pipeline, matching = deployed.server.matching.pipeline, deployed.server.matching
    note = pipeline._about_to_commit

    def full(*_: object) -> None:
        raise AuditError("no room")

    pipeline._about_to_commit = full
    for agency in ("police", "clinic"):
        deployed.feed(agency).SubmitRecords(pb.SubmitRecordsRequest(request_id="r", batch=batch(agency, people([1]))))
    wait_until(lambda: not matching.working)
    assert pipeline.store.matched_through == 0
    pipeline._about_to_commit = note
    wait_until(lambda: matching.working)
    assert len(deployed.alerts()) == 1
