"""Many texts as one array of bytes, and their HMACs."""

import numpy as np
from numpy.typing import NDArray

from matcher.agency.hashing import kernels


def bytes_of(texts: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Texts in UTF-8, one behind the other, and their ends."""
    joined = "".join(texts)
    sizes = map(len, texts) if joined.isascii() else (len(text.encode()) for text in texts)
    return np.frombuffer(joined.encode(), np.uint8), np.cumsum(np.fromiter(sizes, np.int64, len(texts)))


def hmac_sha256(key: bytes, texts: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.uint32]:
    """HMAC-SHA256 of each text, (texts, 8): the bytes of a row, little endian words, are the digest. `key`: at most 64
    bytes. Text t is `texts[ends[t - 1]:ends[t]]`."""
    return kernels.hmac_sha256(np.frombuffer(key, np.uint8), texts, ends)
