"""Signs the distinct values of a batch: elements, their keyed hashes, the MinHash of each set.

Nothing is kept from one batch to the next.
"""

from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.agency.columns.texts import Column, bytes_of
from matcher.agency.elements import elements
from matcher.agency.hashing.texts import hmac_sha256
from matcher.agency.nicknames import ROOTS
from matcher.agency.signing import kernels
from matcher.scheme import SIGNATURE_BITS, Field, Kind

_COMPILED = {
    Kind.NAME: kernels.NAME,
    Kind.FORENAME: kernels.FORENAME,
    Kind.TEXT: kernels.TEXT,
    Kind.POSTCODE: kernels.POSTCODE,
    Kind.IDENTIFIER: kernels.IDENTIFIER,
    Kind.YEAR: kernels.YEAR,
    Kind.MONTH_DAY: kernels.MONTH_DAY,
    Kind.CATEGORY: kernels.CATEGORY,
}
"""Kinds whose elements are made by compiled loops: a batch holds too many different values of them for Python."""
_ASCII = np.arange(256) < 128
_LETTERS = np.isin(np.arange(256), np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", np.uint8))


class _Sets(NamedTuple):
    """Sets of numbered members: set s owns `members[ends[s - 1]:ends[s]]`."""

    members: NDArray[np.int64]
    ends: NDArray[np.int64]


def sign_values(sign_key: bytes, field: Field, values: list[str]) -> NDArray[np.uint8]:
    """Whole signatures (values, M) of values of one field that are not empty."""
    bits = np.empty((len(values), SIGNATURE_BITS), np.uint8)
    sign_column(sign_key, field, Column.of_rows(*bytes_of(values)), bits)
    return bits


def sign_column(sign_key: bytes, field: Field, column: Column, bits: NDArray[np.uint8]) -> None:
    """Whole signatures of the texts of a column, canonical values of one field, into `bits` (texts, M); they never
    leave the agency."""
    wholes, pieces, hashes = _hashed_elements(sign_key, field.kind, column)
    if wholes:
        least = np.empty((len(pieces.ends), SIGNATURE_BITS), np.uint32)
        sure = kernels.least_keys(hashes, *pieces, least) and kernels.least_of(least, *wholes, bits)
    else:
        sure = kernels.least_keys(hashes, *pieces, bits)
    if sure:
        return
    # once in some hundred batches: all 64 bits must be compared
    sets = np.split(pieces.members, pieces.ends[:-1])
    if wholes:
        words = np.split(wholes.members, wholes.ends[:-1])
        sets = [np.concatenate([sets[word] for word in whole]) for whole in words]
    bits[:] = kernels.signatures(hashes[np.concatenate(sets)], np.cumsum(list(map(len, sets))), SIGNATURE_BITS)


def _hashed_elements(sign_key: bytes, kind: Kind, column: Column) -> tuple[_Sets | None, _Sets, NDArray[np.uint64]]:
    """The elements' keyed hashes, and the sets of them that the values are; or the words that the values are, if their
    set is the union of their words' sets, and the sets of elements that the words are."""
    wholes = None
    # what compiled loops know: ASCII alone
    if kind in _COMPILED and column.is_of(_LETTERS if kind is Kind.FORENAME else _ASCII):
        texts, ends = column.texts, column.ends
        if kind is Kind.FORENAME:
            texts, ends = bytes_of(["|".join((value, *ROOTS.get(value, ()))) for value in column.values()])
        if kind is Kind.TEXT:  # many words come again and again
            texts, ends, *words = kernels.element_sets(kernels.WORDS, texts, ends)
            wholes = _Sets(*words)
        texts, ends, *sets = kernels.element_sets(_COMPILED[kind], texts, ends)
        pieces = _Sets(*sets)
    else:
        of_values = [elements(kind, value) for value in column.values()]
        places = dict(zip(set[str]().union(*of_values), count()))
        members = [places[element] for each in of_values for element in each]
        pieces = _Sets(np.array(members, np.int64), np.cumsum([len(each) for each in of_values], dtype=np.int64))
        texts, ends = bytes_of(list(places))
    return wholes, pieces, hmac_sha256(sign_key, texts, ends)[:, :2].copy().view(np.uint64)[:, 0]
