"""What the audit log says of each call; the operations are those of section 62 of the Data Protection Act 2018.

An entry is written before a request is carried out, so that nothing happens without one, and one that names it (`of`)
before a reply leaves that tells something, or if the request is refused. Never is there a token, an alias, a sealed
reference, a name an agency gave a request, or a count of what matched; what a caller names is noted once it was found.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import Any

from matcher.audit.log import AuditLog
from matcher.config import ServerConfig
from matcher.errors import AuditError
from matcher.model import Frame, MatchOutcome
from matcher.rpc import JUSTIFICATION
from matcher.scheme import ALIAS_BYTES
from matcher.service.identity import Caller, Role
from matcher.service.operation import DISTRIBUTION
from matcher.wire import NAME, checked_name

log = logging.getLogger(__name__)
_MOST_PARTICIPANTS = 64
Facts = dict[str, object]


class Operation(StrEnum):
    """What is done with personal data, or else with the service."""

    COLLECTION = "collection"
    ALTERATION = "alteration"
    CONSULTATION = "consultation"
    DISCLOSURE = "disclosure"
    COMBINATION = "combination"
    ERASURE = "erasure"
    REFUSAL = "refusal"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Noted:
    """What is noted of a method: of its request, and of each reply (None: nothing)."""

    operation: Operation
    asked: Callable[[Any], Facts] = lambda request: {}
    told: Callable[[Any, Any], Facts | None] | None = None


def _name(text: str) -> str:
    return text if NAME.fullmatch(text) else "(invalid)"


def _batch(request: Any) -> Facts:
    return {"records": len(request.batch.aliases) // ALIAS_BYTES}


def _append(request: Any) -> Facts:
    return {"feed": _name(request.feed_id), "offset": request.batch.first_offset, **_batch(request)}


def _aliases(request: Any) -> Facts:
    return {"records": len(request.aliases) // ALIAS_BYTES}


def _consumer(request: Any) -> Facts:
    return {"consumer": _name(request.consumer)}


def _mark(request: Any) -> Facts:
    return {**_consumer(request), "sequence": request.through_sequence}


def _parked(request: Any) -> Facts:
    return {**_consumer(request), "sequence": request.sequence}


def _page(items: Iterable[Any], name: str) -> Facts:
    """The first and the last of a page: how many lie between is not for whoever reads the log."""
    named = [getattr(item, name) for item in items]
    shown = [each.hex() if isinstance(each, bytes) else each for each in (named[:1] + named[-1:])]
    return {f"{way}_{name}": each for way, each in zip(("first", "last"), shown, strict=False)}


def _alerts(_request: Any, reply: Any) -> Facts | None:
    return _page(reply.alerts, "sequence") if reply.alerts else None


def _decision(request: Any, _reply: Any) -> Facts:
    return {
        "case_id": request.case_id.hex(),
        "decision": request.decision_id,
        "participants": list(request.participants[:_MOST_PARTICIPANTS]),
    }


def _answer(request: Any, _reply: Any) -> Facts:
    return {
        "possible_match_id": request.possible_match_id.hex(),
        "resolution": request.resolution,
        "reviewer": request.reviewer,
        "expires_at": request.expires_at,
    }


METHODS: dict[str, Noted] = {
    "GetScheme": Noted(Operation.CONSULTATION),
    "OpenFeed": Noted(Operation.CONSULTATION, lambda request: {"feed": _name(request.feed_id)}),
    "AppendRecords": Noted(Operation.COLLECTION, _append),
    "SubmitRecords": Noted(Operation.COLLECTION, _batch),
    "ReportContacts": Noted(Operation.ALTERATION, _aliases),
    "RemoveRecords": Noted(Operation.ERASURE, _aliases),
    "WatchRemovals": Noted(Operation.DISCLOSURE, told=lambda _, reply: {"notice_id": reply.notice_id.hex()}),
    "ConfirmRemoval": Noted(Operation.ALTERATION, lambda request: {"notices": len(request.notice_ids)}),
    "WatchAlerts": Noted(Operation.DISCLOSURE, _consumer, _alerts),
    "AcknowledgeAlerts": Noted(Operation.ALTERATION, _mark),
    "ParkAlert": Noted(Operation.ALTERATION, _parked),
    "ReleaseAlert": Noted(Operation.ALTERATION, _parked),
    "ListParkedAlerts": Noted(Operation.DISCLOSURE, _consumer, lambda _, reply: _page(reply.alerts, "sequence")),
    "ListAlerts": Noted(Operation.DISCLOSURE, told=lambda _, reply: _page(reply.alerts, "sequence")),
    "ExplainAlert": Noted(Operation.CONSULTATION, told=lambda request, _: {"alert_id": request.alert_id.hex()}),
    "ListPossibleMatches": Noted(
        Operation.CONSULTATION, told=lambda _, reply: _page(reply.possible_matches, "possible_match_id")
    ),
    "ListRestrictedPersons": Noted(Operation.DISCLOSURE, told=lambda _, reply: _page(reply.persons, "person_id")),
    "ResolvePossibleMatch": Noted(Operation.COMBINATION, told=_answer),
    "OpenCase": Noted(
        Operation.ALTERATION,
        told=lambda request, reply: {"person_id": request.person_id.hex(), "case_id": reply.case_id.hex()},
    ),
    "RecordDecision": Noted(Operation.ALTERATION, told=_decision),
    "CloseCase": Noted(Operation.ERASURE, told=lambda request, _: {"case_id": request.case_id.hex()}),
    "GetCase": Noted(Operation.CONSULTATION, told=lambda request, _: {"case_id": request.case_id.hex()}),
    "ListCases": Noted(Operation.CONSULTATION, told=lambda _, reply: _page(reply.cases, "case_id")),
    "GetStatus": Noted(Operation.CONSULTATION),
}
"""The contract's methods. Health and reflection speak of nobody: of those only refusals are noted."""


