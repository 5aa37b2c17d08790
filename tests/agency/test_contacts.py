"""Contacts: every day of every record goes in a call, none names an alias twice, and there are no more than needed."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from matcher.agency.contacts import calls_of

contacts = st.sets(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.integers(0, 9)))


@given(contacts, st.integers(1, 5))
def test_every_contact_is_in_one_call_and_no_call_names_an_alias_twice(met: set[tuple[bytes, int]], most: int) -> None:
    calls = list(calls_of(met, most))
    assert sorted(contact for call in calls for contact in call) == sorted(met)
    for call in calls:
        assert 0 < len(call) <= most
        assert len({alias for alias, _ in call}) == len(call)


@given(contacts, st.integers(1, 5))
def test_earlier_days_go_first_in_as_few_calls_as_that_takes(met: set[tuple[bytes, int]], most: int) -> None:
    calls = list(calls_of(met, most))
    for alias in {alias for alias, _ in met}:
        days = [day for call in calls for each, day in call if each == alias]
        assert days == sorted(days)
    times = Counter(alias for alias, _ in met).values()
    rounds = [sum(each > number for each in times) for number in range(max(times, default=0))]
    assert len(calls) == sum(-(-size // most) for size in rounds)
