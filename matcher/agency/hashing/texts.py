"""HMACs of many texts."""

import numpy as np
from numpy.typing import NDArray

from matcher.agency.hashing import kernels


def hmac_sha256(key: bytes, texts: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.uint32]:
    """HMAC-SHA256 of each text, (texts, 8): the bytes of a row, little endian words, are the digest. `key`: at most 64
    bytes. Text t is `texts[ends[t - 1]:ends[t]]`."""
    return kernels.hmac_sha256(np.frombuffer(key, np.uint8), texts, ends)
