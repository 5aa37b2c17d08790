"""Encryption at rest: with a key, every page of a database, its log and its journal is encrypted and authenticated.

SQLite3 Multiple Ciphers does it (https://utelle.github.io/SQLite3MultipleCiphers/), which `apsw-sqlite3mc` brings
along: AEGIS-256, each page under a random nonce and bound to its place. A file begins with a salt, of which a key that
is random itself has no need: there stands a check value of the key, so that a wrong key is told from damage.
"""

import hmac
from pathlib import Path
from urllib.parse import quote

import apsw

from matcher.errors import DatabaseKeyError, StoreError

ENCRYPTED = "multipleciphers-unix"
"""Name of the file layer that encrypts pages; it must be the topmost one, or the log would stay plain."""
_CIPHER = "aegis"
_CHECK_BYTES = 16
_PLAIN = b"SQLite format 3\0"
_LAYOUT = slice(20, 24)
_TAGGED = bytes([64, 64, 32, 32])
"""In a header: 64 bytes of each page are reserved, for nonce and tag; the rest is the same in every SQLite file."""


def unlock(connection: apsw.Connection, key: bytes) -> None:
    """Have a new connection read and write under a key of 32 bytes; a wrong one shows at the first read."""
    if connection.pragma("cipher", _CIPHER) != _CIPHER or connection.pragma("key", _raw(key)) != "ok":
        raise StoreError("the installation is damaged: its SQLite does not encrypt; install it again")


def uri(path: Path, key: bytes) -> str:
    """What a file that is yet to be written under a key is called in a statement. It holds the key."""
    return f"file:{quote(str(path.absolute()))}?vfs={ENCRYPTED}&cipher={_CIPHER}&key={_raw(key)}"


def is_plain(path: Path) -> bool:
    """Whether there is a database that is not encrypted. Closes the file: not while this process has it open."""
    return _header(path).startswith(_PLAIN)


def opens_with(path: Path, key: bytes) -> bool:
    """Whether there is a database encrypted with the key, as far as its check value says; see `is_plain`."""
    return _header(path).startswith(_check(key))


def prove_key(path: Path, key: bytes | None) -> None:
    """`DatabaseKeyError` if there is a database and it is encrypted with another key, or is where there is none, or is
    not where there is one; see `is_plain`."""
    header = _header(path)
    plain = header.startswith(_PLAIN)
    if key is None and not plain and header[_LAYOUT] == _TAGGED:
        raise DatabaseKeyError(f"{path} is encrypted, and no key is configured")
    if key is not None and plain:
        raise DatabaseKeyError(
            f"{path} is not encrypted, and a key is configured: encrypt it with `matcher rekey`, or take the key from"
            " the configuration"
        )
    if key is not None and header and not header.startswith(_check(key)):
        raise DatabaseKeyError(
            f"{path} is encrypted with another key than the configured one: configure its own; if that is the one, the"
            " file is damaged: restore a backup"
        )


def _raw(key: bytes) -> str:
    """Key and salt as the cipher takes them, without deriving another key from them."""
    return f"raw:{key.hex()}{_check(key).hex()}"


def _check(key: bytes) -> bytes:
    return hmac.digest(key, b"familiar-faces database key check", "sha256")[:_CHECK_BYTES]


def _header(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LAYOUT.stop)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
