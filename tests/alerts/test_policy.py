"""The rules, one by one."""

import pytest

from matcher.alerts.policy import Draft, Standing, decide, tell
from matcher.model import AlertKind

P, Q, R = b"p" * 16, b"q" * 16, b"r" * 16
NONE: frozenset[str] = frozenset()


def standing(person_id: bytes, agencies: str, records: tuple[int, ...] = (1, 2), restricted: bool = False) -> Standing:
    """A person active at the agencies named by one letter each."""
    return Standing(person_id, frozenset(records), frozenset(agencies), restricted)


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
    told = {P: frozenset(was)} if was else {}
    assert decide(told, {}, [standing(P, now)]) == [Draft(kind, P) for kind in kinds]


def test_a_restricted_person_is_not_told_and_withdrawn_if_it_was() -> None:
    assert decide({}, {}, [standing(P, "abc", restricted=True)]) == []
    withdrawn = [Draft(AlertKind.WITHDRAWN, P)]
    assert decide({P: frozenset("ab")}, {}, [standing(P, "abc", restricted=True)]) == withdrawn


def test_a_person_that_is_another_s_now_is_merged() -> None:
    told = {P: frozenset("ab"), Q: frozenset("bc")}
    drafts = decide(told, {P: frozenset({1, 2}), Q: frozenset({3, 4})}, [standing(P, "abc", (1, 2, 3, 4))])
    assert drafts == [Draft(AlertKind.FURTHER_AGENCY, P), Draft(AlertKind.MERGED, Q, P)]


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
    drafts = decide({P: frozenset("ab")}, {P: frozenset({1, 2})}, after)
    assert Draft(AlertKind.WITHDRAWN, P) in drafts
    assert not any(draft.kind is AlertKind.MERGED for draft in drafts)


def test_nothing_is_said_of_a_person_gone_that_was_never_told_of() -> None:
    assert decide({}, {P: frozenset({1, 2})}, []) == []


def test_telling_follows_the_log() -> None:
    told: dict[bytes, frozenset[str]] = {}
    tell(told, AlertKind.KNOWN_TO_TWO, P, frozenset("ab"))
    tell(told, AlertKind.KNOWN_TO_TWO, Q, frozenset("bc"))
    tell(told, AlertKind.FURTHER_AGENCY, P, frozenset("abc"))
    assert told == {P: frozenset("abc"), Q: frozenset("bc")}
    tell(told, AlertKind.WITHDRAWN, P, NONE)
    tell(told, AlertKind.MERGED, Q, NONE)
    tell(told, AlertKind.MERGED, Q, NONE)
    assert told == {}
