"""`matcher calibrate` at three agencies, `matcher train` on what they sent, and a matcher that serves the result."""

import json
import re
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.default_model import raw_batches
from benchmarks.population import AGENCIES, generate, write_csvs
from matcher.agency.normalise import normalise
from matcher.agency.tokeniser import Tokeniser
from matcher.errors import StoreError
from matcher.frame import pack_records
from matcher.pipeline import Pipeline
from matcher.pki import init_pki
from matcher.scoring.calibration import Calibration
from matcher.scoring.model import MatchModel
from matcher.service.database import open_store
from matcher.service.server import Server, scorer_of, settings_of
from matcher.store.connection import connect
from matcher.store.sqlite import SqliteStore
from matcher.store.sums import prove
from tests.cli.test_commands import done, refused, run
from tests.factory import DATABASE_KEY
from tests.service.servers import ALIAS_KEYS, COORDINATOR_PUBLIC, EPOCH, KEYS, SCHEME, SECTORS, write_config

RECORDS = 4_500


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three agencies' files, calibrations of two of them, and the database of a matcher that was stopped."""
    folder = tmp_path_factory.mktemp("site")
    kinds = (AGENCIES[0], AGENCIES[1], AGENCIES[5])
    agencies = [replace(kind, name=name, share=1.0) for name, kind in zip(SECTORS, kinds, strict=True)]
    population = generate(RECORDS, 7, agencies=agencies)
    population.records.to_pickle(folder / "truth.pickle")
    write_csvs(population, folder)
    for name in ("police", "clinic"):
        done("calibrate", folder / f"{name}.csv", "--out", folder / f"{name}.json")
    config = replace(write_config(folder), model=None)
    store = SqliteStore(config.database, DATABASE_KEY)
    store.bind("scheme", SCHEME.digest.hex())
    for agency, raw in raw_batches(population, SCHEME):
        tokeniser = Tokeniser(SCHEME, KEYS, ALIAS_KEYS[agency], agency, COORDINATOR_PUBLIC)
        batch = tokeniser.tokenise(normalise(raw, SCHEME))
        offset = store.next_offset(agency, "f")
        store.append(agency, "f", offset, batch.record_count, EPOCH, pack_records(batch), 1)
    pipeline = Pipeline(store, scorer_of(config, MatchModel.shipped(SCHEME)), settings_of(config))
    pipeline.match_all()
    store.close()
    return folder


@pytest.fixture
def config(site: Path, tmp_path: Path) -> Path:
    """A configuration with a copy of that database."""
    write_config(tmp_path)
    shutil.copy(site / "matcher.db", tmp_path)
    shutil.copy(site / "matcher.db.sum", tmp_path)
    return tmp_path / "matcher.toml"


def train(site: Path, config: Path, out: str = "trained.json") -> tuple[str | Path, ...]:
    calibrations = ("--calibration", site / "police.json", "--calibration", site / "clinic.json")
    return ("train", "--config", config, *calibrations, "--out", config.parent / out)


# -- calibrate -------------------------------------------------------------------------------------------------------


def test_calibrate_tells_counts_and_no_value(site: Path, tmp_path: Path) -> None:
    shown = done("calibrate", site / "council.csv", "--out", tmp_path / "c.json")
    rows = len((site / "council.csv").read_text().splitlines()) - 1
    found = Calibration.load(tmp_path / "c.json", SCHEME)
    assert found.records == rows
    assert shown.startswith(f"{rows} rows in ")
    for field, counts in zip(SCHEME.encoded, found.counts, strict=True):
        assert re.search(rf"^ +{field.name} +{counts.sum()}$", shown, re.MULTILINE)
    assert found.counts[1].sum() > 0
    assert found.counts[-1].sum() == 0, "a council hardly ever has the number"
    names = set(re.findall(r"[A-Za-z]{4,}", (site / "council.csv").read_text().split("\n", 1)[1]))
    assert not names & set(
        re.findall(r"[A-Za-z]{4,}", (tmp_path / "c.json").read_text() + shown.replace("rows in", ""))
    )


def test_calibrate_takes_several_files_of_one_scheme_and_a_column_map(site: Path, tmp_path: Path) -> None:
    content = (site / "police.csv").read_text()
    assert content.startswith("record_ref,")
    (tmp_path / "a.csv").write_text("Kennziffer" + content.removeprefix("record_ref"))
    assert "no column record_ref" in refused("calibrate", tmp_path / "a.csv", "--out", tmp_path / "c.json")
    options = ("--column", "record_ref=Kennziffer", "--out", tmp_path / "c.json")
    done("calibrate", tmp_path / "a.csv", tmp_path / "a.csv", *options)
    assert Calibration.load(tmp_path / "c.json", SCHEME).records == 2 * (len(content.splitlines()) - 1)


