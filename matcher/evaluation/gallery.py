"""Errors by kind: which evidence stood for a false pair, and which against a true one. References and bands only."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.evaluation.candidates import Candidates
from matcher.evaluation.measures import Labels, Pairs, pairs_of_persons, place_of_pairs
from matcher.model import EvidenceBand
from matcher.pipeline import Pipeline
from matcher.scoring.model import MatchModel

_MOST_EXAMPLES = 4
_NOT_COMPARED = 0
"""Stands beside the values of `EvidenceBand`: both have the field, and share no block to compare it in."""
_IDENTIFIERS = ("nhs_number", "identifier")
_BLOCKED_BY = ("forename", "surname", "birth date", "residence")
"""What most passes join; a record without it falls into few blocks."""
References = Sequence[tuple[str, str]]
"""Agency and record reference of each record."""

NO_BLOCK = "no shared block"
VETOED = "different valid identifiers: a veto"
PARTED = "linked, but parted when persons were resolved"
JOINED = "joined through other records"
SWAPPED = "forename and surname swapped"
ALIKE = "all that both hold agrees"

_MISSED = {
    ("residence",): "moved: only the residence differs",
    ("surname", "residence"): "moved, with another surname",
}
_FALSE = {
    ("forename",): "twin-like: only the forename differs",
    ("forename", "sex"): "twin-like: forename and sex differ",
    ("forename", "birth date"): "household-like: forename and birth date differ",
    ("forename", "birth date", "sex"): "household-like: forename, birth date and sex differ",
    ("birth date",): "namesakes: only the birth date differs",
    ("residence",): "namesakes born alike: only the residence differs",
}


@dataclass(frozen=True, slots=True)
class ErrorPair:
    """One pair that was decided wrongly."""

    left: tuple[str, str]
    """Agency and record reference."""
    right: tuple[str, str]
    weight: float | None
    """Match weight in bits; None where the records share no block."""
    bands: tuple[EvidenceBand | None, ...]
    """By field; None where both have it, and share no block to compare it in."""


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """Errors that look alike."""

    missed: bool
    """True: true pairs that were not found. False: false pairs that were."""
    kind: str
    count: int
    examples: tuple[ErrorPair, ...]
    """Some of them, those nearest to the threshold first."""


def error_kinds(
    candidates: Candidates, pipeline: Pipeline, found_person: Labels, person: Labels, references: References
) -> tuple[ErrorKind, ...]:
    """All wrong pairs across agencies by kind: false ones first, and the commonest kind first."""
    agency = np.array([each for each, _ in references], dtype=str)
    found, true = pairs_of_persons(found_person, agency), pairs_of_persons(person, agency)
    wrong = found[person[found[:, 0]] != person[found[:, 1]]]
    lost = true[found_person[true[:, 0]] != found_person[true[:, 1]]]
    threshold = pipeline.scorer.thresholds.match_weight
    kinds: list[ErrorKind] = []
    for missed, pairs in ((False, wrong), (True, lost)):
        place = place_of_pairs(pairs, candidates.pairs)
        bands = _bands(candidates, pipeline, pairs, place)
        weight = np.full(len(pairs), np.nan)
        weight[place >= 0] = candidates.weight[place[place >= 0]]
        held: dict[str, list[int]] = defaultdict(list)
        for i, row in enumerate(bands.tolist()):
            linked = bool(weight[i] >= threshold)
            held[_kind(pipeline.scorer.model, row, linked=linked, missed=missed)].append(i)
        for kind, places in sorted(held.items(), key=lambda each: (-len(each[1]), each[0])):
            nearest = np.array(places)[np.argsort(abs(weight[places] - threshold), kind="stable")]
            shown = tuple(
                ErrorPair(
                    references[pairs[i, 0]],
                    references[pairs[i, 1]],
                    float(weight[i]) if place[i] >= 0 else None,
                    tuple(EvidenceBand(band) if band else None for band in bands[i].tolist()),
                )
                for i in nearest[:_MOST_EXAMPLES].tolist()
            )
            kinds.append(ErrorKind(missed, kind, len(places), shown))
    return tuple(kinds)


def _bands(candidates: Candidates, pipeline: Pipeline, pairs: Pairs, place: NDArray[np.int64]) -> NDArray[np.uint8]:
    """`EvidenceBand` by field (n, F) of pairs (n, 2), which stand at `place` (n,) among the candidates; of a pair that
    is none (-1) `_NOT_COMPARED` where the field is not missing."""
    rows, count = pipeline.index.rows, pipeline.index.row_count
    masks = np.zeros(rows.records[:count].max(initial=-1) + 1, np.uint16)
    np.bitwise_or.at(masks, rows.records[:count], rows.field_masks[:count])
    fields = np.arange(len(pipeline.scorer.scheme.fields), dtype=np.uint16)  # the bit of a field of kind block is 0
    both = (masks[pairs[:, 0]] & masks[pairs[:, 1]])[:, None] >> fields & 1
    bands = np.where(both == 1, _NOT_COMPARED, EvidenceBand.MISSING).astype(np.uint8)
    held = place >= 0
    bands[held] = bands_of(pipeline.scorer.model, candidates.distances[place[held]])
    return bands


def bands_of(model: MatchModel, distances: NDArray[np.int16]) -> NDArray[np.uint8]:
    """`EvidenceBand` of distances (n, F): agree at 0, similar where the field's weight is still above 0."""
    bands = np.full(distances.shape, EvidenceBand.MISSING, np.uint8)
    for f, table in enumerate(model.tables):
        distance = distances[:, f]
        near = np.where(table[distance] > 0, EvidenceBand.SIMILAR, EvidenceBand.DIFFER)
        bands[:, f] = np.where(distance < 0, EvidenceBand.MISSING, np.where(distance == 0, EvidenceBand.AGREE, near))
    return bands


