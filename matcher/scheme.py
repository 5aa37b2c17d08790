"""The linkage scheme: the public treaty on how a record becomes tokens.

Everything here is public and must be the same at every agency: which fields there are, how many bits each has, which
passes make the blocks, which normalisation applies. Its digest is compared before anything is sent. The secret part,
the linkage key, is not here; how the two make tokens is normative in `docs/token-scheme.md`.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property

from matcher.errors import ConfigError

SIGNATURE_BITS = 256
"""One-bit MinHashes made of a field; a block picks a field's `bits` of them."""
ENCODING_WORD_BITS = 32
TOKEN_BYTES = 16
ALIAS_BYTES = 16
MOST_VARIANTS = 4
"""Rows one record may have: an alias, a maiden name, a former address."""
SEALED_TEXT_BYTES = 96
"""Plain text of a sealed reference: two lengths, the reference, the note, zero padding."""
SEALED_BYTES = SEALED_TEXT_BYTES + 16
ENCAPSULATION_BYTES = 80
"""An X25519 HPKE encapsulation (32) around a sealed 32-byte batch key (32 + 16)."""
NORMALISATION_VERSION = 3


class Kind(StrEnum):
    """How a field's canonical value is broken into elements (`matcher/agency/elements.py`)."""

    NAME = "name"
    FORENAME = "forename"
    YEAR = "year"
    MONTH_DAY = "month-day"
    CATEGORY = "category"
    POSTCODE = "postcode"
    TEXT = "text"
    IDENTIFIER = "identifier"
    BLOCK = "block"
    """Not encoded: two rows agree in it if they share the block of the pass of its name; else it says nothing."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field that rows are compared by.

    `comparison` names the evidence it belongs to. A comparison may have several alternatives, such as a name in its
    parts or as a whole, an address or its postcode: they say the same thing, so only the best counts. Within one
    alternative fields add up. `vetoes`: two present and different values forbid a person.
    """

    name: str
    kind: Kind
    bits: int
    comparison: str
    alternative: str = ""
    vetoes: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """One way of making blocks: records whose `parts` all agree share a block (`matcher/blocking/passes.py`)."""

    name: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class LinkageScheme:
    """Fields and passes, in wire order."""

    name: str
    fields: tuple[Field, ...]
    passes: tuple[Pass, ...]
    identifier_column: str
    checks_uk: bool
    normalisation_version: int = NORMALISATION_VERSION

    def __post_init__(self) -> None:
        if any(field.bits % ENCODING_WORD_BITS or not 0 < field.bits <= SIGNATURE_BITS for field in self.encoded):
            raise ConfigError(self.name, [f"bits must be a multiple of 32, at most {SIGNATURE_BITS}"])
        if self.encoding_bytes < 8:
            raise ConfigError(self.name, ["an encoding has 64 bits at least"])
        of_blocks = self.fields[len(self.encoded) :]
        passes = {each.name for each in self.passes}
        if any(field.kind is not Kind.BLOCK or field.bits or field.name not in passes for field in of_blocks):
            raise ConfigError(self.name, ["fields of kind block come last, have no bits and the name of a pass"])
        if len(self.fields) > 16 or len(self.passes) > 16:
            raise ConfigError(self.name, ["at most 16 fields and 16 passes fit the masks"])

    @property
    def encoded(self) -> tuple[Field, ...]:
        """The fields that have bits in an encoding: all but those of kind block, which come last."""
        return tuple(field for field in self.fields if field.kind is not Kind.BLOCK)

    @property
    def encoding_bytes(self) -> int:
        """Bytes of one encoding: all fields of a row under one block."""
        return sum(field.bits for field in self.fields) // 8

    @property
    def alternatives(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """For each comparison, in order of its first field, its alternatives, each the numbers of its fields."""
        found: dict[str, dict[str, list[int]]] = {}
        for f, field in enumerate(self.fields):
            found.setdefault(field.comparison, {}).setdefault(field.alternative, []).append(f)
        return tuple(tuple(map(tuple, alternatives.values())) for alternatives in found.values())

    @cached_property  # asked for with every batch and every reference
    def digest(self) -> bytes:
        """SHA-256 of the canonical JSON: 32 bytes, equal if and only if the schemes are."""
        return hashlib.sha256(self.to_json().encode()).digest()

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces, ASCII."""
        return json.dumps(asdict(self) | {"signature_bits": SIGNATURE_BITS}, sort_keys=True, separators=(",", ":"))


def _fields(identifier: str, *, identifier_vetoes: bool) -> tuple[Field, ...]:
    return (
        Field("forename", Kind.FORENAME, 64, "name", "parts"),
        Field("surname", Kind.NAME, 64, "name", "parts"),
        Field("full_name", Kind.NAME, 64, "name", "whole"),
        Field("year", Kind.YEAR, 32, "birth_date"),
        Field("month_day", Kind.MONTH_DAY, 64, "birth_date"),
        Field("sex", Kind.CATEGORY, 32, "sex"),
        Field("postcode", Kind.POSTCODE, 64, "residence", "postcode"),
        Field("address", Kind.TEXT, 64, "residence", "address"),
        Field(identifier, Kind.IDENTIFIER, 64, "identifier", vetoes=identifier_vetoes),
        Field("rare_name", Kind.BLOCK, 0, "name", "rare"),
    )


_SOUNDS = "unordered(soundex(forename),soundex(surname))"
_STARTS = "unordered(start(forename),start(surname))"
_RARE_NAME = Pass("rare_name", ("rare(forename,surname)",))
_FINE = (
    Pass("birth-date forename-start", ("year", "month", "day", "start(forename)")),
    Pass("birth-date surname-sound", ("year", "month", "day", "soundex(surname)")),
    Pass("year name-sounds", ("year", _SOUNDS)),
    Pass("district name-sounds", ("district(postcode)", _SOUNDS)),
    Pass("postcode month day", ("postcode", "month", "day")),
    Pass("house-number street forename-start", ("number(address)", "street(address)", "start(forename)")),
    Pass("house-number street names", ("number(address)", "street(address)", "start(surname)", "initial(forename)")),
    _RARE_NAME,
)
"""Whoever knows some people finds hardly anybody else by blocks they share: `docs/decisions/0017-fine-passes.md`."""
_COARSE = (
    Pass("birth-date forename-initial", ("year", "month", "day", "initial(forename)")),
    Pass("birth-date district", ("year", "unordered(month,day)", "district(postcode)")),
    Pass("year month surname-sound", ("year", "month", "soundex(surname)")),
    Pass("year name-starts", ("year", _STARTS)),
    Pass("district name-starts", ("district(postcode)", _STARTS)),
    Pass("postcode surname-sound", ("postcode", "soundex(surname)")),
    Pass("postcode forename-start", ("postcode", "start(forename)")),
    Pass("postcode house-number", ("postcode", "number(address)")),
    Pass("house-number street surname-start", ("number(address)", "street(address)", "start(surname)")),
    Pass("house-number street forename-sound", ("number(address)", "street(address)", "soundex(forename)")),
    _RARE_NAME,
)
"""They find a little more, and give away much more."""


UK_PERSON_V1 = LinkageScheme(
    name="uk-person-v1",
    fields=_fields("nhs_number", identifier_vetoes=True),
    passes=(*_FINE, Pass("identifier", ("nhs_number",))),
    identifier_column="nhs_number",
    checks_uk=True,
)
GENERIC_PERSON_V1 = LinkageScheme(
    name="generic-person-v1",
    fields=_fields("identifier", identifier_vetoes=False),
    passes=(*_COARSE, Pass("identifier", ("identifier",))),
    identifier_column="identifier",
    checks_uk=False,
)
SCHEMES: dict[str, LinkageScheme] = {scheme.name: scheme for scheme in (UK_PERSON_V1, GENERIC_PERSON_V1)}


def scheme_named(name: str) -> LinkageScheme:
    """The shipped scheme of that name; `ConfigError` names the ones there are."""
    try:
        return SCHEMES[name]
    except KeyError:
        raise ConfigError("scheme", [f"unknown scheme; choose one of {', '.join(SCHEMES)}"]) from None
