"""AlertService: what a coordinator may call about alerts."""

import time
from collections.abc import Callable, Iterator
from functools import cached_property
from math import inf
from threading import Lock
from time import monotonic

import grpc

from matcher.errors import AcknowledgeAheadError, ConsumerFencedError, InvalidArgumentError, PermissionDeniedError
from matcher.explanation import ExplainedLink, Explainer
from matcher.frame import pack_answer
from matcher.model import Alert, Answer, FrameKind, Resolution
from matcher.service.identity import REFUSAL
from matcher.service.matching import Matching
from matcher.v1 import alert_service_pb2 as pb
from matcher.v1.alert_service_pb2_grpc import AlertServiceServicer
from matcher.wire import (
    alert_message,
    checked_id,
    checked_name,
    checked_page_size,
    evidence_messages,
    member_message,
)

CHECKPOINT_SECONDS = 10.0
_FENCE_SECONDS = 1.0
_PAGE = 1000
_MOST_BYTES = 1 << 20
_MOST_REVIEWER = 64


class AlertServicer(AlertServiceServicer):
    """See the contract."""

    def __init__(
        self,
        matching: Matching,
        epoch: int,
        sees_restricted: Callable[[grpc.ServicerContext], bool],
        now: Callable[[], float] = time.time,
    ) -> None:
        """`sees_restricted`: whether a caller reviews what concerns restricted records."""
        self._sees_restricted = sees_restricted
        self._matching = matching
        self._store = matching.store
        self._epoch = epoch
        self._now = now
        self._watchers: dict[str, object] = {}
        self._lock = Lock()

    @cached_property
    def _explainer(self) -> Explainer:
        return Explainer(self._matching.pipeline)

    def WatchAlerts(
        self, request: pb.WatchAlertsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchAlertsResponse]:
        """See the contract."""
        consumer = checked_name(request.consumer, "consumer")
        if request.after_sequence > self._store.last_sequence:  # as after an older backup was restored
            raise AcknowledgeAheadError("the log does not reach after_sequence")
        me = object()
        with self._lock:
            self._watchers[consumer] = me
        sequence = request.after_sequence if request.HasField("after_sequence") else self._store.mark(consumer)
        quiet_since = -inf
        while context.is_active() and not self._matching.stopping:
            if self._watchers[consumer] is not me:
                raise ConsumerFencedError("a newer connection of this consumer took over")
            last = self._store.last_sequence
            if page := self._store.alerts_after(sequence, _PAGE):
                for alerts in _together(self._messages(page)):
                    yield pb.WatchAlertsResponse(alerts=alerts)
                    sequence = alerts[-1].sequence
                quiet_since = -inf
            if len(page) == _PAGE:
                continue
            if last > sequence:  # what stands there was purged
                sequence = last
                quiet_since = -inf
            if monotonic() - quiet_since >= CHECKPOINT_SECONDS:  # whatever becomes of the clock
                yield pb.WatchAlertsResponse(checkpoint=sequence)
                quiet_since = monotonic()
            self._matching.wait_for_alert(sequence, _FENCE_SECONDS)
            self._matching.beat.begin()

    def AcknowledgeAlerts(
        self, request: pb.AcknowledgeAlertsRequest, context: grpc.ServicerContext
    ) -> pb.AcknowledgeAlertsResponse:
        """See the contract."""
        consumer = checked_name(request.consumer, "consumer")
        return pb.AcknowledgeAlertsResponse(
            through_sequence=self._store.acknowledge(consumer, request.through_sequence)
        )

    def ParkAlert(self, request: pb.ParkAlertRequest, context: grpc.ServicerContext) -> pb.ParkAlertResponse:
        """See the contract."""
        self._store.park(checked_name(request.consumer, "consumer"), request.sequence, parked=True)
        return pb.ParkAlertResponse()

    def ReleaseAlert(self, request: pb.ReleaseAlertRequest, context: grpc.ServicerContext) -> pb.ReleaseAlertResponse:
        """See the contract."""
        self._store.park(checked_name(request.consumer, "consumer"), request.sequence, parked=False)
        return pb.ReleaseAlertResponse()

    def ListParkedAlerts(
        self, request: pb.ListParkedAlertsRequest, context: grpc.ServicerContext
    ) -> pb.ListParkedAlertsResponse:
        """See the contract."""
        size, consumer = checked_page_size(request.page_size), checked_name(request.consumer, "consumer")
        alerts = self._store.parked_after(consumer, request.after_sequence, size + 1)
        return pb.ListParkedAlertsResponse(alerts=self._messages(alerts[:size]), more=len(alerts) > size)

    def ListAlerts(self, request: pb.ListAlertsRequest, context: grpc.ServicerContext) -> pb.ListAlertsResponse:
        """See the contract."""
        size = checked_page_size(request.page_size)
        alerts = self._store.alerts_after(request.after_sequence, size + 1)
        return pb.ListAlertsResponse(alerts=self._messages(alerts[:size]), more=len(alerts) > size)

    def ExplainAlert(self, request: pb.ExplainAlertRequest, context: grpc.ServicerContext) -> pb.ExplainAlertResponse:
        """See the contract."""
        person_id, links = self._explainer.explain(self._store.alert(checked_id(request.alert_id, "alert_id")))
        return pb.ExplainAlertResponse(person_id=person_id, links=map(_link_message, links))

    def ListPossibleMatches(
        self, request: pb.ListPossibleMatchesRequest, context: grpc.ServicerContext
    ) -> pb.ListPossibleMatchesResponse:
        """See the contract."""
        size = checked_page_size(request.page_size)
        found = self._explainer.possible_matches(
            request.after_possible_match_id, size + 1, self._sees_restricted(context)
        )
        return pb.ListPossibleMatchesResponse(
            possible_matches=[
                pb.PossibleMatch(
                    possible_match_id=match.possible_match_id,
                    agency_l=match.agencies[0],
                    agency_r=match.agencies[1],
                    evidence=evidence_messages(match.evidence),
                )
                for match in found[:size]
            ],
            more=len(found) > size,
        )

    def ListRestrictedPersons(
        self, request: pb.ListRestrictedPersonsRequest, context: grpc.ServicerContext
    ) -> pb.ListRestrictedPersonsResponse:
        """See the contract."""
        if not self._sees_restricted(context):
            raise PermissionDeniedError(REFUSAL)
        size = checked_page_size(request.page_size)
        found = self._explainer.restricted_persons(request.after_person_id, size + 1)
        return pb.ListRestrictedPersonsResponse(
            persons=[
                pb.RestrictedPerson(person_id=each.person_id, members=map(member_message, each.members))
                for each in found[:size]
            ],
            more=len(found) > size,
        )

    def ResolvePossibleMatch(
        self, request: pb.ResolvePossibleMatchRequest, context: grpc.ServicerContext
    ) -> pb.ResolvePossibleMatchResponse:
        """See the contract."""
        possible_match_id = checked_id(request.possible_match_id, "possible_match_id")
        now = int(self._now())
        if request.resolution not in tuple(map(int, Resolution)):
            raise InvalidArgumentError("resolution", "must be SAME_PERSON or DIFFERENT_PEOPLE")
        if not 0 < len(request.reviewer) <= _MOST_REVIEWER:
            raise InvalidArgumentError("reviewer", f"must have 1 to {_MOST_REVIEWER} characters")
        if request.expires_at and request.expires_at <= now:
            raise InvalidArgumentError("expires_at", "must lie in the future")
        left, right = self._explainer.pair(possible_match_id, self._sees_restricted(context))
        answer = Answer(left, right, Resolution(request.resolution), request.reviewer, request.expires_at)
        payload = pack_answer(answer)
        # the log's order of answers is what counts, so each is a frame of its own under a name never used again
        request_id = f"answer-{time.time_ns()}"
        self._store.submit("", request_id, FrameKind.ANSWER, self._epoch, payload, b"", now)
        self._matching.committed()
        return pb.ResolvePossibleMatchResponse()

    def _messages(self, alerts: list[Alert]) -> list[pb.Alert]:
        """Alerts with what their members hold. All of it is one turn beside matching's: else matching, which has
        Python's lock more often, would raise alerts faster than they are sent."""
        pipeline = self._matching.pipeline
        with pipeline.lock:
            return list(map(alert_message, alerts, pipeline.disclosures(alerts)))


def _together(alerts: list[pb.Alert]) -> Iterator[list[pb.Alert]]:
    """Alerts in lists of at most `_MOST_BYTES`, or of one that is larger alone: what many a client takes by default is
    four times that, and it is all that is held for a consumer that does not read."""
    some: list[pb.Alert] = []
    size = 0
    for alert in alerts:
        size += (own := alert.ByteSize())
        if some and size > _MOST_BYTES:
            yield some
            some, size = [], own
        some.append(alert)
    if some:
        yield some


def _link_message(link: ExplainedLink) -> pb.ExplainedLink:
    return pb.ExplainedLink(
        alias_l=link.aliases[0],
        agency_l=link.agencies[0],
        alias_r=link.aliases[1],
        agency_r=link.agencies[1],
        evidence=evidence_messages(link.evidence),
        prior=link.prior,
        weight=link.weight,
        confidence=pb.ConfidenceBand.ValueType(link.confidence),
        reviewed=link.reviewed,
        rival=link.rival,
    )
