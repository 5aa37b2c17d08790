"""`matcher audit`: what a data protection officer runs."""

from pathlib import Path

import click

from matcher.cli.common import EXISTING_FILE, Command


@click.group()
def audit() -> None:
    """Prove audit logs."""


@audit.command(cls=Command)
@click.argument("files", metavar="FILE...", type=EXISTING_FILE, nargs=-1, required=True)
@click.option("--key", "key_path", type=EXISTING_FILE, required=True, help="The log's public key.")
@click.option(
    "--known", metavar="NUMBER:HASH", multiple=True, help="An entry noted before; may be given several times."
)
def verify(files: tuple[Path, ...], key_path: Path, known: tuple[str, ...]) -> None:
    """Prove that the files of one log, in order, are what the matcher wrote.

    Prints what was proved, and the last entry as NUMBER:HASH: kept elsewhere it proves the next time, with --known,
    that the log and its head were not cut back together. If an entry is wrong, names the first, and ends with 1.
    """
    from matcher.audit.entry import Head
    from matcher.audit.proof import prove

    try:
        heads = [Head.parse(text) for text in known]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--known") from None
    proof = prove(files, key_path, heads)
    click.echo(f"entries {proof.first} to {proof.head.number}: in order, unchanged, signed with this key")
    click.echo(f"none is missing up to entry {proof.complete_through}, which is noted outside the log")
    if proof.scars:
        click.echo(
            f"{proof.scars} entries were left unfinished by a kill or a full disk, as the entries after them say"
        )
    if proof.unfinished:
        click.echo(f"{proof.unfinished} bytes of an entry were left unfinished by a kill, or are being written")
    click.echo(f"{proof.head}")
