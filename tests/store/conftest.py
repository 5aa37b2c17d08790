"""Both stores, held to the same promises."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from matcher.store.base import Store
from matcher.store.memory import MemoryStore
from matcher.store.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "matcher.db")
    yield made
    made.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database may be made."""
    return tmp_path / "matcher.db"
