"""Reads files in which an agency names records by its own references, one a line.

A line ends where an editor shows its end, at \\n or \\r\\n: a reference may hold the other characters at which Python
splits lines, and its parts may be the references of other records.
"""

import unicodedata
from pathlib import Path

from matcher.agency.keys import AliasKey
from matcher.errors import InputFileError, ReferencesFileError


def aliases_of(path: Path, alias_key: AliasKey) -> dict[bytes, str]:
    """Alias -> reference. `ReferencesFileError` names a line that can be none."""
    found = {}
    for number, line in enumerate(path.read_bytes().decode("utf-8-sig", errors="surrogateescape").split("\n"), 1):
        if reference := line.strip():
            if any(unicodedata.category(letter) == "Cc" for letter in reference):
                # no record is sent under such a reference; it may be several, with line ends of another system
                raise ReferencesFileError(f"{path.name} line {number}: a record reference holds control characters")
            try:
                found[alias_key.alias(reference)] = reference
            except InputFileError as error:
                raise ReferencesFileError(f"{path.name} line {number}: {error}") from None
    return found
