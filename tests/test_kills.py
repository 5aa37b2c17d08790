"""The short run of `kills`, and that it notices what is lost."""

import logging
from collections.abc import Iterator

import pytest

from matcher.store.sqlite import SqliteStore

from .kills import run


@pytest.fixture(autouse=True)
def no_log() -> Iterator[None]:
    """A kill leaves bytes in the log; nobody need be told."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def test_what_kills_leave_is_what_the_oracle_says() -> None:
    found = run(40, 1)
    assert (found.cycles, found.frames > 10, found.matched > 5) == (40, True, True)


def test_a_frame_that_is_acknowledged_before_it_is_committed_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(store: SqliteStore, agency: str, feed_id: str, first_offset: int, count: int, *given: object) -> int:
        return first_offset + count

    monkeypatch.setattr(SqliteStore, "append", forgetful)
    with pytest.raises(AssertionError):
        run(40, 1)
