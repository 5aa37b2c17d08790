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

from matcher.agency import kernels
from matcher.agency.keys import REFERENCE_BYTES, length_prefixed, limited_texts
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
    if not len(aliases) == len(references) == len(notes):
        raise ValueError("one of the columns is shorter than another")
    nonces = _nonces(aliases)
    texts = _plain_texts(references, notes)
    info = b"".join(map(length_prefixed, (_LABEL, scheme_digest, epoch.to_bytes(4, "big"), agency.encode())))
    batch_key = secrets.token_bytes(_BATCH_KEY_BYTES)
    try:
        encapsulation = _SUITE.encrypt(batch_key, X25519PublicKey.from_public_bytes(public_key_raw), info)
    except ValueError:
        raise KeyFileError("the coordinator's public key is not an X25519 public key") from None
    cipher = ChaCha20Poly1305(batch_key)
    sealed = b"".join(map(cipher.encrypt, nonces, texts, aliases))
    return encapsulation, np.frombuffer(sealed, np.uint8).reshape(len(aliases), SEALED_BYTES)


def _nonces(aliases: Sequence[bytes]) -> list[bytes]:
    if any(size != ALIAS_BYTES for size in map(len, aliases)):
        raise ValueError(f"an alias has {ALIAS_BYTES} bytes")
    # the nonce is the alias's start, and a nonce used twice under one key reveals both texts
    nonces = [alias[:_NONCE_BYTES] for alias in aliases]
    if len(set(nonces)) != len(nonces):
        raise ValueError("two aliases of a batch begin alike")
    return nonces


def _plain_texts(references: Sequence[str], notes: Sequence[str]) -> list[bytes]:
    """Always of 96 bytes, so that a seal's length says nothing about what is in it."""
    held, ends = limited_texts(references, "record reference", REFERENCE_BYTES)
    texts = kernels.plain_texts(held, ends, *limited_texts(notes, "note", NOTE_BYTES), SEALED_TEXT_BYTES).tobytes()
    return [texts[at : at + SEALED_TEXT_BYTES] for at in range(0, len(texts), SEALED_TEXT_BYTES)]
