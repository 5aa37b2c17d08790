"""Does anything of unmatched records reach the coordinator or another agency? Planted ones are looked for.

A real matcher, three agencies. Some people are known to two of them: those are to be told of. Beside them stand the
canaries, each at one agency: namesakes (all but the NHS number is that of a person told of), members of such a
person's household, and strangers. Two different NHS numbers rule a pair out, so no canary can match. Every byte of
every reply to anyone, refusals and trailers too, and of the audit log is searched for any piece of a canary's alias,
sealed reference, block tokens and encodings; the people told of are the control that the search would find them.
"""

import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import grpc
import numpy as np
import pandas as pd
from google.protobuf.message import Message
from numpy.typing import NDArray

from benchmarks.deployment import Deployment
from benchmarks.machine import machine, report
from benchmarks.population import AGENCIES, generate
from benchmarks.sending import LOAD, Sender, part
from benchmarks.traces import Traces
from matcher.config import CoordinatorConfig, OperatorConfig
from matcher.model import TokenBatch
from matcher.rpc import open_channel
from matcher.scheme import UK_PERSON_V1
from matcher.v1 import alert_service_pb2 as alert_pb
from matcher.v1 import case_service_pb2 as case_pb
from matcher.v1 import feed_service_pb2 as feed_pb
from matcher.v1 import status_service_pb2 as status_pb
from matcher.wire import batch_message

KINDS = ("aliases", "sealed", "block_tokens", "encodings")
_NAMESAKE, _HOUSEHOLD = 0, 1
_TOLD_SHARE = 50
"""One person told of for so many canaries."""
_CASES = 20
_STREAM_SECONDS = 3.0
Held = tuple[TokenBatch, NDArray[np.bool_]]
"""An agency's records, and which of them are of people told of."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Secrets found in what was received, by kind."""

    canaries: int
    people_told_of: int
    bytes_received: int
    calls: int
    canaries_found: dict[str, int]
    """Of all that anyone received; 0 each is the claim."""
    canaries_audited: dict[str, int]
    """Of the audit log; 0 each too."""
    told_found: dict[str, int]
    """The control: records of people told of whose alias and sealed reference the coordinator received."""
    told_records: int
    notices_found: int
    """Another control: aliases of closed cases that agencies received as removal notices."""
    canaries_sent_found: int
    """And another: canaries found by alias in what their agencies sent."""


@dataclass(slots=True)
class Ear:
    """Keeps all that a party receives, as it came."""

    channel: grpc.Channel
    heard: bytearray = field(default_factory=bytearray)
    calls: int = 0

    def ask(self, path: str, *requests: Message, streams: bool = False, seconds: float = 60.0) -> list[bytes]:
        """The bodies of a call's reply; a call that is refused or runs out of time ends them."""
        raw = [request.SerializeToString() for request in requests]
        kind = "stream_stream" if streams else "unary_stream"
        # a unary reply is a stream of one
        call = getattr(self.channel, kind)(f"/matcher.v1.{path}")(iter(raw) if streams else raw[0], timeout=seconds)
        bodies: list[bytes] = []
        self.calls += 1
        try:
            for body in call:
                bodies.append(body)
                self.heard += body
        except grpc.RpcError as error:
            self.heard += repr(error).encode()
        for name, value in (*call.initial_metadata(), *call.trailing_metadata()):
            self.heard += name.encode() + (value if isinstance(value, bytes) else value.encode())
        self.heard += (call.details() or "").encode()
        return bodies


def run(canaries: int, seed: int, json_path: Path | None) -> Outcome:
    """Plant, let everyone ask for all they may, search, print, and write the figures."""
    folder = Path(tempfile.mkdtemp(prefix="canaries-"))
    try:
        with Deployment(folder, agencies=AGENCIES[:3], population=canaries) as deployment:
            deployment.set_up()
            deployment.start()
            outcome = _plant_and_search(deployment, canaries, seed)
    finally:
        shutil.rmtree(folder)
    report(asdict(outcome) | {"seed": seed} | machine(), json_path)
    return outcome


