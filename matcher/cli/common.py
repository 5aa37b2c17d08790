"""What commands share: options, and errors shown as advice instead of a traceback."""

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from matcher.errors import ConfigError, MatcherError, RemoteError

EXIT_REFUSED, EXIT_FAILED = 1, 70
_OPTIONS = {
    "decision_id": "--decision",
    "expires_at": "--until",
    "participants": "--present",
    "reviewer": "--reviewer",
}
"""What fields of the contract are called at a prompt."""

FILE = click.Path(path_type=Path, dir_okay=False)
EXISTING_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
config_option = click.option(
    "--config", "config_path", type=EXISTING_FILE, required=True, help="Configuration file (TOML)."
)
scheme_option = click.option(
    "--scheme", "scheme_name", default="uk-person-v1", show_default=True, help="Linkage scheme."
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(1), help="Processes that tokenise a large file; by default one a core."
)


def reference(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """An option that names a record of the caller's own."""
    if value is not None and not re.fullmatch("[A-Za-z0-9._-]{1,64}", value):
        raise click.BadParameter("must be 1 to 64 of A-Z, a-z, 0-9, ., _ and -")
    return value


justification_option = click.option(
    "--justification",
    metavar="REFERENCE",
    callback=reference,
    help="Why you ask: a reference of your own, such as a case number, for the matcher's audit log.",
)


def linking_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the commands that link clear-text files in one process."""
    options = (
        scheme_option,
        click.option("--model", "model_path", type=EXISTING_FILE, help="Match model; the shipped one by default."),
        click.option(
            "--expected-population",
            type=click.IntRange(100),
            help="People the files may speak of. By default estimated from the tokens, without any truth; given, the "
            "model is not adapted to the files either, and each pair is weighed by itself.",
        ),
        click.option(
            "--match-probability",
            type=click.FloatRange(0, 1, min_open=True, max_open=True),
            default=0.5,
            show_default=True,
            help="Match probability from which a pair is a MATCH. The service asks for more, since its matches become "
            "alerts.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


class Command(click.Command):
    """A command that prints a `MatcherError` as what is wrong and what to do, and exits with 1.

    Any other failure is a fault of the program: it exits with 70 and says where it was and of which kind. Its text is
    not shown, since it might hold a value.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        try:
            return super().invoke(ctx)
        except MatcherError as error:
            lines = error.problems if isinstance(error, ConfigError) else [str(error)]
            if isinstance(error, RemoteError) and (option := _OPTIONS.get(error.metadata.get("field", ""))):
                lines = [str(error).replace(error.metadata["field"], option)]
            for line in lines:
                click.secho(f"error: {line}", fg="red", err=True)
            click.echo(f"advice: {error.advice()}", err=True)
            sys.exit(EXIT_REFUSED)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            click.echo("".join(traceback.format_tb(error.__traceback__)), err=True, nl=False)
            click.echo(f"failed: {type(error).__name__} (its text is not shown)", err=True)
            sys.exit(EXIT_FAILED)


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message. Never a traceback: frames hold what must not be
    logged."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said = {"time": time, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        return json.dumps(said)


def log_to_stderr() -> None:
    """Log what happens to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def name_argument(name: str, shown: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An argument that names something by 16 bytes in hex; `shown` says where it is shown."""

    def read(_context: click.Context, _parameter: click.Parameter, value: str) -> bytes:
        if not re.fullmatch("[0-9A-Fa-f]{32}", value):
            raise click.BadParameter(f"must be 32 hex digits: {shown}")
        return bytes.fromhex(value)

    return click.argument(name, callback=read)


def echo_each(lines: Iterable[str]) -> None:
    """Print lines as they come; if there are none, say so on standard error."""
    line = None
    for line in lines:
        click.echo(line)
    if line is None:
        click.echo("none", err=True)


def counted(count: int, noun: str) -> str:
    """So many of something: `1 record`, `2 records`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def column_map(pairs: tuple[str, ...]) -> dict[str, str]:
    """`canonical=header` options as a map."""
    found = {}
    for pair in pairs:
        canonical, equals, header = pair.partition("=")
        if not equals:
            raise click.BadParameter("write it as NAME=HEADER", param_hint="--column")
        found[canonical] = header
    return found
