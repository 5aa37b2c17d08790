"""What the matcher holds of a world's records, made by the agencies' own tokeniser."""

from dataclasses import dataclass, fields

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from matcher.agency.identity import NormalisedBatch
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.tokeniser import Tokeniser
from matcher.keyfile import KEY_BYTES
from matcher.scheme import LinkageScheme

LINKAGE_KEY = bytes(range(KEY_BYTES))
OTHER_KEY = bytes(range(1, KEY_BYTES + 1))
"""What an attacker without the linkage key encodes with."""
_ROWS = 4000


@dataclass(frozen=True, slots=True)
class Held:
    """R records, P passes, F fields."""

    tokens: NDArray[np.uint8]
    """(R, P, 16)"""
    blocks: NDArray[np.int64]
    """(R, P) block tokens as numbers, -1 where the record has none."""
    encodings: NDArray[np.uint8]
    """(R, P, W)"""
    has_field: NDArray[np.bool_]
    """(R, F) presence mask."""


def hold(batch: NormalisedBatch, scheme: LinkageScheme, linkage_key: bytes = LINKAGE_KEY) -> Held:
    """Tokenise as an agency does, under `linkage_key`."""
    coordinator = X25519PrivateKey.generate().public_key().public_bytes_raw()
    keys = LinkageKeys(linkage_key, scheme, 1)
    tokeniser = Tokeniser(scheme, keys, AliasKey(bytes(KEY_BYTES), "agency"), "agency", coordinator)
    parts = [tokeniser.tokenise(_rows(batch, start, start + _ROWS)) for start in range(0, len(batch), _ROWS)]
    tokens = np.concatenate([part.block_tokens for part in parts])
    masks = np.concatenate([part.field_masks for part in parts])
    return Held(
        tokens=tokens,
        blocks=numbered(tokens),
        encodings=np.concatenate([part.encodings for part in parts]),
        has_field=(masks[:, None] >> np.arange(len(scheme.encoded), dtype=np.uint16)) & 1 == 1,
    )


def numbered(tokens: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Tokens (R, P, 16) as numbers (R, P); equal if and only if the tokens are, -1 for a token of zeros."""
    words = np.ascontiguousarray(tokens).view("<u8")[:, :, 0]
    _, number = np.unique(words, return_inverse=True)
    result: NDArray[np.int64] = np.where(words == 0, -1, number.reshape(words.shape))
    return result


def _rows(batch: NormalisedBatch, start: int, end: int) -> NormalisedBatch:
    columns = {each.name: getattr(batch, each.name)[start:end] for each in fields(batch) if each.name != "problems"}
    return NormalisedBatch(**columns)


def bits_of(held: Held, records: NDArray[np.int64], scheme: LinkageScheme) -> NDArray[np.uint8]:
    """(n, P x W x 8) of 0 and 1: all encodings of records (n,), one pass after the other; 2 where there is no block or
    no field."""
    bits = np.unpackbits(held.encodings[records], axis=2, bitorder="little")
    bits[held.blocks[records] < 0] = 2
    missing = np.repeat(~held.has_field[records], [field.bits for field in scheme.encoded], axis=1)
    bits[np.broadcast_to(missing[:, None], bits.shape)] = 2
    return bits.reshape(len(records), -1)


def differing_bits(left: NDArray[np.uint8], right: NDArray[np.uint8], scheme: LinkageScheme) -> NDArray[np.int64]:
    """(n, F) bits that differ in each field of two encodings (n, W)."""
    counts = np.bitwise_count(left ^ right).astype(np.int64)
    ends = np.cumsum([each.bits // 8 for each in scheme.encoded])
    result: NDArray[np.int64] = np.add.reduceat(counts, np.concatenate([[0], ends[:-1]]), axis=1)
    return result
