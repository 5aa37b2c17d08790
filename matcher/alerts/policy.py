"""What the coordinator is told: the one place that knows "two or more agencies". Pure; no clock, no store.

unknown --KNOWN_TO_TWO--> known --FURTHER_AGENCY--> known
known --WITHDRAWN--> unknown          the records that made it known went away or came apart
known --WITHDRAWN, KNOWN_TO_TWO-->    an agency told about is no longer one: said anew, with the right ones
known --MERGED--> gone                its records are another person's now
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matcher.model import AlertKind

RULE_VERSION = "1"
ENOUGH_AGENCIES = 2


@dataclass(frozen=True, slots=True)
class Standing:
    """A person as the rules see it."""

    person_id: bytes
    records: frozenset[int]
    agencies: frozenset[str]
    """Where it is active."""
    restricted: bool

    @property
    def known_to(self) -> frozenset[str]:
        """The agencies to tell about; empty if the person must not be told about."""
        return self.agencies if len(self.agencies) >= ENOUGH_AGENCIES and not self.restricted else frozenset()


@dataclass(frozen=True, slots=True)
class Draft:
    """An alert to raise."""

    kind: AlertKind
    person_id: bytes
    survivor: bytes = b""
    """For MERGED: the person that remains."""


def decide(
    told: Mapping[bytes, frozenset[str]], before: Mapping[bytes, frozenset[int]], after: Sequence[Standing]
) -> list[Draft]:
    """Alerts to raise, in order.

    `told`: agencies the coordinator was told of, by person. `before`: records of persons that are no more, by person.
    `after`: how persons stand now, those that are new or may have changed.
    """
    drafts: list[Draft] = []
    for now in after:
        was = told.get(now.person_id, frozenset())
        if was - now.known_to:
            drafts.append(Draft(AlertKind.WITHDRAWN, now.person_id))
            was = frozenset()
        if now.known_to - was:
            drafts.append(Draft(AlertKind.FURTHER_AGENCY if was else AlertKind.KNOWN_TO_TWO, now.person_id))
    current = {now.person_id for now in after}
    for person_id, records in before.items():
        if person_id in told and person_id not in current:
            heirs = [now for now in after if now.records & records]
            if len(heirs) == 1 and heirs[0].known_to:
                drafts.append(Draft(AlertKind.MERGED, person_id, heirs[0].person_id))
            else:
                drafts.append(Draft(AlertKind.WITHDRAWN, person_id))
    return drafts


def tell(told: dict[bytes, frozenset[str]], kind: AlertKind, person_id: bytes, agencies: frozenset[str]) -> None:
    """Bring `told` up to date with one alert of the log."""
    if kind in (AlertKind.WITHDRAWN, AlertKind.MERGED):
        told.pop(person_id, None)
    else:
        told[person_id] = agencies