def test_calibrate_refuses_a_small_file(site: Path, tmp_path: Path) -> None:
    lines = (site / "police.csv").read_text().splitlines()[:1000]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    said = refused("calibrate", tmp_path / "a.csv", "--out", tmp_path / "c.json")
    assert "999 usable records: at least 1000 are needed" in said
    assert not (tmp_path / "c.json").exists()


# -- train -----------------------------------------------------------------------------------------------------------


def test_train_writes_a_model_that_says_where_it_came_from(site: Path, config: Path) -> None:
    import pandas as pd

    shown = done(*train(site, config))
    model = MatchModel.load(config.with_name("trained.json"), SCHEME)
    calibrations = [Calibration.load(site / f"{name}.json", SCHEME) for name in ("police", "clinic")]
    records = pd.read_pickle(site / "truth.pickle")
    told = model.provenance
    assert (told["records"], told["agencies"]) == (str(RECORDS), "3")
    assert told["base_model"] == MatchModel.shipped(SCHEME).digest != model.digest
    assert told["calibrations"] == " ".join(each.digest for each in calibrations)
    assert told["calibration_records"] == str(sum(each.records for each in calibrations))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", told["date"])
    assert f"{told['candidate_pairs']} candidate pairs" in shown
    held = records.groupby("person").agency.value_counts().unstack(fill_value=0)
    counts = records.agency.value_counts()
    all_pairs = (RECORDS**2 - (counts**2).sum()) / 2
    true_pairs = ((held.sum(axis=1) ** 2 - (held**2).sum(axis=1)) / 2).sum()
    found = re.search(r"^expected_population = (\d+)$", shown, re.MULTILINE)
    assert found
    assert int(found[1]) == pytest.approx(all_pairs / true_pairs, rel=0.15)
    assert int(found[1]) == pytest.approx(1 / float(told["match_share"]), rel=0.01)


def test_train_leaves_what_the_database_holds_as_it_is(site: Path, config: Path) -> None:
    done(*train(site, config))
    held = []
    for folder in (site, config.parent):
        with closing(connect(folder / "matcher.db", DATABASE_KEY)) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            held.append({name: database.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables})
    assert held[0] == held[1]
    assert prove(config.with_name("matcher.db"))


def test_a_new_database_takes_the_model_and_the_old_one_does_not(site: Path, config: Path) -> None:
    done(*train(site, config))
    trained = write_config(config.parent, model="trained.json", database="new.db")
    init_pki(trained, config.parent / "pki")
    server = Server(trained, open_store(trained))
    server.start()
    server.stop(0)
    store = SqliteStore(config.with_name("matcher.db"), DATABASE_KEY)
    old = write_config(config.parent, model="trained.json")
    store.bind("scoring", f"{MatchModel.shipped(SCHEME).digest} {old.expected_population} {old.possible_probability}")
    store.close()
    with pytest.raises(StoreError, match="another scoring"):
        Server(old, open_store(old))


def test_train_refuses_while_a_matcher_runs(site: Path, config: Path) -> None:
    store = SqliteStore(config.with_name("matcher.db"), DATABASE_KEY)
    try:
        assert "is open in another matcher: stop that one first" in refused(*train(site, config))
    finally:
        store.close()
    assert not config.with_name("trained.json").exists()


def test_train_refuses_a_database_that_is_not_there_or_of_another_scheme(site: Path, config: Path) -> None:
    write_config(config.parent, database="none.db")
    assert "none.db is not there" in refused(*train(site, config))
    assert not config.with_name("none.db").exists()
    write_config(config.parent, scheme="generic-person-v1")
    assert "made for another scheme" in refused(*train(site, config))
    content = json.loads((site / "police.json").read_text())
    shutil.copy(site / "clinic.json", config.parent)
    (config.parent / "police.json").write_text(json.dumps(content | {"records": 1}))
    write_config(config.parent)
    assert "changed after it was made" in refused(*train(config.parent, config))


def test_train_refuses_too_little_to_learn_from(site: Path, config: Path) -> None:
    config.with_name("matcher.db").unlink()
    config.with_name("matcher.db.sum").unlink()
    SqliteStore(config.with_name("matcher.db"), DATABASE_KEY).close()
    said = refused(*train(site, config))
    assert "0 candidate pairs across agencies, of which about 0 seem matches" in said
    assert not config.with_name("trained.json").exists()


def test_train_never_overwrites_a_model(site: Path, config: Path) -> None:
    config.with_name("trained.json").write_text("a model in use")
    result = run(*train(site, config))
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    assert config.with_name("trained.json").read_text() == "a model in use"
    assert run("train", "--config", config, "--out", config.with_name("t.json")).exit_code == 2
