"""Clear text as files hold it -> canonical values that every agency writes alike.

What these rules decide is part of the linkage scheme (`LinkageScheme.normalisation_version`): change a rule, raise
the number. Every rule works on one value, so a batch asks it once per different value. A rule never raises, whatever
the text; a `Problem` names row, column and reason, never the value.
"""

import itertools
import re
import unicodedata
from collections.abc import Callable
from datetime import date
from typing import Final

from anyascii import anyascii
from stdnum.gb import nhs

from matcher.agency import dates
from matcher.agency.identity import NormalisedBatch, Problem, RawBatch
from matcher.scheme import LinkageScheme

REF_MAX_BYTES = 64
NOTE_MAX_BYTES = 24
_NAME_MAX = 100
_ADDRESS_MAX = 200
_POSTCODE_MAX = 16
_IDENTIFIER_MAX = 64

NO_REF: Final = "no record reference; the row is left out"
LONG_REF: Final = f"record reference is longer than {REF_MAX_BYTES} bytes; the row is left out"
BAD_REF: Final = "record reference holds control characters; the row is left out"
PLACEHOLDER: Final = "placeholder, taken as missing"
BABY: Final = "stands for an unnamed baby, taken as missing"
NO_LETTERS: Final = "holds no letter, taken as missing"
TOO_LONG: Final = "too long, the end is left out"
UNKNOWN_CODE: Final = "not a code that is known, taken as missing"
SHARED_POSTCODE: Final = "pseudo-postcode that names no place, taken as missing"
REPAIRED_POSTCODE: Final = "O and 0, or I and 1, exchanged; repaired"
DOUBTFUL_POSTCODE: Final = "not a valid UK postcode; used as it is"
NOT_POSTCODE: Final = "not a postcode, taken as missing"
BAD_IDENTIFIER: Final = "not a valid number (length or check digit), taken as missing"
NOT_YES_NO: Final = "neither yes nor no; taken as restricted"
CUT_NOTE: Final = f"longer than {NOTE_MAX_BYTES} bytes, the end is left out"

_APOSTROPHES: Final = re.compile(r"['`]+")
_NOT_LETTERS: Final = re.compile(r"[^A-Z]+")
_NOT_WORDS: Final = re.compile(r"[^A-Z0-9]+")
_DIGITS: Final = re.compile(r"[0-9]+")
_ONE_LETTER: Final = re.compile(r"([A-Z])(?: ?\1){2,}|X ?X|Z ?Z")

_TITLES: Final = frozenset(["MR", "MRS", "MS", "MISS", "MX", "DR", "PROF", "PROFESSOR", "REV", "REVD"])
"""Dropped wherever they stand."""
_RANKS: Final = frozenset(["SIR", "LORD", "LADY", "DAME", "MASTER", "REVEREND"])
"""Names too, so dropped only in front of a forename."""
_SUFFIXES: Final = frozenset(["JR", "JNR", "JUNIOR", "SR", "SNR", "SENIOR", "II", "III", "IV", "ESQ"])
_PLACEHOLDERS: Final = frozenset({
    "UNKNOWN", "UNK", "UNKN", "NOT KNOWN", "NK", "N K", "NOT STATED", "NOT GIVEN", "NOT RECORDED", "NOT PROVIDED",
    "NOT SUPPLIED", "NOT AVAILABLE", "NOT APPLICABLE", "NOT DISCLOSED", "N A", "NA", "NONE", "NIL", "NULL", "NAN",
    "TEST", "TESTING", "TEST PATIENT", "TEST RECORD", "DUMMY", "TBC", "TBA", "ANON", "ANONYMOUS", "UNNAMED", "NO NAME",
    "NAME UNKNOWN", "UNKNOWN NAME", "NAME NOT KNOWN", "NO SURNAME", "NO FORENAME", "REFUSED", "DECLINED", "WITHHELD",
    "REDACTED", "DO NOT USE", "UNKNOWN MALE", "UNKNOWN FEMALE", "MALE", "FEMALE", "MALE UNKNOWN", "FEMALE UNKNOWN",
    "SURNAME", "FORENAME", "FIRST NAME", "LAST NAME", "UNDEFINED", "MISSING",
})  # fmt: skip
_ADDRESS_PLACEHOLDERS: Final = _PLACEHOLDERS | {
    "NFA", "N F A", "NO FIXED ABODE", "NO FIXED ADDRESS", "OF NO FIXED ABODE", "HOMELESS", "ROUGH SLEEPER",
    "ROUGH SLEEPING", "NO ADDRESS", "ADDRESS", "ADDRESS UNKNOWN", "ADDRESS NOT KNOWN", "UNKNOWN ADDRESS",
}  # fmt: skip
"""Everybody without an address shares them, so they say nothing about who it is."""
_BABY_WORDS: Final = frozenset(["BABY", "TWIN", "TRIPLET", "QUADRUPLET", "INFANT", "NEWBORN", "NEONATE"])
_BABY_NAMES: Final = frozenset(["BOY", "GIRL", "MALE INFANT", "FEMALE INFANT", "MALE TWIN", "FEMALE TWIN"])
_SHORT: Final = {
    word: short
    for short, words in {
        "ST": "STREET SAINT STR", "RD": "ROAD", "AVE": "AVENUE AV", "LN": "LANE", "DR": "DRIVE", "CL": "CLOSE",
        "CT": "COURT CRT", "CRES": "CRESCENT CRESC CR", "GDNS": "GARDENS GARDEN GDN", "GR": "GROVE GRV", "PL": "PLACE",
        "SQ": "SQUARE", "TER": "TERRACE TERR TCE", "HSE": "HOUSE HO", "FLAT": "APARTMENT APARTMENTS APT APPT FLT",
        "MT": "MOUNT", "PK": "PARK", "BLDG": "BUILDING BUILDINGS BLDGS", "BLVD": "BOULEVARD", "HWY": "HIGHWAY",
        "PKWY": "PARKWAY", "COTT": "COTTAGE COTTAGES COTTS", "FLR": "FLOOR", "RM": "ROOM", "EST": "ESTATE",
        "GRN": "GREEN", "VW": "VIEW", "WLK": "WALK", "YD": "YARD", "LDG": "LODGE", "PDE": "PARADE", "GND": "GROUND",
        "N": "NORTH", "E": "EAST", "S": "SOUTH", "W": "WEST", "UPR": "UPPER", "LWR": "LOWER", "CMN": "COMMON",
    }.items()
    for word in words.split()
}  # fmt: skip

