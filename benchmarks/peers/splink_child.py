"""Runs Splink, in its own virtual environment: records and options in, scored pairs out.

    python splink_child.py RECORDS.csv OPTIONS.json PAIRS.csv

How it is tuned, and what each choice brought, is in `docs/benchmarks.md`. Nothing of this project is imported here.
"""

import json
import sys
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import splink.comparison_level_library as level
import splink.comparison_library as library
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

LEAST_TERM_FREQUENCY = 1e-5
RANDOM_PAIRS = 1e7
"""Pairs that u is estimated from; more did not change a figure."""
IDENTIFIER_U = 1e-8
"""Numbers of two people agree by a slip only. Of random pairs those that agree are matches, so u is not taken there."""
CLOSE = 0.92
LIKE = 0.8
DETERMINISTIC_RECALL = 0.8
"""Share of the matches that the deterministic rules are taken to find, for the prior."""

OVERLAP = "len(list_intersect(address_words_l, address_words_r)) / least(len(address_words_l), len(address_words_r))"
SAME = (
    f"((postcode_l = postcode_r and (number_l = number_r or {OVERLAP} > 0.99))"
    f" or (number_l = number_r and {OVERLAP} > 0.99))"
)
PART = f"(postcode_l = postcode_r or (number_l = number_r and {OVERLAP} > 0.6))"
NEAR = "postcode_l[:-3] = postcode_r[:-3]"
NOT_KNOWN = "(address_l is null or address_r is null) and (postcode_l is null or postcode_r is null)"
EQUAL = "surname_l = surname_r"
ALIKE = (
    "(len(list_intersect(surname_words_l, surname_words_r)) > 0"
    " or (surname_l = forename_r and forename_l = surname_r)"
    f" or jaro_winkler_similarity(surname_l, surname_r) >= {CLOSE})"
)


def name(column: str, other: str) -> Any:
    """A name: equal (by term frequency), swapped with the other name, a word of it, close, its initial, else."""
    frequency = {"tf_adjustment_column": column, "tf_minimum_u_value": LEAST_TERM_FREQUENCY}
    same_initial = f"{column}_l[1] = {column}_r[1]"
    levels = [
        level.NullLevel(column),
        level.ExactMatchLevel(column).configure(**frequency),
        level.CustomLevel(f"{column}_l = {other}_r and {other}_l = {column}_r", "swapped"),
        level.CustomLevel(f"len(list_intersect({column}_words_l, {column}_words_r)) > 0", "a word"),
        level.JaroWinklerLevel(column, CLOSE),
        level.CustomLevel(f"(length({column}_l) = 1 or length({column}_r) = 1) and {same_initial}", "initial only"),
        level.JaroWinklerLevel(column, LIKE),
        level.CustomLevel(same_initial, "initial"),
        level.ElseLevel(),
    ]
    return library.CustomComparison(levels, column)


def birth_date() -> list[Any]:
    """Year, and month with day, as two comparisons."""
    year = [
        level.NullLevel("year"),
        level.ExactMatchLevel("year"),
        level.LevenshteinLevel("year", 1),
        level.ElseLevel(),
    ]
    month_day = [
        level.NullLevel("month"),
        level.CustomLevel("month_l = month_r and day_l = day_r", "both"),
        level.CustomLevel("month_l = day_r and day_l = month_r", "swapped"),
        level.CustomLevel("month_l = month_r and (day_l is null or day_r is null)", "month, day not known"),
        level.CustomLevel("month_l = month_r", "month"),
        level.CustomLevel("day_l = day_r", "day"),
        level.ElseLevel(),
    ]
    return [library.CustomComparison(year, "year"), library.CustomComparison(month_day, "month_day")]


def surname_and_residence() -> Any:
    """Surname, postcode and address as one comparison: whoever shares a home shares all three, and that is one fact."""
    frequency = {"tf_adjustment_column": "surname", "tf_minimum_u_value": LEAST_TERM_FREQUENCY}
    levels = [
        level.NullLevel("surname"),
        level.CustomLevel(f"{EQUAL} and {SAME}", "equal, same residence"),
        level.CustomLevel(f"{EQUAL} and {PART}", "equal, part of the residence"),
        level.CustomLevel(f"{EQUAL} and {NEAR}", "equal, district").configure(**frequency),
        level.CustomLevel(f"{EQUAL} and {NOT_KNOWN}", "equal, residence not known").configure(**frequency),
        level.ExactMatchLevel("surname").configure(**frequency),
        level.CustomLevel(f"{ALIKE} and {SAME}", "alike, same residence"),
        level.CustomLevel(f"{ALIKE} and {PART}", "alike, part of the residence"),
        level.CustomLevel(f"{ALIKE} and {NOT_KNOWN}", "alike, residence not known"),
        level.CustomLevel(ALIKE, "alike"),
        level.CustomLevel(SAME, "other, same residence"),
        level.CustomLevel(PART, "other, part of the residence"),
        level.CustomLevel(NEAR, "other, district"),
        level.CustomLevel(NOT_KNOWN, "other, residence not known"),
        level.ElseLevel(),
    ]
    return library.CustomComparison(levels, "surname_residence")


