"""`matcher keygen` and `matcher pki`: keys and certificates."""

import secrets
from pathlib import Path

import click

from matcher.cli.common import FILE, Command, config_option, scheme_option


@click.group()
def keygen() -> None:
    """Make keys: each file can be read by its owner alone."""


@keygen.command("linkage", cls=Command)
@click.argument("path", type=FILE)
@scheme_option
@click.option("--epoch", type=click.IntRange(1, 65535), default=1, show_default=True, help="Epoch of the key.")
def keygen_linkage(path: Path, scheme_name: str, epoch: int) -> None:
    """Make the linkage key, which all agencies share and the matcher must never have.

    Prints the key check for the matcher's configuration. If PATH exists already, only prints.
    """
    from matcher.agency.keys import generate_linkage_key, load_linkage_keys
    from matcher.scheme import scheme_named

    scheme = scheme_named(scheme_name)
    if not path.exists():
        generate_linkage_key(path)
    click.echo(f'key_check = "{load_linkage_keys(path, scheme, epoch).key_check.hex()}"')


@keygen.command("alias", cls=Command)
@click.argument("path", type=FILE)
def keygen_alias(path: Path) -> None:
    """Make an agency's own alias key, which nobody else may have."""
    from matcher.agency.keys import generate_alias_key

    generate_alias_key(path)
    click.echo(f"wrote {path}")


@keygen.command("coordinator", cls=Command)
@click.argument("private_path", type=FILE)
@click.argument("public_path", type=FILE)
def keygen_coordinator(private_path: Path, public_path: Path) -> None:
    """Make the coordinator's key pair: PRIVATE_PATH stays with it, PUBLIC_PATH goes to every agency by hand."""
    from matcher.coordinator.opening import generate_coordinator_key

    generate_coordinator_key(private_path, public_path)
    click.echo(f"wrote {private_path} and {public_path}")


@keygen.command("database", cls=Command)
@click.argument("path", type=FILE)
def keygen_database(path: Path) -> None:
    """Make the key that the matcher encrypts its database with. Without it neither database nor backup can be read."""
    from matcher.keyfile import DATABASE_KEY_LABEL, KEY_BYTES, write_secret

    write_secret(path, DATABASE_KEY_LABEL, secrets.token_bytes(KEY_BYTES))
    click.echo(f"wrote {path}; keep a copy apart from the database and its backups")


@keygen.command("audit", cls=Command)
@click.argument("private_path", type=FILE)
@click.argument("public_path", type=FILE)
def keygen_audit(private_path: Path, public_path: Path) -> None:
    """Make the key pair of the audit log: PRIVATE_PATH signs at the matcher, PUBLIC_PATH goes to whoever verifies."""
    from matcher.audit.entry import generate_audit_key

    generate_audit_key(private_path, public_path)
    click.echo(f"wrote {private_path} and {public_path}")


@click.group()
def pki() -> None:
    """Certificates for pilots and tests."""


@pki.command("init", cls=Command)
@config_option
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write.")
@click.option("--days", type=click.IntRange(1, 825), default=365, show_default=True, help="Days certificates hold.")
@click.option("--host", "hosts", multiple=True, help="Name or address of the matcher; may be given several times.")
def pki_init(config_path: Path, out: Path, days: int, hosts: tuple[str, ...]) -> None:
    """Make an authority, and a certificate for the matcher and every caller a configuration names.

    Run again for a configuration with a new party, it adds what is missing and keeps what is there.
    """
    from matcher.config import ServerConfig
    from matcher.pki import init_pki, names_of

    config = ServerConfig.load(config_path, check_files=False)
    made, kept = init_pki(config, out, days=days, hosts=hosts or ("localhost", "127.0.0.1"))
    for folder in made:
        click.echo(f"wrote {folder}")
    for folder in kept:
        click.echo(f"kept {folder} (names: {', '.join(names_of(folder))})")
    if kept:
        click.echo("to make one that was kept anew, move it away and run this again")
