"""The loops of signing, compiled: texts to sets of elements, and sets of hashed elements to signatures.

`elements.py` and `tests/reference.py` say the same slowly; hypothesis tests hold them together. Compiled code is cached
on disk; no value ever is.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_U32 = np.uint32

# -- elements ----------------------------------------------------------------------------------------------------

WORDS, NAME, FORENAME, TEXT, POSTCODE, IDENTIFIER = range(6)
"""What `element_sets` takes a text apart into: its words; or the elements of a word of a name, of a forename (one word,
and each behind a bar those it may be a form of), of a word of a text, of a postcode, of an identifier."""
_BAR = 124
_I = np.frombuffer(b"i:", np.uint8)
_S = np.frombuffer(b"s:", np.uint8)
_W = np.frombuffer(b"w:", np.uint8)
_UNIT = np.frombuffer(b"unit:", np.uint8)
_SECTOR = np.frombuffer(b"sector:", np.uint8)
_DISTRICT = np.frombuffer(b"district:", np.uint8)
_AREA = np.frombuffer(b"area:", np.uint8)
_WHOLE = np.frombuffer(b"whole:", np.uint8)
_ROOT_WEIGHT = 3
_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


@njit(cache=True, nogil=True)
def _number(slots: NDArray[np.int32], pool: NDArray[np.uint8], ends: NDArray[np.int64], held: int, stop: int) -> int:
    """The number of the text `pool[ends[held]:stop]` among the `held` before it; `held`, once noted, if it is new."""
    start = ends[held]
    state = _FNV_START
    for i in range(start, stop):
        state = (state ^ np.uint64(pool[i])) * _FNV_PRIME
    slot = np.int64(state ^ (state >> np.uint64(32))) & (len(slots) - 1)
    while slots[slot] >= 0:
        other = slots[slot]
        if ends[other + 1] - ends[other] == stop - start:
            same = True
            for i in range(stop - start):
                same &= pool[ends[other] + i] == pool[start + i]
            if same:
                return int(other)
        slot = (slot + 1) & (len(slots) - 1)
    slots[slot] = held
    ends[held + 1] = stop
    return held


@njit(cache=True, nogil=True)
def _put(pool: NDArray[np.uint8], at: int, part: NDArray[np.uint8]) -> int:
    """Write a part behind what is there; where the next goes."""
    for i in range(len(part)):
        pool[at + i] = part[i]
    return at + len(part)


@njit(cache=True, nogil=True)
def _is_space(character: int) -> bool:
    return character == 32 or 9 <= character <= 13 or 28 <= character <= 31  # as `str.split` has it, of ASCII


@njit(cache=True, nogil=True)
def _is_digit(character: int) -> bool:
    return 48 <= character <= 57


@njit(cache=True, nogil=True)
def _piece(kind: int, text: NDArray[np.uint8], number: int, pool: NDArray[np.uint8], at: int) -> int:  # noqa: PLR0911, PLR0912
    """Write element `number` of a text of one of the kinds; where it ends, or -1 if there are no more."""
    size = len(text)
    if kind == FORENAME:
        while size and text[len(text) - size] != _BAR:
            size -= 1
        size = len(text) - size
    if kind == IDENTIFIER:
        if number == size:
            return _put(pool, _put(pool, at, _WHOLE), text)
        if number > size:
            return -1
        digits, rest = 1, number
        while rest > 9:
            digits, rest = digits + 1, rest // 10
        rest = number
        for i in range(digits - 1, -1, -1):
            pool[at + i] = 48 + rest % 10
            rest //= 10
        pool[at + digits], pool[at + digits + 1] = 58, text[number]
        return at + digits + 2
    if number <= size:  # a bigram
        pool[at] = text[number - 1] if number else 95
        pool[at + 1] = text[number] if number < size else 95
        return at + 2
    number -= size + 1
    if kind in (NAME, FORENAME) and number < 2:
        return _put(pool, _put(pool, at, _S if number else _I), text[: min(size, 3) if number else 1])
    if kind == FORENAME:
        number -= 2
        while size < len(text) and number >= _ROOT_WEIGHT:
            number -= _ROOT_WEIGHT
            size += 1
            while size < len(text) and text[size] != _BAR:
                size += 1
        if size == len(text):
            return -1
        stop = size + 1
        while stop < len(text) and text[stop] != _BAR:
            stop += 1
        pool[at], pool[at + 1], pool[at + 2] = 114, 48 + number, 58
        return _put(pool, at + 3, text[size + 1 : stop])
    if kind == TEXT and number == 0:
        return _put(pool, _put(pool, at, _W), text)
    if kind != POSTCODE or size < 5 or number > 3:
        return -1
    if number == 0:
        return _put(pool, _put(pool, at, _UNIT), text)
    if number == 1:
        return _put(pool, _put(pool, at, _SECTOR), text[:-2])
    if number == 2:
        return _put(pool, _put(pool, at, _DISTRICT), text[:-3])
    stop = size - 3 if _is_digit(text[size - 4]) else size - 4
    while stop and _is_digit(text[stop - 1]):
        stop -= 1
    return _put(pool, _put(pool, at, _AREA), text[:stop])


@njit(cache=True, nogil=True)
def element_sets(
    kind: int, texts: NDArray[np.uint8], ends: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The sets that ASCII texts are taken apart into, by `kind`: the distinct elements and their ends, and each set's
    members as numbers of elements and their ends. A member may come more than once."""
    size, count = len(texts), len(ends)
    most = 2 * size + 6 * count  # members: of a form of a forename no more than letters and a bar
    pool, pool_ends = np.empty(16 * size + 40 * count + 1, np.uint8), np.zeros(most + 1, np.int64)
    members, member_ends = np.empty(most, np.int64), np.empty(count, np.int64)
    slots = np.full(1 << int(np.ceil(np.log2(2 * most + 2))), -1, np.int32)
    held = 0
    there = 0
    start = 0
    for t in range(count):
        text = texts[start : ends[t]]
        at = 0
        number = 0
        while True:
            begun = pool_ends[held]
            if kind == WORDS:
                while at < len(text) and _is_space(text[at]):
                    at += 1
                stop = at
                while stop < len(text) and not _is_space(text[stop]):
                    stop += 1
                if stop == at:
                    break
                stop, at = _put(pool, begun, text[at:stop]), stop
            else:
                stop = _piece(kind, text, number, pool, begun)
                if stop < 0:
                    break
                number += 1
            members[there] = _number(slots, pool, pool_ends, held, stop)
            held = max(held, members[there] + 1)
            there += 1
        member_ends[t] = there
        start = ends[t]
    return pool[: pool_ends[held]].copy(), pool_ends[1 : held + 1].copy(), members[:there].copy(), member_ends


