"""Makes simulated records with pseudopeople, in its own virtual environment.

    python pseudopeople_child.py SEED OUT.csv

The package brings a made-up town of some 20,000 people and writes it down as censuses, surveys, tax and social security
files do, with its own noise at its own rates (Haddock et al. 2024), of which nothing is changed. Nothing of this
project is imported here.
"""

import re
import sys
from collections.abc import Iterable

import pandas as pd
import pseudopeople

YEAR = 2020
SOURCES = {
    "census": pseudopeople.generate_decennial_census,
    "community-survey": pseudopeople.generate_american_community_survey,
    "population-survey": pseudopeople.generate_current_population_survey,
    "nutrition": pseudopeople.generate_women_infants_and_children,
    "social-security": pseudopeople.generate_social_security,
    "employers": pseudopeople.generate_taxes_w2_and_1099,
    "tax-returns": pseudopeople.generate_taxes_1040,
}
SEXES = {"Female": "F", "Male": "M"}


def text(table: pd.DataFrame, column: str) -> pd.Series:
    """A column as text, '' where it or a value is missing."""
    return table[column].astype("string").fillna("") if column in table else pd.Series("", index=table.index)


def joined(columns: Iterable[pd.Series]) -> list[str]:
    """Columns side by side, a space between what is there."""
    return [" ".join(part for part in line if part) for line in zip(*columns, strict=True)]


def iso(written: str, *, year_first: bool) -> str:
    """A date written MM/DD/YYYY, MMDDYYYY or YYYYMMDD; '' where noise left no such form."""
    digits = written.replace("/", "")
    if not re.fullmatch(r"\d{8}", digits):
        return ""
    year, month, day = (digits[:4], digits[4:6], digits[6:]) if year_first else (digits[4:], digits[:2], digits[2:4])
    return f"{year}-{month}-{day}"


def records(source: str, table: pd.DataFrame) -> pd.DataFrame:
    """One source's records, in the columns that `benchmarks.datasets` expects."""
    if source == "social-security":  # deaths are told in rows of their own
        table = table[table["event_type"] == "creation"]
    at = "mailing_address_" if "mailing_address_zipcode" in table else ""
    place = ("unit_number", "street_number", "street_name", "city")
    made = pd.DataFrame({"person": table["simulant_id"], "agency": source})
    middle = "middle_name" if "middle_name" in table else "middle_initial"
    made["forename"] = joined((text(table, "first_name"), text(table, middle)))
    made["surname"], made["number"] = text(table, "last_name"), text(table, "ssn")
    made["sex"] = text(table, "sex").map(SEXES).fillna("")
    dates = text(table, "date_of_birth")
    made["dob"] = [iso(written, year_first=source == "social-security") for written in dates]
    made["address"] = joined(text(table, at + part) for part in place)
    made["postcode"], made["state"] = text(table, at + "zipcode"), text(table, at + "state")
    return made


def main() -> None:
    """Write all sources' records into one file."""
    seed, out = int(sys.argv[1]), sys.argv[2]
    made = [records(source, generate(seed=seed, year=YEAR, verbose=False)) for source, generate in SOURCES.items()]
    pd.concat(made).to_csv(out, index=False)


if __name__ == "__main__":
    main()
