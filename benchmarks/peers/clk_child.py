"""Runs clkhash and anonlink, in their own virtual environment: records and options in, scored pairs out.

    python clk_child.py RECORDS.csv OPTIONS.json PAIRS.csv

Nothing of this project is imported here.
"""

import csv
import json
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anonlink
from anonlink.similarities import dice_coefficient
from clkhash.clk import hash_chunk
from clkhash.key_derivation import generate_key_lists
from clkhash.schema import from_json_dict

MOST_ROWS = 500
"""Of a block; larger ones are passed over."""


def main(records: Path, options_path: Path, pairs: Path) -> None:
    """Encode each agency's records, compare all pairs across agencies, solve at each threshold."""
    options = json.loads(options_path.read_text())
    with records.open(newline="") as file:
        rows = list(csv.DictReader(file))
    schema = from_json_dict(options["schema"])
    columns = [feature["identifier"] for feature in options["schema"]["features"]]
    agencies = sorted({row["agency"] for row in rows})
    number = [[int(row["record"]) for row in rows if row["agency"] == agency] for agency in agencies]
    held = [[[row[column] for column in columns] for row in rows if row["agency"] == agency] for agency in agencies]
    keys = generate_key_lists(
        options["secret"],
        len(columns),
        key_size=schema.kdf_key_size,
        salt=schema.kdf_salt,
        info=schema.kdf_info,
        kdf=schema.kdf_type,
        hash_algo=schema.kdf_hash,
    )
    # in this process: the library's own workers wait for each other for ever where there are few cores
    encoded = [hash_chunk(each, keys, schema, validate_data=False)[0] for each in held]
    candidates = anonlink.candidate_generation.find_candidate_pairs(
        encoded, dice_coefficient, min(options["thresholds"]), blocking_f=_blocking(rows, number, options["blocks"])
    )
    score: dict[tuple[int, int], float] = {}
    for threshold in sorted(options["thresholds"]):
        for group in anonlink.solving.greedy_solve(_at_least(candidates, threshold)):
            members = sorted(number[agency][record] for agency, record in group)
            for place, left in enumerate(members):
                score.update(((left, right), threshold) for right in members[place + 1 :])
    with pairs.open("w", newline="") as file:
        csv.writer(file).writerows([("left", "right", "score"), *((*pair, each) for pair, each in score.items())])
    print(json.dumps({"versions": {name: version(name) for name in ("clkhash", "anonlink")}}))


def _blocking(rows: list[dict[str, str]], number: list[list[int]], columns: list[str]) -> Any:
    """anonlink's blocking function: the blocks of a record that others are in too; None compares all with all."""
    if not columns:
        return None
    sizes = Counter((column, row[column]) for row in rows for column in columns if row[column])

    def blocks_of(agency: int, record: int, _: object) -> list[tuple[str, str]]:
        row = rows[number[agency][record]]
        return [(column, row[column]) for column in columns if 1 < sizes[column, row[column]] <= MOST_ROWS]

    return blocks_of


def _at_least(candidates: Any, threshold: float) -> Any:
    """The candidates' head: they come strongest first."""
    similarities, datasets, records = candidates
    head = next((place for place, each in enumerate(similarities) if each < threshold), len(similarities))
    return similarities[:head], tuple(each[:head] for each in datasets), tuple(each[:head] for each in records)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
