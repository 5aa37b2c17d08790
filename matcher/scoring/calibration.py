"""How alike strangers are: the distances of random pairs of records, as counts. An agency finds them on its own file
and shares nothing else (`matcher/agency/calibration.py`); they become the u of a match model."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import CalibrationFileError
from matcher.scheme import LinkageScheme

_FORMAT = 1
_BLUR = 40


@dataclass(frozen=True, eq=False)
class Calibration:
    """Counts of random pairs by distance."""

    scheme: LinkageScheme
    records: int
    """Records that pairs were drawn from."""
    counts: tuple[NDArray[np.int64], ...]
    """For each encoded field (bits + 1,): pairs at distances 0 to bits, of those alike in no other comparison."""

    @classmethod
    def merged(cls, parts: Iterable["Calibration"]) -> "Calibration":
        """Several agencies' counts together; of one scheme, at least one."""
        scheme, records, counts = zip(*((each.scheme, each.records, each.counts) for each in parts), strict=True)
        return cls(scheme[0], sum(records), tuple(np.sum(each, axis=0) for each in zip(*counts, strict=True)))

    def save(self, path: Path) -> None:
        """Write a calibration file, JSON."""
        content = self._content()
        path.write_text(json.dumps(content | {"digest": _digest(content)}, indent=1) + "\n")

    @property
    def digest(self) -> str:
        """SHA-256 of the content, 64 hex digits."""
        return _digest(self._content())

    def _content(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "scheme": self.scheme.name,
            "scheme_digest": self.scheme.digest.hex(),
            "records": self.records,
            "counts": {f.name: n.tolist() for f, n in zip(self.scheme.encoded, self.counts, strict=True)},
        }

    @classmethod
    def load(cls, path: Path, scheme: LinkageScheme) -> "Calibration":
        """Read and check a calibration file; `CalibrationFileError` if it is damaged or of another scheme."""
        try:
            content = json.loads(path.read_text())
            digest = content.pop("digest")
            if content["format"] != _FORMAT or digest != _digest(content):
                raise CalibrationFileError(f"{path}: changed after it was made, or of another version")
            if content["scheme_digest"] != scheme.digest.hex():
                raise CalibrationFileError(f"{path}: made for another scheme than {scheme.name}")
            counts = tuple(np.array(content["counts"][field.name], np.int64) for field in scheme.encoded)
            records = int(content["records"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise CalibrationFileError(f"{path}: no readable calibration file ({type(error).__name__})") from None
        if any(n.shape != (field.bits + 1,) or (n < 0).any() for n, field in zip(counts, scheme.encoded, strict=True)):
            raise CalibrationFileError(f"{path}: its counts do not fit the scheme's fields")
        return cls(scheme, records, counts)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def shares(counts: NDArray[Any], known: NDArray[Any], known_pairs: float) -> NDArray[np.float64]:
    """u (bits + 1,) of counts by distance, beside `known` shares that count as so many pairs."""
    u = blurred(counts) + known_pairs * known
    return np.asarray(u / u.sum())


def blurred(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Counts by distance, each blurred over a fortieth of the range: distances are binomial, single bins are noise.
    Distance 0 stands alone, since only agreement gives it."""
    levels = len(counts)
    kernel = np.ones(2 * max(1, levels // _BLUR) + 1)
    rest = counts.astype(np.float64)
    rest[0] = 0
    result = np.convolve(rest, kernel, "same") / np.convolve(np.r_[0, np.ones(levels - 1)], kernel, "same").clip(1)
    result[0] = counts[0]
    return np.asarray(result)
