"""Links clear-text files in one process: the same tokeniser, pipeline and clustering as the service, with keys drawn
for the occasion and a store in memory. For pilots and evaluation; it is the one place that sees both sides."""

import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, combinations, groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from matcher.agency.calibration import calibrate
from matcher.agency.identity import SOURCE_COLUMNS, Problem, RawBatch
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.normalise import normalise
from matcher.agency.parallel import in_order
from matcher.agency.sources import read
from matcher.agency.tokeniser import Tokeniser, canonical_columns
from matcher.errors import InputFileError
from matcher.frame import pack_records, unpack_records
from matcher.model import Decision, TokenBatch
from matcher.pipeline import Pipeline
from matcher.scheme import LinkageScheme
from matcher.scoring.decision import Thresholds
from matcher.scoring.model import MatchModel
from matcher.scoring.partners import Partners
from matcher.scoring.scorer import Scorer
from matcher.scoring.training import calibrated
from matcher.settings import MOST_AGENCIES, AgencyInfo, Settings
from matcher.store.memory import MemoryStore
from matcher.training import LEAST_POPULATION, Evidence

BALANCED = Thresholds(match=0.5, possible=0.3)
"""More likely than not: both kinds of error weigh alike here. The service, whose matches become alerts, asks for
more."""
_FEED = "link"


def balanced(match_probability: float) -> Thresholds:
    """Thresholds with another match probability, 0 to 1."""
    return Thresholds(match_probability, min(BALANCED.possible, match_probability))


class Pair(NamedTuple):
    """Two records, left < right, and what was decided of them."""

    left: int
    right: int
    weight: float
    """Bits, prior included."""
    decision: Decision


@dataclass(slots=True, repr=False)
class Linked:
    """What linking some files gave. A record's number is its place in `references`."""

    pipeline: Pipeline
    references: list[tuple[str, str]]
    """Agency and record_ref of each record."""
    problems: list[tuple[str, Problem]] = field(default_factory=list)
    """Name of the file, and what is wrong in it."""

    def pairs(self) -> list[Pair]:
        """Every pair across agencies decided MATCH or POSSIBLE_MATCH, strongest first.

        MATCH are the pairs of one person, also those that only others hold together: their weight is that of the
        weakest link the person needs. A pair above the threshold whose records ended up in two persons is possible.
        """
        links = self.pipeline.store.links()
        scored = zip(links.left.tolist(), links.right.tolist(), links.weight.tolist(), strict=True)
        weights = {(left, right): weight for left, right, weight in scored}
        found = []
        persons = map(self.pipeline.persons.person_of, range(len(self.references)))
        for person in {person for person in persons if person is not None}:
            for left, right in combinations(person.records, 2):
                if self.references[left][0] != self.references[right][0]:
                    weight = weights.pop((left, right), person.weakest)
                    found.append(Pair(left, right, weight, Decision.MATCH))
        found += [Pair(left, right, weight, Decision.POSSIBLE_MATCH) for (left, right), weight in weights.items()]
        return sorted(found, key=lambda pair: (-pair.weight, pair.left, pair.right))

    def persons(self) -> list[int]:
        """For each record the oldest record of its person: itself where it is alone."""
        found = (self.pipeline.persons.person_of(record) for record in range(len(self.references)))
        return [record if person is None else person.records[0] for record, person in enumerate(found)]


def link_files(
    files: Iterable[Path],
    scheme: LinkageScheme,
    *,
    model: MatchModel | None = None,
    expected_population: int | None = None,
    thresholds: Thresholds = BALANCED,
    jobs: int = 1,
) -> Linked:
    """Read files with the columns of `SOURCE_COLUMNS` and link them; see `link_batches`. A file without `agency` is of
    the agency it is named after."""
    problems: list[tuple[str, Problem]] = []

    def batches() -> Iterator[RawBatch]:
        for path in files:
            for batch in read(path, scheme, with_agency=True):
                problems.extend((path.name, problem) for problem in batch.problems)
                yield batch

    linked = link_batches(
        batches(), scheme, model=model, expected_population=expected_population, thresholds=thresholds, jobs=jobs
    )
    linked.problems = problems
    return linked


