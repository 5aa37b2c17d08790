"""Proves that an audit log is what the matcher wrote, entry by entry, and says up to where."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from matcher.audit.entry import MOST_BYTES, PUBLIC_KEY_LABEL, Chain, Entry, Head, is_signed
from matcher.audit.log import head_path, read_note
from matcher.errors import AuditProofError
from matcher.keyfile import read_public_key


@dataclass(frozen=True, slots=True)
class Proof:
    """What holds of a log."""

    first: int
    head: Head
    """Its last entry."""
    complete_through: int
    """The newest entry that something beside the log tells of: a log cut after it would not be noticed."""
    scars: int
    """Entries that a kill or a full disk left unfinished; the entry after each tells of it."""
    unfinished: int
    """Bytes after the last entry, as a kill leaves them; the next start writes an entry about them."""


def prove(paths: Sequence[Path], key_path: Path, known: Sequence[Head] = ()) -> Proof:
    """Prove the files of one log, in order. `known`: heads noted elsewhere, besides the one beside the last file.

    `AuditProofError` names the first entry that is wrong; `KeyFileError` if the public key cannot be used.
    """
    key = Ed25519PublicKey.from_public_bytes(read_public_key(key_path, PUBLIC_KEY_LABEL))
    wanted: dict[int, str] = {}
    for head in (*known, *_beside(paths[-1])):  # before the log is read, to which a running matcher adds
        if wanted.setdefault(head.number, head.digest) != head.digest:
            raise AuditProofError(f"entry {head.number} is not the one that was noted elsewhere")
    chain, first, last_line, unfinished = Chain(Head()), 0, b"", 0
    for path in paths:
        for line in _lines(path):
            if not first:
                chain.head = _start(line, wanted)
            if chain.take(line) is None:
                continue
            number = chain.head.number
            if wanted.get(number, chain.head.digest) != chain.head.digest:
                raise AuditProofError(f"entry {number} was changed: it is not the one that was noted")
            first, last_line = first or number, line
        unfinished, chain.torn = unfinished + len(chain.torn), b""
    end = max(wanted, default=0)
    if end > chain.head.number:
        raise AuditProofError(f"entry {chain.head.number + 1} is missing: the log was cut, {end} entries were written")
    if not first:
        raise AuditProofError("there is no entry")
    if end < first:
        raise AuditProofError(f"nothing tells where the log ends: put {head_path(paths[-1]).name} beside it")
    if not is_signed(key, last_line):  # the last signature vouches for all before it
        raise AuditProofError(f"entry {_first_unsigned(paths, key)} is not signed with this key")
    return Proof(first, chain.head, end, chain.scars, unfinished)


def _start(line: bytes, wanted: Mapping[int, str]) -> Head:
    """What a line follows that no entry was read before."""
    try:
        before = Entry.read(line).number - 1
    except ValueError:
        return Head()
    if before and before not in wanted:
        raise AuditProofError(f"entry 1 is missing: the log begins with entry {before + 1}")
    return Head(before, wanted[before]) if before else Head()


def _first_unsigned(paths: Sequence[Path], key: Ed25519PublicKey) -> int:
    """The first entry that the key's holder did not write, in files whose chain holds and whose last entry is such."""
    for line in (line for path in paths for line in _lines(path)):
        try:
            entry = Entry.read(line)
        except ValueError:  # a scar of a crash
            continue
        if not is_signed(key, line):
            return entry.number
    raise ValueError("the last entry is signed")


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while line := file.readline(MOST_BYTES):
                yield line
    except OSError as error:
        raise AuditProofError(f"{path} cannot be read ({error.strerror})") from None


def _beside(path: Path) -> list[Head]:
    """What the head file of a log says, if there is one."""
    try:
        noted = read_note(head_path(path).read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        raise AuditProofError(f"{head_path(path)} cannot be read, or is damaged") from None
    return [noted[0]] if noted else []
