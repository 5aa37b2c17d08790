"""Finds traces of many secrets in many bytes: raw, in hex and in base64, at any place.

Each secret is cut into pieces of 8 bytes; any 15 consecutive bytes of it contain a piece, so a part of it is found
too. Pieces with few different bytes (zeros, paddings) prove nothing and are left out.
"""

import base64
import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_PIECE = 8
_LEAST_DIFFERENT = 5
_LOW_BITS = np.uint64((1 << 20) - 1)
_HEX = re.compile(rb"[0-9A-Fa-f]{16,}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}")
_PLAIN = bytes.maketrans(b"-_", b"+/")


class Traces:
    """Secrets of one width, by number. `secrets`: (n, width), of 8 bytes or more each."""

    def __init__(self, secrets: NDArray[np.uint8]) -> None:
        count, width = secrets.shape
        each = width // _PIECE
        cut = np.ascontiguousarray(secrets[:, : each * _PIECE]).reshape(count * each, _PIECE)
        ordered = np.sort(cut, axis=1)
        telling = (np.diff(ordered, axis=1) != 0).sum(axis=1) + 1 >= _LEAST_DIFFERENT
        pieces, owners = cut.view("<u8")[telling, 0], np.repeat(np.arange(count), each)[telling]
        order = np.argsort(pieces)
        self._pieces, self._owners = pieces[order], owners[order]
        self._likely = np.zeros(int(_LOW_BITS) + 1, np.bool_)  # spares most windows the search
        self._likely[pieces & _LOW_BITS] = True

    def found(self, data: bytes) -> set[int]:
        """Numbers of the secrets of which a piece stands in `data`, in any of the encodings."""
        return set().union(*(self._raw(view) for view in _views(data)))

    def _raw(self, data: bytes) -> set[int]:
        found: set[int] = set()
        for shift in range(_PIECE):
            windows = np.frombuffer(data, "<u8", max(len(data) - shift, 0) // _PIECE, shift if len(data) > shift else 0)
            windows = windows[self._likely[windows & _LOW_BITS]]
            at = np.searchsorted(self._pieces, windows)
            at[at == len(self._pieces)] = 0
            hits = np.unique(windows[self._pieces[at] == windows]) if len(self._pieces) else windows[:0]
            first, last = np.searchsorted(self._pieces, hits), np.searchsorted(self._pieces, hits, "right")
            for start, stop in zip(first.tolist(), last.tolist(), strict=True):
                found.update(self._owners[start:stop].tolist())
        return found


def _views(data: bytes) -> Iterator[bytes]:
    """What `data` may say: itself, and its runs of hex and base64 read from every place they may begin at."""
    yield data
    runs = [match[0] for match in _HEX.finditer(data)]
    for start in range(2):
        yield b"".join(bytes.fromhex(run[start : start + (len(run) - start) // 2 * 2].decode()) for run in runs)
    runs = [match[0].translate(_PLAIN) for match in _BASE64.finditer(data)]
    for start in range(4):
        yield b"".join(base64.b64decode(run[start : start + (len(run) - start) // 4 * 4]) for run in runs)
