"""What an agency derives from its two keys: the token keys all agencies share, and its own aliases.

Both derivations are normative in `docs/token-scheme.md`. Neither class has a repr that shows a key.
"""

import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from matcher.agency import kernels
from matcher.agency.columns.texts import bytes_of
from matcher.agency.hashing.texts import hmac_sha256
from matcher.errors import InputFileError
from matcher.keyfile import KEY_BYTES, read_key, write_secret
from matcher.scheme import ALIAS_BYTES, LinkageScheme

REFERENCE_BYTES = 64
"""Most bytes of UTF-8 a record reference may have."""
KEY_CHECK_BYTES = 16
LINKAGE_KEY_LABEL = "linkage key"
ALIAS_KEY_LABEL = "alias key"
_SALT = b"familiar-faces token scheme v1"


def length_prefixed(data: bytes) -> bytes:
    """Length in 2 bytes, big endian, and the data, so that no two lists of inputs look alike; `OverflowError` above
    65535 bytes."""
    return len(data).to_bytes(2, "big") + data


def limited_utf8(text: str, what: str, limit: int) -> bytes:
    """The text in UTF-8; `InputFileError` names `what` and the limit (never the text) if it is longer than `limit`."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        # not chained: Python's message quotes the text
        raise InputFileError(f"a {what} is not valid text") from None
    if len(data) > limit:
        raise InputFileError(f"a {what} may have at most {limit} bytes")
    return data


def limited_texts(texts: Sequence[str], what: str, limit: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Many texts, as `bytes_of` has them; `InputFileError` as `limited_utf8`."""
    try:
        held, ends = bytes_of(texts)
    except UnicodeEncodeError:
        # not chained: Python's message quotes the text
        raise InputFileError(f"a {what} is not valid text") from None
    if (np.diff(ends, prepend=0) > limit).any():
        raise InputFileError(f"a {what} may have at most {limit} bytes")
    return held, ends


class LinkageKeys:
    """The keys of one linkage key, scheme and epoch (1 to 2**32 - 1). A change of any of them changes every token."""

    __slots__ = ("_context", "_linkage_key", "epoch")

    def __init__(self, linkage_key: bytes, scheme: LinkageScheme, epoch: int) -> None:
        if len(linkage_key) != KEY_BYTES:
            raise ValueError(f"a linkage key has {KEY_BYTES} bytes")
        self.epoch = epoch
        self._linkage_key = linkage_key
        self._context = length_prefixed(scheme.digest) + length_prefixed(epoch.to_bytes(4, "big"))

    def sign_key(self, field_name: str) -> bytes:
        """Key of a field's MinHashes, 32 bytes."""
        return self._derive(b"sign", field_name.encode())

    def pass_key(self, pass_name: str) -> bytes:
        """Key of a pass's block secrets, 32 bytes."""
        return self._derive(b"pass", pass_name.encode())

    @property
    def key_check(self) -> bytes:
        """16 bytes to compare with the matcher's: equal for the same linkage key, scheme and epoch. Not secret."""
        return self._derive(b"check", b"")[:KEY_CHECK_BYTES]

    def _derive(self, purpose: bytes, name: bytes) -> bytes:
        info = self._context + length_prefixed(purpose) + length_prefixed(name)
        return HKDF(SHA256(), KEY_BYTES, _SALT, info).derive(self._linkage_key)


class AliasKey:
    """Makes the names under which one agency's records and files are known outside it."""

    __slots__ = ("_agency", "_alias_prefix", "_key")

    def __init__(self, key: bytes, agency: str) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"an alias key has {KEY_BYTES} bytes")
        self._key = key
        self._agency = length_prefixed(agency.encode())
        self._alias_prefix = length_prefixed(b"alias") + self._agency

    def alias(self, record_ref: str) -> bytes:
        """16 bytes, always the same for a reference; `InputFileError` if the reference is longer than 64 bytes."""
        reference = length_prefixed(limited_utf8(record_ref, "record reference", REFERENCE_BYTES))
        return hmac.digest(self._key, self._alias_prefix + reference, "sha256")[:ALIAS_BYTES]

    def aliases(self, record_refs: Sequence[str]) -> list[bytes]:
        """What `alias` gives, of many references."""
        references = limited_texts(record_refs, "record reference", REFERENCE_BYTES)
        messages = kernels.prefixed(np.frombuffer(self._alias_prefix, np.uint8), *references)
        digests = hmac_sha256(self._key, *messages)[:, : ALIAS_BYTES // 4].tobytes()
        return [digests[at : at + ALIAS_BYTES] for at in range(0, len(digests), ALIAS_BYTES)]

    def feed_id(self, content_digest: bytes) -> str:
        """Name of a file's feed, 37 characters of [a-z0-9-]: the same for the same content, whose digest it hides."""
        message = length_prefixed(b"feed") + self._agency + length_prefixed(content_digest)
        return "file-" + hmac.digest(self._key, message, "sha256")[:16].hex()


def generate_linkage_key(path: Path) -> None:
    """Write a new linkage key; one agency makes it and hands it to the others. `KeyFileError` if the path exists."""
    write_secret(path, LINKAGE_KEY_LABEL, secrets.token_bytes(KEY_BYTES))


def generate_alias_key(path: Path) -> None:
    """Write a new alias key, which never leaves its agency. `KeyFileError` if the path exists."""
    write_secret(path, ALIAS_KEY_LABEL, secrets.token_bytes(KEY_BYTES))


def load_linkage_keys(path: Path, scheme: LinkageScheme, epoch: int) -> LinkageKeys:
    """The keys derived from a linkage key file; `KeyFileError` if it cannot be used."""
    return LinkageKeys(read_key(path, LINKAGE_KEY_LABEL), scheme, epoch)


def load_alias_key(path: Path, agency: str) -> AliasKey:
    """The alias key of an agency; `KeyFileError` if its file cannot be used."""
    return AliasKey(read_key(path, ALIAS_KEY_LABEL), agency)
