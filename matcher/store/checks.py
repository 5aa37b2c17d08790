"""What both stores refuse in an outcome before they write any of it."""

import numpy as np

from matcher.model import MatchOutcome


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