_SEX: Final = {
    **dict.fromkeys(["M", "MALE", "MAN", "BOY", "1", "MALEINCLUDINGTRANSMAN", "TRANSMAN"], "M"),
    **dict.fromkeys(["F", "FEMALE", "WOMAN", "GIRL", "2", "FEMALEINCLUDINGTRANSWOMAN", "TRANSWOMAN"], "F"),
    **dict.fromkeys(["OTHER", "O", "NONBINARY", "NB", "INDETERMINATE", "I", "INTERSEX", "UNSPECIFIED"], "X"),
    **dict.fromkeys(["0", "U", "UNK", "UNKNOWN", "NK", "NOTKNOWN", "NOTSTATED", "NS", "NA", "NONE"], ""),
}
_SEX_UK: Final = _SEX | {"9": "X", "X": ""}
"""NHS codes: 9 is indeterminate, X is not known."""
_SEX_GENERIC: Final = _SEX | {"9": "", "X": "X"}
"""ISO 5218: 9 is not applicable. X is what passports write."""

_UK_POSTCODE: Final = re.compile(
    r"(?:GIR0AA|(?:[A-PR-UWYZ](?:[0-9]{1,2}|[A-HK-Y][0-9]{1,2}|[0-9][A-HJKPSTUW]|[A-HK-Y][0-9][ABEHMNPRVWXY]))"
    r"[0-9][ABD-HJLNP-UW-Z]{2})"
)
_PSEUDO_POSTCODE: Final = re.compile(r"ZZ99[0-9][A-Z]{2}")
_LOOKALIKES: Final = {"O": "O0", "0": "0O", "I": "I1", "1": "1I"}
_FAKE_NUMBERS: Final = frozenset(["1234567881"])
"""Passes its check digit, and stands in many a form's example."""
_YES: Final = frozenset(["1", "TRUE", "YES", "Y", "T", "1.0"])
_NO: Final = frozenset(["", "0", "FALSE", "NO", "N", "F", "0.0"])

_Rule = Callable[[str], tuple[str, str]]
"""Text, not empty -> canonical value ('' where missing), and '' or the reason for a problem."""