def identifier() -> Any:
    """An identifier: equal, one slip, else."""
    levels = [
        level.NullLevel("identifier"),
        level.ExactMatchLevel("identifier").configure(u_probability=IDENTIFIER_U, fix_u_probability=True),
        level.DamerauLevenshteinLevel("identifier", 1),
        level.ElseLevel(),
    ]
    return library.CustomComparison(levels, "identifier")


def comparisons(present: set[str], households: bool) -> list[Any]:
    """All comparisons of columns that hold something."""
    made = [name("forename", "surname"), *birth_date()]
    if households:
        made.append(surname_and_residence())
    else:
        made.append(name("surname", "forename"))
        made.append(library.JaroWinklerAtThresholds("address", [0.95, 0.88, 0.8, 0.7]))
        made.append(library.DamerauLevenshteinAtThresholds("postcode", [1, 2]))
    made += [library.ExactMatch(column) for column in ("sex", "state") if column in present]
    return [*made, identifier()] if "identifier" in present else made


def main(records: Path, options_path: Path, pairs: Path) -> None:
    """Link: u from random pairs, m by expectation maximisation, prior from deterministic rules."""
    options = json.loads(options_path.read_text())
    began = [time.perf_counter()]
    database = duckdb.connect()
    database.execute(
        """create table held as select * replace (record::bigint as record),
        string_split(address, ' ') as address_words, string_split(forename, ' ') as forename_words,
        string_split(surname, ' ') as surname_words
        from read_csv(?, all_varchar = true, header = true, nullstr = '')""",
        [str(records)],
    )
    columns = [row[0] for row in database.execute("describe held").fetchall()]
    counts = database.execute("select count(columns(*)) from held").fetchone()
    present = {column for column, count in zip(columns, counts, strict=True) if count}
    api = DuckDBAPI(database)
    tables = []
    for number, (agency,) in enumerate(database.execute("select distinct agency from held order by 1").fetchall()):
        database.execute(f"create table agency_{number} as select * from held where agency = ?", [agency])  # noqa: S608
        tables.append(api.register(f"agency_{number}", table_name=f"source_{number}"))
    settings = SettingsCreator(
        link_type="link_only",
        comparisons=comparisons(present, options["households"]),
        blocking_rules_to_generate_predictions=[block_on(each) for each in options["blocks"] if each in present],
        unique_id_column_name="record",
        retain_matching_columns=False,
        max_iterations=50,
    )
    linker = Linker(tables, settings, log_level=None)
    began.append(time.perf_counter())
    whole_date = ("year", "month", "day")
    rules = [
        block_on("forename", "surname", *whole_date),
        block_on("forename", *whole_date, "postcode"),
        block_on("surname", *whole_date, "postcode"),
        *([block_on("identifier")] if "identifier" in present else []),
    ]
    training = linker.training
    training.estimate_probability_two_random_records_match(rules, recall=DETERMINISTIC_RECALL)
    training.estimate_u_using_random_sampling(max_pairs=RANDOM_PAIRS, seed=1, min_count_per_level=None)
    for rule in (block_on(*whole_date), block_on("forename", "surname"), block_on("forename", "month", "day")):
        training.estimate_parameters_using_expectation_maximisation(rule)
    began.append(time.perf_counter())
    found = linker.inference.predict(threshold_match_weight=options["least_weight"])
    database.execute(
        f"""copy (select least(record_l, record_r) as "left", greatest(record_l, record_r) as "right",
        match_weight as score from {found.physical_name}) to '{pairs}' (header)"""  # noqa: S608
    )
    began.append(time.perf_counter())
    seconds = dict(zip(("read", "train", "predict"), (stop - start for start, stop in pairwise(began)), strict=True))
    versions = {each: version(each) for each in ("splink", "duckdb")}
    print(json.dumps({"versions": versions, "seconds": seconds}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
