"""Records that could never be linked, whatever the other agencies hold: too little is known of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Unlinkable:
    """Records of one agency that could never be linked."""

    agency: str
    records: int
    """All records of the agency."""
    no_block: int
    """Records in no block: too few fields for any pass."""
    too_little: int
    """Records in a block whose exact copy at another agency would stay below the threshold."""

    @property
    def share(self) -> float:
        """Of the agency's records, 0 to 1."""
        return (self.no_block + self.too_little) / self.records


def unlinkable(pipeline: Pipeline, records: int) -> tuple[Unlinkable, ...]:
    """By agency, in order of name. `records`: records matched, numbers 0 to `records` - 1. Of several variants of a
    record the best counts."""
    rows, count = pipeline.index.rows, pipeline.index.row_count
    record_of = rows.records[:count]
    in_block = np.zeros(records, bool)
    np.logical_or.at(in_block, record_of, (rows.blocks[:count] >= 0).any(axis=1))
    best = np.full(records, -np.inf)
    np.maximum.at(best, record_of, _self_weights(pipeline))
    agency = pipeline.registry.agencies(np.arange(records))
    too_little = in_block & (best < pipeline.scorer.thresholds.match_weight)
    names = [each.name for each in pipeline.settings.agencies]
    return tuple(
        Unlinkable(
            names[number],
            int((agency == number).sum()),
            int((~in_block & (agency == number)).sum()),
            int((too_little & (agency == number)).sum()),
        )
        for number in sorted(range(len(names)), key=lambda each: names[each])
    )


def _self_weights(pipeline: Pipeline) -> NDArray[np.float64]:
    """Match weight of each row (R,) with an exact copy of itself; -inf where it has no block."""
    rows, count = pipeline.index.rows, pipeline.index.row_count
    weights = np.full(count, -np.inf)
    blocked = np.flatnonzero((rows.blocks[:count] >= 0).any(axis=1))
    # all fields that are there agree, so the weight depends on which are there alone, those of kind block among them
    bits = np.uint32(1) << np.arange(rows.blocks.shape[1], dtype=np.uint32)
    passes = ((rows.blocks[blocked] >= 0) * bits).sum(axis=1, dtype=np.uint32)
    _, first, kind = np.unique(rows.field_masks[blocked] | passes << 16, return_index=True, return_inverse=True)
    of_kind = np.full(len(first), -np.inf)
    for number, row in enumerate(blocked[first].tolist()):
        comparison = pipeline.scorer.compare(rows, range(row, row + 1), range(row, row + 1))
        if comparison is not None:
            of_kind[number] = comparison.total
    weights[blocked] = of_kind[kind]
    return weights