# -- signatures --------------------------------------------------------------------------------------------------

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30 = np.uint64(27), np.uint64(30)
_S31, _S32 = np.uint64(31), np.uint64(32)
_NONE = _U32(0xFFFFFFFF)


@njit(cache=True, nogil=True)
def _output(state: np.uint64, i: int) -> np.uint64:
    """Output i of SplitMix64 (Steele, Lea and Flood 2014) seeded with `state`."""
    z = state + np.uint64(i + 1) * _GOLDEN
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return np.uint64(z ^ (z >> _S31))


@njit(cache=True, nogil=True)
def signatures(hashes: NDArray[np.uint64], ends: NDArray[np.int64], bits: int) -> NDArray[np.uint8]:
    """One-bit MinHash (Li and Koenig 2010) of each set of element hashes: (sets, bits) of 0 and 1.

    Set s owns `hashes[ends[s - 1]:ends[s]]`. Hash function i maps a hash h to output i of SplitMix64 seeded with h; the
    bit is the lowest of the least output.
    """
    result = np.empty((len(ends), bits), np.uint8)
    least = np.empty(bits, np.uint64)
    start = 0
    for s in range(len(ends)):
        least[:] = np.uint64(0xFFFFFFFFFFFFFFFF)
        for e in range(start, ends[s]):
            for i in range(bits):
                least[i] = min(least[i], _output(hashes[e], i))
        for i in range(bits):
            result[s, i] = least[i] & np.uint64(1)
        start = ends[s]
    return result


@njit(cache=True, nogil=True)
def _key(output: np.uint64) -> np.uint32:
    """32 bits to compare instead of 64: the top 31 bits, and the one that counts as the lowest."""
    return (_U32(output >> _S32) & _U32(0xFFFFFFFE)) | _U32(output & np.uint64(1))


@njit(cache=True, nogil=True)
def least_keys(
    hashes: NDArray[np.uint64], members: NDArray[np.int64], ends: NDArray[np.int64], functions: int
) -> tuple[NDArray[np.uint32], bool]:
    """For each set and hash function the least key of a member, (sets, functions), and whether the lowest bits are
    surely those of `signatures`: they are not where two keys differ in the lowest bit alone.

    Set s owns `members[ends[s - 1]:ends[s]]`, places in `hashes`. Keys that several sets need are made once.
    """
    uses = np.zeros(len(hashes), np.int64)
    for member in members:
        uses[member] += 1
    place = np.full(len(hashes), -1, np.int64)
    shared = np.flatnonzero(uses > 1)
    place[shared] = np.arange(len(shared))
    table = np.empty((len(shared), functions), np.uint32)
    for e in range(len(shared)):
        state = hashes[shared[e]]
        for i in range(functions):
            table[e, i] = _key(_output(state, i))
    result = np.full((len(ends), functions), _NONE, np.uint32)
    turned = np.empty(functions, np.uint32)
    alone = np.empty(functions, np.uint32)
    sure = True
    start = 0
    for s in range(len(ends)):
        turned[:] = _NONE
        for member in members[start : ends[s]]:
            if place[member] >= 0:
                _lower(result[s], turned, table[place[member]])
            else:
                state = hashes[member]
                for i in range(functions):
                    alone[i] = _key(_output(state, i))
                _lower(result[s], turned, alone)
        sure &= _agree(result[s], turned)
        start = ends[s]
    return result, sure


@njit(cache=True, nogil=True)
def least_of(
    rows: NDArray[np.uint32], members: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], bool]:
    """As `least_keys`, of sets of sets whose least keys `rows` (n, functions) holds: those of their unions."""
    result = np.full((len(ends), rows.shape[1]), _NONE, np.uint32)
    turned = np.empty(rows.shape[1], np.uint32)
    sure = True
    start = 0
    for s in range(len(ends)):
        turned[:] = _NONE
        for member in members[start : ends[s]]:
            _lower(result[s], turned, rows[member])
        sure &= _agree(result[s], turned)
        start = ends[s]
    return result, sure


@njit(cache=True, nogil=True)
def _lower(least: NDArray[np.uint32], turned: NDArray[np.uint32], keys: NDArray[np.uint32]) -> None:
    """Take the least of keys, and of keys with the lowest bit turned."""
    for i in range(len(least)):
        least[i] = min(least[i], keys[i])
        turned[i] = min(turned[i], _U32(keys[i] ^ _U32(1)))


@njit(cache=True, nogil=True)
def _agree(least: NDArray[np.uint32], turned: NDArray[np.uint32]) -> bool:
    different = _U32(0)
    for i in range(len(least)):
        different |= _U32(least[i] ^ turned[i] ^ _U32(1))
    return bool(different == 0)
