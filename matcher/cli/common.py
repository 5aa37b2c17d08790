"""What commands share: options, and errors shown as advice instead of a traceback."""

import logging
import sys
import time
from pathlib import Path
from typing import Any

import click

from matcher.errors import ConfigError, MatcherError

EXIT_REFUSED = 1

FILE = click.Path(path_type=Path, dir_okay=False)
EXISTING_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
config_option = click.option(
    "--config", "config_path", type=EXISTING_FILE, required=True, help="Configuration file (TOML)."
)
scheme_option = click.option(
    "--scheme", "scheme_name", default="uk-person-v1", show_default=True, help="Linkage scheme."
)


class Command(click.Command):
    """A command that prints a `MatcherError` as what is wrong and what to do, and exits with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        try:
            return super().invoke(ctx)
        except MatcherError as error:
            lines = error.problems if isinstance(error, ConfigError) else [str(error)]
            for line in lines:
                click.secho(f"error: {line}", fg="red", err=True)
            click.echo(f"advice: {error.advice()}", err=True)
            sys.exit(EXIT_REFUSED)


def log_to_stderr() -> None:
    """Log what happens, one line each, with UTC times."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)sZ %(levelname)s %(name)s: %(message)s"
    )
    logging.Formatter.converter = time.gmtime


def column_map(pairs: tuple[str, ...]) -> dict[str, str]:
    """`canonical=header` options as a map."""
    found = {}
    for pair in pairs:
        canonical, equals, header = pair.partition("=")
        if not equals:
            raise click.BadParameter("write it as NAME=HEADER", param_hint="--column")
        found[canonical] = header
    return found
