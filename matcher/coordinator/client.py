"""The coordinator's side of the wire: an iterator over alerts that never loses one, with references opened.

with AlertClient(channel, config.consumer, opener, scheme) as client:
    for alert in client.alerts():
        handle(alert)                       # at least once: handle it before the next line
        client.acknowledge(alert.sequence)  # the durable cursor: a restart resumes behind it
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import grpc

from matcher.coordinator.opening import OpenedReference, Opener
from matcher.errors import RemoteError, SealError
from matcher.model import Alert, AlertMember, Resolution
from matcher.rpc import refusals
from matcher.scheme import LinkageScheme
from matcher.v1 import alert_service_pb2 as pb
from matcher.v1.alert_service_pb2_grpc import AlertServiceStub
from matcher.wire import read_alert

log = logging.getLogger(__name__)
_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
# a matcher that stops cancels the calls in hand
_TRANSIENT = {"UNAVAILABLE", "CANCELLED", "INTERNAL", "ERROR_REASON_STORE_UNAVAILABLE", "ERROR_REASON_INTERNAL"}


@dataclass(frozen=True, slots=True)
class OpenedMember:
    """One record of an alerted person, with what its agency wrote for the coordinator."""

    member: AlertMember
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


class AlertClient:
    """Calls of one coordinator's consumer over one channel. A refused call raises `RemoteError`."""

    def __init__(self, channel: grpc.Channel, consumer: str, opener: Opener, scheme: LinkageScheme) -> None:
        self._channel = channel
        self._stub = AlertServiceStub(channel)
        self._consumer = consumer
        self._opener = opener
        self._scheme = scheme

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def alerts(self, *, follow: bool = True) -> Iterator[OpenedAlert]:
        """Alerts behind the consumer's mark, in order, gapless; reconnects. Without `follow`, ends with the log."""
        last: int | None = None
        pause = _PAUSE
        while True:
            try:
                for event in self._events(last):
                    pause = _PAUSE
                    if event.HasField("alert"):
                        last = event.alert.sequence
                        yield self._open(read_alert(event.alert))
                    elif not follow:
                        return
            except RemoteError as error:
                _ride_out(error)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def acknowledge(self, through_sequence: int) -> int:
        """Move the consumer's mark; where it stands. Waits, as `alerts` does, while the matcher is away."""
        request = pb.AcknowledgeAlertsRequest(consumer=self._consumer, through_sequence=through_sequence)
        pause = _PAUSE
        while True:
            try:
                with refusals():
                    return self._stub.AcknowledgeAlerts(request).through_sequence
            except RemoteError as error:
                _ride_out(error)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def page(self, after_sequence: int, size: int) -> tuple[list[OpenedAlert], bool]:
        """A page of the log, and whether there is more."""
        with refusals():
            answer = self._stub.ListAlerts(pb.ListAlertsRequest(after_sequence=after_sequence, page_size=size))
        return [self._open(read_alert(alert)) for alert in answer.alerts], answer.more

    def explain(self, alert_id: bytes) -> pb.ExplainAlertResponse:
        """Why the records of an alert were taken for one person."""
        with refusals():
            return self._stub.ExplainAlert(pb.ExplainAlertRequest(alert_id=alert_id))

    def possible_matches(self) -> Iterator[pb.PossibleMatch]:
        """All pairs that await a reviewer."""
        after, more = b"", True
        while more:
            with refusals():
                answer = self._stub.ListPossibleMatches(pb.ListPossibleMatchesRequest(after_possible_match_id=after))
            yield from answer.possible_matches
            more = answer.more
            after = answer.possible_matches[-1].possible_match_id if answer.possible_matches else b""

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

    def _events(self, last: int | None) -> Iterator[pb.WatchAlertsResponse]:
        with refusals():
            yield from self._stub.WatchAlerts(pb.WatchAlertsRequest(consumer=self._consumer, after_sequence=last))

    def _open(self, alert: Alert) -> OpenedAlert:
        return OpenedAlert(alert, tuple(OpenedMember(member, self._reference(member)) for member in alert.members))

    def _reference(self, member: AlertMember) -> OpenedReference | None:
        try:
            return self._opener.open(member, self._scheme.digest)
        except SealError:
            return None


def _ride_out(error: RemoteError) -> None:
    """Pass over a failure that may not come again; raise any other."""
    if error.reason not in _TRANSIENT:
        raise error
    log.warning("the connection broke (%s); trying again", error.reason)