def normalise(raw: RawBatch, scheme: LinkageScheme, *, today: date | None = None) -> NormalisedBatch:
    """Canonical values of a batch, row for row; rows with a fatal problem are left out of it.

    `problems` begins with the batch's own. `today` bounds dates and is the local day unless given.
    """
    day = today or date.today()
    problems = list(raw.problems)
    raw = _usable(raw, problems)
    columns, rows = raw.columns, raw.rows

    def column(name: str, rule: _Rule) -> list[str]:
        texts = columns[name]
        answers = {text: rule(text) for text in set(texts) if text}
        answers[""] = ("", "")
        flagged = {text for text, (_, reason) in answers.items() if reason}
        if flagged:
            problems.extend(
                Problem(row, name, answers[text][1]) for row, text in zip(rows, texts, strict=True) if text in flagged
            )
        return [answers[text][0] for text in texts]

    births = {text: dates.birth_date(text, day) for text in set(columns["dob"])}
    problems.extend(
        Problem(row, "dob", births[text].reason)
        for row, text in zip(rows, columns["dob"], strict=True)
        if births[text].reason
    )
    seen = {text: dates.observed_day(text, day) for text in set(columns["observed_day"])}
    problems.extend(
        Problem(row, "observed_day", seen[text][1])
        for row, text in zip(rows, columns["observed_day"], strict=True)
        if seen[text][1]
    )
    uk = scheme.checks_uk
    return NormalisedBatch(
        rows=rows,
        record_ref=columns["record_ref"],
        forename=column("forename", forename),
        surname=column("surname", surname),
        year=[births[text].year for text in columns["dob"]],
        month=[births[text].month for text in columns["dob"]],
        day=[births[text].day for text in columns["dob"]],
        sex=column("sex", sex_uk if uk else sex_generic),
        postcode=column("postcode", postcode_uk if uk else postcode_generic),
        address=column("address", address),
        identifier=column("identifier", nhs_number if uk else identifier_generic),
        observed_day=[seen[text][0] for text in columns["observed_day"]],
        restricted=[value != "" for value in column("restricted", _restricted)],
        note=column("note", _note),
        problems=problems,
    )


def _usable(raw: RawBatch, problems: list[Problem]) -> RawBatch:
    """The batch without the rows whose record reference cannot be used."""
    reasons = {ref: _why_not(ref) for ref in set(raw.columns["record_ref"])}
    if not any(reasons.values()):
        return raw
    keep = []
    for position, (row, ref) in enumerate(zip(raw.rows, raw.columns["record_ref"], strict=True)):
        if reasons[ref]:
            problems.append(Problem(row, "record_ref", reasons[ref], fatal=True))
        else:
            keep.append(position)
    return RawBatch(
        [raw.rows[position] for position in keep],
        {name: [values[position] for position in keep] for name, values in raw.columns.items()},
    )


def _why_not(ref: str) -> str:
    if not ref:
        return NO_REF
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in ref):
        return BAD_REF
    return LONG_REF if len(ref.encode()) > REF_MAX_BYTES else ""


def _plain(text: str, limit: int) -> str:
    """Upper case ASCII, at most `limit` characters; composed first, so both spellings of an accent agree."""
    if not text.isascii():
        # what no alphabet holds comes out as '' or as a name in colons, never as an error
        text = anyascii(unicodedata.normalize("NFKC", text[: 2 * limit]))
    return text.upper()[:limit]


def _squeezed(text: str, limit: int) -> str:
    """Upper case letters and digits without anything between."""
    return _NOT_WORDS.sub("", _plain(text, limit))


def _name(text: str, *, is_forename: bool) -> tuple[str, str]:
    letters = _DIGITS.sub("", _APOSTROPHES.sub("", _plain(text, _NAME_MAX)))
    words = _NOT_LETTERS.sub(" ", letters).split()
    if not words:
        return "", NO_LETTERS
    words = [word for word in words if word not in _TITLES]
    while len(words) > 1 and words[-1] in _SUFFIXES:
        words.pop()
    while is_forename and len(words) > 1 and words[0] in _RANKS:
        words.pop(0)
    name = " ".join(words)
    if not name or name in _PLACEHOLDERS or _ONE_LETTER.fullmatch(name):
        return "", PLACEHOLDER
    if is_forename and (words[0] in _BABY_WORDS or name in _BABY_NAMES or text[:3] in {"B/O", "b/o"}):
        return "", BABY
    return name, TOO_LONG if len(text) > _NAME_MAX else ""


def forename(text: str) -> tuple[str, str]:
    """Upper case words A-Z without titles, suffixes, digits; '' for placeholders and unnamed babies."""
    return _name(text, is_forename=True)


def surname(text: str) -> tuple[str, str]:
    """Upper case words A-Z, nobility particles kept; '' for placeholders."""
    return _name(text, is_forename=False)


def sex_uk(text: str) -> tuple[str, str]:
    """F, M or X by words or NHS codes (1, 2, 9); 0, X and U mean not known."""
    value = _SEX_UK.get(_squeezed(text, 40))
    return (value, "") if value is not None else ("", UNKNOWN_CODE)