class AuditedCall:
    """One call. What it is asked and told goes through here."""

    def __init__(self, log: AuditLog | None, method: str) -> None:
        self._log = log
        self._method = method.removeprefix("/matcher.v1.")
        self._noted = METHODS.get(self._method.partition("/")[2])
        self._who: dict[str, str] = {}
        self._durably = False
        self._request: Any = None
        self._of = 0

    def by(self, caller: Caller) -> None:
        """Who calls."""
        self._who = {"caller": f"{caller.role}/{caller.name}"}
        self._durably = caller.role is not Role.AGENCY  # whose replies wait for nothing they need not

    def justified(self, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Why, if the caller says so; `InvalidArgumentError` if that is no reference."""
        for reason in (str(value) for name, value in metadata if name == JUSTIFICATION):
            self._who[JUSTIFICATION] = checked_name(reason, JUSTIFICATION)

    def by_unknown(self, fingerprint: str) -> None:
        """A certificate (SHA-256, in hex) that is no caller's."""
        self._who = {"certificate": fingerprint}

    def asked(self, request: Any) -> Any:
        """Note a request that is about to be carried out, and return it; `AuditError` if that cannot be noted."""
        self._request = request
        if self._log and self._noted:
            self._of = self._write(self._log, self._noted.operation, self._noted.asked(request))
        return request

    def told(self, reply: Any) -> Any:
        """Note a reply that is about to leave, and return it; `AuditError` if that cannot be noted."""
        if self._noted is None or self._noted.told is None:
            self._of = 0  # it is done: what comes now is about another request
        elif self._log and (facts := self._noted.told(self._request, reply)) is not None:
            self._write(self._log, self._noted.operation, facts)
        return reply

    def refused(self, reason: str) -> None:
        """Note that the request in hand, or the call itself, is refused; it is so too should that fail."""
        if self._log:
            with suppress(AuditError):
                self._write(self._log, Operation.REFUSAL, {"reason": reason})

    def _write(self, log: AuditLog, operation: Operation, facts: Facts) -> int:
        of = {"of": self._of} if self._of else {}
        number = log.write({"operation": operation, **self._who, "method": self._method, **of, **facts})
        if self._durably and operation is not Operation.REFUSAL:
            log.sync()
        return number


class Auditor:
    """Writes the audit log of a matcher, or nothing if it keeps none."""

    def __init__(self, config: ServerConfig) -> None:
        """Open the log; fails as `AuditLog` does."""
        self._configuration = hashlib.sha256(repr(config).encode()).hexdigest()
        self._log = AuditLog(config.audit_log, config.audit_key) if config.audit_log and config.audit_key else None
        if self._log is None:
            log.warning("no audit log is kept: [matcher] names none")

    def call(self, method: str) -> AuditedCall:
        """A call of a method (`/package.Service/Method`)."""
        return AuditedCall(self._log, method)

    def started(self, model: str, committed_through: int) -> None:
        """Note that the service starts; `AuditError` if that cannot be noted. `model`: its digest."""
        self._service("start", {
            "version": version(DISTRIBUTION), "configuration": self._configuration, "model": model,
            "frames": committed_through,
        })  # fmt: skip

    def stopped(self) -> None:
        """Note that the service ends."""
        with suppress(AuditError):
            self._service("stop", {})

    def retiring(self, epoch: int, records: int, justification: str) -> None:
        """Note that records still of an epoch are about to be removed; `AuditError` if that cannot be noted."""
        if self._log:
            self._log.write({
                "operation": Operation.ERASURE, "event": "retire-epoch", "epoch": epoch, "records": records,
                JUSTIFICATION: justification,
            })  # fmt: skip
            self._log.sync()

    def dropping(self, frame: Frame, justification: str) -> None:
        """Note that a frame is about to be dropped unmatched; `AuditError` if that cannot be noted."""
        if self._log:
            self._log.write({
                "operation": Operation.ERASURE, "event": "drop-frame", "frame": frame.frame_id,
                "kind": frame.kind.name, "agency": frame.agency, JUSTIFICATION: justification,
            })  # fmt: skip
            self._log.sync()

    def combining(self, frames: list[Frame], outcome: MatchOutcome) -> None:
        """Note what matching is about to commit; `AuditError` if that cannot be noted. What is replaced and erased is
        what agencies sent again or removed; what matched is not counted."""
        if self._log:
            counts = {"replaced": len(outcome.unlinked), "erased": len(outcome.gone), "closed": len(outcome.closures)}
            self._log.write({
                "operation": Operation.COMBINATION, "first_frame": frames[0].frame_id,
                "last_frame": frames[-1].frame_id, **{name: count for name, count in counts.items() if count},
            })  # fmt: skip

    def close(self) -> None:
        """Make the log durable and release it."""
        if self._log:
            self._log.close()

    def _service(self, event: str, facts: Facts) -> None:
        if self._log:
            self._log.write({"operation": Operation.SERVICE, "event": event, **facts})
