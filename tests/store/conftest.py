"""Both stores, held to the same promises."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from matcher.store.base import Store
from matcher.store.memory import MemoryStore
from matcher.store.sqlite import SqliteStore

from ..factory import DATABASE_KEY


@pytest.fixture(params=["memory", "sqlite", "encrypted"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    key = DATABASE_KEY if request.param == "encrypted" else None
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "matcher.db", key)
    yield made
    made.close()


@pytest.fixture(params=[None, DATABASE_KEY], ids=["plain", "encrypted"])
def key(request: pytest.FixtureRequest) -> bytes | None:
    """No key, and one."""
    return request.param


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database may be made."""
    return tmp_path / "matcher.db"
