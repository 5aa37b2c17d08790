"""One population, linked once."""

from datetime import date
from pathlib import Path

import pytest

from benchmarks.population import FILE_COLUMNS, generate
from matcher.evaluation.truth import Truth, TruthReader
from matcher.linking import Linked, link_batches
from matcher.scheme import UK_PERSON_V1

TODAY = date(2026, 7, 1)
RECORDS = 600


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of all agencies' records with their truth."""
    path = tmp_path_factory.mktemp("people") / "people.csv"
    population = generate(RECORDS, seed=7)
    population.records.to_csv(path, columns=[*FILE_COLUMNS, "agency", "person", "origin"], index=False)
    return path


@pytest.fixture(scope="session")
def linked(people: Path) -> tuple[Linked, Truth]:
    reader = TruthReader.of(UK_PERSON_V1, "person", ["origin"], TODAY)
    found = link_batches(reader.read([people]), UK_PERSON_V1, expected_population=RECORDS)
    return found, reader.truth(found.references)
