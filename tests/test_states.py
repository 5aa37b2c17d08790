"""The short run of `states`, and that it notices what is wrong."""

import logging
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import Phase, settings
from numpy.typing import NDArray

from matcher.alerting import Alerting
from matcher.alerts.policy import Told
from matcher.pipeline import Pipeline
from matcher.store.sqlite import SqliteStore

from .states import States, run


@pytest.fixture(autouse=True)
def no_log() -> Iterator[None]:
    """The disk fails all the time; nobody need be told."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


TestStates = States.TestCase
TestStates.settings = settings(max_examples=40, stateful_step_count=50, deadline=None)


def deaf(told: Told, *given: object) -> None:
    """Forgets what was told."""


def eager(alerting: Alerting, persons: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Never waits for further agencies."""
    return np.zeros(len(persons), np.bool_)


def lossy(store: SqliteStore, agency: str, notice_ids: list[bytes]) -> None:
    """Confirms nothing."""


def timeless(pipeline: Pipeline) -> bool:
    """Does not notice that time passed."""
    return False


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (Told, "follow", deaf),
        (Alerting, "_quiet", eager),
        (SqliteStore, "confirm_removals", lossy),
        (Pipeline, "pass_time", timeless),
    ],
)
def test_a_fault_is_found(owner: type, name: str, fault: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, name, fault)
    with pytest.raises((AssertionError, ExceptionGroup, KeyError)):
        run(20_000, 1, phases=(Phase.generate,))