def sex_generic(text: str) -> tuple[str, str]:
    """F, M or X by words or ISO 5218 (1, 2); 0, 9 and U mean not known."""
    value = _SEX_GENERIC.get(_squeezed(text, 40))
    return (value, "") if value is not None else ("", UNKNOWN_CODE)


def postcode_uk(text: str) -> tuple[str, str]:
    """A UK postcode without its space. ZZ99 pseudo-postcodes, no fixed abode among them, name no place.

    O/0 and I/1 are exchanged where that alone makes it valid. What has letters, digits and 4 to 8 characters but is
    not valid stays, flagged: most of it is right.
    """
    value = _squeezed(text, 40)
    if _UK_POSTCODE.fullmatch(value):
        return value, ""
    if _PSEUDO_POSTCODE.fullmatch(value):
        return "", SHARED_POSTCODE
    if _is_placeholder(text):
        return "", PLACEHOLDER
    if not 4 <= len(value) <= 8 or value.isdigit() or value.isalpha():
        return "", NOT_POSTCODE
    if repaired := _repaired(value):
        return repaired, REPAIRED_POSTCODE
    return value, DOUBTFUL_POSTCODE


def _repaired(value: str) -> str:
    """The one valid postcode with the fewest lookalikes exchanged; '' where there is none, or more than one."""
    options = itertools.product(*(_LOOKALIKES.get(letter, letter) for letter in value))
    valid = sorted(
        (sum(map(str.__ne__, value, letters)), "".join(letters))
        for letters in options
        if _UK_POSTCODE.fullmatch("".join(letters))
    )
    if not valid or (len(valid) > 1 and valid[0][0] == valid[1][0]):
        return ""
    return valid[0][1]


def postcode_generic(text: str) -> tuple[str, str]:
    """Upper case letters and digits of a postal code of any country, at most 16."""
    value = _squeezed(text, 40)
    if _is_placeholder(text) or not value.strip("0") or not value.strip("9"):
        return "", PLACEHOLDER
    return value[:_POSTCODE_MAX], TOO_LONG if len(value) > _POSTCODE_MAX else ""


def address(text: str) -> tuple[str, str]:
    """Upper case words A-Z0-9 with the usual words in their short form; '' for no fixed abode."""
    words = _NOT_WORDS.sub(" ", _APOSTROPHES.sub("", _plain(text, _ADDRESS_MAX))).split()
    value = " ".join(_SHORT.get(word, word) for word in words)[:_ADDRESS_MAX].strip()
    if not value or value in _ADDRESS_PLACEHOLDERS or _ONE_LETTER.fullmatch(value):
        return "", PLACEHOLDER
    return value, TOO_LONG if len(text) > _ADDRESS_MAX else ""


def nhs_number(text: str) -> tuple[str, str]:
    """Ten digits with a right check digit; '' for anything else, and for all digits alike."""
    value = _squeezed(text.removesuffix(".0"), 40).removeprefix("NHS")
    if _is_placeholder(text):
        return "", PLACEHOLDER
    if len(set(value)) == 1 or value in _FAKE_NUMBERS or not (value.isdigit() and nhs.is_valid(value)):
        return "", BAD_IDENTIFIER
    return value, ""


def identifier_generic(text: str) -> tuple[str, str]:
    """Upper case letters and digits, at most 64; '' for placeholders and for one character repeated."""
    value = _squeezed(text, 4 * _IDENTIFIER_MAX)
    if _is_placeholder(text) or len(set(value)) < 2:
        return "", PLACEHOLDER
    return (value, "") if len(value) <= _IDENTIFIER_MAX else ("", BAD_IDENTIFIER)


def _is_placeholder(text: str) -> bool:
    value = _NOT_WORDS.sub(" ", _plain(text, 40)).strip()
    return value in _ADDRESS_PLACEHOLDERS or not value or _ONE_LETTER.fullmatch(value) is not None


def is_restricted(text: str) -> bool:
    """Whether a cell of the column restricted, without spaces around it, says so or is not understood."""
    return bool(text and _restricted(text)[0])


def _restricted(text: str) -> tuple[str, str]:
    # an answer that is not understood must not let a restricted record alert
    value = text.upper()
    if value in _NO:
        return "", ""
    return "Y", "" if value in _YES else NOT_YES_NO


def _note(text: str) -> tuple[str, str]:
    # control characters could act on the coordinator's terminal
    line = " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in text).split())
    cut = line.encode()[:NOTE_MAX_BYTES].decode(errors="ignore").rstrip()
    return cut, CUT_NOTE if len(line.encode()) > NOTE_MAX_BYTES else ""
