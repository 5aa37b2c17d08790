"""`matcher validate`, `matcher tokenise` and `matcher feed`: what an agency runs on its own premises."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from matcher.cli.common import (
    EXISTING_FILE,
    FILE,
    Command,
    column_map,
    config_option,
    counted,
    jobs_option,
    scheme_option,
)

if TYPE_CHECKING:
    from matcher.agency.identity import Problem
    from matcher.config import AgencyConfig

_SHOWN_PROBLEMS = 20
_CONFIRMED_AT_A_TIME = 1000


@click.command(cls=Command)
@click.argument("path", metavar="FILE", type=EXISTING_FILE)
@scheme_option
@click.option("--column", "columns", multiple=True, metavar="NAME=HEADER", help="Which header holds a column.")
def validate(path: Path, scheme_name: str, columns: tuple[str, ...]) -> None:
    """Report on a CSV or Parquet FILE: completeness, rejected values, default dates, near-duplicate records, headers
    that are not read, rows that fall into no block.

    Nothing is sent, and no value is shown: only row numbers and reasons.
    """
    from rich.console import Console

    from matcher.agency.validate import render
    from matcher.agency.validate import validate as report_on
    from matcher.scheme import scheme_named

    Console().print(render(report_on(path, scheme_named(scheme_name), column_map(columns))))


@click.command(cls=Command)
@click.argument("path", metavar="FILE", type=EXISTING_FILE)
@config_option
@click.option("--out", type=FILE, required=True, help="Token file to write.")
@jobs_option
def tokenise(path: Path, config_path: Path, out: Path, jobs: int | None) -> None:
    """Write the tokens of a CSV or Parquet FILE to a file, for an air-gapped hand-over to `matcher feed push`."""
    from matcher.agency.parallel import cores
    from matcher.agency.push import ClearTextSource, write_token_file
    from matcher.config import AgencyConfig

    source = ClearTextSource(path, AgencyConfig.load(config_path), jobs=jobs or cores())
    with _progress("tokenised") as progress:
        records = write_token_file(source, out, progress)
    _report(source.problems)
    click.echo(f"{counted(records, 'record')} tokenised into {out}")


@click.group()
def feed() -> None:
    """Send records to the matcher, and take them back."""


@feed.command(cls=Command)
@click.argument("path", metavar="FILE", type=EXISTING_FILE)
@config_option
@click.option("--dry-run", is_flag=True, help="Tokenise and report; send nothing.")
@click.option("--anew", is_flag=True, help="Send a clear-text FILE from the start, though it was sent before.")
@click.option("--backfill", is_flag=True, help="FILE is a first load: alerts that come of it are marked as backfill.")
@jobs_option
def push(path: Path, config_path: Path, dry_run: bool, anew: bool, backfill: bool, jobs: int | None) -> None:
    """Send a CSV or Parquet FILE, or a token file, for which the configured keys need not be there. A push that was
    interrupted resumes when it is run again."""
    from matcher.agency.client import FeedClient
    from matcher.agency.parallel import cores
    from matcher.agency.push import ClearTextSource, Source, TokenFileSource, is_token_file
    from matcher.agency.push import push as send
    from matcher.config import AgencyConfig
    from matcher.errors import InputFileError

    tokenised = is_token_file(path)
    config = AgencyConfig.load(config_path, check_files=not tokenised)
    if tokenised:
        if anew:
            raise click.UsageError("--anew is for clear-text files: a token file is one feed and is sent once")
        source: Source = TokenFileSource(path)
    else:
        source = ClearTextSource(path, config, anew=anew, jobs=jobs or cores())
    if source.header.agency != config.name:
        # its seals and aliases are that agency's: nobody could read the alerts
        raise InputFileError(f"{path.name}: the token file is another agency's")
    if dry_run:
        with _progress("tokenised") as progress:
            records = 0
            for batch in source.batches(0):
                records += batch.record_count
                progress(records)
        _report(source.problems)
        click.echo(f"{counted(records, 'record')} would be sent as feed {source.header.feed_id}")
        return
    offsets: list[int] = []
    with FeedClient(_channel(config)) as client, _progress("committed") as progress:

        def committed(offset: int) -> None:
            offsets.append(offset)
            progress(offset)

        records = send(client, source, committed, backfill=backfill)
    _report(source.problems)
    if 0 < offsets[0] == records:
        again = "" if tokenised else "; `--anew` sends it again"
        click.echo(f"nothing sent: all {counted(records, 'record')} of this file were committed before{again}")
    else:
        click.echo(
            f"{counted(records, 'record')} committed"
            + (f", {offsets[0]} of them before this run" if offsets[0] else "")
        )


@feed.command(cls=Command)
@click.argument("path", metavar="FILE", type=EXISTING_FILE)
@config_option
def remove(path: Path, config_path: Path) -> None:
    """Remove records for good. FILE names their references, one a line, without a header.

    A reference that was never sent has no effect, and nobody is told so.
    """
    import uuid

    from matcher.agency.client import FeedClient
    from matcher.agency.keys import load_alias_key
    from matcher.agency.references import aliases_of
    from matcher.config import AgencyConfig

    config = AgencyConfig.load(config_path)
    aliases = list(aliases_of(path, load_alias_key(config.alias_key, config.name)))
    if not aliases:
        click.echo(f"nothing sent: {path.name} names no reference")
        return
    with FeedClient(_channel(config)) as client:
        most = min(config.batch_records, client.check_name(config.name).max_batch_records)
        for start in range(0, len(aliases), most):
            client.remove(uuid.uuid4().hex, aliases[start : start + most])
    click.echo(f"{counted(len(aliases), 'removal')} requested")


@feed.command(cls=Command)
@click.argument("path", metavar="FILE", type=EXISTING_FILE)
@config_option
def contacts(path: Path, config_path: Path) -> None:
    """Report that persons already sent were met again. FILE is a CSV with `record_ref` and `observed_day`,
    in any order: every day of a record is reported.

    A reference that was never sent has no effect, and nobody is told so.
    """
    import uuid

    from matcher.agency.client import FeedClient
    from matcher.agency.contacts import calls_of, contacts_of
    from matcher.agency.keys import load_alias_key
    from matcher.config import AgencyConfig

    config = AgencyConfig.load(config_path)
    met, problems = contacts_of(path, config, load_alias_key(config.alias_key, config.name))
    with FeedClient(_channel(config)) as client:
        most = min(config.batch_records, client.check_name(config.name).max_batch_records)
        for call in calls_of(met, most):
            client.report_contacts(uuid.uuid4().hex, [alias for alias, _ in call], [day for _, day in call])
    _report(problems)
    click.echo(f"{counted(len(met), 'contact')} reported")


@feed.command(cls=Command)
@config_option
@click.argument("references_path", metavar="[REFERENCES]", required=False, type=EXISTING_FILE)
@click.option("--out", type=FILE, help="Save the notices in this new file too, to confirm them with later.")
@click.option(
    "--confirm", "deleted", metavar="FILE", type=EXISTING_FILE, help="Confirm the notices saved in FILE, and no others."
)
@click.option("--seconds", default=5.0, show_default=True, help="How long to wait for notices.")
def removals(
    config_path: Path, references_path: Path | None, out: Path | None, deleted: Path | None, seconds: float
) -> None:
    """Show which profiles closed cases ask this agency to delete, or confirm that they are deleted.

    A notice names an alias; REFERENCES lists the agency's record references, one a line, to find which record it is.
    Save the notices with --out, delete the profiles, take their records from the matcher with `matcher feed remove`,
    then run this with --confirm and the saved file instead of REFERENCES. A notice that came since is not confirmed.
    """
    from matcher.config import AgencyConfig
    from matcher.errors import NoticesFileError

    if (references_path is None) == (deleted is None) or (deleted and out):
        raise click.UsageError(
            "give REFERENCES to see the notices, or --confirm FILE for those saved with --out before"
        )
    if out and out.exists():
        raise NoticesFileError(f"{out.name}: there is such a file already")
    config = AgencyConfig.load(config_path)
    if deleted:
        _confirm(config, deleted)
    elif references_path:
        _show_notices(config, references_path, out, seconds)


def _show_notices(config: "AgencyConfig", references_path: Path, out: Path | None, seconds: float) -> None:
    from threading import Timer

    from matcher.agency.client import FeedClient
    from matcher.agency.keys import load_alias_key
    from matcher.agency.references import Notice, aliases_of, write_notices
    from matcher.errors import RemoteError

    references = aliases_of(references_path, load_alias_key(config.alias_key, config.name))
    shown = []
    channel = _channel(config)
    with FeedClient(channel) as client:
        client.check_name(config.name)
        stream = client.removals()
        timer = Timer(seconds, channel.close)
        timer.start()
        try:
            for each in stream:
                shown.append(Notice(each.notice_id, each.closed_at, references.get(each.alias)))
                click.echo(str(shown[-1]))
        except RemoteError as error:
            if error.reason != "CANCELLED":
                raise
        finally:
            timer.cancel()
    if out and shown:
        write_notices(out, shown)
    elif out:
        click.echo(f"no notices: {out.name} is not made", err=True)
    if any(each.reference is not None for each in shown):
        _remind()


def _confirm(config: "AgencyConfig", saved: Path) -> None:
    """Confirm what was shown before and saved: a notice that came since is of a profile nobody has deleted yet."""
    from matcher.agency.client import FeedClient
    from matcher.agency.references import named_notices

    notices = named_notices(saved)
    if not notices:
        click.echo(f"nothing confirmed: {saved.name} names no notice")
        return
    with FeedClient(_channel(config)) as client:
        client.check_name(config.name)
        for start in range(0, len(notices), _CONFIRMED_AT_A_TIME):
            client.confirm(notices[start : start + _CONFIRMED_AT_A_TIME])
    click.echo(f"{counted(len(notices), 'removal')} confirmed")
    _remind()


def _remind() -> None:
    click.echo("also run `matcher feed remove`: without it the matcher keeps the records, confirmed or not", err=True)


def _channel(config: "AgencyConfig"):  # type: ignore[no-untyped-def]  # grpc is slow to import
    from matcher.rpc import open_channel

    return open_channel(config.matcher, config.tls, config.server_name)


@contextmanager
def _progress(verb: str) -> Iterator[Callable[[int], None]]:
    """A bar of records, on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} records " + verb), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(verb, total=None)
        yield lambda records: bar.update(task, completed=records)


def _report(problems: "list[Problem]") -> None:
    for problem in problems[:_SHOWN_PROBLEMS]:
        effect = "left out" if problem.fatal else "flagged"
        click.echo(f"row {problem.row} {problem.column}: {problem.reason} ({effect})", err=True)
    if len(problems) > _SHOWN_PROBLEMS:
        click.echo(f"... and {len(problems) - _SHOWN_PROBLEMS} more; `matcher validate` counts them all", err=True)
