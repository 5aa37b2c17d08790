"""The loops of the tokeniser, compiled: texts laid out, key streams, picking and padding.

`tests/reference.py` says the same slowly, with the ChaCha20 of `cryptography`; a hypothesis test holds the two
together. `LANES` key streams are made at a time: the inner loops over lanes are what the compiler turns into vector
instructions. Arrays of them are flat, word w of lane i at `w * LANES + i`: with steps that are known the compiler need
not ask in every loop whether its rows overlap. Compiled code is cached on disk; no value ever is.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

LANES = 32
_U32, _U64 = np.uint32, np.uint64
_W = np.uint32
_Words = tuple[_W, _W, _W, _W, _W, _W, _W, _W, _W, _W, _W, _W, _W, _W, _W, _W]


@njit(cache=True, nogil=True)
def ended_parts(
    texts: NDArray[np.uint8], ends: NDArray[np.int64], parts: NDArray[np.int64], chosen: NDArray[np.int64], mark: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Of `parts` (k, rows), numbers of texts or -1, those `chosen`: for each row that misses none its texts in order,
    each ended by `mark`: bytes and ends, and the rows."""
    rows, stops = np.empty(parts.shape[1], np.int64), np.empty(parts.shape[1], np.int64)
    size = held = 0
    for r in range(parts.shape[1]):
        whole = True
        for part in chosen:
            whole &= parts[part, r] >= 0
        if whole:
            for part in chosen:
                text = parts[part, r]
                size += ends[text] - (ends[text - 1] if text else 0) + 1
            rows[held], stops[held] = r, size
            held += 1
    joined = np.empty(size, np.uint8)
    at = 0
    for r in rows[:held]:
        for part in chosen:
            text = parts[part, r]
            for i in range(ends[text - 1] if text else 0, ends[text]):
                joined[at] = texts[i]
                at += 1
            joined[at] = mark
            at += 1
    return joined, stops[:held], rows[:held]


