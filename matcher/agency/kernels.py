"""The loops of the tokeniser, compiled: key streams, picking and padding.

`tests/reference.py` says the same slowly, with the ChaCha20 of `cryptography`; a hypothesis test holds the two
together. `_LANES` key streams are made at a time: the inner loops over lanes are what the compiler turns into vector
instructions. Compiled code is cached on disk; no value ever is.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_LANES = 16
_BLOCK = 64
_U32 = np.uint32


@njit(cache=True, nogil=True)
def ended_parts(
    texts: NDArray[np.uint8], ends: NDArray[np.int64], parts: NDArray[np.int64], mark: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """For each row of `parts` (n, k), numbers of texts, those texts in order, each ended by `mark`: bytes and ends."""
    stops = np.empty(len(parts), np.int64)
    size = 0
    for r in range(len(parts)):
        for text in parts[r]:
            size += ends[text] - (ends[text - 1] if text else 0) + 1
        stops[r] = size
    joined = np.empty(size, np.uint8)
    at = 0
    for r in range(len(parts)):
        for text in parts[r]:
            for i in range(ends[text - 1] if text else 0, ends[text]):
                joined[at] = texts[i]
                at += 1
            joined[at] = mark
            at += 1
    return joined, stops


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


@njit(cache=True, nogil=True)
def key_streams(keys: NDArray[np.uint32], streams: NDArray[np.uint8]) -> None:
    """Fill `streams` (`_LANES` or fewer, a multiple of 64) with ChaCha20 (RFC 8439) under keys (n, 8), nonce 0, counter
    from 0."""
    x, start = np.empty((16, _LANES), np.uint32), np.zeros((16, _LANES), np.uint32)
    start[0], start[1], start[2], start[3] = 0x61707865, 0x3320646E, 0x79622D32, 0x6B206574
    start[4:12, : len(keys)] = keys.T
    words = streams.view(np.uint32)
    for block in range(streams.shape[1] // _BLOCK):
        start[12] = block
        x[:] = start
        for _ in range(10):
            for lane in range(_LANES):
                a0, a1, a2, a3 = x[0, lane], x[1, lane], x[2, lane], x[3, lane]
                b0, b1, b2, b3 = x[4, lane], x[5, lane], x[6, lane], x[7, lane]
                c0, c1, c2, c3 = x[8, lane], x[9, lane], x[10, lane], x[11, lane]
                d0, d1, d2, d3 = x[12, lane], x[13, lane], x[14, lane], x[15, lane]
                a0, b0, c0, d0 = _quarter(a0, b0, c0, d0)
                a1, b1, c1, d1 = _quarter(a1, b1, c1, d1)
                a2, b2, c2, d2 = _quarter(a2, b2, c2, d2)
                a3, b3, c3, d3 = _quarter(a3, b3, c3, d3)
                a0, b1, c2, d3 = _quarter(a0, b1, c2, d3)
                a1, b2, c3, d0 = _quarter(a1, b2, c3, d0)
                a2, b3, c0, d1 = _quarter(a2, b3, c0, d1)
                a3, b0, c1, d2 = _quarter(a3, b0, c1, d2)
                x[0, lane], x[1, lane], x[2, lane], x[3, lane] = a0, a1, a2, a3
                x[4, lane], x[5, lane], x[6, lane], x[7, lane] = b0, b1, b2, b3
                x[8, lane], x[9, lane], x[10, lane], x[11, lane] = c0, c1, c2, c3
                x[12, lane], x[13, lane], x[14, lane], x[15, lane] = d0, d1, d2, d3
        for lane in range(len(keys)):
            for i in range(16):
                words[lane, block * 16 + i] = x[i, lane] + start[i, lane]


@njit(cache=True, nogil=True)
def _add_bits(spread: NDArray[np.uint64], bits: NDArray[np.uint8], shift: int) -> None:
    for i in range(len(spread)):
        spread[i] |= np.uint64(bits[i]) << np.uint64(shift)


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

    `secrets` (n, 8): block secrets as little endian words. `signature` (values, M): bits. `signature_of` (R, F):
    which value a row has in a field, -1 if missing: what `encodings` has there stays. `field_bits` (F,).
    """
    passes, width = encodings.shape[1:]
    size, fields = signature.shape[1], len(field_bits)
    most = field_bits.max()
    token_bytes = tokens.shape[2]
    picks = token_bytes + width
    streams = np.empty((_LANES, (picks + 2 * most + _BLOCK - 1) // _BLOCK * _BLOCK), np.uint8)
    unpicked = np.arange(size).astype(np.uint8)
    order = np.empty(size, np.uint8)
    # bit i of eight fields at a time, a byte each: eight of these, shifted by their place, are a byte of each encoding
    spread = np.empty(((fields + 7) // 8, size), np.uint64)
    packed = np.empty((most // 8, len(spread)), np.uint64)
    packed_bytes = packed.view(np.uint8)
    last = -1
    for first in range(0, len(places), _LANES):
        count = min(_LANES, len(places) - first)
        key_streams(secrets[first : first + count], streams)
        for lane in range(count):
            r, p = places[first + lane] // passes, places[first + lane] % passes
            stream = streams[lane]
            if r != last:
                last = r
                spread[:] = 0
                for f in range(fields):
                    if signature_of[r, f] >= 0:
                        _add_bits(spread[f >> 3], signature[signature_of[r, f]], 8 * (f & 7))
            tokens[r, p] = stream[:token_bytes]
            order[:] = unpicked
            for i in range(most):
                word = np.uint64(stream[picks + 2 * i]) | np.uint64(stream[picks + 2 * i + 1]) << np.uint64(8)
                j = np.uint64(i) + (word * np.uint64(size - i) >> np.uint64(16))
                order[i], order[j] = order[j], order[i]
            for byte in range(most // 8):
                for group in range(len(spread)):
                    word = np.uint64(0)
                    for bit in range(8):
                        word |= spread[group, order[8 * byte + bit]] << np.uint64(bit)
                    packed[byte, group] = word
            at = 0
            for f in range(fields):
                stop = at + field_bits[f] // 8
                if signature_of[r, f] >= 0:
                    for i in range(at, stop):
                        encodings[r, p, i] = packed_bytes[i - at, f] ^ stream[token_bytes + i]
                at = stop
