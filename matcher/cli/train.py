"""`matcher calibrate` and `matcher train`: a match model for the records at hand, learnt without any truth."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from matcher.cli.common import EXISTING_FILE, FILE, Command, column_map, config_option, scheme_option

if TYPE_CHECKING:
    from matcher.config import ServerConfig
    from matcher.store.base import Store


@click.command(cls=Command)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=EXISTING_FILE)
@scheme_option
@click.option("--column", "columns", multiple=True, metavar="NAME=HEADER", help="Which header holds a column.")
@click.option("--out", type=FILE, required=True, help="Calibration file to write, for the operator.")
def calibrate(files: tuple[Path, ...], scheme_name: str, columns: tuple[str, ...], out: Path) -> None:
    """Count how alike strangers are in an agency's own CSV or Parquet files: distances of random pairs, by field.

    Needs no key, and sends nothing. The file it writes holds those counts, and no value or reference; give it to the
    operator for `matcher train`. A field filled in fewer than 1,000 rows is not counted.
    """
    from matcher.agency.calibration import calibrate_files
    from matcher.scheme import scheme_named

    found = calibrate_files(files, scheme_named(scheme_name), column_map(columns))
    found.save(out)
    click.echo(f"{found.records} rows in {out}; pairs counted, by field:")
    for field, counts in zip(found.scheme.encoded, found.counts, strict=True):
        click.echo(f"  {field.name:<14}{int(counts.sum()):>10}")


@click.command(cls=Command)
@config_option
@click.option(
    "--calibration",
    "calibrations",
    multiple=True,
    required=True,
    type=EXISTING_FILE,
    help="What an agency wrote with `matcher calibrate`; repeatable.",
)
@click.option("--out", type=FILE, required=True, help="Match model to write; no file may be there.")
def train(config_path: Path, calibrations: tuple[Path, ...], out: Path) -> None:
    """Adapt the shipped match model to the records in the configured database, without any truth.

    The matcher must be stopped; or let `database` name a restored backup. Nothing it holds is changed. A database is
    bound to its model: the new one needs a new `database`, to which every agency sends everything again.
    """
    from matcher.config import ServerConfig
    from matcher.scoring.calibration import Calibration
    from matcher.scoring.model import MatchModel
    from matcher.training import train as learn

    if out.exists():
        raise click.BadParameter("is there already: a model in use must not be lost", param_hint="--out")
    config = ServerConfig.load(config_path, check_files=False)
    parts = [Calibration.load(path, config.scheme) for path in calibrations]
    agencies = {agency.name for agency in config.agencies}
    with _stopped(config) as store:
        found = learn(store, agencies, parts, MatchModel.shipped(config.scheme), config.block_cap)
    found.model.save(out)
    click.echo(
        f"{found.records} records of {found.agencies} agencies, {found.candidates} candidate pairs, "
        f"about {found.matches} matches"
    )
    click.echo(f'wrote {out}; for a new database set\nmodel = "{out}"\nexpected_population = {found.population}')


@contextmanager
def _stopped(config: "ServerConfig") -> Iterator["Store"]:
    """The store of a matcher that is not running; `StoreError` if it is, or if there is none of the scheme."""
    from matcher.errors import NothingChangedError
    from matcher.store.sqlite import SqliteStore

    if not config.database.exists():
        raise NothingChangedError(f"{config.database} is not there: correct the path in the configuration")
    store = SqliteStore(config.database, config.read_database_key())
    try:
        store.bind("scheme", config.scheme.digest.hex())
        yield store
    finally:
        store.close()
