"""Seals record references to the coordinator: the matcher stores them and cannot read them.

One HPKE encapsulation a batch carries a fresh batch key; each record is one AEAD cipher text under it. The format is
normative in `docs/token-scheme.md`; `matcher/coordinator/opening.py` is the other half.
"""

import secrets
from collections.abc import Sequence

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from numpy.typing import NDArray

from matcher.agency.keys import REFERENCE_BYTES, length_prefixed, limited_utf8
from matcher.errors import KeyFileError
from matcher.scheme import ALIAS_BYTES, SEALED_BYTES, SEALED_TEXT_BYTES

NOTE_BYTES = 24
"""Most bytes of UTF-8 a note may have."""
_NONCE_BYTES = 12
_BATCH_KEY_BYTES = 32
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_LABEL = b"familiar-faces sealed reference v1"


def seal_batch(
    public_key_raw: bytes,
    *,
    scheme_digest: bytes,
    epoch: int,
    agency: str,
    aliases: Sequence[bytes],
    references: Sequence[str],
    notes: Sequence[str],
) -> tuple[bytes, NDArray[np.uint8]]:
    """The encapsulation (80 bytes) and one sealed reference a record, (n, 112).

    `KeyFileError`: the public key cannot be used. `InputFileError`: a reference is longer than 64 or a note than 24
    bytes. `ValueError`: the columns differ in length, or two aliases do not differ in their first 12 bytes.
    """
    _check_aliases(aliases)
    info = b"".join(map(length_prefixed, (_LABEL, scheme_digest, epoch.to_bytes(4, "big"), agency.encode())))
    batch_key = secrets.token_bytes(_BATCH_KEY_BYTES)
    try:
        encapsulation = _SUITE.encrypt(batch_key, X25519PublicKey.from_public_bytes(public_key_raw), info)
    except ValueError:
        raise KeyFileError("the coordinator's public key is not an X25519 public key") from None
    cipher = ChaCha20Poly1305(batch_key)
    sealed = bytearray()
    for alias, reference, note in zip(aliases, references, notes, strict=True):
        sealed += cipher.encrypt(alias[:_NONCE_BYTES], _plain_text(reference, note), alias)
    return encapsulation, np.frombuffer(sealed, np.uint8).reshape(len(aliases), SEALED_BYTES)


def _check_aliases(aliases: Sequence[bytes]) -> None:
    if any(len(alias) != ALIAS_BYTES for alias in aliases):
        raise ValueError(f"an alias has {ALIAS_BYTES} bytes")
    # the nonce is the alias's start, and a nonce used twice under one key reveals both texts
    if len({alias[:_NONCE_BYTES] for alias in aliases}) != len(aliases):
        raise ValueError("two aliases of a batch begin alike")


def _plain_text(reference: str, note: str) -> bytes:
    """Always 96 bytes, so that a seal's length says nothing about what is in it."""
    reference_bytes = limited_utf8(reference, "record reference", REFERENCE_BYTES)
    note_bytes = limited_utf8(note, "note", NOTE_BYTES)
    text = b"%c%b%c%b" % (len(reference_bytes), reference_bytes, len(note_bytes), note_bytes)
    return text.ljust(SEALED_TEXT_BYTES, b"\0")