def link_batches(
    batches: Iterable[RawBatch],
    scheme: LinkageScheme,
    *,
    model: MatchModel | None = None,
    expected_population: int | None = None,
    thresholds: Thresholds = BALANCED,
    jobs: int = 1,
) -> Linked:
    """Tokenise, in `jobs` processes, and match. `model`: the shipped one by default. `expected_population`: how many
    people the files may speak of; by default that is estimated from the tokens, the model adapted to them, and pairs
    are seen together (`matcher.scoring.partners`).
    `InputFileError` if an agency's record reference comes in two batches."""
    store = MemoryStore()
    work = _Tokenising(
        scheme,
        LinkageKeys(secrets.token_bytes(32), scheme, 1),
        secrets.token_bytes(32),
        X25519PrivateKey.generate().public_key().public_bytes_raw(),
    )
    agencies: dict[str, None] = {}
    references: dict[tuple[str, str], None] = {}
    columns: dict[str, list[str]] = {field.name: [] for field in scheme.encoded}
    for agency, record_refs, values, tokens in chain.from_iterable(in_order(work, batches, jobs)):
        agencies[agency] = None
        for name in columns:
            columns[name] += values[name]
        offset = store.next_offset(agency, _FEED)
        store.append(agency, _FEED, offset, tokens.record_count, 1, pack_records(tokens), int(time.time()))
        before = len(references)
        references |= dict.fromkeys((agency, ref) for ref in record_refs)
        if len(references) != before + tokens.record_count:
            raise InputFileError("a record reference of one agency stands in two places; each record may come once")
    if len(agencies) > MOST_AGENCIES:
        raise InputFileError(f"the files name {len(agencies)} agencies; {MOST_AGENCIES} can be linked at most")
    if model is None:
        model = calibrated(MatchModel.shipped(scheme), calibrate(columns, scheme))
    partners = None
    if expected_population is None:
        expected_population, model, partners = _estimated(store, model, len(references), thresholds)
    scorer = Scorer(model, expected_population, thresholds, partners)
    sectors = tuple(AgencyInfo(agency, "council") for agency in agencies)
    pipeline = Pipeline(store, scorer, Settings(sectors, look_back_days=10**6))
    pipeline.match_all()
    return Linked(pipeline, list(references))


class _Tokenised(NamedTuple):
    """Some rows of one agency."""

    agency: str
    record_refs: list[str]
    """Of each record."""
    columns: dict[str, list[str]]
    """Canonical columns, of each row."""
    tokens: TokenBatch


@dataclass(frozen=True, slots=True, repr=False)
class _Tokenising:
    scheme: LinkageScheme
    keys: LinkageKeys
    alias_key: bytes
    coordinator: bytes

    def __call__(self, batch: RawBatch) -> list[_Tokenised]:
        found = []
        for agency, raw in by_agency(batch):
            normalised = normalise(raw, self.scheme)
            if len(normalised):
                alias_key = AliasKey(self.alias_key, agency)
                tokeniser = Tokeniser(self.scheme, self.keys, alias_key, agency, self.coordinator)
                record_refs = [ref for ref, _ in groupby(normalised.record_ref)]
                columns = canonical_columns(normalised, self.scheme)
                found.append(_Tokenised(agency, record_refs, columns, tokeniser.tokenise(normalised)))
        return found


def _estimated(
    store: MemoryStore, model: MatchModel, records: int, thresholds: Thresholds
) -> tuple[int, MatchModel, Partners | None]:
    """The population that the records themselves speak for, the model adapted to them, and what pairs say of each
    other."""
    evidence = Evidence(model.scheme, Settings(()).block_cap)
    for frame in store.frames_after(0, records):
        batch = unpack_records(frame.payload, frame.epoch)
        evidence.add(frame.agency, batch, np.ones(batch.record_count, bool))
    if evidence.all_pairs < LEAST_POPULATION:  # too few to estimate anything from
        return LEAST_POPULATION, model, None
    adapted = evidence.adapt(model)
    if adapted is None:
        return max(records, LEAST_POPULATION), model, None
    least = thresholds.match_weight + Settings(()).second_record_margin
    return adapted.population, adapted.model, evidence.partners(adapted, least)


def by_agency(batch: RawBatch) -> list[tuple[str, RawBatch]]:
    """A batch of several agencies' rows, apart; order is kept within each."""
    agencies = batch.columns["agency"]
    if len(set(agencies)) == 1:
        return [(agencies[0], batch)]
    parts = []
    for agency in sorted(set(agencies)):
        chosen = np.flatnonzero(np.array(agencies) == agency).tolist()
        columns = {name: [batch.columns[name][i] for i in chosen] for name in SOURCE_COLUMNS}
        parts.append((agency, RawBatch([batch.rows[i] for i in chosen], columns)))
    return parts