@njit(cache=True, nogil=True)
def prefixed(
    prefix: NDArray[np.uint8], texts: NDArray[np.uint8], ends: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Each text, of at most 65535 bytes, behind a prefix and its length in 2 bytes, big endian: bytes and ends."""
    made = np.empty(len(texts) + (len(prefix) + 2) * len(ends), np.uint8)
    stops = np.empty(len(ends), np.int64)
    at = start = 0
    for t in range(len(ends)):
        for byte in prefix:
            made[at] = byte
            at += 1
        made[at], made[at + 1] = (ends[t] - start) >> 8, (ends[t] - start) & 255
        at += 2
        for i in range(start, ends[t]):
            made[at] = texts[i]
            at += 1
        start, stops[t] = ends[t], at
    return made, stops


@njit(cache=True, nogil=True)
def plain_texts(
    references: NDArray[np.uint8],
    ends: NDArray[np.int64],
    notes: NDArray[np.uint8],
    note_ends: NDArray[np.int64],
    size: int,
) -> NDArray[np.uint8]:
    """Each reference and note behind its length in 1 byte, then zeros: (n, size), which must hold them."""
    made = np.zeros((len(ends), size), np.uint8)
    start = note_start = 0
    for t in range(len(ends)):
        made[t, 0] = ends[t] - start
        at = 1
        for i in range(start, ends[t]):
            made[t, at] = references[i]
            at += 1
        made[t, at] = note_ends[t] - note_start
        at += 1
        for i in range(note_start, note_ends[t]):
            made[t, at] = notes[i]
            at += 1
        start, note_start = ends[t], note_ends[t]
    return made


@njit(cache=True, nogil=True, inline="always")
def _left(x: np.uint32, n: int) -> np.uint32:
    return _U32((x << _U32(n)) | (x >> _U32(32 - n)))


@njit(cache=True, nogil=True, inline="always")
def _quarter(
    a: np.uint32, b: np.uint32, c: np.uint32, d: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    a = _U32(a + b)
    d = _left(_U32(d ^ a), 16)
    c = _U32(c + d)
    b = _left(_U32(b ^ c), 12)
    a = _U32(a + b)
    d = _left(_U32(d ^ a), 8)
    c = _U32(c + d)
    b = _left(_U32(b ^ c), 7)
    return a, b, c, d


@njit(cache=True, nogil=True, inline="always")
def _double_round(x: _Words) -> _Words:
    a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3 = x
    a0, b0, c0, d0 = _quarter(a0, b0, c0, d0)
    a1, b1, c1, d1 = _quarter(a1, b1, c1, d1)
    a2, b2, c2, d2 = _quarter(a2, b2, c2, d2)
    a3, b3, c3, d3 = _quarter(a3, b3, c3, d3)
    a0, b1, c2, d3 = _quarter(a0, b1, c2, d3)
    a1, b2, c3, d0 = _quarter(a1, b2, c3, d0)
    a2, b3, c0, d1 = _quarter(a2, b3, c0, d1)
    a3, b0, c1, d2 = _quarter(a3, b0, c1, d2)
    return a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3


@njit(cache=True, nogil=True)
def key_streams(start: NDArray[np.uint32], streams: NDArray[np.uint32]) -> None:
    """Fill `streams`, a multiple of 16 words, with the key streams of ChaCha20 (RFC 8439) from the states `start` (16)
    on. Both are flat: word w of `LANES` states or streams is at `w * LANES`."""
    for block in range(len(streams) // (16 * LANES)):
        x = streams[block * 16 * LANES : (block + 1) * 16 * LANES]
        x[:] = start
        for lane in range(LANES):
            x[12 * LANES + lane] += _U32(block)
        for _ in range(10):
            for i in range(LANES):
                y = _double_round((
                    x[i], x[LANES + i], x[2 * LANES + i], x[3 * LANES + i],
                    x[4 * LANES + i], x[5 * LANES + i], x[6 * LANES + i], x[7 * LANES + i],
                    x[8 * LANES + i], x[9 * LANES + i], x[10 * LANES + i], x[11 * LANES + i],
                    x[12 * LANES + i], x[13 * LANES + i], x[14 * LANES + i], x[15 * LANES + i],
                ))  # fmt: skip
                x[i], x[LANES + i], x[2 * LANES + i], x[3 * LANES + i] = y[0], y[1], y[2], y[3]
                x[4 * LANES + i], x[5 * LANES + i], x[6 * LANES + i], x[7 * LANES + i] = y[4], y[5], y[6], y[7]
                x[8 * LANES + i], x[9 * LANES + i], x[10 * LANES + i], x[11 * LANES + i] = y[8], y[9], y[10], y[11]
                x[12 * LANES + i], x[13 * LANES + i], x[14 * LANES + i], x[15 * LANES + i] = y[12], y[13], y[14], y[15]
        for i in range(16 * LANES):
            x[i] += start[i]
        for lane in range(LANES):
            x[12 * LANES + lane] += _U32(block)


@njit(cache=True, nogil=True)
def start_states(keys: NDArray[np.uint32], start: NDArray[np.uint32]) -> None:
    """States to begin key streams from under keys (n, 8), `LANES` or fewer, with nonce and counter 0."""
    for i in range(LANES):
        start[i], start[LANES + i] = 0x61707865, 0x3320646E
        start[2 * LANES + i], start[3 * LANES + i] = 0x79622D32, 0x6B206574
    for lane in range(len(keys)):
        for i in range(8):
            start[(4 + i) * LANES + lane] = keys[lane, i]


# -- pick and pad -----------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _add_bits(row: NDArray[np.uint16], bits: NDArray[np.uint8], weight: np.uint16) -> None:
    for i in range(len(row)):
        row[i] |= np.uint16(np.uint16(bits[i]) * weight)


@njit(cache=True, nogil=True)
def _copy(held: NDArray[np.uint16], into: NDArray[np.uint16]) -> None:
    for i in range(len(into)):  # faster than a slice
        into[i] = held[i]


@njit(cache=True, nogil=True)
def _places(words: NDArray[np.uint16], size: int, places: NDArray[np.uint16]) -> None:
    """The places that pick words pick. Two words make one of a stream: pick i's are at
    `(i // 2 * LANES + lane) * 2 + i % 2`."""
    for at in range(len(words)):
        pick = _U32(at) // _U32(2 * LANES) * _U32(2) + _U32(at) % _U32(2)
        places[at] = np.uint16(pick + _U32(_U32(words[at] * (_U32(size) - pick)) >> _U32(16)))


@njit(cache=True, nogil=True)
def _pick(
    places: NDArray[np.uint16], part: int, lane: int, left: NDArray[np.uint16], picked: NDArray[np.uint16]
) -> None:
    """Pick 64 from `left`, and spoil it: to exchange what lies at places comes to the same as to exchange the places'
    numbers and look there. Each eight picks of a lane lie together in `picked`."""
    for k in range(8):
        at = (k * LANES + lane) * 8
        for b in range(8):
            i = 64 * part + 8 * k + b
            j = places[((i >> 1) * LANES + lane) * 2 + (i & 1)]
            picked[at + b] = left[j]
            left[j] = left[i]


@njit(cache=True, nogil=True)
def _halve(picked: NDArray[np.uint16], low: NDArray[np.uint8], high: NDArray[np.uint8]) -> None:
    for i in range(len(picked)):
        low[i], high[i] = picked[i] & np.uint16(0xFF), picked[i] >> np.uint16(8)


@njit(cache=True, nogil=True, inline="always")
def _bits_turned(w: np.uint64) -> np.uint64:
    """An 8 by 8 matrix of bits, a byte a row, with its rows as columns."""
    t = (w ^ (w >> _U64(7))) & _U64(0x00AA00AA00AA00AA)
    w ^= t ^ (t << _U64(7))
    t = (w ^ (w >> _U64(14))) & _U64(0x0000CCCC0000CCCC)
    w ^= t ^ (t << _U64(14))
    t = (w ^ (w >> _U64(28))) & _U64(0x00000000F0F0F0F0)
    return _U64(w ^ t ^ (t << _U64(28)))


@njit(cache=True, nogil=True, inline="always")
def _exchanged(a: np.uint64, b: np.uint64, shift: int, mask: int) -> tuple[np.uint64, np.uint64]:
    """Two words, with the bytes in the high places of the one and in the low places, `mask`, of the other exchanged."""
    t = ((a >> _U64(shift)) ^ b) & _U64(mask)
    return _U64(a ^ (t << _U64(shift))), _U64(b ^ t)


@njit(cache=True, nogil=True)
def _turn(x: NDArray[np.uint64]) -> None:
    """`x` (8, `LANES`), flat. Of each lane byte b of word k holds pick 8k + b of eight fields, a bit each; then word f
    holds the 64 picks of field f, the first lowest."""
    for i in range(LANES):
        a, b, c, d = x[i], x[LANES + i], x[2 * LANES + i], x[3 * LANES + i]
        e, f, g, h = x[4 * LANES + i], x[5 * LANES + i], x[6 * LANES + i], x[7 * LANES + i]
        a, b, c, d = _bits_turned(a), _bits_turned(b), _bits_turned(c), _bits_turned(d)
        e, f, g, h = _bits_turned(e), _bits_turned(f), _bits_turned(g), _bits_turned(h)
        a, b = _exchanged(a, b, 8, 0x00FF00FF00FF00FF)
        c, d = _exchanged(c, d, 8, 0x00FF00FF00FF00FF)
        e, f = _exchanged(e, f, 8, 0x00FF00FF00FF00FF)
        g, h = _exchanged(g, h, 8, 0x00FF00FF00FF00FF)
        a, c = _exchanged(a, c, 16, 0x0000FFFF0000FFFF)
        b, d = _exchanged(b, d, 16, 0x0000FFFF0000FFFF)
        e, g = _exchanged(e, g, 16, 0x0000FFFF0000FFFF)
        f, h = _exchanged(f, h, 16, 0x0000FFFF0000FFFF)
        a, e = _exchanged(a, e, 32, 0x00000000FFFFFFFF)
        b, f = _exchanged(b, f, 32, 0x00000000FFFFFFFF)
        c, g = _exchanged(c, g, 32, 0x00000000FFFFFFFF)
        d, h = _exchanged(d, h, 32, 0x00000000FFFFFFFF)
        x[i], x[LANES + i], x[2 * LANES + i], x[3 * LANES + i] = a, b, c, d
        x[4 * LANES + i], x[5 * LANES + i], x[6 * LANES + i], x[7 * LANES + i] = e, f, g, h


@njit(cache=True, nogil=True)
def encode(
    secrets: NDArray[np.uint32],
    places: NDArray[np.int64],
    signature: NDArray[np.uint8],
    signature_of: NDArray[np.int64],
    field_bits: NDArray[np.int64],
    tokens: NDArray[np.uint8],
    encodings: NDArray[np.uint8],
) -> None:
    """Fill `tokens` (R, P, 16) and `encodings` (R, P, W) of n blocks that rows fall into, at `places` (n,), ascending:
    row * P + pass.

    `secrets` (n, 8): block secrets as little endian words. `signature` (values, M): bits. `signature_of` (R, F), at
    most 16 fields: which value a row has in a field, -1 if missing: what `encodings` has there stays. `field_bits`
    (F,): multiples of 32.
    """
    passes = tokens.shape[1]
    size, fields, parts = signature.shape[1], len(field_bits), (field_bits.max() + 63) // 64
    out_tokens, out = tokens.view(np.uint32), encodings.view(np.uint32)
    token_words, width = out_tokens.shape[2], out.shape[2]
    picks = token_words + width
    start = np.zeros(16 * LANES, np.uint32)
    streams = np.empty((picks + 32 * parts + 15) // 16 * 16 * LANES, np.uint32)
    pick_words = streams[picks * LANES : (picks + 32 * parts) * LANES].view(np.uint16)
    picked_places = np.empty(64 * parts * LANES, np.uint16)
    # place i of the signatures of a row's fields: bit f of `row[i]` is that of field f
    row, left = np.empty(size, np.uint16), np.empty((LANES, size), np.uint16)
    picked = np.empty(64 * LANES, np.uint16)
    low, high = np.empty(64 * LANES, np.uint8), np.empty(64 * LANES, np.uint8)
    words = low.view(np.uint64), high.view(np.uint64)
    last = -1
    for first in range(0, len(places), LANES):
        count = min(LANES, len(places) - first)
        start_states(secrets[first : first + count], start)
        key_streams(start, streams)
        _places(pick_words, size, picked_places)
        for lane in range(count):
            r, p = places[first + lane] // passes, places[first + lane] % passes
            if r != last:
                last = r
                row[:] = 0
                for f in range(fields):
                    if signature_of[r, f] >= 0:
                        _add_bits(row, signature[signature_of[r, f]], np.uint16(1 << f))
            _copy(row, left[lane])
            for i in range(token_words):
                out_tokens[r, p, i] = streams[i * LANES + lane]
        for part in range(parts):
            for lane in range(count):
                _pick(picked_places, part, lane, left[lane], picked)
            _halve(picked, low, high)
            _turn(words[0])
            _turn(words[1])
            for lane in range(count):
                r, p = places[first + lane] // passes, places[first + lane] % passes
                at = 0
                for f in range(fields):
                    if signature_of[r, f] >= 0:
                        bits = words[f >> 3][(f & 7) * LANES + lane]
                        for i in range(2 * part, min(2 * part + 2, field_bits[f] // 32)):
                            pad = streams[(token_words + at + i) * LANES + lane]
                            out[r, p, at + i] = _U32(bits >> _U64(32 * (i & 1))) ^ pad
                    at += field_bits[f] // 32
