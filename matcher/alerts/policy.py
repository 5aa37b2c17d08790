"""What the coordinator is told: the one place that knows "two or more agencies". Pure; no clock, no store.

unknown --KNOWN_TO_TWO--> known --FURTHER_AGENCY--> known
known --ESCALATION--> known              its case is open, and agencies keep meeting it
known --NO_LONGER_IDENTIFIED--> dormant --KNOWN_TO_TWO--> known
known, dormant --WITHDRAWN--> unknown    the records that made it known went away or came apart
known --WITHDRAWN, KNOWN_TO_TWO-->       an agency told about holds no record of it: said anew, with the right ones
known, dormant --MERGED--> gone          its records are another person's now

In a person's quiet period after an alert a FURTHER_AGENCY waits: nothing is queued, the person is looked at again.

A person goes by the number of its oldest record. Sets of agencies are 64 bits, one for each agency.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.columns import Column
from matcher.model import AlertKind

RULE_VERSION = "2"
ENOUGH_AGENCIES = 2
_OF_AGENCIES = (AlertKind.KNOWN_TO_TWO, AlertKind.FURTHER_AGENCY)
"""They say of their person that it is active, and where."""

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]
AgencySets = NDArray[np.uint64]


class Told:
    """What the coordinator was told of each person, in columns; a person never told of is in none."""

    def __init__(self) -> None:
        self._known = Column(np.bool_)
        self._dormant = Column(np.bool_)
        self._agencies = Column(np.uint64)
        self._at = Column(np.int64)
        """Seconds since 1970-01-01 UTC, of no meaning where nothing is known."""

    def reserve(self, records: int) -> None:
        """Make room for persons of numbers below `records`."""
        for column in (self._known, self._dormant, self._agencies, self._at):
            column.reserve(records)

    def persons(self) -> Numbers:
        """Every person told of, ascending."""
        return np.flatnonzero(self._known.values)

    def known(self, persons: Numbers) -> Flags:
        """Which of some persons (n,) the coordinator was told of, and not told otherwise since."""
        return self._known[persons]

    def dormant(self, persons: Numbers) -> Flags:
        """Which of some persons (n,) it was told since that fewer than two agencies are active."""
        return self._dormant[persons]

    def agencies(self, persons: Numbers) -> AgencySets:
        """Agencies that it was told some persons (n,) are known to."""
        return self._agencies[persons]

    def quiet(self, persons: Numbers, now: int, seconds: int) -> Flags:
        """Which of some persons (n,) it was told of less than `seconds` before `now`."""
        at = self._at[persons]
        return self._known[persons] & (at <= now) & (at > now - seconds)

    def follow(self, kinds: Numbers, persons: Numbers, agencies: AgencySets, at: Numbers, survivors: Numbers) -> None:
        """Follow some alerts of the log (n,), in order; room for their persons must be there. `at`: seconds since
        1970-01-01 UTC; `survivors`: -1 but for MERGED."""
        first = 0
        for i in [*np.flatnonzero(~np.isin(kinds, _OF_AGENCIES)).tolist(), len(kinds)]:
            run = slice(first, i)
            # of several alerts of one person the last counts, and the last is what such an assignment leaves
            self._put(persons[run], agencies[run], at[run], dormant=False)
            if i < len(kinds):
                self._tell(AlertKind(kinds[i]), int(persons[i]), int(survivors[i]))
            first = i + 1

    def _tell(self, kind: AlertKind, person: int, survivor: int) -> None:
        match kind:
            case AlertKind.WITHDRAWN:
                self.forget(person)
            case AlertKind.MERGED:
                if self._known[person] and not self._known[survivor]:
                    self._put(survivor, self._agencies[person], self._at[person], dormant=True)
                self.forget(person)
            case AlertKind.NO_LONGER_IDENTIFIED:
                self._dormant[person] = self._known[person]

    def forget(self, person: int) -> None:
        """As if it had never been told of a person."""
        self._known[person] = self._dormant[person] = False
        self._agencies[person] = self._at[person] = 0

    def _put(
        self, persons: int | Numbers, agencies: np.uint64 | AgencySets, at: np.int64 | Numbers, *, dormant: bool
    ) -> None:
        self._known[persons], self._dormant[persons] = True, dormant
        self._agencies[persons], self._at[persons] = agencies, at


@dataclass(frozen=True, slots=True, eq=False)
class Standings:
    """Persons as the rules see them, in columns (n,)."""

    persons: Numbers
    agencies: AgencySets
    """Where each is active."""
    holders: AgencySets
    """Agencies that hold a record of it, active or not."""
    restricted: Flags
    contacted: Flags
    """Met often enough, since the last review of its open case, for an ESCALATION that was not raised yet."""
    quiet: Flags
    """Told of so lately that a further agency can wait for others."""

    def known_to(self) -> AgencySets:
        """The agencies to tell about, none where the person must not be told about."""
        enough = (np.bitwise_count(self.agencies) >= ENOUGH_AGENCIES) & ~self.restricted
        return np.where(enough, self.agencies, 0)


class Drafts(NamedTuple):
    """Alerts to raise, in columns (n,), in order."""

    kinds: Numbers
    persons: Numbers
    places: Numbers
    """Where in the standings each person is, -1 if it is no more."""
    survivors: Numbers
    """For MERGED the person that remains, else -1."""


def decide(told: Told, gone: Numbers, heirs: Numbers, now: Standings) -> Drafts:
    """Alerts to raise, in order: person by person as they stand, then persons that are no more.

    `now`: persons that are new or may have changed. `gone` (k,): persons that are no more; `heirs` (k,): for each the
    place in `now` of the one person that has records of it, -1 if there is none or more than one.
    """
    was, dormant, agencies = told.known(now.persons), told.dormant(now.persons), told.agencies(now.persons)
    known_to = now.known_to()
    known = known_to != 0
    withdrawn = was & (now.restricted | ((agencies & ~now.holders) != 0))
    was &= ~withdrawn
    asleep = was & dormant
    awake = was & ~dormant
    by_place = (
        (AlertKind.WITHDRAWN, withdrawn),
        (AlertKind.NO_LONGER_IDENTIFIED, ~known & awake),
        (AlertKind.KNOWN_TO_TWO, known & (~was | asleep)),
        (AlertKind.FURTHER_AGENCY, known & awake & ((known_to & ~agencies) != 0) & ~now.quiet),
        (AlertKind.ESCALATION, known & now.contacted),
    )
    chosen = [np.flatnonzero(flags) for _, flags in by_place]
    places = np.concatenate(chosen)
    kinds = np.repeat([int(kind) for kind, _ in by_place], [len(at) for at in chosen])
    order = np.argsort(places, kind="stable")
    places = places[order]
    standing = Drafts(kinds[order], now.persons[places], places, np.full(len(places), -1))
    parts = zip(standing, _farewells(told, gone, heirs, now, known), strict=True)
    return Drafts(*map(np.concatenate, parts))


def _farewells(told: Told, gone: Numbers, heirs: Numbers, now: Standings, known: Flags) -> Drafts:
    """Alerts about persons that are no more."""
    chosen = told.known(gone) & ~np.isin(gone, now.persons)
    gone, heirs = gone[chosen], heirs[chosen]
    # one more, to be found at -1: no heir
    holders, free = np.append(now.holders, np.uint64(0)), np.append(~now.restricted, False)
    # what was told of a dormant person may be as true of its heir
    inherits = told.dormant(gone) & free[heirs] & ((told.agencies(gone) & ~holders[heirs]) == 0)
    merged = np.append(known, False)[heirs] | inherits
    return Drafts(
        kinds=np.where(merged, AlertKind.MERGED, AlertKind.WITHDRAWN),
        persons=gone,
        places=np.full(len(gone), -1),
        survivors=np.where(merged, np.append(now.persons, -1)[heirs], -1),
    )
