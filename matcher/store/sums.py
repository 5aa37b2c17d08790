"""Sums of database files at rest: `FILE.sum` holds the SHA-256 of every byte of FILE, in hex as `sha256sum` says it, so
that no damage is overlooked.

SQLite's own check sees a broken structure, not a changed value. A sum is written when a database is closed or backed
up, proved when it is opened or restored, and taken away before the file is written to again.
"""

import hashlib
import os
from pathlib import Path

from matcher.errors import StoreError

_FORMER_BYTES = 32
"""Of a sum as it was written before: a BLAKE2b digest, not in hex. A start takes as long as the sum does, and
SHA-256 has instructions of its own."""


def sum_path(path: Path) -> Path:
    """Where the sum of a file stands."""
    return path.with_name(path.name + ".sum")


def write_sum(path: Path) -> None:
    """Write a file's sum, durably, whole or not at all."""
    content, partial = _sum(path), sum_path(path).with_suffix(".new")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(sum_path(path))
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path)


def prove(path: Path) -> bool:
    """Whether a file has a sum; `StoreError` unless the file is what the sum was made of.

    Not while this process has the database open: closing a file ends the locks SQLite holds on it.
    """
    try:
        content = sum_path(path).read_bytes()
    except FileNotFoundError:
        return False
    former = len(content) == _FORMER_BYTES
    if not path.exists() or content != (_former_sum(path) if former else _sum(path)):
        raise StoreError(f"{path} is damaged: it is not what {sum_path(path).name} was made of; restore a backup")
    return True


def drop_sum(path: Path) -> None:
    """Take a file's sum away, durably: the file may be written to."""
    sum_path(path).unlink(missing_ok=True)
    sync_folder(path)


def put(partial: Path, path: Path) -> None:
    """Put a file with its sum in another's place, durably: a kill leaves one of the two, with its own sum or none."""
    drop_sum(path)
    partial.rename(path)
    sum_path(partial).rename(sum_path(path))
    sync_folder(path)


def discard(path: Path) -> None:
    """Remove a file and its sum, if they are there."""
    path.unlink(missing_ok=True)
    sum_path(path).unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Make names in a file's folder durable."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sum(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().encode() + b"\n"


def _former_sum(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_FORMER_BYTES)).digest()
