"""Compares bit strings with anonlink's and faiss's compiled loops, in their own virtual environment.

    python kernel_child.py HELD.npy ASKED.npy

Each line read names a loop; all strings asked for are compared with all that are held, on one core, and the answer is a
line of JSON: seconds of the processor and versions. What goes into the loops is prepared beforehand. Nothing of this
project is imported here.
"""

import json
import sys
import time
import warnings
from array import array
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import faiss
import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # anonlink's own, about how it finds its version
    from anonlink.similarities import _dice

DICE = 0.8
"""Pairs from which are written down."""
BEST = 10
"""Pairs of a string, at most, that are written down."""


def main(held_path: Path, asked_path: Path) -> None:
    """Answer each line until there are no more."""
    held, asked = np.load(held_path), np.load(asked_path)
    ones = array("I", np.unpackbits(held, axis=1).sum(axis=1, dtype=np.uint32).tolist())
    columns = array("b", asked.tobytes()), array("b", held.tobytes())
    faiss.omp_set_num_threads(1)
    index = faiss.IndexBinaryFlat(8 * held.shape[1])
    index.add(held)

    def anonlink() -> None:
        found = array("d"), array("I"), array("I")
        _dice.dice_many_to_many(*columns, len(asked), len(held), ones, held.shape[1], BEST, DICE, *found)

    loops: dict[str, Callable[[], object]] = {"anonlink": anonlink, "faiss-cpu": lambda: index.search(asked, BEST)}
    for line in sys.stdin:
        name = line.strip()
        started = time.process_time()
        loops[name]()
        seconds = time.process_time() - started
        print(json.dumps({"seconds": seconds, "versions": {name: version(name)}}), flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
