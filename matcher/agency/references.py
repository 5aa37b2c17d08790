"""Reads files in which an agency names records by its own references, one a line, and listings of removal notices.

A line ends where an editor shows its end, at \\n or \\r\\n: a reference may hold the other characters at which Python
splits lines, and its parts may be the references of other records.
"""

import re
import time
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from matcher.agency.keys import AliasKey
from matcher.errors import InputFileError, NoticesFileError, ReferencesFileError

_NOTICE = re.compile("(?:notice (?P<notice>[0-9a-f]{32}) )?closed [0-9]{4}-[0-9]{2}-[0-9]{2}: delete ")


def aliases_of(path: Path, alias_key: AliasKey) -> dict[bytes, str]:
    """Alias -> reference. `ReferencesFileError` names a line that can be none."""
    found = {}
    for number, reference in _lines(path):
        if any(unicodedata.category(letter) == "Cc" for letter in reference):
            # no record is sent under such a reference; it may be several, with line ends of another system
            raise ReferencesFileError(f"{path.name} line {number}: a record reference holds control characters")
        try:
            found[alias_key.alias(reference)] = reference
        except InputFileError as error:
            raise ReferencesFileError(f"{path.name} line {number}: {error}") from None
    return found


@dataclass(frozen=True, slots=True, repr=False)
class Notice:
    """A removal notice as an agency is shown it."""

    notice_id: bytes
    closed_at: int
    reference: str | None
    """None: the record is not among the references that were given."""

    def __str__(self) -> str:
        """A line. One without a reference does not name the notice: nobody can have deleted that record."""
        closed = time.strftime("%Y-%m-%d", time.gmtime(self.closed_at))
        if self.reference is None:
            return f"closed {closed}: delete (a record not in REFERENCES)"
        return f"notice {self.notice_id.hex()} closed {closed}: delete {self.reference}"


def write_notices(path: Path, notices: Iterable[Notice]) -> None:
    """Write a listing to confirm later, for the file's owner alone. `NoticesFileError` if there is such a file."""
    try:
        path.touch(0o600, exist_ok=False)
    except FileExistsError:
        # the notices in it may be deleted and not confirmed yet; those that came since are not to be mixed with them
        raise NoticesFileError(f"{path.name}: there is such a file already") from None
    path.write_text("".join(f"{notice}\n" for notice in notices), encoding="utf-8", newline="\n")


def named_notices(path: Path) -> list[bytes]:
    """Names of the notices in a saved listing, each once. `NoticesFileError` names a line that is not of a listing."""
    found: dict[bytes, None] = {}
    for number, line in _lines(path):
        if not (match := _NOTICE.match(line)):
            raise NoticesFileError(f"{path.name} line {number}: is not a line of a listing of notices")
        if match["notice"]:
            found[bytes.fromhex(match["notice"])] = None
    return list(found)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, without white space around them, by number."""
    text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    return ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip())
