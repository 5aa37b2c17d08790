"""The match model: a weight in bits for every field and Hamming distance, log2(m / u) (Fellegi and Sunter 1969).

m: how often records of one person differ by so many bits; u: how often records of two random people do. A model is made
for one scheme, is a versioned JSON file that says where it came from, and carries its own digest.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import ModelFileError
from matcher.scheme import LinkageScheme

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Rival:
    """Another explanation of a likeness than "one person": somebody of the same household, a twin.

    Members of a household share surname and residence whoever they are; so against this rival those fields say nothing,
    and only the others count (`tables_against`). That is how dependence inside a household is modelled, not multiplied.
    """

    name: str
    explains: tuple[str, ...]
    """Fields that agree under this rival as they do for one person."""
    prior: float
    """log2 of matches to such pairs."""


@dataclass(frozen=True, eq=False)
class MatchModel:
    """Weights for one scheme."""

    scheme: LinkageScheme
    tables: tuple[NDArray[np.float32], ...]
    """For each field (bits + 1,): weight in bits of distances 0 to bits, never rising."""
    chance: tuple[NDArray[np.float32], ...]
    """For each field (bits + 1,): u, the share of random pairs at each distance, so that m can be found anew."""
    least: tuple[float, ...]
    """For each comparison its least weight in bits, the log2 of how often it is wrong altogether (the miss of Copas and
    Hilton 1990)."""
    rivals: tuple[Rival, ...]
    provenance: dict[str, str]
    """Where the weights come from: data, records, seed, date."""

    def __post_init__(self) -> None:
        for field, table, u in zip(self.scheme.fields, self.tables, self.chance, strict=True):
            if (
                len(table) != field.bits + 1
                or len(u) != len(table)
                or not np.isfinite(table).all()
                or (np.diff(table) > 0).any()
            ):
                raise ModelFileError(f"the table of {field.name} must have {field.bits + 1} weights that never rise")

    @property
    def digest(self) -> str:
        """SHA-256 of the model's content, 64 hex digits."""
        return _digest(self._content())

    def _content(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "scheme": self.scheme.name,
            "scheme_digest": self.scheme.digest.hex(),
            "provenance": self.provenance,
            "least": self.least,
            "rivals": [asdict(rival) for rival in self.rivals],
            "tables": {
                field.name: [round(float(weight), 4) for weight in table]
                for field, table in zip(self.scheme.fields, self.tables, strict=True)
            },
            "chance": {
                field.name: [float(f"{share:.3g}") for share in u]
                for field, u in zip(self.scheme.fields, self.chance, strict=True)
            },
        }

    def save(self, path: Path) -> None:
        """Write the model file, one table a line."""
        content = self._content() | {"digest": self.digest}
        lines = [f"{json.dumps(name)}: {_rows(each)}" for name, each in content.items()]
        path.write_text("{\n " + ",\n ".join(lines) + "\n}\n")

    @classmethod
    def load(cls, path: Path, scheme: LinkageScheme) -> "MatchModel":
        """Read and check a model file; `ModelFileError` if it is damaged, altered, or made for another scheme."""
        try:
            return cls._parse(path.read_text(), scheme)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ModelFileError(f"{path}: no readable model file ({type(error).__name__})") from None

    @classmethod
    def shipped(cls, scheme: LinkageScheme) -> "MatchModel":
        """The default model of a scheme, trained on a synthetic population."""
        return cls._parse((files("matcher.scoring") / "models" / f"{scheme.name}.json").read_text(), scheme)

    @classmethod
    def _parse(cls, text: str, scheme: LinkageScheme) -> "MatchModel":
        content = json.loads(text)
        digest = content.pop("digest")
        if content["format"] != _FORMAT or digest != _digest(content):
            raise ModelFileError("the model file was changed after it was made, or is of another version")
        if content["scheme_digest"] != scheme.digest.hex():
            raise ModelFileError(f"the model was made for another scheme than {scheme.name}")
        if len(content["least"]) != len(scheme.alternatives):
            raise ModelFileError("the model must have a least weight for every comparison")
        tables = tuple(np.array(content["tables"][field.name], np.float32) for field in scheme.fields)
        chance = tuple(np.array(content["chance"][field.name], np.float32) for field in scheme.fields)
        rivals = tuple(Rival(each["name"], tuple(each["explains"]), each["prior"]) for each in content["rivals"])
        return cls(scheme, tables, chance, tuple(content["least"]), rivals, content["provenance"])


def tables_against(
    explained: Collection[str], scheme: LinkageScheme, tables: Sequence[NDArray[Any]]
) -> list[NDArray[Any]]:
    """The weights of all fields (bits + 1,) against a rival. A field it explains says nothing; a summary of such
    fields, like the name as a whole, loses what they give at best."""
    against = list(tables)
    for comparison in scheme.alternatives:
        lost = sum(tables[f][0] for each in comparison for f in each if scheme.fields[f].name in explained)
        for f in (f for alternative in comparison for f in alternative):
            if scheme.fields[f].name in explained:
                against[f] = np.zeros_like(tables[f])
            elif is_summary(f, comparison):
                against[f] = tables[f] - lost
    return against


def is_summary(field: int, comparison: Sequence[Sequence[int]]) -> bool:
    """Whether a field stands alone beside an alternative of several, which it sums up."""
    return (field,) in comparison and any(len(alternative) > 1 for alternative in comparison)


def _rows(content: Any) -> str:
    if not isinstance(content, dict):
        return json.dumps(content)
    return "{\n  " + ",\n  ".join(f"{json.dumps(name)}: {json.dumps(each)}" for name, each in content.items()) + "\n }"


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def prior_weight(expected_population: int) -> float:
    """log2 of the odds that two random records of two agencies are of one person: 1 to `expected_population` - 1."""
    return -log2(expected_population - 1)
