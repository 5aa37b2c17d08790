"""HMAC-SHA256 (RFC 2104, FIPS 180-4), compiled. A hypothesis test holds it to Python's `hmac`.

`_LANES` texts at a time: the inner loops over lanes are what the compiler turns into vector instructions. Arrays of
them are flat, word w of lane i at `w * _LANES + i`. Compiled code is cached on disk; no value ever is.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_LANES = 32
_BLOCK = 64
_U32 = np.uint32
_FIRST = np.array(
    [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19], np.uint32
)
_ROUND = np.array(
    [
        0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
        0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
        0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
        0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
        0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
        0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
        0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
        0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2,
    ],
    np.uint32,
)  # fmt: skip


@njit(cache=True, nogil=True, inline="always")
def _right(x: np.uint32, n: int) -> np.uint32:
    return _U32((x >> _U32(n)) | (x << _U32(32 - n)))


@njit(cache=True, nogil=True, inline="always")
def _round(
    a: np.uint32,
    b: np.uint32,
    c: np.uint32,
    d: np.uint32,
    e: np.uint32,
    f: np.uint32,
    g: np.uint32,
    h: np.uint32,
    added: np.uint32,
) -> tuple[np.uint32, np.uint32]:
    """The two of the eight words that a round changes: new d, new h."""
    t = _U32(_U32(h + added) + _U32(_U32(_right(e, 6) ^ _right(e, 11) ^ _right(e, 25)) + _U32(g ^ (e & (f ^ g)))))
    s = _U32(_U32(_right(a, 2) ^ _right(a, 13) ^ _right(a, 22)) + _U32((a & b) | (c & (a | b))))
    return _U32(d + t), _U32(t + s)


@njit(cache=True, nogil=True)
def _compress(state: NDArray[np.uint32], w: NDArray[np.uint32], v: NDArray[np.uint32]) -> None:
    """Compress into `state` (8) the first 16 words of `w` (64); `v` (8) is scratch."""
    for i in range(16 * _LANES, 64 * _LANES):
        x, y = w[i - 15 * _LANES], w[i - 2 * _LANES]
        low = _U32(_right(x, 7) ^ _right(x, 18) ^ (x >> _U32(3)))
        high = _U32(_right(y, 17) ^ _right(y, 19) ^ (y >> _U32(10)))
        w[i] = _U32(_U32(w[i - 16 * _LANES] + w[i - 7 * _LANES]) + _U32(low + high))
    for i in range(8 * _LANES):
        v[i] = state[i]
    for i in range(0, 64, 8):
        at = i * _LANES
        k0, k1, k2, k3 = _ROUND[i], _ROUND[i + 1], _ROUND[i + 2], _ROUND[i + 3]
        k4, k5, k6, k7 = _ROUND[i + 4], _ROUND[i + 5], _ROUND[i + 6], _ROUND[i + 7]
        for j in range(_LANES):
            a, b, c, d = v[j], v[_LANES + j], v[2 * _LANES + j], v[3 * _LANES + j]
            e, f, g, h = v[4 * _LANES + j], v[5 * _LANES + j], v[6 * _LANES + j], v[7 * _LANES + j]
            d, h = _round(a, b, c, d, e, f, g, h, _U32(w[at + j] + k0))
            c, g = _round(h, a, b, c, d, e, f, g, _U32(w[at + _LANES + j] + k1))
            b, f = _round(g, h, a, b, c, d, e, f, _U32(w[at + 2 * _LANES + j] + k2))
            a, e = _round(f, g, h, a, b, c, d, e, _U32(w[at + 3 * _LANES + j] + k3))
            h, d = _round(e, f, g, h, a, b, c, d, _U32(w[at + 4 * _LANES + j] + k4))
            g, c = _round(d, e, f, g, h, a, b, c, _U32(w[at + 5 * _LANES + j] + k5))
            f, b = _round(c, d, e, f, g, h, a, b, _U32(w[at + 6 * _LANES + j] + k6))
            e, a = _round(b, c, d, e, f, g, h, a, _U32(w[at + 7 * _LANES + j] + k7))
            v[j], v[_LANES + j], v[2 * _LANES + j], v[3 * _LANES + j] = a, b, c, d
            v[4 * _LANES + j], v[5 * _LANES + j], v[6 * _LANES + j], v[7 * _LANES + j] = e, f, g, h
    for i in range(8 * _LANES):
        state[i] += v[i]


@njit(cache=True, nogil=True)
def _copy(words: NDArray[np.uint32], into: NDArray[np.uint32]) -> None:
    for i in range(len(words)):  # faster than a slice
        into[i] = words[i]


@njit(cache=True, nogil=True)
def _swapped(word: np.uint32) -> np.uint32:
    """Its bytes in the other order."""
    outer = (word & _U32(0xFF)) << _U32(24) | word >> _U32(24)
    return _U32(outer | (word & _U32(0xFF00)) << _U32(8) | (word >> _U32(8)) & _U32(0xFF00))


@njit(cache=True, nogil=True)
def _blocks(length: int) -> int:
    """Blocks of a text as SHA-256 pads it."""
    return (length + 9 + _BLOCK - 1) // _BLOCK


@njit(cache=True, nogil=True, inline="always")
def _put_block(texts: NDArray[np.uint8], start: int, stop: int, block: int, w: NDArray[np.uint32], lane: int) -> None:
    """Write a block of a text, padded, to a lane of `w` (16), which is zero there."""
    first = start + block * _BLOCK
    whole = max(min(stop - first, _BLOCK), 0) // 4
    for i in range(whole):
        at = first + 4 * i
        a, b, c, d = _U32(texts[at]), _U32(texts[at + 1]), _U32(texts[at + 2]), _U32(texts[at + 3])
        w[i * _LANES + lane] = a << _U32(24) | b << _U32(16) | c << _U32(8) | d
    if whole < 16 and first + 4 * whole <= stop:
        word = np.int64(0)
        for at in range(first + 4 * whole, first + 4 * whole + 4):
            word = word << 8 | (np.int64(texts[at]) if at < stop else np.int64(0x80 if at == stop else 0))
        w[whole * _LANES + lane] = word
    if block == _blocks(stop - start) - 1:
        size = np.int64(8 * (_BLOCK + stop - start))
        w[14 * _LANES + lane], w[15 * _LANES + lane] = size >> 32, size & 0xFFFFFFFF


@njit(cache=True, nogil=True)
def hmac_sha256(  # noqa: PLR0912
    key: NDArray[np.uint8], texts: NDArray[np.uint8], ends: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """HMAC-SHA256 of each text under a key of at most 64 bytes: (texts, 8) words whose bytes, little endian, are the
    digest. Text t is `texts[ends[t - 1]:ends[t]]`."""
    count = len(ends)
    out = np.empty((count, 8), np.uint32)
    w, v = np.zeros(64 * _LANES, np.uint32), np.empty(8 * _LANES, np.uint32)
    padded = np.zeros(_BLOCK, np.int64)
    padded[: len(key)] = key
    states = np.empty((2, 8 * _LANES), np.uint32)  # after the key's block, inner and outer
    for side in range(2):
        for i in range(8 * _LANES):
            states[side, i] = _FIRST[i // _LANES]
        for i in range(16):
            word = np.int64(0)
            for byte in padded[4 * i : 4 * i + 4]:
                word = word << 8 | (byte ^ (0x5C if side else 0x36))
            w[i * _LANES : (i + 1) * _LANES] = word
        _compress(states[side], w, v)
    state, inner = np.empty(8 * _LANES, np.uint32), np.zeros(8 * _LANES, np.uint32)
    of_digests = np.zeros(8 * _LANES, np.uint32)  # what pads 32 bytes behind a block
    of_digests[:_LANES], of_digests[7 * _LANES :] = 0x80000000, 8 * (_BLOCK + 32)
    for first in range(0, count, _LANES):
        lanes = min(_LANES, count - first)
        _copy(states[0], state)
        most = 1
        for t in range(first, first + lanes):
            most = max(most, _blocks(ends[t] - (ends[t - 1] if t else 0)))
        for block in range(most):
            for i in range(16 * _LANES):
                w[i] = 0
            for lane in range(lanes):
                t = first + lane
                _put_block(texts, ends[t - 1] if t else 0, ends[t], block, w, lane)
            _compress(state, w, v)
            for lane in range(lanes):
                t = first + lane
                if block == _blocks(ends[t] - (ends[t - 1] if t else 0)) - 1:
                    for i in range(8):
                        inner[i * _LANES + lane] = state[i * _LANES + lane]
        _copy(inner, w)
        _copy(of_digests, w[8 * _LANES : 16 * _LANES])
        _copy(states[1], state)
        _compress(state, w, v)
        for i in range(8 * _LANES):
            state[i] = _swapped(state[i])
        for lane in range(lanes):
            for i in range(8):
                out[first + lane, i] = state[i * _LANES + lane]
    return out
