"""The block index: rows, their encodings, and which rows share a block. A pure function of the rows inserted and
removed.

Each block is a linked list through its rows, newest first, so a row meets every older row of its blocks by following
the links from itself. Rows of two epochs never meet. Memory a row: P x (W + 8) + 14 bytes, and 30 to 36 bytes a block.
"""

import secrets

import numpy as np
from numpy.typing import NDArray

from matcher.blocking.kernels import place, unthread
from matcher.blocking.names import NameTable
from matcher.columns import MOST_ROWS, Column, reserved
from matcher.errors import AddressSpaceError
from matcher.model import Rows
from matcher.scheme import TOKEN_BYTES, LinkageScheme

_WORN_ROWS = 100_000
"""Fewer removed rows than these are not worth making memory anew."""
AGENCY_BITS = 8
"""Of a row's origin, those that are of its agency; the others are of its epoch."""


class BlockIndex:
    """See the module. Not safe for several writers."""

    def __init__(self, scheme: LinkageScheme, cap: int) -> None:
        self._passes = len(scheme.passes)
        self._words = scheme.encoding_bytes // 4
        self._cap = cap
        self._pass_marks = np.frombuffer(secrets.token_bytes(8 * self._passes), np.uint64)
        self._blocks_by_token = NameTable(MOST_ROWS * self._passes)
        self._fronts = Column(np.int32, most=MOST_ROWS * self._passes, width=2)
        """See `matcher.blocking.kernels.place`."""
        self._rows = Rows(
            blocks=reserved((MOST_ROWS, self._passes), np.int32),
            following=reserved((self._passes, MOST_ROWS), np.int32, parts=self._passes),
            encodings=reserved((MOST_ROWS, self._passes, self._words), np.uint32),
            field_masks=reserved((MOST_ROWS,), np.uint16),
            records=reserved((MOST_ROWS,), np.int64),
            origins=reserved((MOST_ROWS,), np.int32),
        )
        self.row_count = 0
        """Rows ever inserted."""
        self.removed_count = 0
        """Rows removed: they take up as much memory as the others."""
        self.over_cap = 0
        """Places refused because a block held `cap` rows: these rows are not compared through that pass."""

    @property
    def rows(self) -> Rows:
        """The columns; only the first `row_count` rows mean anything."""
        return self._rows

    def expect(self, rows: int) -> None:
        """Say that so many more rows may come: room for their blocks is made in fewer steps. About every other place is
        the first of its block."""
        self._blocks_by_token.expect(min(rows, MOST_ROWS) // 2 * self._passes)

    def insert(
        self,
        block_tokens: NDArray[np.uint8],
        pass_masks: NDArray[np.uint16],
        encodings: NDArray[np.uint8],
        field_masks: NDArray[np.uint16],
        records: NDArray[np.int64],
        agency: int,
        epoch: int = 0,
    ) -> range:
        """Insert rows, columns as in `TokenBatch`; `records` (R,) are numbers of their records. The rows' numbers."""
        rows = self.append(encodings, field_masks, records, agency, epoch)
        self.place(rows, block_tokens, pass_masks)
        return rows

    def append(
        self,
        encodings: NDArray[np.uint8],
        field_masks: NDArray[np.uint16],
        records: NDArray[np.int64],
        agency: int,
        epoch: int,
    ) -> range:
        """Half of an `insert`: what is compared. May go ahead of `place`, in another thread."""
        first, last = self.row_count, self.row_count + len(records)
        if last > MOST_ROWS:
            raise AddressSpaceError(f"the index is made for {MOST_ROWS} rows at most, whatever the system gives")
        rows = self._rows
        rows.encodings[first:last] = encodings.view("<u4")
        rows.field_masks[first:last] = field_masks
        rows.records[first:last] = records
        rows.origins[first:last] = agency | epoch << AGENCY_BITS
        self.row_count = last
        return range(first, last)

    def place(self, rows: range, block_tokens: NDArray[np.uint8], pass_masks: NDArray[np.uint16]) -> None:
        """The other half: put appended rows into their blocks, in the order in which they were appended."""
        self._reserve_blocks(len(rows))
        names = self._blocks_by_token
        tokens = np.ascontiguousarray(block_tokens).reshape(-1, self._passes, TOKEN_BYTES).view("<u8")
        names.count, refused = place(
            rows.start, tokens, self._pass_marks, pass_masks, names.slots, names.keys, names.secret, names.count,
            self._rows.blocks, self._fronts.values, self._rows.following, self._cap,
        )  # fmt: skip
        self.over_cap += refused

    def blocks_of(self, block_tokens: NDArray[np.uint8], pass_masks: NDArray[np.uint16]) -> NDArray[np.int32]:
        """Blocks (R, P) that rows belong to, columns as in `TokenBatch`; -1 where none is there yet."""
        tokens = np.ascontiguousarray(block_tokens).reshape(-1, self._passes, TOKEN_BYTES).view("<u8").copy()
        tokens[:, :, 1] ^= self._pass_marks
        blocks = self._blocks_by_token.find(tokens.view(np.uint8)).reshape(-1, self._passes)
        has = pass_masks[:, np.newaxis] >> np.arange(self._passes, dtype=np.uint16) & 1
        return np.where(has == 1, blocks, np.int32(-1))

    def remove(self, rows: range) -> None:
        """Remove rows for good: their encodings are overwritten, and the tokens of blocks left empty."""
        columns = self._rows
        for row in rows:
            unthread(row, columns.blocks, self._fronts.values, columns.following, self._blocks_by_token.keys)
            columns.encodings[row] = 0
            columns.field_masks[row] = 0
            columns.records[row] = -1
        self.removed_count += len(rows)

    @property
    def is_worn(self) -> bool:
        """Whether more rows are removed than are there, and so many that it is worth the time to make memory anew."""
        return self.removed_count > max(self.row_count - self.removed_count, _WORN_ROWS)

    def _reserve_blocks(self, more_rows: int) -> None:
        self._blocks_by_token.reserve(more_rows * self._passes)
        self._fronts.reserve(len(self._blocks_by_token.keys))
