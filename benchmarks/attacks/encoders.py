"""The two encodings with one global key that ours is held against, and how a register is encoded for a comparison.

`clk`: cryptographic long-term keys (Schnell, Bachteler and Reiher 2011, "A novel error-tolerant anonymous linking
code", section 3): the bigrams of all fields set K bits each of one Bloom filter of BITS bits, by double hashing.
`minhash`: our own signatures (one-bit MinHash, Li and Koenig 2010) as they are before a block picks and pads them.
In both, every two records can be compared. Nothing here is used by the matcher.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from matcher.agency.elements import elements
from matcher.agency.signing.kernels import signatures
from matcher.blocking.passes import Columns
from matcher.scheme import SIGNATURE_BITS, LinkageScheme

BITS = 1024
K = 10
"""Bits a bigram sets: about two in five bits of a complete record are then set."""
CLK_FIELDS = ("forename", "surname", "year", "month_day", "sex", "postcode")

Bits = NDArray[np.uint8]
"""(R, bits) of 0 and 1; of a MinHash 2 where the field is missing."""


def bigrams(field: str, value: str) -> list[str]:
    """Padded bigrams of a value; a birth date's parts and a sex, which are short, keep their field's name."""
    padded = f"_{value}_"
    found = sorted({padded[i : i + 2] for i in range(len(padded) - 1)})
    return [f"{field}:{each}" for each in found] if field in ("year", "month_day", "sex") else found


def record_bigrams(columns: Columns) -> list[list[str]]:
    """The set of bigrams of each record, over all fields of a CLK."""
    known: dict[str, dict[str, list[str]]] = {
        field: {value: bigrams(field, value) if value else [] for value in set(columns[field])} for field in CLK_FIELDS
    }
    rows = zip(*(columns[field] for field in CLK_FIELDS), strict=True)
    return [
        sorted({each for field, value in zip(CLK_FIELDS, row, strict=True) for each in known[field][value]})
        for row in rows
    ]


def incidence(sets: Sequence[Sequence[str]], names: Sequence[str]) -> Bits:
    """(R, names): which sets have which name."""
    number = {name: i for i, name in enumerate(names)}
    result = np.zeros((len(sets), len(names)), np.uint8)
    rows = np.repeat(np.arange(len(sets)), [len(each) for each in sets])
    columns = np.array([number.get(name, -1) for each in sets for name in each], np.int64)
    result[rows[columns >= 0], columns[columns >= 0]] = 1
    return result


def clk_positions(key: bytes) -> Callable[[str], NDArray[np.int64]]:
    """Which K bits a bigram sets under a key."""

    @cache
    def positions(bigram: str) -> NDArray[np.int64]:
        digest = hmac.digest(key, bigram.encode(), hashlib.sha256)
        first, second = (int.from_bytes(digest[i : i + 8], "big") for i in (0, 8))
        return np.array([(first + i * second) % BITS for i in range(K)], np.int64)

    return positions


def clk(columns: Columns, key: bytes) -> Bits:
    """(R, BITS): one filter a record."""
    positions = clk_positions(key)
    sets = record_bigrams(columns)
    result = np.zeros((len(sets), BITS), np.uint8)
    for row, each in enumerate(sets):
        if each:
            result[row, np.concatenate([positions(bigram) for bigram in each])] = 1
    return result


def minhash(columns: Columns, scheme: LinkageScheme, key: bytes) -> Bits:
    """(R, bits of all fields): one signature a field, 2 where it is missing."""
    parts = []
    for field in scheme.encoded:
        names = sorted(set(columns[field.name]) - {""})
        signed = np.full((len(names) + 1, field.bits), 2, np.uint8)
        if names:
            sets = [elements(field.kind, value) for value in names]
            hashes = {
                each: int.from_bytes(hmac.digest(key, f"{field.name} {each}".encode(), hashlib.sha256)[:8], "little")
                for each in set[str]().union(*sets)
            }
            flat = np.array([hashes[each] for chosen in sets for each in chosen], np.uint64)
            ends = np.cumsum([len(chosen) for chosen in sets])
            signed[:-1] = signatures(flat, ends, SIGNATURE_BITS)[:, : field.bits]
        number = {name: i for i, name in enumerate(names)}
        parts.append(signed[[number.get(value, -1) for value in columns[field.name]]])
    return np.concatenate(parts, axis=1)
