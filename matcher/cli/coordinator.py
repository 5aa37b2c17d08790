"""`matcher alerts`: what the coordinator runs."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from matcher.cli.common import FILE, Command, config_option, echo_each, justification_option, name_argument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import grpc

    from matcher.coordinator.client import AlertClient, OpenedAlert, OpenedMember
    from matcher.v1.alert_service_pb2 import PossibleMatch

_ANSWERS = {"same": "SAME_PERSON", "different": "DIFFERENT_PEOPLE"}


@click.group()
@justification_option
@click.pass_context
def alerts(context: click.Context, justification: str | None) -> None:
    """Read alerts, ask why, and answer possible matches."""
    context.obj = justification


@alerts.command(cls=Command)
@config_option
@click.option("--follow/--no-follow", default=True, show_default=True, help="Wait for new alerts, or end with the log.")
@click.option("--out", type=FILE, help="Append alerts to this file as JSON lines instead of printing them.")
def watch(config_path: Path, follow: bool, out: Path | None) -> None:
    """Show alerts behind this consumer's mark, with the agencies' references opened.

    The mark moves when an alert was printed, or with --out when it and those that came with it are on disk: a restart
    resumes there.
    """
    with _client(config_path) as client:
        if out is None:
            echo_each(_acknowledged(client, follow))
            return
        _drop_torn_line(out)
        out.touch(0o600)  # for its owner alone, if it is made here
        with out.open("a") as file:
            for alerts in client.batches(follow=follow):
                file.writelines(json.dumps(_json(alert)) + "\n" for alert in alerts)
                file.flush()
                os.fsync(file.fileno())
                client.acknowledge(alerts[-1].sequence, follow=follow)


@alerts.command(cls=Command)
@config_option
@click.argument("sequence", type=click.IntRange(1))
def park(config_path: Path, sequence: int) -> None:
    """Put the alert with this sequence aside, to come back to it later."""
    with _client(config_path) as client:
        client.park(sequence)
    click.echo("put aside")


@alerts.command(cls=Command)
@config_option
@click.option("--release", "released", type=click.IntRange(1), help="Take this one from there: it is handled.")
def parked(config_path: Path, released: int | None) -> None:
    """Show the alerts put aside, with the agencies' references opened."""
    with _client(config_path) as client:
        if released is not None:
            client.release(released)
        echo_each(map(_text, client.parked()))


@alerts.command(cls=Command)
@config_option
@click.argument("sequence", type=click.IntRange(1))
def explain(config_path: Path, sequence: int) -> None:
    """Say why the records of the alert with this sequence were taken for one person: per field, in bits and bands.

    A record that came to the person after the alert is shown by its alias.
    """
    from matcher.errors import NotFoundError
    from matcher.v1.alert_service_pb2 import ConfidenceBand, EvidenceBand

    with _client(config_path) as client:
        found, _ = client.page(sequence - 1, 1)
        if not found or found[0].sequence != sequence:
            raise NotFoundError(f"there is no alert {sequence} in the log (any more)")
        answer = client.explain(found[0].alert.alert_id)
    named = {each.member.alias: _who([each]) for each in found[0].members}
    click.echo(f"person {answer.person_id.hex()}")
    for link in answer.links:
        left = named.get(link.alias_l, f"{link.agency_l} {link.alias_l.hex()[:8]}")
        right = named.get(link.alias_r, f"{link.agency_r} {link.alias_r.hex()[:8]}")
        click.echo(f"\n{left} - {right}")
        if link.reviewed:
            click.echo("  linked by a reviewer")
        click.echo(f"  {f'against a {link.rival}':<24} {link.prior:+6.1f} bits")
        for evidence in link.evidence:
            band = EvidenceBand.Name(evidence.band).removeprefix("EVIDENCE_BAND_").lower()
            if evidence.band != EvidenceBand.EVIDENCE_BAND_MISSING:
                click.echo(f"  {evidence.field:<14} {band:<9} {evidence.weight:+6.1f} bits")
        confidence = ConfidenceBand.Name(link.confidence).removeprefix("CONFIDENCE_BAND_").lower().replace("_", " ")
        click.echo(f"  {'match weight':<24} {link.weight:+6.1f} bits: confidence {confidence}")


