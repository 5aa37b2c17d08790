"""Many texts as one array of bytes. Holds clear text: not to be kept longer than the batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from matcher.agency.columns import kernels

_MARK = "\0"


def bytes_of(texts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Texts in UTF-8, one behind the other, and their ends. `UnicodeEncodeError`: one of them is not valid text."""
    # one join and one look for the marks costs less than to ask each text for its length
    marked = np.frombuffer(_MARK.join(texts).encode(), np.uint8)
    held, ends, whole = kernels.unmarked(marked, len(texts), ord(_MARK))
    if whole:
        return held, ends
    sizes = (len(text.encode()) for text in texts)
    return np.frombuffer("".join(texts).encode(), np.uint8), np.cumsum(np.fromiter(sizes, np.int64, len(texts)))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Column:
    """A column of a batch: some texts, and which of them each row has."""

    texts: NDArray[np.uint8]
    ends: NDArray[np.int64]
    """(texts,): text t is `texts[ends[t - 1]:ends[t]]`."""
    codes: NDArray[np.int64]
    """(rows,): numbers of texts, -1 where missing; never of a text that is empty."""

    @classmethod
    def of(cls, texts: NDArray[np.uint8], ends: NDArray[np.int64]) -> "Column":
        """Of each row's text, empty where missing: its distinct texts, in order of arrival."""
        return cls(*kernels.distinct(texts, ends)[:3])

    @classmethod
    def of_rows(cls, texts: NDArray[np.uint8], ends: NDArray[np.int64]) -> "Column":
        """Of each row's text, empty where missing, as they are."""
        sizes = np.diff(ends, prepend=0)
        return cls(texts, ends, np.where(sizes > 0, np.arange(len(ends)), -1))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(texts,): bytes of each text."""
        return np.diff(self.ends, prepend=0)

    def is_of(self, characters: NDArray[np.bool_]) -> bool:
        """Whether the texts hold no other bytes than those that `characters` (256,) says."""
        return bool(characters[self.texts].all())

    def values(self) -> list[str]:
        """The texts."""
        held = self.texts.tobytes()
        return [held[start:stop].decode() for start, stop in pairwise([0, *self.ends.tolist()])]

    def rows(self) -> list[str]:
        """Each row's text, '' where missing."""
        values = [*self.values(), ""]
        return [values[code] for code in self.codes.tolist()]
