"""Opens the database a configuration names."""

import logging

from matcher.config import ServerConfig
from matcher.store.sqlite import SqliteStore

log = logging.getLogger(__name__)


def open_store(config: ServerConfig) -> SqliteStore:
    """The store, which takes as long as there are pages to prove. `StoreError`, or `DatabaseKeyError` if the key is not
    its own."""
    if (key := config.read_database_key()) is None:
        log.warning("the database is not encrypted: no database_key is configured")
    return SqliteStore(config.database, key)