@alerts.command(cls=Command)
@config_option
def review(config_path: Path) -> None:
    """List the possible matches that await an answer."""
    from matcher.v1.alert_service_pb2 import EvidenceBand

    def line(match: "PossibleMatch") -> str:
        bands = ", ".join(
            f"{each.field} {EvidenceBand.Name(each.band).removeprefix('EVIDENCE_BAND_').lower()}"
            for each in match.evidence
        )
        return f"{match.possible_match_id.hex()} {match.agency_l} - {match.agency_r}: {bands}"

    with _client(config_path) as client:
        echo_each(map(line, client.possible_matches()))


@alerts.command(cls=Command)
@config_option
def restricted(config_path: Path) -> None:
    """List persons known to two or more agencies that are not told of because a record of theirs is restricted."""
    with _client(config_path) as client:
        echo_each(f"{person_id.hex()}: {_who(members)}" for person_id, members in client.restricted_persons())


@alerts.command(cls=Command)
@config_option
@name_argument("possible_match_id", "what a line of `matcher alerts review` begins with")
@click.argument("answer", type=click.Choice(list(_ANSWERS)))
@click.option("--reviewer", required=True, help="Who answers; kept for the audit.")
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), help="The answer holds until this day; without it, for good."
)
def resolve(config_path: Path, possible_match_id: bytes, answer: str, reviewer: str, until: datetime | None) -> None:
    """Answer a possible match: are the two records of the same person, or of different people?"""
    from matcher.model import Resolution

    expires_at = int(until.replace(tzinfo=UTC).timestamp()) if until else 0
    with _client(config_path) as client:
        client.resolve(possible_match_id, Resolution[_ANSWERS[answer]], reviewer, expires_at)
    click.echo("answered; this replaces any earlier answer about the pair")


def _acknowledged(client: "AlertClient", follow: bool) -> "Iterator[str]":
    """Alerts as text; the mark moves beyond each once the next is asked for."""
    for alert in client.alerts(follow=follow):
        yield _text(alert)
        client.acknowledge(alert.sequence, follow=follow)


def _drop_torn_line(path: Path) -> None:
    """Cut off the line that a crash left unfinished: its alert was not acknowledged, and comes again."""
    if path.exists():
        with path.open("r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


def _client(config_path: Path) -> "AlertClient":
    from matcher.config import CoordinatorConfig
    from matcher.coordinator.client import AlertClient
    from matcher.coordinator.opening import Opener
    from matcher.rpc import open_channel

    config = CoordinatorConfig.load(config_path)
    justification = click.get_current_context().obj

    def connect() -> "grpc.Channel":
        return open_channel(config.matcher, config.tls, config.server_name, justification)

    return AlertClient(connect(), config.consumer, Opener.load(config.private_key), config.scheme, connect)


def _printable(text: str) -> str:
    """What an agency wrote, safe for a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _json(opened: "OpenedAlert") -> dict[str, Any]:
    alert = opened.alert
    return {
        "sequence": alert.sequence,
        "alert_id": alert.alert_id.hex(),
        "kind": alert.kind.name,
        "person_id": alert.person_id.hex(),
        "confidence": alert.confidence.name,
        "health_present": alert.health_present,
        "police_present": alert.police_present,
        "surviving_person_id": alert.surviving_person_id.hex(),
        "raised_at": alert.raised_at,
        "backfill": alert.backfill,
        "members": [
            {
                "agency": each.member.agency,
                "sector": each.member.sector,
                "reference": each.reference.reference if each.reference else None,
                "note": each.reference.note if each.reference else None,
                "observed_day": each.member.observed_day,
            }
            for each in opened.members
        ],
    }


def _text(opened: "OpenedAlert") -> str:
    alert = opened.alert
    mark = " (backfill)" if alert.backfill else ""
    head = f"{alert.sequence} {alert.kind.name}{mark} person {alert.person_id.hex()} alert {alert.alert_id.hex()}"
    if alert.surviving_person_id:
        return f"{head}: now person {alert.surviving_person_id.hex()[:8]}"
    if not opened.members:
        return head
    return f"{head} confidence {alert.confidence.name.lower()}: {_who(opened.members)}"


def _who(members: "Iterable[OpenedMember]") -> str:
    return "; ".join(f"{each.member.agency} {_opened(each)}" for each in members)


def _opened(member: "OpenedMember") -> str:
    if member.reference is None:
        return "(cannot be opened: other coordinator key, or other agency name)"
    note = f' "{member.reference.note}"' if member.reference.note else ""
    return _printable(member.reference.reference + note)
