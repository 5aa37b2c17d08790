"""What the memory store keeps about pairs of records."""

from collections.abc import Iterable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Pairs(Generic[_Value]):
    """Something about pairs of records, found and dropped by either record."""

    def __init__(self) -> None:
        self._of: dict[int, dict[int, _Value]] = {}

    def put(self, left: int, right: int, value: _Value) -> None:
        """Keep it, in place of what was kept of the pair."""
        self._of.setdefault(left, {})[right] = value
        self._of.setdefault(right, {})[left] = value

    def drop(self, records: Iterable[int]) -> None:
        """Forget all pairs of some records."""
        for record in records:
            for other in self._of.pop(record, ()):
                del self._of[other][record]

    def ordered(self) -> list[tuple[int, int, _Value]]:
        """All, by left and right."""
        return [
            (left, right, self._of[left][right])
            for left in sorted(self._of)
            for right in sorted(self._of[left])
            if left < right
        ]
