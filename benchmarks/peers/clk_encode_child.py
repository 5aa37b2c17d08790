"""Encodes records with clkhash, in its own virtual environment, as often as it is asked to.

    python clk_encode_child.py RECORDS.csv OPTIONS.json

For each line read it encodes all records, a batch at a time, and answers with a line of JSON: seconds of the processor
and versions. Each time in a process of its own, so that what the library remembers of one time does not help the next.
Nothing of this project is imported here.
"""

import csv
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

from clkhash.clk import hash_chunk
from clkhash.key_derivation import generate_key_lists
from clkhash.schema import from_json_dict


def main(records: Path, options_path: Path) -> None:
    """Answer each line until there are no more."""
    options = json.loads(options_path.read_text())
    schema = from_json_dict(options["schema"])
    columns = [feature["identifier"] for feature in options["schema"]["features"]]
    with records.open(newline="") as file:
        rows = [[row[column] for column in columns] for row in csv.DictReader(file)]
    keys = generate_key_lists(
        options["secret"],
        len(columns),
        key_size=schema.kdf_key_size,
        salt=schema.kdf_salt,
        info=schema.kdf_info,
        kdf=schema.kdf_type,
        hash_algo=schema.kdf_hash,
    )
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            started = time.process_time()
            for first in range(0, len(rows), options["batch"]):
                hash_chunk(rows[first : first + options["batch"]], keys, schema, validate_data=False)
            seconds = time.process_time() - started
            print(json.dumps({"seconds": seconds, "versions": {"clkhash": version("clkhash")}}), flush=True)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            raise SystemExit("encoding failed")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
