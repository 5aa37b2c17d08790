"""The rules, one by one, and all of them against plain Python."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.alerts.policy import Standings, Told, decide
from matcher.model import AlertKind
from tests import reference
from tests.reference import Standing, ToldOf

P, Q, R = 1, 3, 2
"""Persons by their oldest records."""
AGENCIES = "abcd"
NONE: frozenset[str] = frozenset()


class Draft(NamedTuple):
    """An alert to raise."""

    kind: AlertKind
    person: int
    survivor: int = -1


def bits(agencies: Iterable[str]) -> int:
    """A set of agencies named by one letter each."""
    return sum(1 << AGENCIES.index(agency) for agency in agencies)


def standing(
    person: int,
    agencies: str,
    records: tuple[int, ...] = (1, 2),
    restricted: bool = False,
    quiet: str = "",
    contacted: bool = False,
) -> Standing:
    """A person active at the agencies named by one letter each, held by those and by the quiet ones."""
    return Standing(person, frozenset(records), frozenset(agencies), frozenset(agencies + quiet), restricted, contacted)


def said(agencies: str, dormant: bool = False, at: int = 0) -> ToldOf:
    """What was told of a person."""
    return ToldOf(frozenset(agencies), dormant, at)


def tell(told: Told, kind: AlertKind, person: int, agencies: int = 0, at: int = 0, survivor: int = -1) -> None:
    """One alert of the log."""
    columns = (np.array([each]) for each in (person, np.uint64(agencies), at, survivor))
    told.follow(np.array([kind]), *columns)


def columns(told: dict[int, ToldOf]) -> Told:
    """The same in columns."""
    found = Told()
    for person, each in told.items():
        tell(found, AlertKind.KNOWN_TO_TWO, person, bits(each.agencies), each.at)
        if each.dormant:
            tell(found, AlertKind.NO_LONGER_IDENTIFIED, person)
    return found


def content(told: Told) -> dict[int, ToldOf]:
    """What columns hold."""
    persons = told.persons()
    rows = zip(
        persons.tolist(),
        told.agencies(persons).tolist(),
        told.dormant(persons).tolist(),
        told._at[persons].tolist(),
        strict=True,
    )
    return {
        person: ToldOf(frozenset(name for name in AGENCIES if agencies & bits(name)), dormant, at)
        for person, agencies, dormant, at in rows
    }


def decided(told: dict[int, ToldOf], before: dict[int, frozenset[int]], after: list[Standing]) -> list[Draft]:
    """What the rules say, after checking that plain Python says the same."""
    heirs = []
    for records in before.values():
        found = [place for place, now in enumerate(after) if now.records & records]
        heirs.append(found[0] if len(found) == 1 else -1)
    now = Standings(
        persons=np.array([each.person for each in after], np.int64),
        agencies=np.array([bits(each.agencies) for each in after], np.uint64),
        holders=np.array([bits(each.holders) for each in after], np.uint64),
        restricted=np.array([each.restricted for each in after], bool),
        contacted=np.array([each.contacted for each in after], bool),
        quiet=np.array([each.quiet for each in after], bool),
    )
    drafts = decide(columns(told), np.array([*before], np.int64), np.array(heirs, np.int64), now)
    for person, place in zip(drafts.persons.tolist(), drafts.places.tolist(), strict=True):
        assert person in before if place < 0 else after[place].person == person
    columns_of = drafts.kinds.tolist(), drafts.persons.tolist(), drafts.survivors.tolist()
    found = [Draft(AlertKind(kind), person, survivor) for kind, person, survivor in zip(*columns_of, strict=True)]
    assert found == reference.decide(told, before, after)
    return found


@pytest.mark.parametrize(
    ("was", "now", "kinds"),
    [
        ("", "", []),
        ("", "a", []),
        ("", "ab", [AlertKind.KNOWN_TO_TWO]),
        ("", "abc", [AlertKind.KNOWN_TO_TWO]),
        ("ab", "ab", []),
        ("ab", "abc", [AlertKind.FURTHER_AGENCY]),
        ("abc", "ab", [AlertKind.WITHDRAWN, AlertKind.KNOWN_TO_TWO]),
        ("ab", "bc", [AlertKind.WITHDRAWN, AlertKind.KNOWN_TO_TWO]),
        ("ab", "a", [AlertKind.WITHDRAWN]),
        ("ab", "", [AlertKind.WITHDRAWN]),
    ],
)
def test_what_a_change_of_agencies_says(was: str, now: str, kinds: list[AlertKind]) -> None:
    told = {P: said(was)} if was else {}
    assert decided(told, {}, [standing(P, now)]) == [Draft(kind, P) for kind in kinds]


@pytest.mark.parametrize(
    ("was", "dormant", "now", "quiet", "kinds"),
    [
        ("abc", False, "ab", "c", []),
        ("ab", False, "a", "b", [AlertKind.NO_LONGER_IDENTIFIED]),
        ("ab", False, "", "ab", [AlertKind.NO_LONGER_IDENTIFIED]),
        ("ab", False, "bc", "a", [AlertKind.FURTHER_AGENCY]),
        ("ab", True, "a", "b", []),
        ("ab", True, "ab", "", [AlertKind.KNOWN_TO_TWO]),
        ("ab", True, "bc", "a", [AlertKind.KNOWN_TO_TWO]),
        ("ab", True, "", "a", [AlertKind.WITHDRAWN]),
        ("ab", True, "ac", "", [AlertKind.WITHDRAWN, AlertKind.KNOWN_TO_TWO]),
    ],
)
def test_time_that_passed_is_no_mistake(was: str, dormant: bool, now: str, quiet: str, kinds: list[AlertKind]) -> None:
    assert decided({P: said(was, dormant)}, {}, [standing(P, now, quiet=quiet)]) == [Draft(kind, P) for kind in kinds]


def test_a_person_met_often_enough_escalates() -> None:
    assert decided({P: said("ab")}, {}, [standing(P, "ab", contacted=True)]) == [Draft(AlertKind.ESCALATION, P)]
    assert decided({P: said("ab")}, {}, [standing(P, "a", quiet="b", contacted=True)]) == [
        Draft(AlertKind.NO_LONGER_IDENTIFIED, P)
    ]


def test_a_restricted_person_is_not_told_and_withdrawn_if_it_was() -> None:
    assert decided({}, {}, [standing(P, "abc", restricted=True)]) == []
    withdrawn = [Draft(AlertKind.WITHDRAWN, P)]
    assert decided({P: said("ab")}, {}, [standing(P, "abc", restricted=True)]) == withdrawn


def test_a_person_that_is_another_s_now_is_merged() -> None:
    told = {P: said("ab"), Q: said("bc")}
    drafts = decided(told, {P: frozenset({1, 2}), Q: frozenset({3, 4})}, [standing(P, "abc", (1, 2, 3, 4))])
    assert drafts == [Draft(AlertKind.FURTHER_AGENCY, P), Draft(AlertKind.MERGED, Q, survivor=P)]


@pytest.mark.parametrize(
    "after",
    [
        [],
        [standing(Q, "ab", (1, 3), restricted=True)],
        [standing(Q, "a", (1, 3))],
        [standing(Q, "ab", (1, 3)), standing(R, "ab", (2, 4))],
    ],
)
def test_a_person_without_one_heir_who_is_told_of_is_withdrawn(after: list[Standing]) -> None:
    drafts = decided({P: said("ab")}, {P: frozenset({1, 2})}, after)
    assert Draft(AlertKind.WITHDRAWN, P) in drafts
    assert not any(draft.kind is AlertKind.MERGED for draft in drafts)


def test_nothing_is_said_of_a_person_gone_that_was_never_told_of() -> None:
    assert decided({}, {P: frozenset({1, 2})}, []) == []


def test_a_further_agency_waits_in_a_quiet_period_and_nothing_else_does() -> None:
    def kinds(was: ToldOf, now: str, quiet: str = "", contacted: bool = False) -> list[AlertKind]:
        stands = replace(standing(P, now, quiet=quiet, contacted=contacted), quiet=True)
        return [draft.kind for draft in decided({P: was}, {}, [stands])]

    assert kinds(said("ab"), "abc") == []
    assert kinds(said("ab"), "abc", contacted=True) == [AlertKind.ESCALATION]
    assert kinds(said("ab"), "a") == [AlertKind.WITHDRAWN]
    assert kinds(said("ab"), "a", quiet="b") == [AlertKind.NO_LONGER_IDENTIFIED]
    assert kinds(said("ab", dormant=True), "abc") == [AlertKind.KNOWN_TO_TWO]


def test_what_was_told_of_a_dormant_person_passes_to_its_heir() -> None:
    told, before = {P: said("ab", dormant=True)}, {P: frozenset({1, 2})}
    heir = standing(Q, "c", (0, 1, 2), quiet="ab")
    assert decided(told, before, [heir]) == [Draft(AlertKind.MERGED, P, survivor=Q)]
    for other in (standing(Q, "c", (0, 1), quiet="a"), standing(Q, "c", (0, 1, 2), quiet="ab", restricted=True)):
        assert decided(told, before, [other]) == [Draft(AlertKind.WITHDRAWN, P)]


def test_telling_follows_the_log() -> None:
    told = Told()
    tell(told, AlertKind.KNOWN_TO_TWO, P, bits("ab"), 5)
    tell(told, AlertKind.KNOWN_TO_TWO, Q, bits("bc"), 5)
    tell(told, AlertKind.FURTHER_AGENCY, P, bits("abc"), 7)
    tell(told, AlertKind.ESCALATION, P, bits("ab"), 5)
    assert content(told) == {P: said("abc", at=7), Q: said("bc", at=5)}
    tell(told, AlertKind.NO_LONGER_IDENTIFIED, P, at=9)
    assert content(told) == {P: said("abc", dormant=True, at=7), Q: said("bc", at=5)}
    tell(told, AlertKind.MERGED, P, at=9, survivor=R)
    tell(told, AlertKind.MERGED, Q, at=9, survivor=R)
    assert content(told) == {R: said("abc", dormant=True, at=7)}
    tell(told, AlertKind.KNOWN_TO_TWO, R, bits("ab"), 8)
    assert content(told) == {R: said("ab", at=8)}
    tell(told, AlertKind.WITHDRAWN, R, at=9)
    for kind in (AlertKind.MERGED, AlertKind.WITHDRAWN, AlertKind.NO_LONGER_IDENTIFIED):
        tell(told, kind, Q, at=9, survivor=R)
    assert content(told) == {}


def test_a_quiet_period_begins_with_an_alert() -> None:
    told, persons = columns({P: said("ab", at=100)}), np.array([P, Q])
    assert [told.quiet(persons, now, 10).tolist() for now in (99, 100, 109, 110)] == [
        [False, False],
        [True, False],
        [True, False],
        [False, False],
    ]


letters = st.frozensets(st.sampled_from(AGENCIES))


@st.composite
def situations(draw: st.DrawFn) -> tuple[dict[int, ToldOf], dict[int, frozenset[int]], list[Standing]]:
    """Persons that were and are of ten records, and what was told of some."""

    def partition() -> dict[int, frozenset[int]]:
        label = draw(st.lists(st.integers(0, 4), min_size=10, max_size=10))
        parts = [frozenset(n for n in range(10) if label[n] == each) for each in set(label)]
        return {min(part): part for part in parts if len(part) > 1}

    told = {
        person: ToldOf(draw(letters), draw(st.booleans()), draw(st.integers(0, 5)))
        for person in draw(st.sets(st.integers(0, 9)))
    }
    after = [
        Standing(
            person,
            records,
            active := draw(letters),
            active | draw(letters),
            draw(st.booleans()),
            draw(st.booleans()),
            draw(st.booleans()),
        )
        for person, records in sorted(partition().items())
    ]
    return told, partition(), after


@given(situations())
def test_the_columns_say_what_plain_python_says(
    situation: tuple[dict[int, ToldOf], dict[int, frozenset[int]], list[Standing]],
) -> None:
    decided(*situation)


@st.composite
def said_alerts(draw: st.DrawFn) -> tuple[AlertKind, int, frozenset[str], int, int]:
    """Kind, person, agencies, time and survivor of an alert about few persons."""
    kind, person = draw(st.sampled_from(AlertKind)), draw(st.integers(0, 4))
    survivor = draw(st.integers(0, 4).filter(lambda other: other != person)) if kind is AlertKind.MERGED else -1
    return kind, person, draw(letters), draw(st.integers(0, 9)), survivor


@given(st.lists(said_alerts(), max_size=20))
def test_alerts_followed_together_leave_what_they_leave_one_by_one(
    alerts: list[tuple[AlertKind, int, frozenset[str], int, int]],
) -> None:
    told, one_by_one = Told(), dict[int, ToldOf]()
    for kind, person, agencies, at, survivor in alerts:
        reference.follow(one_by_one, kind, person, ToldOf(agencies, at=at), survivor)
    kinds, persons, sets, times, survivors = zip(*alerts, strict=True) if alerts else ((),) * 5
    told.follow(
        np.array(kinds, np.int64),
        np.array(persons, np.int64),
        np.array([bits(agencies) for agencies in sets], np.uint64),
        np.array(times, np.int64),
        np.array(survivors, np.int64),
    )
    assert content(told) == one_by_one
