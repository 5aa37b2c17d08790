"""Labelled records in the middle of a made-up population, linked as files are: what tables of hard cases stand on."""

from collections.abc import Iterable, Mapping, Sequence

from stdnum.gb import nhs

from benchmarks.default_model import raw_batches
from benchmarks.population import generate
from matcher.agency.identity import SOURCE_COLUMNS, RawBatch
from matcher.linking import Linked, link_batches
from matcher.scheme import UK_PERSON_V1

LEFT, RIGHT, THIRD = "mental-health", "social-care", "housing"
"""Agencies of the population that hold the labelled records too."""
FIELDS = ("forename", "surname", "dob", "sex", "postcode", "address", "identifier")
"""What a text of a labelled record says, between bars."""


SAME, DIFFERENT = True, False
Table = Mapping[str, Sequence[tuple[bool, str, str]]]
"""By case its rows: whether the two are one person, and the two records."""
Row = tuple[str, bool, str, str]
"""Reference, label and the two records of a row."""


def nhs_number(start: int) -> str:
    """A valid NHS number, different for different `start` of at most five digits."""
    numbers = (f"98{start:05d}{tail:03d}" for tail in range(1000))
    return next(number for number in numbers if nhs.is_valid(number))


def batch(agency: str, held: Iterable[tuple[str, str]]) -> RawBatch:
    """Records (reference, text) of one agency. Fields at the end of a text may be left out."""
    held = list(held)
    columns = {name: [""] * len(held) for name in SOURCE_COLUMNS}
    columns["agency"] = [agency] * len(held)
    columns["record_ref"] = [ref for ref, _ in held]
    for row, (_, text) in enumerate(held):
        values = [value.strip() for value in text.split("|")]
        assert len(values) <= len(FIELDS)
        for name, value in zip(FIELDS, values, strict=False):
            columns[name][row] = value
    return RawBatch(list(range(2, len(held) + 2)), columns)


class World:
    """A population and labelled records, linked."""

    def __init__(self, labelled: Sequence[RawBatch], records: int = 4000, seed: int = 53) -> None:
        batches = []
        for agency, each in raw_batches(generate(records, seed), UK_PERSON_V1):
            each.columns["agency"] = [agency] * len(each.rows)
            batches.append(each)
        middle = len(batches) // 2
        self.linked: Linked = link_batches([*batches[:middle], *labelled, *batches[middle:]], UK_PERSON_V1)
        self._number = {reference: record for record, reference in enumerate(self.linked.references)}
        self._person = self.linked.persons()
        self._asked = set(self.linked.pipeline.persons.possible_matches())

    def is_one_person(self, left: tuple[str, str], right: tuple[str, str]) -> bool:
        """Whether two records, each (agency, reference), ended up in one person."""
        return self._person[self._number[left]] == self._person[self._number[right]]

    def is_alone(self, record: tuple[str, str]) -> bool:
        """Whether no other record is of its person."""
        return self._person.count(self._person[self._number[record]]) == 1

    def is_asked(self, left: tuple[str, str], right: tuple[str, str]) -> bool:
        """Whether a reviewer is asked about the two."""
        a, b = sorted((self._number[left], self._number[right]))
        return (a, b) in self._asked

    def weight(self, left: tuple[str, str], right: tuple[str, str]) -> float | None:
        """Weight of the two, bits; None if they share no block."""
        pipeline = self.linked.pipeline
        rows = [pipeline.registry.rows(self._number[each]) for each in (left, right)]
        compared = pipeline.scorer.compare(pipeline.index.rows, *rows)
        return None if compared is None else compared.total


def numbered(cases: Table, prefix: str = "") -> list[Row]:
    """All rows of a table, each with a reference of its own."""
    return [(f"{prefix}{case} {i}", *row) for case, rows in cases.items() for i, row in enumerate(rows, 1)]


def world_of_pairs(rows: Sequence[Row]) -> World:
    """The left records at one agency, the right ones at another."""
    left = batch(LEFT, [(ref, record) for ref, _, record, _ in rows])
    return World([left, batch(RIGHT, [(ref, record) for ref, _, _, record in rows])])
