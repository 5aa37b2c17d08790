"""Which header of a file is which column: by its own name, by what else people call it, or as a column map says.

What cannot be told is refused with the header that was perhaps meant; a cell is shown only where row 1 is surely a
header and not somebody's data. A header that may be a misspelt `restricted` is named as doubtful: overlooked, it
would send restricted records as records that alert.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz import fuzz, process

from matcher.agency.identity import SOURCE_COLUMNS
from matcher.errors import InputFileError
from matcher.scheme import LinkageScheme

_RESEMBLES = 80
_RESEMBLES_SOMEWHAT = 60
# generous, for a header overlooked here discloses somebody; "district", "registration" and "prescription" stay below
_MAY_BE_RESTRICTED = 80
_MAY_HOLD_RESTRICTED = 85
# "restr" is taken for a short form; fewer letters begin too many other words
_SHORTENED = 5

# 'note' has no synonyms: a note is disclosed to the coordinator, so a column of comments must be mapped on purpose
_SYNONYMS: Final = {
    name: tuple(words.split())
    for name, words in {
        "record_ref": """recordreference recordid recid ref reference id personid personref patientid clientid localid
            customerid caseid caseref casereference urn mrn hospitalnumber uniqueid externalid sourceid""",
        "agency": "agencyid agencyname organisation organization",
        "forename": "forenames givenname givennames firstname firstnames first given christianname",
        "surname": "surnames lastname lastnames last familyname familynames family secondname",
        "dob": "dateofbirth birthdate birthday birth born",
        "sex": "gender sexcode gendercode sexatbirth",
        "postcode": "postalcode zip zipcode homepostcode",
        "address": "fulladdress homeaddress addressline addressline1 address1 street streetaddress",
        "observed_day": """observed observeddate observedon observationdate contactdate contactday dateofcontact
            eventdate incidentdate encounterdate lastcontact lastseen dateseen""",
        "restricted": "isrestricted restrictedflag sensitive sensitiveflag confidential",
    }.items()
}
_SAYS_RESTRICTED = ("restricted", "restriction", "sensitive", "confidential")
"""Words of headers that may say which records are restricted."""
_UK_IDENTIFIER = ("nhsno", "nhsnum", "nhs", "nhsid", "newnhsno", "newnhsnumber")
_GENERIC_IDENTIFIER = ("nationalid", "nationalidentifier", "personalnumber", "idnumber", "ssn", "socialsecuritynumber")


@dataclass(frozen=True, slots=True)
class SourceColumns:
    """Which header of a file is which column."""

    mapping: dict[str, str]
    """Canonical name -> header in the file."""
    ignored: tuple[str, ...]
    """Headers that are no column."""
    suggestions: dict[str, str]
    """Ignored header -> the unmatched column it resembles."""
    doubtful: tuple[str, ...] = ()
    """Ignored headers that may be the column restricted: a file with one is not sent."""

    def warnings(self) -> list[str]:
        """One sentence for each suggestion."""
        return [
            f"column '{header}' is ignored; did you mean '{name}'?"
            for header, name in self.suggestions.items()
            if header not in self.doubtful
        ]


def matched(
    file: str, header: list[str], scheme: LinkageScheme, column_map: Mapping[str, str], *, with_agency: bool
) -> SourceColumns:
    """How a header is understood; `file` is what messages call its file. `InputFileError`, see `sources.columns_of`."""
    words = _words_for(scheme, with_agency=with_agency)
    # only then may a message show a cell of row 1: in a file without a header it is somebody's data
    certain = any(squashed(name) in {*sum(words.values(), ())} or name in column_map.values() for name in header)
    mapping = {name: used for name, used in _mapped(file, header, scheme, column_map, certain).items() if name in words}
    free = {squashed(name): name for name in reversed(header) if name and name not in mapping.values()}
    for name in words:
        own = scheme.identifier_column if name == "identifier" else name
        if name not in mapping and own in header and own not in mapping.values():
            mapping[name] = own
            free.pop(squashed(own), None)
    # every column's own name goes before any column's synonym
    for number in range(max(map(len, words.values()))):
        for name, aliases in words.items():
            if name not in mapping and number < len(aliases) and aliases[number] in free:
                mapping[name] = free.pop(aliases[number])
    for name, used in mapping.items():
        if header.count(used) > 1:
            raise InputFileError(f"{file}: two columns have the header that is used as {name}; rename one")
    if "record_ref" not in mapping:
        raise InputFileError(f"{file}: no column record_ref{similar(words['record_ref'], header, certain=certain)}")
    ignored = tuple(name for name in header if name and name not in mapping.values())
    mapping = {name: mapping[name] for name in SOURCE_COLUMNS if name in mapping}
    choices = {word: name for name, aliases in words.items() if name not in mapping for word in aliases}
    suggestions = {}
    for name in ignored:
        if near := process.extractOne(squashed(name), list(choices), scorer=fuzz.ratio, score_cutoff=_RESEMBLES):
            suggestions[name] = choices[near[0]]
    if "agency" in suggestions.values():  # all would be of the agency that the file is named after
        raise InputFileError(f"{file}: no column agency{similar(words['agency'], header, certain=certain)}")
    return SourceColumns(mapping, ignored, suggestions, _doubtful(ignored, mapping.get("restricted", ""), column_map))


def similar(words: Sequence[str], header: list[str], *, certain: bool) -> str:
    """'; did you mean ...' with the header most like one of the words, or nothing."""
    matches = (process.extractOne(word, header, processor=squashed, scorer=fuzz.ratio) for word in words)
    near, score, _ = max(filter(None, matches), key=lambda match: match[1], default=("", 0.0, 0))
    if score >= (_RESEMBLES_SOMEWHAT if certain else _RESEMBLES):
        return f"; did you mean '{near}'?"
    return "" if certain else "; row 1 names no column that is known: is the header missing?"


def squashed(name: str) -> str:
    """A name as it is compared: letters and digits alone, in lower case."""
    return re.sub(r"[\W_]+", "", name).casefold()


def _words_for(scheme: LinkageScheme, *, with_agency: bool) -> dict[str, tuple[str, ...]]:
    """Canonical name -> the squashed names it goes by, its own first."""
    words = {name: (squashed(name), *_SYNONYMS.get(name, ())) for name in SOURCE_COLUMNS}
    synonyms = _UK_IDENTIFIER if scheme.checks_uk else _GENERIC_IDENTIFIER
    words["identifier"] = (squashed(scheme.identifier_column), *synonyms)
    if not with_agency:
        del words["agency"]
    return words


def _doubtful(ignored: tuple[str, ...], used: str, column_map: Mapping[str, str]) -> tuple[str, ...]:
    """Ignored headers that may be the column restricted. None if its header, `used`, is its own name or was mapped to
    it: then it is certain which one is meant."""
    if "restricted" in column_map or squashed(used) == "restricted":
        return ()
    return tuple(filter(_may_be_restricted, ignored))


def _may_be_restricted(header: str) -> bool:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header)  # IsRestr
    name, parts = squashed(header), re.split(r"[\W_]+", words.casefold())
    return any(
        fuzz.ratio(name, word) >= _MAY_BE_RESTRICTED
        or (len(name) > len(word) and fuzz.partial_ratio(word, name) >= _MAY_HOLD_RESTRICTED)
        or any(len(part) >= _SHORTENED and word.startswith(part) for part in parts)
        for word in _SAYS_RESTRICTED
    )


def _mapped(
    file: str, header: list[str], scheme: LinkageScheme, column_map: Mapping[str, str], certain: bool
) -> dict[str, str]:
    """The column map by canonical names, once it is known to fit the header."""
    mapping: dict[str, str] = {}
    for key, wanted in column_map.items():
        name = "identifier" if key == scheme.identifier_column else key
        if name not in SOURCE_COLUMNS:
            near = max(SOURCE_COLUMNS, key=functools.partial(fuzz.ratio, key))
            raise InputFileError(f"column map: there is no column '{key}'; did you mean '{near}'?")
        if wanted not in header:
            hint = similar((squashed(wanted),), header, certain=certain)
            raise InputFileError(f"{file}: no header '{wanted}', to which the column map maps {name}{hint}")
        if wanted in mapping.values():
            raise InputFileError("column map: two columns are mapped to one header")
        mapping[name] = wanted
    return mapping
