"""The loops of the tokeniser, compiled: signatures, key streams, picking and padding.

`tests/reference.py` says the same slowly, with sets, `hmac` and the ChaCha20 of `cryptography`; a hypothesis test holds
the two together. Compiled code is cached on disk; no value ever is.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31 = np.uint64(27), np.uint64(30), np.uint64(31)
_BLOCK = 64


@njit(cache=True, nogil=True)
def signatures(hashes: NDArray[np.uint64], ends: NDArray[np.int64], bits: int) -> NDArray[np.uint8]:
    """One-bit MinHash (Li and Koenig 2010) of each set of element hashes: (sets, bits) of 0 and 1.

    Set s owns `hashes[ends[s - 1]:ends[s]]`. Hash function i maps a hash h to output i of SplitMix64 (Steele, Lea and
    Flood 2014) seeded with h; the bit is the lowest of the least output.
    """
    result = np.empty((len(ends), bits), np.uint8)
    least = np.empty(bits, np.uint64)
    start = 0
    for s in range(len(ends)):
        least[:] = np.uint64(0xFFFFFFFFFFFFFFFF)
        for e in range(start, ends[s]):
            state = hashes[e]
            for i in range(bits):
                z = state + np.uint64(i + 1) * _GOLDEN
                z = (z ^ (z >> _S30)) * _MIX_1
                z = (z ^ (z >> _S27)) * _MIX_2
                z ^= z >> _S31
                least[i] = min(least[i], z)
        for i in range(bits):
            result[s, i] = least[i] & np.uint64(1)
        start = ends[s]
    return result


@njit(cache=True, nogil=True, inline="always")
def _quarter(x: NDArray[np.uint32], a: int, b: int, c: int, d: int) -> None:
    x[a] += x[b]
    t = x[d] ^ x[a]
    x[d] = (t << np.uint32(16)) | (t >> np.uint32(16))
    x[c] += x[d]
    t = x[b] ^ x[c]
    x[b] = (t << np.uint32(12)) | (t >> np.uint32(20))
    x[a] += x[b]
    t = x[d] ^ x[a]
    x[d] = (t << np.uint32(8)) | (t >> np.uint32(24))
    x[c] += x[d]
    t = x[b] ^ x[c]
    x[b] = (t << np.uint32(7)) | (t >> np.uint32(25))


@njit(cache=True, nogil=True)
def key_stream(key: NDArray[np.uint32], out: NDArray[np.uint8]) -> None:
    """Fill `out` (a multiple of 64 bytes) with the ChaCha20 key stream (RFC 8439) of a key of 8 words, nonce 0,
    counter 0."""
    start = np.zeros(16, np.uint32)
    start[0], start[1], start[2], start[3] = 0x61707865, 0x3320646E, 0x79622D32, 0x6B206574
    start[4:12] = key
    words = out.view(np.uint32)
    x = np.empty(16, np.uint32)
    for block in range(len(out) // _BLOCK):
        start[12] = block
        x[:] = start
        for _ in range(10):
            _quarter(x, 0, 4, 8, 12)
            _quarter(x, 1, 5, 9, 13)
            _quarter(x, 2, 6, 10, 14)
            _quarter(x, 3, 7, 11, 15)
            _quarter(x, 0, 5, 10, 15)
            _quarter(x, 1, 6, 11, 12)
            _quarter(x, 2, 7, 8, 13)
            _quarter(x, 3, 4, 9, 14)
        for i in range(16):
            words[block * 16 + i] = x[i] + start[i]


@njit(cache=True, nogil=True)
def encode(
    secrets: NDArray[np.uint32],
    present: NDArray[np.uint8],
    signature: NDArray[np.uint8],
    signature_of: NDArray[np.int64],
    field_bits: NDArray[np.int64],
    tokens: NDArray[np.uint8],
    encodings: NDArray[np.uint8],
) -> None:
    """Fill `tokens` (R, P, 16) and `encodings` (R, P, W) of the rows and passes that are `present` (R, P).

    `secrets` (R, P, 8): block secrets as little endian words. `signature` (values, M): bits. `signature_of` (R, F):
    which value a row has in a field, -1 if missing. `field_bits` (F,). `encodings` comes filled with random bytes,
    which stay where a field is missing; absent passes are zeroed.
    """
    rows, passes = present.shape
    width = encodings.shape[2]
    size = signature.shape[1]
    most = field_bits.max()
    token_bytes = tokens.shape[2]
    used = token_bytes + width + 2 * most
    stream = np.empty((used + _BLOCK - 1) // _BLOCK * _BLOCK, np.uint8)
    order = np.empty(size, np.int64)
    for r in range(rows):
        for p in range(passes):
            if not present[r, p]:
                tokens[r, p] = 0
                encodings[r, p] = 0
                continue
            key_stream(secrets[r, p], stream)
            tokens[r, p] = stream[:token_bytes]
            for i in range(size):
                order[i] = i
            words = token_bytes + width
            for i in range(most):
                word = np.int64(stream[words + 2 * i]) | (np.int64(stream[words + 2 * i + 1]) << 8)
                j = i + ((word * (size - i)) >> 16)
                order[i], order[j] = order[j], order[i]
            at = 0
            for f in range(len(field_bits)):
                value = signature_of[r, f]
                if value >= 0:
                    for byte in range(field_bits[f] // 8):
                        packed = np.int64(0)
                        for bit in range(8):
                            packed |= np.int64(signature[value, order[byte * 8 + bit]]) << bit
                        encodings[r, p, at + byte] = packed ^ np.int64(stream[token_bytes + at + byte])
                at += field_bits[f] // 8
