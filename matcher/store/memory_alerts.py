"""What erasures and closures leave of an alert in the memory store."""

from collections.abc import Sequence

from matcher.model import Alert, AlertKind


def without(alert: Alert, records: set[int]) -> Alert:
    """The alert without some members."""
    members = tuple(member for member in alert.members if member.record not in records)
    return alert if len(members) == len(alert.members) else alert._replace(members=members)


def left_by(alerts: Sequence[Alert | None], person_id: bytes) -> list[Alert | None]:
    """What a closure leaves of the log: nothing about its person, and about persons whose last alert says that they
    were merged into it."""
    last = {alert.person_id: alert for alert in alerts if alert}
    named: set[bytes] = set()
    more = {person_id}
    while more:
        named |= more
        more = {each.person_id for each in last.values() if each.surviving_person_id in more} - named
    return [alert and _left_of(alert, named) for alert in alerts]


def _left_of(alert: Alert, purged: set[bytes]) -> Alert | None:
    """What is left once all about some persons is purged: nothing of their own alerts, and who was merged into one of
    them is withdrawn."""
    if alert.person_id in purged:
        return None
    merged = alert.surviving_person_id in purged
    return alert._replace(kind=AlertKind.WITHDRAWN, surviving_person_id=b"") if merged else alert
