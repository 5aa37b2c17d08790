"""Small key files: a header line that says what the key is, and the key as one line of hex.

A secret file belongs to its owner alone (mode 0600); public keys need not. No message names anything but the path and
the reason.
"""

import os
import re
import stat
from pathlib import Path

from matcher.errors import KeyExistsError, KeyFileError

KEY_BYTES = 32
"""Bytes of every key kept in a key file."""
PUBLIC_KEY_LABEL = "coordinator public key"
DATABASE_KEY_LABEL = "database key"
_LARGEST_FILE = 65536
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


def create_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a new file and flush it to disk; `KeyExistsError` if the path is there, `KeyFileError` if it fails."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise KeyExistsError(f"{path}: exists already and is not overwritten") from None
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be made ({error.strerror})") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # whatever the umask is
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        # half a key must not stay behind: it would block the next attempt
        path.unlink(missing_ok=True)
        raise KeyFileError(f"{path}: cannot be written ({error.strerror})") from None


def read_private(path: Path) -> bytes:
    """The bytes of a file only its owner can read, at most 64 KiB; `KeyFileError` if missing or open to others."""
    return _read(path, private=True)


def write_secret(path: Path, label: str, secret: bytes) -> None:
    """Write a new secret file, mode 0600; `KeyFileError` if the path exists already."""
    create_file(path, _text(label, secret))


def read_secret(path: Path, label: str) -> bytes:
    """The secret (1 byte or more); `KeyFileError` if missing, open to others, of another label, or damaged."""
    return _parse(path, label, read_private(path))


def read_key(path: Path, label: str) -> bytes:
    """A secret of exactly 32 bytes; `KeyFileError` as `read_secret`, or if it has another length."""
    return _whole(path, read_secret(path, label))


def read_variable(name: str) -> bytes:
    """A key of 32 bytes that stands in hex in an environment variable; `KeyFileError` if it does not."""
    text = os.environ.get(name, "").strip()
    if len(text) != 2 * KEY_BYTES or not _HEX.fullmatch(text):
        raise KeyFileError(f"environment variable {name}: must hold the key, {2 * KEY_BYTES} hex digits")
    return bytes.fromhex(text)


def write_public_key(path: Path, public_key: bytes, label: str = PUBLIC_KEY_LABEL) -> None:
    """Write a new file with a public key (32 bytes), the coordinator's unless labelled, readable by all."""
    create_file(path, _text(label, public_key), 0o644)


def read_public_key(path: Path, label: str = PUBLIC_KEY_LABEL) -> bytes:
    """A public key, 32 bytes; `KeyFileError` if missing, of another label, or damaged."""
    return _whole(path, _parse(path, label, _read(path, private=False)))


def _header(label: str) -> str:
    return f"familiar-faces {label} v1"


def _text(label: str, key: bytes) -> bytes:
    return f"{_header(label)}\n{key.hex()}\n".encode()


def _read(path: Path, *, private: bool) -> bytes:
    try:
        # O_NONBLOCK: a pipe in the file's place must fail below, not hang here
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError(f"{path}: is not a file")
            if private and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise KeyFileError(f"{path}: others than its owner may use it")
            data = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > _LARGEST_FILE:
        raise KeyFileError(f"{path}: is too long for a key file")
    return data


def _parse(path: Path, label: str, data: bytes) -> bytes:
    lines = data.decode("ascii", errors="replace").splitlines()
    if not lines or lines[0] != _header(label):
        raise KeyFileError(f"{path}: is no {label} file: its first line must be '{_header(label)}'")
    if len(lines) != 2 or not _HEX.fullmatch(lines[1]):
        raise KeyFileError(f"{path}: is damaged: its second and last line must be the key in hex")
    return bytes.fromhex(lines[1])


def _whole(path: Path, key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise KeyFileError(f"{path}: is damaged: the key must have {KEY_BYTES} bytes")
    return key