def planted(canaries: int, seed: int) -> pd.DataFrame:
    """The records, in random order: columns of a file, `agency` (0 to 2) and `told` (whether of a person told of)."""
    told = max(canaries // _TOLD_SHARE, 3 * _CASES)
    strangers = canaries - 2 * (canaries // 3)
    people = generate(2 * (told + strangers) + 200, seed, error_rate=0.0, known_share=0.1).records
    people = people.drop_duplicates("person").drop(columns=["agency", "observed_day"]).reset_index(drop=True)
    rng = np.random.default_rng(seed)
    known = people.iloc[:told]
    first = rng.integers(0, 3, told)
    second = (first + rng.integers(1, 3, told)) % 3
    parts = [known.assign(agency=first, told=True), known.assign(agency=second, told=True)]
    for like in (_NAMESAKE, _HOUSEHOLD):
        copies = known.iloc[np.arange(canaries // 3) % told].reset_index(drop=True)
        if like == _HOUSEHOLD:
            other = people.iloc[told + np.arange(canaries // 3) % strangers].reset_index(drop=True)
            copies = copies.assign(forename=other["forename"], dob=other["dob"], sex=other["sex"])
        parts.append(copies.assign(agency=rng.integers(0, 3, len(copies)), told=False))
    alone = people.iloc[told : told + strangers]
    parts.append(alone.assign(agency=rng.integers(0, 3, len(alone)), told=False))
    records = pd.concat(parts, ignore_index=True)
    numbers = _nhs_numbers(told + canaries)
    records["nhs_number"] = np.concatenate([numbers[:told], numbers])
    records["record_ref"] = [f"REF-{number:07}" for number in range(len(records))]
    return records.sample(frac=1.0, random_state=seed).reset_index(drop=True)


def _nhs_numbers(count: int) -> list[str]:
    """Different numbers with right check digits."""
    bases = 400_000_000 + 1237 * np.arange(2 * count + 20, dtype=np.int64)
    digits = bases[:, None] // 10 ** np.arange(8, -1, -1) % 10
    check = (11 - (digits * np.arange(10, 1, -1)).sum(axis=1) % 11) % 11
    valid = check < 10
    return [f"{base}{last}" for base, last in zip(bases[valid].tolist(), check[valid].tolist(), strict=True)][:count]


def _plant_and_search(deployment: Deployment, canaries: int, seed: int) -> Outcome:
    records = planted(canaries, seed)
    senders = [Sender(deployment, agency.name) for agency in deployment.agencies]
    ears = [Ear(sender.channel) for sender in senders]
    held: list[Held] = []
    sent = bytearray()
    for number, (sender, ear) in enumerate(zip(senders, ears, strict=True)):
        mine = records[records["agency"] == number]
        held.append((tokens := sender.tokens(mine), mine["told"].to_numpy()))
        sent += tokens.aliases.tobytes()
        ear.ask("FeedService/GetScheme", feed_pb.GetSchemeRequest())
        ear.ask("FeedService/OpenFeed", feed_pb.OpenFeedRequest(feed_id="f"))
        for at in range(0, len(mine), LOAD):
            batch = batch_message(part(tokens, at, at + LOAD), UK_PERSON_V1, at)
            ear.ask("FeedService/AppendRecords", feed_pb.AppendRecordsRequest(feed_id="f", batch=batch), streams=True)
    deployment.wait_until_matched()
    coordinator, operator = _channels(deployment)
    _misuse(ears, held)
    _read_all(coordinator)
    _change(ears, held)
    deployment.wait_until_matched()
    for ear in ears:
        notices = ear.ask("FeedService/WatchRemovals", feed_pb.WatchRemovalsRequest(), seconds=_STREAM_SECONDS)
        ids = [feed_pb.WatchRemovalsResponse.FromString(each).notice_id for each in notices]
        ear.ask("FeedService/ConfirmRemoval", feed_pb.ConfirmRemovalRequest(notice_ids=ids))
    _read_all(coordinator)
    operator.ask("StatusService/GetStatus", status_pb.GetStatusRequest())
    everyone = [*ears, coordinator, operator]
    received = bytes(b"".join(ear.heard for ear in everyone))
    for ear in everyone:
        ear.channel.close()
    secrets = {kind: _secrets(held, kind, told=False) for kind in KINDS}
    known = {kind: Traces(_secrets(held, kind, told=True)) for kind in ("aliases", "sealed")}
    audited = (deployment.folder / "audit.log").read_bytes()
    to_agencies = bytes(b"".join(ear.heard for ear in ears))
    return Outcome(
        canaries=len(secrets["aliases"]),
        people_told_of=int(records["told"].sum()) // 2,
        bytes_received=len(received),
        calls=sum(ear.calls for ear in everyone),
        canaries_found={kind: len(Traces(each).found(received)) for kind, each in secrets.items()},
        canaries_audited={kind: len(Traces(each).found(audited)) for kind, each in secrets.items()},
        told_found={kind: len(each.found(bytes(coordinator.heard))) for kind, each in known.items()},
        told_records=int(records["told"].sum()),
        notices_found=len(known["aliases"].found(to_agencies)),
        canaries_sent_found=len(Traces(secrets["aliases"]).found(bytes(sent))),
    )


def _secrets(held: list[Held], kind: str, *, told: bool) -> NDArray[np.uint8]:
    """One kind of secret of canaries, or of people told of: a row a record."""
    return np.concatenate(
        [getattr(tokens, kind)[mask == told].reshape(int((mask == told).sum()), -1) for tokens, mask in held]
    )


def _channels(deployment: Deployment) -> tuple[Ear, Ear]:
    """The coordinator's and the operator's."""
    files = (CoordinatorConfig.load(deployment.coordinator_config), OperatorConfig.load(deployment.operator_config))
    coordinator, operator = (Ear(open_channel(config.matcher, config.tls)) for config in files)
    return coordinator, operator


def _read_all(coordinator: Ear) -> None:
    """All that a coordinator can ask for; closes some cases."""
    page = alert_pb.ListAlertsRequest(page_size=1000)
    alerts: list[alert_pb.Alert] = []
    more = True
    while more:
        answer = alert_pb.ListAlertsResponse.FromString(coordinator.ask("AlertService/ListAlerts", page)[0])
        alerts += answer.alerts
        more, page.after_sequence = answer.more, alerts[-1].sequence
    watch = alert_pb.WatchAlertsRequest(consumer="main", after_sequence=0)
    coordinator.ask("AlertService/WatchAlerts", watch, seconds=_STREAM_SECONDS)
    coordinator.ask(
        "AlertService/AcknowledgeAlerts",
        alert_pb.AcknowledgeAlertsRequest(consumer="main", through_sequence=alerts[-1].sequence),
    )
    for alert in alerts:
        coordinator.ask("AlertService/ExplainAlert", alert_pb.ExplainAlertRequest(alert_id=alert.alert_id))
    coordinator.ask("AlertService/ListPossibleMatches", alert_pb.ListPossibleMatchesRequest(page_size=1000))
    told = [alert for alert in alerts if alert.kind == alert_pb.ALERT_KIND_KNOWN_TO_TWO]
    for alert in told[:_CASES]:
        opened = coordinator.ask("CaseService/OpenCase", case_pb.OpenCaseRequest(person_id=alert.person_id))
        for body in opened:
            case_id = case_pb.OpenCaseResponse.FromString(body).case_id
            decision = case_pb.RecordDecisionRequest(case_id=case_id, decision_id="d", participants=["nobody"])
            coordinator.ask("CaseService/RecordDecision", decision)
            coordinator.ask("CaseService/CloseCase", case_pb.CloseCaseRequest(case_id=case_id))
            coordinator.ask("CaseService/GetCase", case_pb.GetCaseRequest(case_id=case_id))
    coordinator.ask("CaseService/ListCases", case_pb.ListCasesRequest())
    coordinator.ask("FeedService/OpenFeed", feed_pb.OpenFeedRequest(feed_id="f"))


def _misuse(ears: list[Ear], held: list[Held]) -> None:
    """Each agency names another's canaries, and sends what is refused."""
    for number, ear in enumerate(ears):
        tokens, told = held[(number + 1) % len(held)]
        theirs = part(tokens, at := int(np.flatnonzero(~told)[0]), at + 1)
        days = np.full(1, 20_000, "<i4").tobytes()
        aliases = theirs.aliases.tobytes()
        ear.ask("FeedService/RemoveRecords", feed_pb.RemoveRecordsRequest(request_id="theirs", aliases=aliases))
        contacts = feed_pb.ReportContactsRequest(request_id="met", aliases=aliases, observed_days=days)
        ear.ask("FeedService/ReportContacts", contacts)
        batch = batch_message(theirs, UK_PERSON_V1, 1)
        batch.epoch += 1
        ear.ask("FeedService/SubmitRecords", feed_pb.SubmitRecordsRequest(request_id="bad", batch=batch))
        ear.ask("FeedService/AppendRecords", feed_pb.AppendRecordsRequest(feed_id="g", batch=batch), streams=True)
        ear.ask("FeedService/ConfirmRemoval", feed_pb.ConfirmRemovalRequest(notice_ids=[aliases]))
        ear.ask("AlertService/ListAlerts", alert_pb.ListAlertsRequest())


def _change(ears: list[Ear], held: list[Held]) -> None:
    """Canaries and people told of are sent again, met again, and removed."""
    for ear, (tokens, told) in zip(ears, held, strict=True):
        for name, which in (("canary", ~told), ("told", told)):
            at = np.flatnonzero(which)[:3].tolist()
            for number, record in enumerate(at):
                one = part(tokens, record, record + 1)
                batch, aliases = batch_message(one, UK_PERSON_V1), one.aliases.tobytes()
                request_id = f"{name}-{number}"
                ear.ask(
                    "FeedService/SubmitRecords", feed_pb.SubmitRecordsRequest(request_id=f"s-{request_id}", batch=batch)
                )
                ear.ask(
                    "FeedService/ReportContacts",
                    feed_pb.ReportContactsRequest(
                        request_id=f"c-{request_id}",
                        aliases=aliases,
                        observed_days=np.full(1, 20_000, "<i4").tobytes(),
                    ),
                )
                if number == 2:
                    gone = feed_pb.RemoveRecordsRequest(request_id=f"r-{request_id}", aliases=aliases)
                    ear.ask("FeedService/RemoveRecords", gone)
