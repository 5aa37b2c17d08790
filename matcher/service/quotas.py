"""What an agency may send in a day (UTC), so that none can guess at people by the million or bury a block.

Counted is what was sent, whether it was then taken or not, since the start of the process: a restart forgets. A reply
depends on what the caller itself sent, and on nothing of others.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from matcher.config import ServerConfig
from matcher.errors import QuotaExceededError
from matcher.model import DAY_SECONDS, TokenBatch

_BUCKETS = 1 << 21
"""Of each of two counts; 16 MiB an agency. A full day of 5,000,000 records puts about 30 tokens into each."""
_MEGABYTE = 1_000_000
FRAME_OCTETS = 8192
"""What a frame takes on disk at most besides its payload, and the fortieth part of it that is lost in large ones: the
guard page, the rest of its last page, its other rows. Of a call that sends one record it is most."""


@dataclass(slots=True)
class _Day:
    """What an agency sent on one day."""

    number: int
    records: int = 0
    octets: int = 0
    rows: NDArray[np.uint32] = field(default_factory=lambda: np.zeros((2, _BUCKETS), np.uint32))
    """(2, buckets): rows by two hashes of their block token. The lesser count is never below the true one."""


class Quotas:
    """Counts by agency. May be used from several threads."""

    def __init__(self, config: ServerConfig, now: Callable[[], float] = time.time) -> None:
        self._config = config
        self._now = now
        self._days: dict[str, _Day] = {}
        self._locks = {agency.name: Lock() for agency in config.agencies}
        """By agency: one that feeds in large batches shall not hold up what others submit."""

    def charge(self, agency: str, records: int, octets: int, batch: TokenBatch | None = None) -> None:
        """Count what a call sends; `QuotaExceededError` if it is too much, and then none of it is counted.

        `octets`: the payload of the frame it becomes. `batch`: its token records, if it has any.
        """
        config = self._config
        octets += FRAME_OCTETS
        with self._locks[agency]:
            day = self._today(agency)
            if day.records + records > config.records_per_day:
                raise QuotaExceededError("records_per_day", config.records_per_day, "too many records in one day")
            if day.octets + octets > config.megabytes_per_day * _MEGABYTE:
                raise QuotaExceededError("megabytes_per_day", config.megabytes_per_day, "too many bytes in one day")
            if batch is not None:
                self._charge_blocks(day, batch)
            day.records += records
            day.octets += octets

    def _charge_blocks(self, day: _Day, batch: TokenBatch) -> None:
        first, second = batch.block_tokens.view("<u8").reshape(-1, 2).T
        present = first | second != 0
        # a token is the output of a PRF already
        buckets = [(words[present] & np.uint64(_BUCKETS - 1)).astype(np.int64) for words in (first, second)]
        for rows, at in zip(day.rows, buckets, strict=True):
            np.add.at(rows, at, np.uint32(1))
        counts = np.minimum(*(rows[at] for rows, at in zip(day.rows, buckets, strict=True)))
        if counts.max(initial=0) > (limit := self._config.block_rows_per_day):
            for rows, at in zip(day.rows, buckets, strict=True):
                np.subtract.at(rows, at, np.uint32(1))
            raise QuotaExceededError("block_rows_per_day", limit, "too many rows of one block in one day")

    def _today(self, agency: str) -> _Day:
        number = int(self._now()) // DAY_SECONDS
        day = self._days.get(agency)
        if day is None or day.number != number:
            day = self._days[agency] = _Day(number)
        return day
