"""HMAC-SHA256 (RFC 2104, FIPS 180-4), compiled. A hypothesis test holds it to Python's `hmac`.

`_LANES` texts at a time: the inner loops over lanes are what the compiler turns into vector instructions. Compiled code
is cached on disk; no value ever is.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_LANES = 16
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
    """Compress into `state` (8, lanes) the first 16 rows of `w` (64, lanes); `v` (8, lanes) is scratch."""
    for i in range(16, 64):
        for lane in range(_LANES):
            x, y = w[i - 15, lane], w[i - 2, lane]
            low = _U32(_right(x, 7) ^ _right(x, 18) ^ (x >> _U32(3)))
            high = _U32(_right(y, 17) ^ _right(y, 19) ^ (y >> _U32(10)))
            w[i, lane] = _U32(_U32(w[i - 16, lane] + w[i - 7, lane]) + _U32(low + high))
    v[:] = state
    for i in range(0, 64, 8):
        for lane in range(_LANES):
            a, b, c, d = v[0, lane], v[1, lane], v[2, lane], v[3, lane]
            e, f, g, h = v[4, lane], v[5, lane], v[6, lane], v[7, lane]
            d, h = _round(a, b, c, d, e, f, g, h, _U32(w[i, lane] + _ROUND[i]))
            c, g = _round(h, a, b, c, d, e, f, g, _U32(w[i + 1, lane] + _ROUND[i + 1]))
            b, f = _round(g, h, a, b, c, d, e, f, _U32(w[i + 2, lane] + _ROUND[i + 2]))
            a, e = _round(f, g, h, a, b, c, d, e, _U32(w[i + 3, lane] + _ROUND[i + 3]))
            h, d = _round(e, f, g, h, a, b, c, d, _U32(w[i + 4, lane] + _ROUND[i + 4]))
            g, c = _round(d, e, f, g, h, a, b, c, _U32(w[i + 5, lane] + _ROUND[i + 5]))
            f, b = _round(c, d, e, f, g, h, a, b, _U32(w[i + 6, lane] + _ROUND[i + 6]))
            e, a = _round(b, c, d, e, f, g, h, a, _U32(w[i + 7, lane] + _ROUND[i + 7]))
            v[0, lane], v[1, lane], v[2, lane], v[3, lane] = a, b, c, d
            v[4, lane], v[5, lane], v[6, lane], v[7, lane] = e, f, g, h
    for i in range(8):
        for lane in range(_LANES):
            state[i, lane] += v[i, lane]


@njit(cache=True, nogil=True)
def _byte(text: NDArray[np.uint8], start: int, length: int, i: int) -> np.int64:
    """Byte i of a text as SHA-256 pads it, its length left out."""
    if i < length:
        return np.int64(text[start + i])
    return np.int64(0x80) if i == length else np.int64(0)


@njit(cache=True, nogil=True)
def hmac_sha256(  # noqa: PLR0912
    key: NDArray[np.uint8], texts: NDArray[np.uint8], ends: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """HMAC-SHA256 of each text under a key of at most 64 bytes: (texts, 8) words whose bytes, little endian, are the
    digest. Text t is `texts[ends[t - 1]:ends[t]]`."""
    count = len(ends)
    out = np.empty((count, 8), np.uint32)
    w, v = np.zeros((64, _LANES), np.uint32), np.empty((8, _LANES), np.uint32)
    padded = np.zeros(_BLOCK, np.int64)
    padded[: len(key)] = key
    states = np.empty((2, 8, _LANES), np.uint32)  # after the key's block, inner and outer
    for side in range(2):
        for i in range(8):
            states[side, i] = _FIRST[i]
        for i in range(16):
            word = np.int64(0)
            for byte in padded[4 * i : 4 * i + 4]:
                word = word << 8 | (byte ^ (0x5C if side else 0x36))
            w[i] = word
        _compress(states[side], w, v)
    state, inner = np.empty((8, _LANES), np.uint32), np.zeros((8, _LANES), np.uint32)
    for first in range(0, count, _LANES):
        lanes = min(_LANES, count - first)
        state[:] = states[0]
        most = 1
        for t in range(first, first + lanes):
            length = ends[t] - (ends[t - 1] if t else 0)
            most = max(most, (length + 9 + _BLOCK - 1) // _BLOCK)
        for block in range(most):
            for lane in range(lanes):
                t = first + lane
                start = ends[t - 1] if t else 0
                length = ends[t] - start
                for i in range(16):
                    at = block * _BLOCK + 4 * i
                    if at + 4 <= length:
                        a, b = np.int64(texts[start + at]), np.int64(texts[start + at + 1])
                        c, d = np.int64(texts[start + at + 2]), np.int64(texts[start + at + 3])
                        w[i, lane] = a << 24 | b << 16 | c << 8 | d
                    elif at > length:
                        w[i, lane] = 0
                    else:
                        word = np.int64(0)
                        for k in range(at, at + 4):
                            word = word << 8 | _byte(texts, start, length, k)
                        w[i, lane] = word
                if block == (length + 9 + _BLOCK - 1) // _BLOCK - 1:
                    size = np.int64(8 * (_BLOCK + length))
                    w[14, lane], w[15, lane] = size >> 32, size & 0xFFFFFFFF
            _compress(state, w, v)
            for lane in range(lanes):
                t = first + lane
                length = ends[t] - (ends[t - 1] if t else 0)
                if block == (length + 9 + _BLOCK - 1) // _BLOCK - 1:
                    inner[:, lane] = state[:, lane]
        w[:8] = inner
        w[8], w[9:15], w[15] = 0x80000000, 0, 8 * (_BLOCK + 32)
        state[:] = states[1]
        _compress(state, w, v)
        for lane in range(lanes):
            for i in range(8):
                x = np.int64(state[i, lane])
                out[first + lane, i] = (x & 0xFF) << 24 | (x & 0xFF00) << 8 | (x >> 8) & 0xFF00 | x >> 24
    return out