def _kind(model: MatchModel, row: list[int], *, linked: bool, missed: bool) -> str:
    """The kind of one wrong pair. `row`: its bands by field; `linked`: its own weight reaches the threshold."""
    band = {field.name: value for field, value in zip(model.scheme.fields, row, strict=True)}
    if _NOT_COMPARED in row or all(value == EvidenceBand.MISSING for value in row):
        lacking = [aspect for aspect, state in _states(band).items() if state == EvidenceBand.MISSING]
        told = [aspect for aspect in lacking if aspect in _BLOCKED_BY]
        kind = f"{NO_BLOCK}, {' and '.join(told)} missing" if told else NO_BLOCK
    elif missed and linked:
        return PARTED
    elif any(band[field.name] > EvidenceBand.AGREE for field in model.scheme.fields if field.vetoes):
        kind = VETOED
    else:
        kind = kind_of(band, missed=missed)
    return kind if missed or linked else f"{JOINED}: {kind}"


def kind_of(band: dict[str, int], *, missed: bool) -> str:
    """What is peculiar to a pair, from its `EvidenceBand` by field."""
    states = _states(band)
    differing = tuple(name for name, state in states.items() if state == EvidenceBand.DIFFER)
    if differing[:2] == ("forename", "surname") and band["full_name"] != EvidenceBand.DIFFER:
        return SWAPPED
    if not differing:
        return ALIKE
    named = (_MISSED if missed else _FALSE).get(differing)
    if named:
        return named
    *others, last = differing
    return f"{', '.join(others)} and {last} differ" if others else f"only the {last} differs"


def _states(band: dict[str, int]) -> dict[str, int]:
    """Bands of what people speak of. Of fields that say the same the best counts, of fields that add up the worst."""
    number = next(name for name in band if name in _IDENTIFIERS)
    return {
        "forename": band["forename"],
        "surname": band["surname"],
        "birth date": max(_present(band["year"], band["month_day"])),
        "sex": band["sex"],
        "residence": min(_present(band["postcode"], band["address"])),
        "identifier": band[number],
    }


def _present(*bands: int) -> list[int]:
    """Those of fields that are there; if none is, that."""
    return [band for band in bands if band != EvidenceBand.MISSING] or [EvidenceBand.MISSING]
