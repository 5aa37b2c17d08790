"""Makes records of one domain with dupehell, of whose settings nothing else is set.

    python dupehell_child.py OUT DOMAIN DIFFICULTY RECORDS SEED

Into the folder OUT: `records.parquet`, whose `master_id` is the truth.
"""

import os
import sys
from pathlib import Path

import dupehell

if __name__ == "__main__":
    folder, domain, difficulty, records, seed = sys.argv[1:]
    os.chdir(folder)  # where it writes
    made = dupehell.generate(domain=domain, size=int(records), seed=int(seed), difficulty=difficulty)
    Path(made.dataset).rename("records.parquet")
