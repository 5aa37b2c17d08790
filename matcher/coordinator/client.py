"""The coordinator's side of the wire: an iterator over alerts that never loses one, with references opened.

with AlertClient(channel, config.consumer, opener, scheme) as client:
    for alert in client.alerts():
        handle(alert)                       # at least once: handle it before the next line
        client.acknowledge(alert.sequence)  # the durable cursor: a restart resumes behind it
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import grpc

from matcher.coordinator.opening import OpenedReference, Opener
from matcher.errors import ConfigError, RemoteError, SealError
from matcher.model import Alert, Disclosure, Resolution
from matcher.rpc import Client, refusals
from matcher.scheme import LinkageScheme
from matcher.v1 import alert_service_pb2 as pb
from matcher.v1 import case_service_pb2 as case_pb
from matcher.v1.alert_service_pb2_grpc import AlertServiceStub
from matcher.v1.case_service_pb2_grpc import CaseServiceStub
from matcher.wire import read_alert, read_member

log = logging.getLogger(__name__)
_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_PAGE = 1000
# a matcher that stops cancels the calls in hand
_TRANSIENT = {
    *("UNAVAILABLE", "CANCELLED", "INTERNAL", "ERROR_REASON_INTERNAL", "ERROR_REASON_STORE_UNAVAILABLE"),
    *("ERROR_REASON_STORE_FULL", "ERROR_REASON_AUDIT_UNAVAILABLE"),
}
_UNKNOWN_CALLER = "ERROR_REASON_UNKNOWN_CALLER"


@dataclass(frozen=True, slots=True)
class OpenedMember:
    """One record of an alerted person, with what its agency wrote for the coordinator."""

    member: Disclosure
    reference: OpenedReference | None = field(repr=False)
    """None if it does not open with this key: the agency has pinned another one."""


@dataclass(frozen=True, slots=True)
class OpenedAlert:
    """An alert as the coordinator reads it."""

    alert: Alert
    members: tuple[OpenedMember, ...]

    @property
    def sequence(self) -> int:
        """Position in the log."""
        return self.alert.sequence


class AlertClient(Client):
    """Calls of one coordinator's consumer over one channel. A refused call raises `RemoteError`.

    `reopen` gives the channel to go on with after a break, so that a renewed certificate takes effect.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        consumer: str,
        opener: Opener,
        scheme: LinkageScheme,
        reopen: Callable[[], grpc.Channel] | None = None,
    ) -> None:
        super().__init__(channel)
        self._stub = AlertServiceStub(channel)
        self._reopen = reopen
        self._consumer = consumer
        self._opener = opener
        self._scheme = scheme

    def alerts(self, *, follow: bool = True) -> Iterator[OpenedAlert]:
        """Alerts behind the consumer's mark, in order, gapless; reconnects.

        Without `follow`, ends with the log, or with `RemoteError` where the matcher stays away for some ten seconds.
        """
        for some in self.batches(follow=follow):
            yield from some

    def batches(self, *, follow: bool = True) -> Iterator[list[OpenedAlert]]:
        """The same in lists of what the matcher sends together: one acknowledgement serves for all."""
        last: int | None = None
        pause, renewed = _PAUSE, False
        while True:
            try:
                for event in self._events(last):
                    pause, renewed = _PAUSE, False
                    if event.alerts:
                        last = event.alerts[-1].sequence
                        yield list(map(self._open, event.alerts))
                    elif not follow:  # a checkpoint: there are no more alerts
                        return
            except RemoteError as error:
                if pause == _LONGEST_PAUSE and not follow:
                    raise
                self._ride_out(error, renewed=renewed)
                renewed = True
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def acknowledge(self, through_sequence: int, *, follow: bool = True) -> int:
        """Move the consumer's mark; where it stands. While the matcher is away it waits as long as `alerts` does."""
        request = pb.AcknowledgeAlertsRequest(consumer=self._consumer, through_sequence=through_sequence)
        pause, renewed = _PAUSE, False
        while True:
            try:
                with refusals():
                    return self._stub.AcknowledgeAlerts(request).through_sequence
            except RemoteError as error:
                if pause == _LONGEST_PAUSE and not follow:
                    raise
                self._ride_out(error, renewed=renewed)
                renewed = True
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def park(self, sequence: int) -> None:
        """Put an alert aside that cannot be handled now."""
        with refusals():
            self._stub.ParkAlert(pb.ParkAlertRequest(consumer=self._consumer, sequence=sequence))

    def release(self, sequence: int) -> None:
        """Say that an alert put aside is handled."""
        with refusals():
            self._stub.ReleaseAlert(pb.ReleaseAlertRequest(consumer=self._consumer, sequence=sequence))

    def parked(self) -> Iterator[OpenedAlert]:
        """All alerts put aside, in order."""
        after, more = 0, True
        while more:
            with refusals():
                answer = self._stub.ListParkedAlerts(
                    pb.ListParkedAlertsRequest(consumer=self._consumer, after_sequence=after)
                )
            yield from (self._open(alert) for alert in answer.alerts)
            more = answer.more
            after = answer.alerts[-1].sequence if answer.alerts else after

    def page(self, after_sequence: int, size: int) -> tuple[list[OpenedAlert], bool]:
        """A page of the log, and whether there is more."""
        with refusals():
            answer = self._stub.ListAlerts(pb.ListAlertsRequest(after_sequence=after_sequence, page_size=size))
        return [self._open(alert) for alert in answer.alerts], answer.more

    def explain(self, alert_id: bytes) -> pb.ExplainAlertResponse:
        """Why the records of an alert were taken for one person."""
        with refusals():
            return self._stub.ExplainAlert(pb.ExplainAlertRequest(alert_id=alert_id))

    def possible_matches(self) -> Iterator[pb.PossibleMatch]:
        """All pairs that await a reviewer."""
        after, more = b"", True
        while more:
            with refusals():
                # large pages: for each the matcher looks through all pairs there are
                request = pb.ListPossibleMatchesRequest(after_possible_match_id=after, page_size=_PAGE)
                answer = self._stub.ListPossibleMatches(request)
            yield from answer.possible_matches
            more = answer.more
            after = answer.possible_matches[-1].possible_match_id if answer.possible_matches else b""

    def restricted_persons(self) -> Iterator[tuple[bytes, tuple[OpenedMember, ...]]]:
        """Persons not told of because a record of theirs is restricted: name and active records."""
        after, more = b"", True
        while more:
            with refusals():
                answer = self._stub.ListRestrictedPersons(pb.ListRestrictedPersonsRequest(after_person_id=after))
            for person in answer.persons:
                yield person.person_id, tuple(map(self._open_member, map(read_member, person.members)))
            more = answer.more
            after = answer.persons[-1].person_id if answer.persons else b""

    def resolve(self, possible_match_id: bytes, resolution: Resolution, reviewer: str, expires_at: int = 0) -> None:
        """Answer a possible match; `expires_at` in seconds since 1970-01-01 UTC, 0 for no end."""
        with refusals():
            self._stub.ResolvePossibleMatch(
                pb.ResolvePossibleMatchRequest(
                    possible_match_id=possible_match_id,
                    resolution=pb.Resolution.ValueType(resolution),
                    reviewer=reviewer,
                    expires_at=expires_at,
                )
            )

    def _ride_out(self, error: RemoteError, *, renewed: bool) -> None:
        """Pass over a failure that may not come again, and go on over a new channel; raise any other. Who is unknown
        may have a newer certificate than the channel, unless that was `renewed` already."""
        expired = error.reason == _UNKNOWN_CALLER and self._reopen is not None and not renewed
        if error.reason not in _TRANSIENT and not expired:
            raise error
        log.warning("the connection broke (%s); trying again", error)
        self._renew()

    def _renew(self) -> None:
        """Go on over a new channel, whose certificate may be a newer one."""
        if self._reopen is None:
            return
        try:
            channel = self._reopen()
        except ConfigError as error:  # files that are just being replaced
            log.warning("the certificate cannot be used: %s", error)
            return
        self._channel.close()
        self._channel, self._stub = channel, AlertServiceStub(channel)

    def _events(self, last: int | None) -> Iterator[pb.WatchAlertsResponse]:
        with refusals():
            yield from self._stub.WatchAlerts(pb.WatchAlertsRequest(consumer=self._consumer, after_sequence=last))

    def _open(self, message: pb.Alert) -> OpenedAlert:
        alert, members = read_alert(message)
        return OpenedAlert(alert, tuple(map(self._open_member, members)))

    def _open_member(self, member: Disclosure) -> OpenedMember:
        return OpenedMember(member, self._reference(member))

    def _reference(self, member: Disclosure) -> OpenedReference | None:
        try:
            return self._opener.open(member, self._scheme.digest)
        except SealError:
            return None


