"""`matcher cases`: what the coordinator does about an alerted person."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from matcher.cli.common import Command, config_option, echo_each, justification_option, name_argument

if TYPE_CHECKING:
    from matcher.coordinator.client import CaseClient
    from matcher.v1.case_service_pb2 import GetCaseResponse


_case_argument = name_argument("case_id", "what `matcher cases open` printed, or `matcher cases list` shows")


@click.group()
@justification_option
@click.pass_context
def cases(context: click.Context, justification: str | None) -> None:
    """Open, decide, close and look at cases of alerted persons."""
    context.obj = justification


@cases.command("open", cls=Command)
@config_option
@name_argument("person_id", "the `person` of an alert")
def open_case(config_path: Path, person_id: bytes) -> None:
    """Open a case for an alerted person, or find the one that is open; prints its name."""
    with _client(config_path) as client:
        click.echo(client.open(person_id).hex())


@cases.command(cls=Command)
@config_option
@_case_argument
@click.option("--decision", required=True, help="Name of the decision: the same one given again changes nothing.")
@click.option("--present", "present", multiple=True, required=True, metavar="AGENCY", help="An agency at the meeting.")
def decide(config_path: Path, case_id: bytes, decision: str, present: tuple[str, ...]) -> None:
    """Record a decision of a meeting. A health and a police agency must both be present."""
    with _client(config_path) as client:
        client.decide(case_id, decision, present)
    click.echo("recorded")


@cases.command(cls=Command)
@config_option
@_case_argument
def close(config_path: Path, case_id: bytes) -> None:
    """Close a case: its agencies are asked to delete the profile, and its alerts and decisions are deleted."""
    with _client(config_path) as client:
        before = client.get(case_id)
        client.close(case_id)
    if before.closed_at:
        click.echo(f"was closed before: {_line(before)}")
    else:
        click.echo("closed; `matcher cases show` names the agencies that have yet to confirm the removal")


@cases.command("list", cls=Command)
@config_option
@click.option("--all", "everything", is_flag=True, help="Closed cases with every removal confirmed, too.")
def list_cases(config_path: Path, everything: bool) -> None:
    """List cases, oldest first, with removals that are overdue."""
    from matcher.v1.case_service_pb2 import CASE_STATE_CLOSED

    with _client(config_path) as client:
        found = sorted(client.cases(), key=lambda case: (case.standing.opened_at, case.case_id))
    echo_each(
        f"{case.case_id.hex()} {_line(case.standing)}"
        for case in found
        if everything or case.standing.state != CASE_STATE_CLOSED
    )


@cases.command(cls=Command)
@config_option
@_case_argument
def show(config_path: Path, case_id: bytes) -> None:
    """Show where a case stands, and which agencies have yet to confirm a removal."""
    with _client(config_path) as client:
        case = client.get(case_id)
    click.echo(_line(case))
    if case.person_id:
        click.echo(f"person {case.person_id.hex()}, {case.decisions} decisions, reviewed {_day(case.reviewed_day)}")
    for agency in case.awaiting_removal:
        click.echo(f"{agency} has not confirmed the removal")


def _client(config_path: Path) -> "CaseClient":
    from matcher.config import CoordinatorConfig
    from matcher.coordinator.client import CaseClient
    from matcher.rpc import open_channel

    config = CoordinatorConfig.load(config_path)
    justification = click.get_current_context().obj
    return CaseClient(open_channel(config.matcher, config.tls, config.server_name, justification))


def _line(case: "GetCaseResponse") -> str:
    from matcher.model import DAY_SECONDS, CaseState

    parts = [CaseState(case.state).name, f"opened {_day(case.opened_at // DAY_SECONDS)}"]
    if case.closed_at:
        parts.append(f"closed {_day(case.closed_at // DAY_SECONDS)}")
    if case.escalated and case.person_id:
        parts.append("ESCALATED")
    if case.awaiting_removal:
        overdue = "OVERDUE, " if case.removal_overdue else ""
        parts.append(f"{overdue}awaiting removal by {', '.join(case.awaiting_removal)}")
    return " ".join(parts)


def _day(day: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(day * 86400))
