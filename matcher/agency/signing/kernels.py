"""The loops of signing, compiled: texts to sets of elements, and sets of hashed elements to signatures.

`elements.py` and `tests/reference.py` say the same slowly; hypothesis tests hold them together. Compiled code is cached
on disk; no value ever is.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_U32 = np.uint32

# -- elements ----------------------------------------------------------------------------------------------------

WORDS, NAME, FORENAME, TEXT, POSTCODE, IDENTIFIER, YEAR, MONTH_DAY, CATEGORY = range(9)
"""What `element_sets` takes a text apart into: its words; or the elements of a name, of a forename (one word, and each
behind a bar those it may be a form of), of a word of a text, or of a value of another kind."""
_BAR, _BLANK, _HYPHEN, _COLON, _ZERO, _ROOT = 124, 95, 45, 58, 48, 114
_I = np.frombuffer(b"i:", np.uint8)
_S = np.frombuffer(b"s:", np.uint8)
_W = np.frombuffer(b"w:", np.uint8)
_WHOLE = np.frombuffer(b"whole:", np.uint8)
_UNIT = np.frombuffer(b"unit:", np.uint8)
_SECTOR = np.frombuffer(b"sector:", np.uint8)
_DISTRICT = np.frombuffer(b"district:", np.uint8)
_AREA = np.frombuffer(b"area:", np.uint8)
_M = np.frombuffer(b"m:", np.uint8)
_D = np.frombuffer(b"d:", np.uint8)
_U = np.frombuffer(b"u:", np.uint8)
_MD = np.frombuffer(b"md:", np.uint8)
_UD = np.frombuffer(b"ud:", np.uint8)
_ROOT_WEIGHT = 3
_CHARACTERS = 128
_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)

_Bytes = NDArray[np.uint8]
_Ints = NDArray[np.int64]


@njit(cache=True, nogil=True)
def _number(slots: NDArray[np.int32], pool: _Bytes, ends: _Ints, held: int, stop: int) -> int:
    """The number of the text `pool[ends[held]:stop]` among the `held` before it; `held`, once noted, if it is new."""
    start = ends[held]
    state = _FNV_START
    for i in range(start, stop):
        state = (state ^ np.uint64(pool[i])) * _FNV_PRIME
    slot = np.int64(state ^ (state >> np.uint64(32))) & (len(slots) - 1)
    while slots[slot] >= 0:
        other = slots[slot]
        if ends[other + 1] - ends[other] == stop - start:
            i = 0
            while i < stop - start and pool[ends[other] + i] == pool[start + i]:
                i += 1
            if i == stop - start:
                return int(other)
        slot = (slot + 1) & (len(slots) - 1)
    slots[slot] = held
    ends[held + 1] = stop
    return held


@njit(cache=True, nogil=True)
def _put(pool: _Bytes, at: int, texts: _Bytes, start: int, stop: int) -> int:
    """Write a part of `texts` behind what is there; where the next goes."""
    for i in range(start, stop):
        pool[at] = texts[i]
        at += 1
    return at


@njit(cache=True, nogil=True)
def _label(pool: _Bytes, at: int, label: _Bytes) -> int:
    return _put(pool, at, label, 0, len(label))


@njit(cache=True, nogil=True)
def _is_space(character: int) -> bool:
    return character == 32 or 9 <= character <= 13 or 28 <= character <= 31  # as `str.split` has it, of ASCII


@njit(cache=True, nogil=True)
def _separates(kind: int, character: int) -> bool:
    """Whether it stands between the parts that texts of a kind are taken apart by."""
    return _is_space(character) if kind in (WORDS, NAME) else kind == FORENAME and character == _BAR


@njit(cache=True, nogil=True)
def _is_digit(character: int) -> bool:
    return 48 <= character <= 57


@njit(cache=True, nogil=True)
def _piece(kind: int, texts: _Bytes, start: int, stop: int, number: int, pool: _Bytes, at: int) -> int:  # noqa: PLR0911
    """Write element `number` of a text, of those that are neither two characters nor one and its place; where it ends,
    `at` if it is one that the text lacks, -1 if there are no more."""
    size = stop - start
    if kind in (NAME, FORENAME) and number < 2:
        last = start + 1 if number == 0 else min(start + 3, stop)
        return _put(pool, _label(pool, at, _S if number else _I), texts, start, last)
    if kind == TEXT and number == 0:
        return _put(pool, _label(pool, at, _W), texts, start, stop)
    if kind == IDENTIFIER and number == 0:
        return _put(pool, _label(pool, at, _WHOLE), texts, start, stop)
    if kind in (WORDS, CATEGORY) and number == 0:
        return _put(pool, at, texts, start, stop)
    if kind == YEAR and number < 4:
        at = _put(pool, at, texts, start, min(start + number, stop))
        pool[at] = _BLANK
        return _put(pool, at + 1, texts, start + number + 1, stop)
    if kind == MONTH_DAY and number < 6:
        return _month_day(texts, start, stop, number, pool, at)
    if kind != POSTCODE or size < 5 or number > 3:
        return -1
    if number == 0:
        return _put(pool, _label(pool, at, _UNIT), texts, start, stop)
    if number == 1:
        return _put(pool, _label(pool, at, _SECTOR), texts, start, stop - 2)
    if number == 2:
        return _put(pool, _label(pool, at, _DISTRICT), texts, start, stop - 3)
    last = stop - 3 if _is_digit(texts[stop - 4]) else stop - 4
    while last > start and _is_digit(texts[last - 1]):
        last -= 1
    return _put(pool, _label(pool, at, _AREA), texts, start, last)


@njit(cache=True, nogil=True)
def _root(texts: _Bytes, start: int, stop: int, number: int, pool: _Bytes, at: int) -> int:
    """As `_piece`, of a forename that a given one may be a form of."""
    if number == _ROOT_WEIGHT:
        return -1
    pool[at], pool[at + 1], pool[at + 2] = _ROOT, _ZERO + number, _COLON
    return _put(pool, at + 3, texts, start, stop)


@njit(cache=True, nogil=True)
def _is_less(texts: _Bytes, start: int, stop: int, other: int, other_stop: int) -> bool:
    while start < stop and other < other_stop and texts[start] == texts[other]:
        start, other = start + 1, other + 1
    return other < other_stop and (start == stop or texts[start] < texts[other])


@njit(cache=True, nogil=True)
def _month_day(texts: _Bytes, start: int, stop: int, number: int, pool: _Bytes, at: int) -> int:
    """As `_piece`: month in place and out of place, day in place and out of place, both in place and out of place."""
    end = start
    while end < stop and texts[end] != _HYPHEN:
        end += 1
    day = min(end + 1, stop)
    if number < 4:
        first, last = (start, end) if number < 2 else (day, stop)
        if first == last:
            return at
        return _put(pool, _label(pool, at, _U if number & 1 else _M if number == 0 else _D), texts, first, last)
    if start == end or day == stop:
        return at
    if number == 4:
        return _put(pool, _put(pool, _label(pool, at, _MD), texts, start, end), texts, day, stop)
    at = _label(pool, at, _UD)
    if _is_less(texts, day, stop, start, end):
        return _put(pool, _put(pool, at, texts, day, stop), texts, start, end)
    return _put(pool, _put(pool, at, texts, start, end), texts, day, stop)


@njit(cache=True, nogil=True)
def _put_position(pool: _Bytes, at: int, position: int) -> int:
    """Write a number in digits and a colon; where the next goes."""
    digits, rest = 1, position
    while rest > 9:
        digits, rest = digits + 1, rest // 10
    for i in range(digits - 1, -1, -1):
        pool[at + i] = _ZERO + position % 10
        position //= 10
    pool[at + digits] = _COLON
    return at + digits + 1


@njit(cache=True, nogil=True)
def element_sets(kind: int, texts: _Bytes, ends: _Ints) -> tuple[_Bytes, _Ints, _Ints, _Ints]:  # noqa: PLR0912, PLR0915
    """The sets that ASCII texts are taken apart into, by `kind`: the distinct elements and their ends, and each set's
    members as numbers of elements and their ends. A member may come more than once."""
    size, count = len(texts), len(ends)
    most = 2 * size + 6 * count  # members: of a form of a forename no more than letters and a bar
    pool, pool_ends = np.empty(16 * size + 40 * count + 1, np.uint8), np.zeros(most + 1, np.int64)
    members, member_ends = np.empty(most, np.int64), np.empty(count, np.int64)
    slots = np.full(1 << int(np.ceil(np.log2(2 * most + 2))), -1, np.int32)
    # the numbers of elements of two characters, and of one and its place, are looked up without a hash
    pairs = np.full(_CHARACTERS * _CHARACTERS, -1, np.int32)
    held = there = start = 0
    for t in range(count):
        stop = ends[t]
        at = start
        while at < stop:
            # what is taken apart at a time: a word, a forename or what it may be a form of, or all there is
            if kind in (WORDS, NAME) and _is_space(texts[at]):
                at += 1
                continue
            first = at
            while at < stop and not _separates(kind, texts[at]):
                at += 1
            if kind in (NAME, TEXT, POSTCODE) or (kind == FORENAME and first == start):
                left = _BLANK
                for i in range(first, at + 1):
                    right = texts[i] if i < at else _BLANK
                    pair = left * _CHARACTERS + right
                    if pairs[pair] < 0:
                        begun = pool_ends[held]
                        pool[begun], pool[begun + 1] = left, right
                        pairs[pair] = held
                        held += 1
                        pool_ends[held] = begun + 2
                    members[there] = pairs[pair]
                    there += 1
                    left = right
            elif kind == IDENTIFIER:
                for i in range(first, at):
                    pair = (i - first) * _CHARACTERS + texts[i]
                    number = pairs[pair] if pair < len(pairs) else -1
                    if number < 0:
                        end = _put_position(pool, pool_ends[held], i - first)
                        pool[end] = texts[i]
                        number = _number(slots, pool, pool_ends, held, end + 1)
                        held = max(held, number + 1)
                        if pair < len(pairs):
                            pairs[pair] = number
                    members[there] = number
                    there += 1
            further = 0
            while True:
                begun = pool_ends[held]
                if kind == FORENAME and first > start:
                    end = _root(texts, first, at, further, pool, begun)
                else:
                    end = _piece(kind, texts, first, at, further, pool, begun)
                if end < 0:
                    break
                further += 1
                if end > begun:
                    number = _number(slots, pool, pool_ends, held, end)
                    held = max(held, number + 1)
                    members[there] = number
                    there += 1
            at += kind == FORENAME  # the bar
        member_ends[t] = there
        start = stop
    return pool[: pool_ends[held]], pool_ends[1 : held + 1], members[:there], member_ends


# -- signatures --------------------------------------------------------------------------------------------------

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30 = np.uint64(27), np.uint64(30)
_S31, _S32 = np.uint64(31), np.uint64(32)
_NONE = _U32(0xFFFFFFFF)
_TOGETHER = 4
"""Members whose keys are compared at a time: what is least so far is read and written once for them."""


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
    hashes: NDArray[np.uint64], members: _Ints, ends: _Ints, result: NDArray[np.uint32] | NDArray[np.uint8]
) -> bool:
    """For each set and hash function the least key of a member into `result` (sets, functions), or its lowest bit if
    that has bytes; and whether the lowest bits are surely those of `signatures`: they are not where two keys differ in
    the lowest bit alone.

    Set s owns `members[ends[s - 1]:ends[s]]`, places in `hashes`. Keys that several sets need are made once.
    """
    functions = result.shape[1]
    uses = np.zeros(len(hashes), np.int64)
    for member in members:
        uses[member] += 1
    place = np.full(len(hashes), -1, np.int64)
    shared = np.flatnonzero(uses > 1)
    place[shared] = np.arange(len(shared))
    # behind the shared ones, room for those of a few members that no other set has
    table = np.empty((len(shared) + _TOGETHER) * functions, np.uint32)
    for e in range(len(shared)):
        _put_keys(hashes[shared[e]], table, e * functions, functions)
    least, turned = np.empty(functions, np.uint32), np.empty(functions, np.uint32)
    at = np.empty(_TOGETHER, np.int64)
    sure = True
    start = 0
    for s in range(len(ends)):
        least[:], turned[:] = _NONE, _NONE
        for first in range(start, ends[s], _TOGETHER):
            for i in range(_TOGETHER):
                if first + i < ends[s]:
                    member = members[first + i]
                    at[i] = place[member] * functions
                    if place[member] < 0:
                        at[i] = (len(shared) + i) * functions
                        _put_keys(hashes[member], table, at[i], functions)
                else:
                    at[i] = at[0]
            _lower(least, turned, table, at[0], at[1], at[2], at[3])
        sure &= _agree(least, turned)
        _keep(least, result[s])
        start = ends[s]
    return sure


@njit(cache=True, nogil=True)
def least_of(rows: NDArray[np.uint32], members: _Ints, ends: _Ints, bits: NDArray[np.uint8]) -> bool:
    """As `least_keys`, of sets of sets whose least keys `rows` (n, functions) holds: of their unions."""
    functions = rows.shape[1]
    table = rows.reshape(-1)
    least, turned = np.empty(functions, np.uint32), np.empty(functions, np.uint32)
    sure = True
    start = 0
    for s in range(len(ends)):
        least[:], turned[:] = _NONE, _NONE
        for first in range(start, ends[s], _TOGETHER):
            last = ends[s] - 1
            a, b = members[first], members[min(first + 1, last)]
            c, d = members[min(first + 2, last)], members[min(first + 3, last)]
            _lower(least, turned, table, a * functions, b * functions, c * functions, d * functions)
        sure &= _agree(least, turned)
        _keep(least, bits[s])
        start = ends[s]
    return sure


@njit(cache=True, nogil=True)
def _keep(least: NDArray[np.uint32], result: NDArray[np.uint32] | NDArray[np.uint8]) -> None:
    mask = _U32(1) if result.itemsize == 1 else _NONE
    for i in range(len(least)):
        result[i] = least[i] & mask


@njit(cache=True, nogil=True)
def _put_keys(state: np.uint64, table: NDArray[np.uint32], at: int, functions: int) -> None:
    for i in range(functions):
        # an index without a sign need not be asked whether it counts from the end
        table[np.uint64(at) + np.uint64(i)] = _key(_output(state, i))


@njit(cache=True, nogil=True)
def _lower(
    least: NDArray[np.uint32], turned: NDArray[np.uint32], table: NDArray[np.uint32], a: int, b: int, c: int, d: int
) -> None:
    """Take the least of keys, and of keys with the lowest bit turned: those at `_TOGETHER` places of a table."""
    one = _U32(1)
    p, q, r, s = np.uint64(a), np.uint64(b), np.uint64(c), np.uint64(d)
    for i in range(len(least)):
        at = np.uint64(i)
        w, x, y, z = table[p + at], table[q + at], table[r + at], table[s + at]
        least[i] = min(least[i], w, x, y, z)
        turned[i] = min(turned[i], _U32(w ^ one), _U32(x ^ one), _U32(y ^ one), _U32(z ^ one))


@njit(cache=True, nogil=True)
def _agree(least: NDArray[np.uint32], turned: NDArray[np.uint32]) -> bool:
    different = _U32(0)
    for i in range(len(least)):
        different |= _U32(least[i] ^ turned[i] ^ _U32(1))
    return bool(different == 0)