class CaseClient(Client):
    """Calls of a coordinator about cases over one channel. A refused call raises `RemoteError`."""

    def __init__(self, channel: grpc.Channel) -> None:
        super().__init__(channel)
        self._stub = CaseServiceStub(channel)

    def open(self, person_id: bytes) -> bytes:
        """Name of the person's open case, opened if there is none."""
        with refusals():
            return self._stub.OpenCase(case_pb.OpenCaseRequest(person_id=person_id)).case_id

    def decide(self, case_id: bytes, decision_id: str, participants: Iterable[str]) -> None:
        """Record a decision; a repeat of (case_id, decision_id) changes nothing."""
        request = case_pb.RecordDecisionRequest(case_id=case_id, decision_id=decision_id, participants=participants)
        with refusals():
            self._stub.RecordDecision(request)

    def close(self, case_id: bytes) -> None:
        """Close a case."""
        with refusals():
            self._stub.CloseCase(case_pb.CloseCaseRequest(case_id=case_id))

    def get(self, case_id: bytes) -> case_pb.GetCaseResponse:
        """Where a case stands."""
        with refusals():
            return self._stub.GetCase(case_pb.GetCaseRequest(case_id=case_id))

    def cases(self) -> Iterator[case_pb.Case]:
        """All cases, in order of name."""
        after, more = b"", True
        while more:
            with refusals():
                answer = self._stub.ListCases(case_pb.ListCasesRequest(after_case_id=after))
            yield from answer.cases
            more = answer.more
            after = answer.cases[-1].case_id if answer.cases else b""
