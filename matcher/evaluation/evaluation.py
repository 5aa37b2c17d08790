"""Runs linking on files that hold the truth, and measures every stage of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np

from matcher.agency.identity import Problem
from matcher.evaluation.candidates import candidates_of
from matcher.evaluation.example import Example, examples
from matcher.evaluation.gallery import ErrorKind, error_kinds
from matcher.evaluation.measures import (
    Calibration,
    KnownToTwo,
    Quality,
    ThresholdCurve,
    best_threshold,
    both_labels,
    calibration,
    common_label,
    known_to_two,
    pair_quality,
    pair_quality_by,
    pairs_of_persons,
    threshold_curve,
)
from matcher.evaluation.stages import Stage, stages
from matcher.evaluation.truth import Truth, TruthReader
from matcher.evaluation.unlinkable import Unlinkable, unlinkable
from matcher.linking import BALANCED, Linked, link_batches
from matcher.scheme import LinkageScheme
from matcher.scoring.decision import Thresholds, probability
from matcher.scoring.model import MatchModel

CALIBRATION_FLOOR = 0.01
"""Pairs less likely are left out of the calibration: nearly all candidates are, and rightly."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Evaluation:
    """How right linking was. Record references are in `examples` and `errors` alone, values of fields nowhere."""

    records: int
    agencies: tuple[str, ...]
    """Sorted."""
    true_persons: int
    model: MatchModel
    """As it was used: adapted to the records, if their population was estimated."""
    thresholds: Thresholds
    pairs: Quality
    """Pairs across agencies, as the found persons imply them."""
    persons: KnownToTwo
    by_agencies: dict[str, Quality]
    """By the two agencies of a pair."""
    by_group: dict[str, dict[str, Quality]]
    """By sex, age band and further columns: by label."""
    stages: tuple[Stage, ...]
    curve: ThresholdCurve
    """By match weight, of candidate pairs before persons are resolved."""
    best_threshold: float
    """Match weight with the highest F1 on the curve."""
    calibration: Calibration
    unlinkable: tuple[Unlinkable, ...]
    examples: tuple[Example, ...]
    errors: tuple[ErrorKind, ...]
    problems: tuple[tuple[str, Problem], ...]
    """Name of the file, and what is wrong in it."""


def evaluate_files(
    files: Sequence[Path],
    scheme: LinkageScheme,
    truth_column: str,
    *,
    group_columns: Sequence[str] = (),
    model: MatchModel | None = None,
    expected_population: int | None = None,
    thresholds: Thresholds = BALANCED,
    jobs: int = 1,
) -> Evaluation:
    """Link files as `link_files` does and compare with the column that names each record's true person.

    `group_columns`: columns by whose values quality is told, besides sex and age band, reckoned by the local day.
    `jobs`: processes that tokenise. `InputFileError` as from linking, and if a truth or a column is missing.
    """
    reader = TruthReader.of(scheme, truth_column, group_columns, date.today())
    linked = link_batches(
        reader.read(files),
        scheme,
        model=model,
        expected_population=expected_population,
        thresholds=thresholds,
        jobs=jobs,
    )
    return evaluate(linked, reader.truth(linked.references), reader.problems)


def evaluate(linked: Linked, truth: Truth, problems: Sequence[tuple[str, Problem]] = ()) -> Evaluation:
    """Measure what linking found. `truth`: of the linked records, in order of their numbers."""
    person, agency = truth.person, truth.agency
    found_person = np.array(linked.persons(), np.int64)
    found = pairs_of_persons(found_person, agency)
    scorer = linked.pipeline.scorer
    threshold = scorer.thresholds.match_weight
    candidates = candidates_of(linked.pipeline)
    is_match = person[candidates.pairs[:, 0]] == person[candidates.pairs[:, 1]]
    pairs = pair_quality(found, person, agency)
    curve = threshold_curve(candidates.weight, is_match, pairs.true_positives + pairs.false_negatives)
    by_group = {
        name: pair_quality_by(found, person, agency, partial(common_label, label))
        for name, label in truth.groups.items()
    }
    return Evaluation(
        records=len(person),
        agencies=tuple(sorted(set(agency.tolist()))),
        true_persons=len(np.unique(person)),
        model=scorer.model,
        thresholds=scorer.thresholds,
        pairs=pairs,
        persons=known_to_two(found_person, person, agency),
        by_agencies=pair_quality_by(found, person, agency, partial(both_labels, agency)),
        by_group=by_group,
        stages=stages(candidates, threshold, found_person, person, agency),
        curve=curve,
        best_threshold=best_threshold(curve),
        calibration=calibration(probability(candidates.weight), is_match, floor=CALIBRATION_FLOOR),
        unlinkable=unlinkable(linked.pipeline, len(person)),
        examples=examples(linked.pipeline, candidates, person, linked.references),
        errors=error_kinds(candidates, linked.pipeline, found_person, person, linked.references),
        problems=tuple(problems),
    )
