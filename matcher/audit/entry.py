"""One entry of the audit log: a line of JSON that holds the hash of the line before and ends in a signature.

`docs/audit-log.md` is the format's description. An entry is its bytes: what is hashed and signed is what stands in the
file, never JSON that was written anew.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from matcher.errors import AuditProofError, KeyFileError
from matcher.keyfile import write_public_key, write_secret

PRIVATE_KEY_LABEL = "audit private key"
PUBLIC_KEY_LABEL = "audit public key"
MOST_BYTES = 1 << 16
"""Longest line that is read as an entry."""
TORN_END = b" torn\n"
"""Ends what a crash or a full disk left of an entry; no entry ends so."""
_CONTEXT = b"familiar-faces audit entry v1\n"
_TAIL = re.compile(rb',"signature":"([0-9a-f]{128})"\}\n')
_TAIL_BYTES = len(b',"signature":""}\n') + 128
_HEAD = re.compile(r"([0-9]{1,18})[ :]([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Head:
    """An entry's number, and the SHA-256 of its line in hex: vouches for all entries up to it."""

    number: int = 0
    digest: str = "0" * 64

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `NUMBER:HASH`; `ValueError` if it is not that."""
        if not (found := _HEAD.fullmatch(text)):
            raise ValueError("must be NUMBER:HASH")
        return cls(int(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"

    def after(self, line: bytes) -> "Head":
        """The head once a line follows."""
        return Head(self.number + 1, hashlib.sha256(line).hexdigest())


@dataclass(frozen=True, slots=True)
class Entry:
    """What a line says that the chain depends on."""

    number: int
    before: str
    """Hash of the line before it."""
    torn: str
    """Hash of the bytes between the entry before and this one; empty if there are none."""

    @classmethod
    def read(cls, line: bytes) -> Self:
        """`ValueError` if a line, with its newline, is no entry. Its signature is not proved here."""
        if not _TAIL.fullmatch(line[-_TAIL_BYTES:]):
            raise ValueError("no signature")
        try:
            said = json.loads(line)
        except RecursionError:
            raise ValueError("too deep") from None
        number, before, torn = (said.get(name, "") for name in ("number", "before", "torn"))
        if type(number) is not int or not isinstance(before, str) or not isinstance(torn, str):
            raise ValueError("no place in the chain")
        return cls(number, before, torn)


class Chain:
    """Follows a log line by line from a head on."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.torn = b""
        """What was read since the last entry."""
        self.scars = 0
        """Unfinished entries that the next one tells of."""

    def take(self, line: bytes) -> Entry | None:
        """The entry that a line is. None if it is none: then a later entry must tell of it. `AuditProofError` if it is
        out of place."""
        try:
            entry = Entry.read(line)
        except ValueError:
            self.torn += line
            # nothing else that is no entry ends a line
            if len(self.torn) > MOST_BYTES or (line.endswith(b"\n") and not line.endswith(TORN_END)):
                raise AuditProofError(f"entry {self.head.number + 1} cannot be read") from None
            return None
        expected = self.head.number + 1
        if entry.torn != (hashlib.sha256(self.torn).hexdigest() if self.torn else ""):
            raise AuditProofError(f"entry {expected} cannot be read")
        if entry.number > expected:
            raise AuditProofError(f"entry {expected} is missing")
        if entry.number < expected:
            raise AuditProofError(f"entry {entry.number} stands again after entry {self.head.number}")
        if entry.before != self.head.digest:
            raise AuditProofError(f"entry {self.head.number} was changed, or what entry {expected} says of it")
        self.scars += bool(self.torn)
        self.head, self.torn = self.head.after(line), b""
        return entry


def write_line(key: Ed25519PrivateKey, head: Head, seconds: float, torn: bytes, said: Mapping[str, object]) -> bytes:
    """The line that follows a head. `torn`: what stands in between."""
    time = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    scar = {"torn": hashlib.sha256(torn).hexdigest()} if torn else {}
    content = {"number": head.number + 1, "time": time, "before": head.digest, **scar, **said}
    body = json.dumps(content, separators=(",", ":"))[:-1].encode()
    return body + b',"signature":"' + key.sign(_CONTEXT + body).hex().encode() + b'"}\n'


def is_signed(key: Ed25519PublicKey, line: bytes) -> bool:
    """Whether the key's holder wrote an entry."""
    found = _TAIL.fullmatch(line[-_TAIL_BYTES:])
    if found is None:
        return False
    try:
        key.verify(bytes.fromhex(found[1].decode()), _CONTEXT + line[:-_TAIL_BYTES])
    except InvalidSignature:
        return False
    return True


def generate_audit_key(private_path: Path, public_path: Path) -> None:
    """Write a new pair of key files; `KeyFileError` if one exists already."""
    key = Ed25519PrivateKey.generate()
    write_secret(private_path, PRIVATE_KEY_LABEL, key.private_bytes_raw())
    try:
        write_public_key(public_path, key.public_key().public_bytes_raw(), PUBLIC_KEY_LABEL)
    except KeyFileError:
        private_path.unlink()
        raise
