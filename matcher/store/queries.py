"""Named queries: `-- name: NAME` in `queries.sql`, then one statement up to the next name."""

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load_queries(path: Path) -> dict[str, str]:
    """The statements of a file by name; `ValueError` if a name stands twice or has no statement."""
    _, *parts = _NAME.split(path.read_text())
    queries: dict[str, str] = {}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        statement = text.strip()
        if name in queries or not statement:
            raise ValueError(f"{path.name}: query {name} stands twice or is empty")
        queries[name] = statement
    return queries


QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
