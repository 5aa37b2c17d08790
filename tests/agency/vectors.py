"""The published test vectors of the token scheme: `python -m tests.agency.vectors` writes them again, by the oracle
alone.

For a client in another language: under the linkage key and epoch, every record's canonical values give the blocking
values, block tokens and encodings. Only the bits set in `known` count: the bytes of missing fields are random.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.blocking import blocking_values
from matcher.agency.elements import elements
from matcher.scheme import SCHEMES, LinkageScheme
from tests import reference

PATH = Path(__file__).parent.parent / "vectors" / "token_scheme_v1.json"
LINKAGE_KEY = bytes(range(32))
EPOCH = 1
_COLUMNS = ("forename", "surname", "year", "month", "day", "sex", "postcode", "address", "identifier")
_RECORDS = (
    ("ANNA", "SMITH JONES", "1985", "03", "07", "F", "YO16GJ", "FLAT 2 14 HIGH ST YORK", "9434765919"),
    ("ANNE", "SMYTH", "1985", "03", "07", "", "YO16GJ", "14 HIGH ST", ""),
    ("SMITH", "ANNA", "1958", "07", "03", "F", "", "", "9434765919"),
    ("BO", "", "1990", "", "", "M", "2600", "NO NUMBER LANE", ""),
    ("", "", "", "", "", "", "", "", "4010232137"),
)


def canonical(scheme: LinkageScheme, record: tuple[str, ...]) -> dict[str, str]:
    """All canonical columns of a record."""
    columns = dict(zip(_COLUMNS, record, strict=True))
    columns[scheme.identifier_column] = columns.pop("identifier")
    name = (columns["forename"], columns["surname"])
    columns["full_name"] = " ".join(name) if all(name) else ""
    month_day = f"{columns['month']}-{columns['day']}"
    columns["month_day"] = "" if month_day == "-" else month_day
    return columns


def expected(scheme: LinkageScheme, columns: dict[str, str]) -> dict[str, Any]:
    """One record of the file."""

    def key(purpose: str, name: str) -> bytes:
        return reference.derived_key(LINKAGE_KEY, scheme.digest, EPOCH, purpose, name)

    signatures = [
        reference.signature(key("sign", field.name), elements(field.kind, columns[field.name]))
        if columns[field.name]
        else None
        for field in scheme.encoded
    ]
    bits = [field.bits for field in scheme.encoded]
    known = b"".join(bytes([255 * (s is not None)]) * (n // 8) for s, n in zip(signatures, bits, strict=True))
    passes = []
    for each in scheme.passes:
        (value,) = blocking_values(each, {name: [text] for name, text in columns.items()})
        if value:
            token, encoding = reference.encode(reference.block_secret(key("pass", each.name), value), bits, signatures)
            passes.append(
                {
                    "pass": each.name,
                    "blocking_value": value.hex(),
                    "block_token": token.hex(),
                    "encoding": encoding.hex(),
                }
            )
    return {
        "canonical": columns,
        "field_mask": sum((s is not None) << f for f, s in enumerate(signatures)),
        "known": known.hex(),
        "passes": passes,
    }


def document() -> dict[str, Any]:
    """The file."""
    return {
        "linkage_key": LINKAGE_KEY.hex(),
        "epoch": EPOCH,
        "schemes": [
            {
                "name": scheme.name,
                "digest": scheme.digest.hex(),
                "canonical_json": scheme.to_json(),
                "key_check": reference.derived_key(LINKAGE_KEY, scheme.digest, EPOCH, "check", "")[:16].hex(),
                "records": [expected(scheme, canonical(scheme, record)) for record in _RECORDS],
            }
            for scheme in SCHEMES.values()
        ],
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(document(), indent=1) + "\n")
