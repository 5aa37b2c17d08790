"""CaseService: what a coordinator may call about cases. `docs/cases.md` draws their states."""

import secrets
import time
from collections.abc import Callable

import grpc

from matcher.config import ServerConfig
from matcher.errors import InvalidArgumentError, NotFoundError
from matcher.frame import pack_closure
from matcher.model import DAY_SECONDS, Case, CaseState
from matcher.service.matching import Matching
from matcher.v1 import case_service_pb2 as pb
from matcher.v1.case_service_pb2_grpc import CaseServiceServicer
from matcher.wire import ID_BYTES, checked_id, checked_name, checked_page_size


class CaseServicer(CaseServiceServicer):
    """See the contract."""

    def __init__(self, config: ServerConfig, matching: Matching, now: Callable[[], float] = time.time) -> None:
        self._sectors = {agency.name: agency.sector for agency in config.agencies}
        self._epoch = config.epoch
        self._removal_seconds = config.removal_days * DAY_SECONDS
        self._matching = matching
        self._store = matching.store
        self._now = now

    def OpenCase(self, request: pb.OpenCaseRequest, context: grpc.ServicerContext) -> pb.OpenCaseResponse:
        """See the contract."""
        person_id = checked_id(request.person_id, "person_id")
        pipeline = self._matching.pipeline
        with pipeline.lock:  # so that no closure or merge comes in between
            if not pipeline.is_told(person_id):
                raise NotFoundError("no alert names this person (any more)")
            case_id = self._store.open_case(secrets.token_bytes(ID_BYTES), person_id, int(self._now()))
        return pb.OpenCaseResponse(case_id=case_id)

    def RecordDecision(
        self, request: pb.RecordDecisionRequest, context: grpc.ServicerContext
    ) -> pb.RecordDecisionResponse:
        """See the contract."""
        case_id = checked_id(request.case_id, "case_id")
        decision_id = checked_name(request.decision_id, "decision_id")
        for number, name in enumerate(request.participants, 1):
            if name not in self._sectors:
                raise InvalidArgumentError("participants", f"number {number} is no configured agency")
        sectors = frozenset(self._sectors[name] for name in request.participants)
        with self._matching.pipeline.lock:  # or an ESCALATION raised about the time before could count for after it
            self._store.record_decision(case_id, decision_id, sectors, int(self._now()))
        return pb.RecordDecisionResponse()

    def CloseCase(self, request: pb.CloseCaseRequest, context: grpc.ServicerContext) -> pb.CloseCaseResponse:
        """See the contract."""
        case_id = checked_id(request.case_id, "case_id")
        self._store.close_case(case_id, self._epoch, pack_closure(case_id), int(self._now()))
        self._matching.committed()
        return pb.CloseCaseResponse()

    def GetCase(self, request: pb.GetCaseRequest, context: grpc.ServicerContext) -> pb.GetCaseResponse:
        """See the contract."""
        return self._standing(self._store.case(checked_id(request.case_id, "case_id")))

    def ListCases(self, request: pb.ListCasesRequest, context: grpc.ServicerContext) -> pb.ListCasesResponse:
        """See the contract."""
        size = checked_page_size(request.page_size)
        after = request.after_case_id and checked_id(request.after_case_id, "after_case_id")
        found = self._store.cases_after(after, size + 1)
        return pb.ListCasesResponse(
            cases=[pb.Case(case_id=case.case_id, standing=self._standing(case)) for case in found[:size]],
            more=len(found) > size,
        )

    def _standing(self, case: Case) -> pb.GetCaseResponse:
        still_open = case.state in (CaseState.OPEN, CaseState.PLANNED)
        overdue_at = case.closed_at + self._removal_seconds
        return pb.GetCaseResponse(
            state=pb.CaseState.ValueType(case.state),
            person_id=case.person_id if still_open else b"",
            decisions=case.decisions if still_open else 0,
            awaiting_removal=case.awaiting_removal,
            opened_at=case.opened_at,
            closed_at=case.closed_at,
            removal_overdue=bool(case.awaiting_removal) and overdue_at < self._now(),
            reviewed_day=case.reviewed_day,
            escalated=case.escalated,
        )
