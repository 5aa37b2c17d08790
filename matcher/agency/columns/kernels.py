"""The loops over texts, compiled: distinct values of columns, and parts of passes.

`matcher/blocking/passes.py` says the same slowly; a hypothesis test holds the two together. Many texts are one array of
bytes and their ends: text t is `texts[ends[t - 1]:ends[t]]`. Compiled code is cached on disk; no value ever is.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_Bytes = NDArray[np.uint8]
_Ints = NDArray[np.int64]

FIRST_WORD, SOUNDEX, INITIAL, START, DISTRICT, NUMBER, STREET = range(7)
"""What `pieces` makes of a text of ASCII; of names alone, A-Z and spaces, if it is the sound."""
_SPACE = 32
_A = 65
_SOUNDS = np.frombuffer(b"01230120022455012623010202", np.uint8)
"""Of the letters A-Z; H and W, which leave the last one as it is, are asked about first."""
_H, _W = 72, 87
_NO_SOUND = 48
_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


@njit(cache=True, nogil=True)
def unmarked(marked: _Bytes, count: int, mark: int) -> tuple[_Bytes, _Ints, bool]:
    """Texts without the marks between them, and their ends; and whether they are `count`."""
    texts, ends = np.empty(len(marked), np.uint8), np.empty(count, np.int64)
    held = at = 0
    for byte in marked:
        if byte == mark:
            if held < count:
                ends[held] = at
            held += 1
        else:
            texts[at] = byte
            at += 1
    if held < count:
        ends[held] = at
    return texts[:at], ends, held + 1 == count


@njit(cache=True, nogil=True)
def _hash(texts: _Bytes, start: int, stop: int) -> np.uint64:
    state = _FNV_START
    for i in range(start, stop):
        state = (state ^ np.uint64(texts[i])) * _FNV_PRIME
    return np.uint64(state ^ (state >> np.uint64(32)))


@njit(cache=True, nogil=True)
def _same(one: _Bytes, first: int, other: _Bytes, start: int, size: int) -> bool:
    i = 0
    while i < size and one[first + i] == other[start + i]:
        i += 1
    return i == size


@njit(cache=True, nogil=True)
def _slot(slots: NDArray[np.int32], pool: _Bytes, ends: _Ints, texts: _Bytes, start: int, stop: int) -> int:
    """The slot of a text: it holds its number among those of `pool`, or -1. `ends[n]` is where text n begins."""
    mask = np.uint64(len(slots) - 1)
    slot = _hash(texts, start, stop) & mask
    while slots[slot] >= 0:
        held = slots[slot]
        if ends[held + 1] - ends[held] == stop - start and _same(pool, ends[held], texts, start, stop - start):
            break
        slot = (slot + np.uint64(1)) & mask
    return int(slot)


@njit(cache=True, nogil=True)
def distinct(texts: _Bytes, ends: _Ints) -> tuple[_Bytes, _Ints, _Ints, NDArray[np.int32]]:
    """The distinct texts that are not empty, in order of arrival, and their ends; which of them each text is, -1 if
    empty; and a table to look them up in."""
    count = len(ends)
    size = 1
    while size < 2 * count:
        size *= 2
    slots = np.full(size, -1, np.int32)
    pool, begins, codes = np.empty(len(texts), np.uint8), np.zeros(count + 1, np.int64), np.empty(count, np.int64)
    held = 0
    start = 0
    for t in range(count):
        stop = ends[t]
        if stop == start:
            codes[t] = -1
            continue
        slot = _slot(slots, pool, begins, texts, start, stop)
        if slots[slot] < 0:
            slots[slot] = held
            at = begins[held]
            for i in range(stop - start):
                pool[at + i] = texts[start + i]
            held += 1
            begins[held] = at + stop - start
        codes[t] = slots[slot]
        start = stop
    return pool[: begins[held]], begins[1 : held + 1], codes, slots


@njit(cache=True, nogil=True)
def _is_space(character: int) -> bool:
    return character == _SPACE or 9 <= character <= 13 or 28 <= character <= 31  # as `str.split` has it, of ASCII


@njit(cache=True, nogil=True)
def _is_digit(character: int) -> bool:
    return 48 <= character <= 57


@njit(cache=True, nogil=True)
def _first_word_end(texts: _Bytes, start: int, stop: int) -> int:
    at = start
    while at < stop and texts[at] != _SPACE:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _house(texts: _Bytes, start: int, stop: int) -> tuple[int, int, int, int]:
    """Where the last word of digits alone begins and ends, and the word after it; an empty place if there is none."""
    number, number_end = stop, stop
    street, street_end = stop, stop
    at = start
    while at < stop:
        if _is_space(texts[at]):
            at += 1
            continue
        first = at
        digits = True
        while at < stop and not _is_space(texts[at]):
            digits &= _is_digit(texts[at])
            at += 1
        if digits:
            number, number_end = first, at
            street, street_end = stop, stop
        elif number < number_end and street == street_end:
            street, street_end = first, at
    return number, number_end, street, street_end


@njit(cache=True, nogil=True)
def _put_soundex(texts: _Bytes, start: int, stop: int, pool: _Bytes, at: int) -> int:
    """Write the Soundex of a word A-Z; where it ends."""
    if start == stop:
        return at
    end = at + 4
    pool[at] = texts[start]
    at += 1
    last = _SOUNDS[texts[start] - _A]
    for i in range(start + 1, stop):
        if at == end:
            break
        letter = texts[i]
        sound = last if letter in (_H, _W) else _SOUNDS[letter - _A]
        new = sound != last
        if new and sound != _NO_SOUND:
            pool[at] = sound
            at += 1
        last = sound
    for i in range(at, end):
        pool[i] = 48
    return end


@njit(cache=True, nogil=True)
def pieces(function: int, texts: _Bytes, ends: _Ints, codes: _Ints) -> tuple[_Bytes, _Ints, _Ints]:
    """What a function makes of each text, and their ends; and of `codes` which of them each row has, -1 if empty."""
    pool, pool_ends = np.empty(len(texts) + 4 * len(ends), np.uint8), np.empty(len(ends), np.int64)
    at = 0
    start = 0
    for t in range(len(ends)):
        stop = ends[t]
        first, last = start, stop
        if function in (FIRST_WORD, START, SOUNDEX):
            last = _first_word_end(texts, start, stop)
        if function == INITIAL:
            last = min(stop, start + 1)
        elif function == START:
            last = min(last, start + 3)
        elif function == DISTRICT:
            last = max(stop - 3, start)
        elif function == NUMBER:
            first, last, _, _ = _house(texts, start, stop)
        elif function == STREET:
            _, _, first, last = _house(texts, start, stop)
            last = min(last, first + 3)
        if function == SOUNDEX:
            at = _put_soundex(texts, first, last, pool, at)
        else:
            for i in range(first, last):
                pool[at] = texts[i]
                at += 1
        pool_ends[t] = at
        start = stop
    which = np.empty(len(codes), np.int64)
    for r in range(len(codes)):
        code = codes[r]
        which[r] = code if code >= 0 and pool_ends[code] > (pool_ends[code - 1] if code else 0) else -1
    return pool[:at], pool_ends, which


@njit(cache=True, nogil=True)
def of_known_words(
    texts: _Bytes, ends: _Ints, known: _Bytes, known_ends: _Ints, slots: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Whether all words of a text are among those that `distinct` found."""
    begins = np.zeros(len(known_ends) + 1, np.int64)
    begins[1:] = known_ends
    result = np.empty(len(ends), np.bool_)
    start = 0
    for t in range(len(ends)):
        all_known = True
        at = start
        while at < ends[t]:
            if _is_space(texts[at]):
                at += 1
                continue
            first = at
            while at < ends[t] and not _is_space(texts[at]):
                at += 1
            all_known &= slots[_slot(slots, known, begins, texts, first, at)] >= 0
        result[t] = all_known
        start = ends[t]
    return result


