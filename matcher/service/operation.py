"""StatusService: what an operator may call. Counts are blurred: the presence of one person cannot be read off them."""

import time
from importlib.metadata import version

import grpc

from matcher.model import DAY_SECONDS
from matcher.service.matching import Matching
from matcher.v1 import status_service_pb2 as pb
from matcher.v1.status_service_pb2_grpc import StatusServiceServicer

DISTRIBUTION = "familiar-faces-matcher"
_SMALL, _STEP = 8, 5


def blurred(count: int) -> pb.BlurredCount:
    """1 to 7 as "at most 7", others rounded to 5."""
    if 0 < count < _SMALL:
        return pb.BlurredCount(value=_SMALL - 1, at_most=True)
    return pb.BlurredCount(value=_STEP * round(count / _STEP))


class StatusServicer(StatusServiceServicer):
    """See the contract."""

    def __init__(self, matching: Matching, removal_days: int, epoch: int) -> None:
        self._epoch = epoch
        self._matching = matching
        self._removal_seconds = removal_days * DAY_SECONDS

    def GetStatus(self, request: pb.GetStatusRequest, context: grpc.ServicerContext) -> pb.GetStatusResponse:
        """See the contract."""
        return self.standing()

    def standing(self) -> pb.GetStatusResponse:
        """How the matcher stands."""
        pipeline, store = self._matching.pipeline, self._matching.store
        with pipeline.lock:
            held = pipeline.registry.held().tolist()
            behind = pipeline.registry.held(but_of=self._epoch).tolist()
            over_cap = pipeline.index.over_cap
        last = {state.agency: state.last_committed_at // DAY_SECONDS for state in store.feed_states()}
        agencies = [agency.name for agency in pipeline.settings.agencies]
        held += [0] * (len(agencies) - len(held))
        behind += [0] * (len(agencies) - len(behind))
        return pb.GetStatusResponse(
            version=version(DISTRIBUTION),
            frames_waiting=pipeline.frames_waiting,
            records=blurred(sum(held)),
            records_of_previous_epoch=blurred(sum(behind)),
            alerts=blurred(store.last_sequence),
            over_cap=blurred(over_cap),
            compared=blurred(pipeline.scorer.compared),
            feeds=[
                pb.FeedStatus(
                    agency=agency,
                    records=blurred(count),
                    last_committed_day=last.get(agency, -1),
                    records_of_previous_epoch=blurred(old),
                )
                for agency, count, old in sorted(zip(agencies, held, behind, strict=True))
            ],
            removals_unconfirmed=blurred(store.removals_unconfirmed),
            removals_overdue=blurred(store.removals_overdue(int(time.time()) - self._removal_seconds)),
        )
