"""What the golden databases lived through.

`python -m tests.store.golden_life` writes that of the schema in use; those of older schemas were written by the code of
their time and stay as they are.
"""

import gzip
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from matcher.agency.keys import LinkageKeys
from matcher.model import UNKNOWN_DAY, Resolution
from matcher.scheme import GENERIC_PERSON_V1, UK_PERSON_V1
from matcher.store.migration import migrations
from matcher.store.sqlite import SqliteStore

from .. import factory
from ..factory import ANNA, BORIS, CHLOE, TODAY, VAGUE_ANNA, Sighting
from ..world import World

FOLDER = Path(__file__).with_name("golden")


@contextmanager
def scheme_of_then() -> Iterator[None]:
    """The scheme that golden databases are made under, since tokens of two versions never agree; its passes were those
    of the generic one. What lives in them is in canonical form, which no rule of normalisation changes."""
    passes = (*GENERIC_PERSON_V1.passes[:-1], UK_PERSON_V1.passes[-1])
    then = replace(UK_PERSON_V1, normalisation_version=2, passes=passes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factory, "SCHEME", then)
        patch.setattr(factory, "KEYS", LinkageKeys(bytes(range(32)), then, factory.EPOCH))
        yield


def live(world: World) -> list[bytes]:
    """A bit of everything, the last frame not matched; the names of the cases."""
    world.send("police", Sighting("p", ANNA), Sighting("p2", BORIS), Sighting("p3", CHLOE))
    world.send("hospital", Sighting("h", ANNA, day=TODAY - 90), Sighting("h2", BORIS))
    world.send("council", Sighting("c", VAGUE_ANNA), Sighting("c2", BORIS, day=UNKNOWN_DAY))
    world.answer(("police", "p"), ("council", "c"), Resolution.DIFFERENT_PEOPLE)
    world.meet("police", "p2", day=TODAY + 1)
    cases = [world.open_case(("police", "p")), world.open_case(("police", "p2"))]
    world.close_case(cases[1])
    world.remove("police", "p3")
    world.settle()
    world.store.acknowledge("desk", 1)
    world.send("housing", Sighting("o3", CHLOE))
    return cases


def write() -> None:
    """Write the golden database of the schema in use."""
    with tempfile.TemporaryDirectory() as folder, scheme_of_then():
        path = Path(folder) / "matcher.db"
        store = SqliteStore(path)
        live(World(store))
        store.close()
        (FOLDER / f"schema_{len(migrations())}.db.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


if __name__ == "__main__":
    write()
