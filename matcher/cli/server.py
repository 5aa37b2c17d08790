"""`matcher serve`, `status`, `backup`, `restore`, `rekey`, `retire-epoch` and `drop-frame`: what an operator runs."""

import ctypes
import faulthandler
import gc
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from matcher.cli.common import EXISTING_FILE, FILE, Command, config_option, log_to_stderr, reference

_SWITCH_SECONDS = 0.0001
_MALLOC = {
    "M_ARENA_MAX": (-8, 2),
    "M_MMAP_THRESHOLD": (-3, 32 << 20),
    "M_TRIM_THRESHOLD": (-1, 512 << 20),
    "M_PERTURB": (-6, 0xA5),
}
"""Settings of glibc's `mallopt`, by number. Else each batch gives megabytes back to the kernel, which clears them for
the next: a quarter of all work. The last has what is freed overwritten: copies of erased records would stay in it."""
_LOOK_SECONDS = 1.0
"""A signal that comes while the main thread is about to wait does not wake it: so often it looks by itself."""


@click.command(cls=Command)
@config_option
def serve(config_path: Path) -> None:
    """Run the matcher until it is told to stop (SIGTERM or Ctrl-C); calls in hand are finished first."""
    from matcher.config import ServerConfig
    from matcher.service.database import open_store

    faulthandler.enable(file=2)  # a crash shows where each thread was, and nothing that it held
    log_to_stderr()
    _keep_memory()
    # between two compiled loops the matching thread asks for Python's lock: it shall not wait the usual 5 ms for it
    sys.setswitchinterval(_SWITCH_SECONDS)
    config = ServerConfig.load(config_path)
    with ThreadPoolExecutor(1, "opening") as opening:
        store = opening.submit(open_store, config)
        from matcher.service.server import Server, load_loops  # takes its time, in which the database is proved

        load_loops()
    server = Server(config, store.result())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server.start()
    click.echo(f"serving on {server.address}")
    try:
        server.complete()
        gc.freeze()  # what is there now stays: looking through it for garbage holds up every call
        while not stop.wait(_LOOK_SECONDS):
            pass
    finally:
        server.stop()


def _keep_memory() -> None:
    """Have memory that is freed stay with the process, overwritten, where the C library can be told so."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        for number, value in _MALLOC.values():
            mallopt(number, value)


@click.command(cls=Command)
@config_option
@click.argument("out", type=FILE)
def backup(config_path: Path, out: Path) -> None:
    """Write a backup of the database to OUT, and its sum to OUT.sum, while the matcher serves or is stopped."""
    from matcher.config import ServerConfig
    from matcher.store.backup import back_up

    config = ServerConfig.load(config_path, check_files=False)
    back_up(config.database, out, config.read_database_key())
    click.echo(f"wrote {out} and {out.name}.sum")


@click.command(cls=Command)
@config_option
@click.argument("path", metavar="BACKUP", type=EXISTING_FILE)
def restore(config_path: Path, path: Path) -> None:
    """Put BACKUP where the configured database is to be. The matcher must be stopped, and no database there."""
    from matcher.config import ServerConfig
    from matcher.store.backup import restore as put_back

    config = ServerConfig.load(config_path, check_files=False)
    put_back(path, config.database, config.read_database_key())
    click.echo(f"restored {config.database}; start the matcher, then have every agency push again")


@click.command(cls=Command)
@config_option
@click.argument("new_key", metavar="NEW_KEY", type=EXISTING_FILE)
def rekey(config_path: Path, new_key: Path) -> None:
    """Encrypt the configured database anew under the key in the file NEW_KEY. The matcher must be stopped.

    The configuration names the key in use until then; a database that was not encrypted needs none.
    """
    from matcher.config import ServerConfig
    from matcher.keyfile import DATABASE_KEY_LABEL, read_key
    from matcher.store.encryption import is_plain, opens_with
    from matcher.store.rekey import rekey as change

    config = ServerConfig.load(config_path, check_files=False)
    database, new = config.database, read_key(new_key, DATABASE_KEY_LABEL)
    if opens_with(database, new):
        click.echo(f"{database} is encrypted with this key already")
    else:
        change(database, None if is_plain(database) else config.read_database_key(), new)
        click.echo(f"encrypted {database}; backups made before need the key they were made with")
    click.echo(f'have the configuration name the key:\ndatabase_key = "{new_key.absolute()}"')


@click.command(cls=Command, name="retire-epoch")
@config_option
@click.option("--justification", metavar="REFERENCE", required=True, callback=reference, help="For the audit log.")
@click.option("--yes", is_flag=True, help="Remove the records that no agency has sent again.")
def retire_epoch(config_path: Path, justification: str, yes: bool) -> None:
    """End the previous epoch: remove every record that was not sent again. The matcher must be stopped.

    Without --yes nothing is removed while there are such records; it says how many each agency holds.
    """
    from matcher.config import ServerConfig
    from matcher.service.retiring import retire

    config = ServerConfig.load(config_path)
    left = retire(config, justification, remove=yes)
    if left and not yes:
        for agency, count in left.items():
            click.echo(f"{agency}: {count} records of epoch {config.previous_epoch} not sent again")
        raise click.ClickException("nothing was removed: have them sent again, or give --yes to remove them")
    click.echo(f"epoch {config.previous_epoch} is retired, {sum(left.values())} records were removed;")
    click.echo("take previous_epoch and previous_key_check out of the configuration")


@click.command(cls=Command, name="drop-frame")
@config_option
@click.argument("frame", type=click.IntRange(min=1))
@click.option("--justification", metavar="REFERENCE", required=True, callback=reference, help="For the audit log.")
def drop_frame(config_path: Path, frame: int, justification: str) -> None:
    """Drop FRAME, at which the log says that matching fails, so that those behind it are matched. The matcher must be
    stopped.

    What it held is overwritten, and has to be sent again once the matcher is mended.
    """
    from matcher.config import ServerConfig
    from matcher.service.dropping import drop

    dropped = drop(ServerConfig.load(config_path), frame, justification)
    click.echo(f"dropped frame {frame}: {dropped.kind.name} of {dropped.agency or 'no agency'}; start the matcher")


@click.command(cls=Command)
@config_option
def status(config_path: Path) -> None:
    """Show how the matcher stands. Counts are blurred: nobody is to be told apart by them."""
    from google.protobuf.json_format import MessageToJson

    from matcher.config import OperatorConfig
    from matcher.rpc import open_channel, refusals
    from matcher.v1.status_service_pb2 import GetStatusRequest
    from matcher.v1.status_service_pb2_grpc import StatusServiceStub

    config = OperatorConfig.load(config_path)
    with open_channel(config.matcher, config.tls, config.server_name) as channel, refusals():
        answer = StatusServiceStub(channel).GetStatus(GetStatusRequest())
    click.echo(MessageToJson(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))
