"""Adapts a match model to the records at hand without any truth: to the candidate pairs that their tokens make.

One procedure for files linked in one process and for the records of a database. Guarantees that only records still held
count, that nothing is written, and that what is learnt are weights: no model holds a token or names a record.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from matcher.blocking.index import BlockIndex
from matcher.errors import TrainingError
from matcher.frame import unpack_records
from matcher.model import TokenBatch
from matcher.scheme import LinkageScheme
from matcher.scoring.calibration import Calibration
from matcher.scoring.decision import Thresholds
from matcher.scoring.model import MatchModel
from matcher.scoring.partners import Partners
from matcher.scoring.scorer import Scorer
from matcher.scoring.training import adapt, calibrated
from matcher.store.base import Store

LEAST_POPULATION = 100
"""The least that may be expected."""
_LEAST_LIKELY = 1e-6
"""A partner less likely is none. Even where all of 15,000 have theirs at an agency, 20 bits are not added."""
LEAST_MATCHES = 100
"""A database must seem to hold so many matches: four times what the model it starts from counts as."""


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """A model, and what it was learnt from."""

    model: MatchModel
    match_share: float
    """Matches among all pairs across agencies."""
    matches: int
    """Candidate pairs of one person, as far as the model can tell."""
    candidates: int
    records: int
    agencies: int

    @property
    def population(self) -> int:
        """How many people the records speak of: the expected population that fits the match share."""
        return max(round(1 / self.match_share), LEAST_POPULATION)


class Evidence:
    """Records to learn from, in a block index of their own."""

    def __init__(self, scheme: LinkageScheme, block_cap: int) -> None:
        self._index = BlockIndex(scheme, block_cap)
        self._numbers: dict[str, int] = {}
        self._held: Counter[str] = Counter()
        self._agency: list[NDArray[np.int64]] = []
        """Number of the agency of each record, by batch."""
        self._count = 0

    def add(self, agency: str, batch: TokenBatch, held: NDArray[np.bool_]) -> None:
        """Take those records of an agency's batch that are still `held` (N,)."""
        rows, number = held[batch.row_records], self._numbers.setdefault(agency, len(self._numbers))
        self._index.insert(
            batch.block_tokens[rows],
            batch.pass_masks[rows],
            batch.encodings[rows],
            batch.field_masks[rows],
            self._count + batch.row_records[rows].astype(np.int64),
            number,
            batch.epoch,
        )
        self._held[agency] += int(np.count_nonzero(held))
        self._agency.append(np.full(batch.record_count, number))
        self._count += batch.record_count

    @property
    def records(self) -> int:
        """Records taken."""
        return self._held.total()

    @property
    def all_pairs(self) -> float:
        """Pairs of records across agencies, compared or not."""
        return (self.records**2 - sum(count**2 for count in self._held.values())) / 2

    def adapt(self, model: MatchModel) -> Adapted | None:
        """The model adapted to the candidate pairs; None if there are none."""
        scorer = Scorer(model, LEAST_POPULATION, Thresholds())
        new = range(self._index.row_count)
        _, _, distances = scorer.score_pairs(self._index.rows, new, -np.inf, with_distances=True)
        if not len(distances):
            return None
        adapted, share = adapt(model, distances, self.all_pairs)
        agencies = sum(count > 0 for count in self._held.values())
        return Adapted(adapted, share, round(share * self.all_pairs), len(distances), self.records, agencies)

    def partners(self, adapted: Adapted, least: float) -> Partners:
        """What pairs say of each other, by what `adapt` returned. Records are numbered from 0, in the order in which
        they were added. `least`: bits from which two records of one agency are of one person."""
        scorer = Scorer(adapted.model, adapted.population, Thresholds(possible=_LEAST_LIKELY))
        rows, count = self._index.rows, self._index.row_count

        def are_one(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
            spans = (
                np.stack([np.searchsorted(rows.records[:count], of, side) for side in ("left", "right")], axis=1)
                for of in (left, right)
            )
            return scorer.best_weights(rows, *spans) >= least

        held = np.array([self._held[agency] for agency in self._numbers])
        links = scorer.score(rows, range(count))
        return Partners.found(links, np.concatenate(self._agency), held, adapted.population, are_one)


def train(
    store: Store, agencies: Collection[str], calibrations: Sequence[Calibration], base: MatchModel, block_cap: int
) -> Adapted:
    """`base` with the u of the calibrations (one or more, of its scheme), adapted to the matched records that
    `agencies` hold in a store. Its provenance says so. `TrainingError` if they hold too few matches to learn from."""
    evidence = Evidence(base.scheme, block_cap)
    for frame, numbers in ((matched.frame, matched.record_numbers) for matched in store.matched_frames()):
        if frame.agency in agencies:
            evidence.add(frame.agency, unpack_records(frame.payload, frame.epoch), numbers >= 0)
    adapted = evidence.adapt(calibrated(base, Calibration.merged(calibrations)))
    if adapted is None or adapted.matches < LEAST_MATCHES:
        candidates, matches = (adapted.candidates, adapted.matches) if adapted else (0, 0)
        raise TrainingError(
            f"{candidates} candidate pairs across agencies, of which about {matches} seem matches: "
            f"at least {LEAST_MATCHES} matches are needed"
        )
    provenance = {
        "data": "records of a database, without truth",
        "records": str(adapted.records),
        "agencies": str(adapted.agencies),
        "date": datetime.now(UTC).date().isoformat(),
        "candidate_pairs": str(adapted.candidates),
        "match_share": f"{adapted.match_share:.3g}",
        "base_model": base.digest,
        "calibrations": " ".join(each.digest for each in calibrations),
        "calibration_records": str(sum(each.records for each in calibrations)),
    }
    return replace(adapted, model=replace(adapted.model, provenance=provenance))
