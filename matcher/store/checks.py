"""What both stores refuse before they write any of it, and what a case's state follows from."""

import numpy as np

from matcher.errors import CaseStateError, GreenAndBlueRequiredError
from matcher.model import HEALTH, POLICE, Case, CaseState, MatchOutcome


def check_outcome(outcome: MatchOutcome, committed_through: int, matched_through: int, last_sequence: int) -> None:
    """`ValueError` unless the outcome continues what is stored; it never names a record."""
    if not matched_through <= outcome.matched_through <= committed_through:
        raise ValueError(f"matched_through must lie in {matched_through} to {committed_through}")
    frames = [*outcome.record_numbers, *outcome.emptied, *(patch.frame_id for patch in outcome.patches)]
    if any(not 1 <= frame_id <= outcome.matched_through for frame_id in frames):
        raise ValueError("an outcome names a frame that is not matched by it")
    links = outcome.links
    if not len(links.left) == len(links.right) == len(links.weight):
        raise ValueError("the columns of links differ in length")
    if not np.all(links.left < links.right) or any(a.left >= a.right for a in outcome.answers):
        raise ValueError("a pair of records must have its smaller number left")
    expected = range(last_sequence + 1, last_sequence + 1 + len(outcome.alerts))
    if [alert.sequence for alert in outcome.alerts] != list(expected):
        raise ValueError(f"alerts must continue at sequence {last_sequence + 1} without a gap")


def check_decision(case: Case, sectors: frozenset[str]) -> None:
    """`CaseStateError` unless the case is open; `GreenAndBlueRequiredError` unless health and police were present."""
    if case.closed_at:
        raise CaseStateError("the case is closed")
    if not {HEALTH, POLICE} <= sectors:
        raise GreenAndBlueRequiredError("a health and a police agency must both be among the participants")


def state_of(person_id: bytes, decisions: int, awaiting: bool, closed_at: int) -> CaseState:
    """Where a case stands; `awaiting`: a removal notice of it is not confirmed."""
    if not closed_at:
        return CaseState.PLANNED if decisions else CaseState.OPEN
    return CaseState.CLOSING if person_id or awaiting else CaseState.CLOSED