@njit(cache=True, nogil=True)
def _put(texts: _Bytes, ends: _Ints, number: int, pool: _Bytes, at: int) -> int:
    """Write text `number`, none if it is -1; where it ends."""
    if number < 0:
        return at
    start = ends[number - 1] if number else 0
    for i in range(start, ends[number]):
        pool[at] = texts[i]
        at += 1
    return at


@njit(cache=True, nogil=True)
def _size(ends: _Ints, number: int) -> int:
    if number < 0:
        return 0
    return int(ends[number] - (ends[number - 1] if number else 0))


@njit(cache=True, nogil=True)
def _is_less(one: _Bytes, one_ends: _Ints, left: int, other: _Bytes, other_ends: _Ints, right: int) -> bool:
    first, size = one_ends[left] - _size(one_ends, left), _size(one_ends, left)
    start, length = other_ends[right] - _size(other_ends, right), _size(other_ends, right)
    for i in range(min(size, length)):
        if one[first + i] != other[start + i]:
            return bool(one[first + i] < other[start + i])
    return size < length


@njit(cache=True, nogil=True)
def pairs(
    one: tuple[_Bytes, _Ints, _Ints], other: tuple[_Bytes, _Ints, _Ints], mark: int, need: int, sort: bool
) -> tuple[_Bytes, _Ints]:
    """Two columns' texts of each row with a mark between, and their ends: empty if fewer than `need` of the two are
    there. `sort`: the lesser first."""
    texts, ends, codes = one
    others, other_ends, other_codes = other
    rows = len(codes)
    size = rows
    for r in range(rows):
        size += _size(ends, codes[r]) + _size(other_ends, other_codes[r])
    pool, pool_ends = np.empty(size, np.uint8), np.empty(rows, np.int64)
    at = 0
    for r in range(rows):
        left, right = codes[r], other_codes[r]
        if (left >= 0) + (right >= 0) >= need:
            if sort and _is_less(others, other_ends, right, texts, ends, left):
                at = _put(others, other_ends, right, pool, at)
                pool[at] = mark
                at = _put(texts, ends, left, pool, at + 1)
            else:
                at = _put(texts, ends, left, pool, at)
                pool[at] = mark
                at = _put(others, other_ends, right, pool, at + 1)
        pool_ends[r] = at
    return pool[:at], pool_ends
