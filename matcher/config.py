"""The four configuration files, read whole: everything wrong with a file is listed at once and nothing is started.

Each class is its own schema: a field's annotation says how its value is read. No problem quotes a value, since a key
pasted where its path belongs must not reach a log.
"""

import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, get_type_hints

from rapidfuzz import fuzz, process

from matcher.errors import ConfigError
from matcher.keyfile import DATABASE_KEY_LABEL, read_key, read_variable
from matcher.scheme import SCHEMES, UK_PERSON_V1, LinkageScheme
from matcher.scoring.decision import MATCH_PROBABILITY, POSSIBLE_PROBABILITY
from matcher.settings import MOST_AGENCIES

SECTORS = ("police", "health", "council", "social-care", "housing", "fire", "justice", "education", "voluntary")
_MAINS = ("matcher", "agency", "coordinator", "operator")
HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9][A-Za-z0-9_-]{0,62}(\.[A-Za-z0-9][A-Za-z0-9_-]{0,62})*")


class _WrongValueError(Exception):
    """Holds the reason, never the value."""


@dataclass(slots=True)
class _Walk:
    """Where a file's relative paths start, and what was found wrong with the file so far."""

    folder: Path
    check_files: bool
    problems: list[str] = field(default_factory=list)
    wrong: set[str] = field(default_factory=set)
    """Options that are given, with a wrong value or name."""

    def table(self, schema: type, table: object, where: str) -> dict[str, Any]:
        """Values by field; one that is missing or wrong is left out and becomes a problem."""
        if not isinstance(table, dict):
            self.problems.append(f"{where}: must be a table")
            return {}
        readers = {name: read for name, read in _annotations(schema).items() if not isinstance(read, _Section)}
        self.wrong |= (misspelt := self.unknown(table, readers.keys(), f"{where} "))
        required = {option.name for option in fields(schema) if option.default is MISSING}
        values = {}
        for name, read in readers.items():
            if name in table:
                try:
                    values[name] = read(table[name], self)
                except _WrongValueError as wrong:
                    self.problems.append(f"{where} {name}: {wrong}")
                    self.wrong.add(name)
            elif name in required - misspelt:
                self.problems.append(f"{where} {name}: is missing")
        return values

    def unknown(self, table: Mapping[str, object], known: Collection[str], where: str) -> set[str]:
        """Report the names that are not known; returns the known ones they seem to mean."""
        meant = set()
        for name in [name for name in table if name not in known]:
            # nothing this long is an option's name: it may be a value in the wrong place
            problem = f"{where}{name if len(name) <= 30 else '(a long name)'}: is not known"
            left = [other for other in known if other not in table]
            if guess := process.extractOne(name, left, scorer=fuzz.ratio, score_cutoff=65):
                problem += f"; did you mean {guess[0]}?"
                meant.add(guess[0])
            self.problems.append(problem)
        return meant


@dataclass(frozen=True, slots=True)
class _Section:
    """Annotation of a field read from a table of its own or, with `least`, from an array of so many tables or more.

    Of schema `dict` is a table that may be missing and holds texts under names of its own.
    """

    name: str
    schema: type
    least: int | None = None

    def read(self, document: Mapping[str, Any], walk: _Walk) -> Any:
        """Values not yet built, so that what spans tables can still be checked when some of them are wrong."""
        content = document.get(self.name, [] if self.least is not None else {})
        if self.schema is dict:
            if not isinstance(content, dict) or not all(isinstance(text, str) and text for text in content.values()):
                walk.problems.append(f"[{self.name}]: must hold texts only, none of them empty")
            return content
        if self.least is None:
            return walk.table(self.schema, content, f"[{self.name}]") if self.name in document else {}
        if not isinstance(content, list):
            walk.problems.append(f"[[{self.name}]]: must be an array of tables")
            return []
        if len(content) < self.least:
            walk.problems.append(f"[[{self.name}]]: there must be at least {self.least}")
        return [walk.table(self.schema, each, f"[[{self.name}]] {number}") for number, each in enumerate(content, 1)]

    def build(self, values: Any) -> Any:
        return self.schema(**values) if self.least is None else tuple(self.schema(**each) for each in values)


def _annotations(schema: type) -> dict[str, Any]:
    hints = get_type_hints(schema, include_extras=True)
    return {option.name: hints[option.name].__metadata__[0] for option in fields(schema)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file: the fields that are no section of their own are the options of its main table."""

    MAIN: ClassVar[str]

    @classmethod
    def load(cls, path: Path, *, check_files: bool = True) -> Self:
        """Read a file; `ConfigError` lists every problem. Without `check_files` the files it names may be missing."""
        try:
            document = tomllib.loads(path.read_bytes().decode())
        except OSError as error:
            raise ConfigError(str(path), [f"cannot be read ({error.strerror})"]) from None
        except UnicodeDecodeError:
            raise ConfigError(str(path), ["is not UTF-8 text"]) from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(str(path), [f"is not TOML: {error}"]) from None
        except RecursionError:
            raise ConfigError(str(path), ["is not TOML of this kind: too deep"]) from None
        tables = [name for name in _MAINS if isinstance(document.get(name), dict)]
        if tables and cls.MAIN not in tables:
            raise ConfigError(str(path), [f"this is the {tables[0]}'s file; the {cls.MAIN}'s is needed ([{cls.MAIN}])"])
        walk = _Walk(path.absolute().parent, check_files)
        sections = {name: each for name, each in _annotations(cls).items() if isinstance(each, _Section)}
        main = _Section(cls.MAIN, cls)
        misspelt = walk.unknown(document, [each.name for each in (main, *sections.values())], "table ")
        needed = [each.name for each in (main, *sections.values()) if each.least is None and each.schema is not dict]
        walk.problems += [f"[{name}]: is missing" for name in needed if name not in document.keys() | misspelt]
        values: dict[str, Any] = main.read(document, walk)
        values |= {name: section.read(document, walk) for name, section in sections.items()}
        walk.problems += cls._clashes(values, walk.wrong)
        if walk.problems:
            raise ConfigError(str(path), walk.problems)
        return cls(**values | {name: section.build(values[name]) for name, section in sections.items()})

    @classmethod
    def _clashes(cls, values: dict[str, Any], wrong: Collection[str]) -> list[str]:
        """What is wrong between values that are each right; those of `wrong` options are not among them."""
        return []


_Reader = Callable[[Any, _Walk], Any]


def _accept(test: Callable[[Any], object], what: str, convert: Callable[[Any], Any] = lambda value: value) -> _Reader:
    def read(value: object, _walk: _Walk) -> Any:
        if not test(value):
            raise _WrongValueError(f"must be {what}")
        return convert(value)

    return read


def _text(pattern: str | re.Pattern[str], what: str, convert: Callable[[str], Any] = str) -> _Reader:
    return _accept(lambda value: isinstance(value, str) and re.fullmatch(pattern, value), what, convert)


def _whole(least: int, most: int = 10**9) -> _Reader:
    return _accept(lambda value: type(value) is int and least <= value <= most, f"a whole number, {least} to {most}")


def _address(lowest_port: int) -> _Reader:
    def test(value: object) -> bool:
        match = re.fullmatch(r"(.+):([0-9]{1,5})", value) if isinstance(value, str) else None
        if match is None or not lowest_port <= int(match[2]) <= 65535:
            return False
        return bool(HOST_NAME.fullmatch(match[1]) or re.fullmatch(r"\[[0-9A-Fa-f:.]+\]", match[1]))

    return _accept(test, f"host:port, such as 127.0.0.1:7443, with a port from {lowest_port} to 65535")


def _path(value: object, walk: _Walk) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise _WrongValueError("must be a path")
    return walk.folder / value


def _made_by(command: str) -> _Reader:
    hint = f"; `{command}` makes it" if command else ""

    def read(value: object, walk: _Walk) -> Path:
        path = _path(value, walk)
        if walk.check_files and not (os.access(path, os.R_OK) and path.is_file()):
            raise _WrongValueError(f"there is no such file, or it may not be read{hint}")
        return path

    return read


_file = _made_by("")
_SCHEME = _text("|".join(SCHEMES), "one of " + ", ".join(SCHEMES), SCHEMES.__getitem__)
_KEY_CHECK = _text("[0-9A-Fa-f]{32}", "32 hex digits", bytes.fromhex)
_NAME = _text("[a-z0-9-]{1,32}", "1 to 32 of a-z, 0-9 and -")
_SPIFFE = _text(r"spiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]+)*", "a URI such as spiffe://DOMAIN/agency/NAME")
_PROBABILITY = _accept(lambda value: type(value) in (int, float) and 0 < value < 1, "above 0 and below 1")
_VARIABLE = _text("[A-Z_][A-Z0-9_]{0,39}", "the name of an environment variable: 1 to 40 of A-Z, 0-9 and _")
_FLAG = _accept(lambda value: isinstance(value, bool), "true or false")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """[tls] PEM files: this party's certificate and key, and the authority that signs the other side's."""

    certificate: Annotated[Path, _made_by("matcher pki init")]
    key: Annotated[Path, _made_by("matcher pki init")]
    authority: Annotated[Path, _made_by("matcher pki init")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A party that may call the matcher, and the URI name in its client certificate."""

    name: Annotated[str, _NAME]
    certificate: Annotated[str, _SPIFFE]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency(Caller):
    """An agency, with its sector (one of `SECTORS`)."""

    sector: Annotated[str, _text("|".join(SECTORS), "one of " + ", ".join(SECTORS))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinator(Caller):
    """A coordinator; a `restricted` one reviews what concerns restricted records."""

    restricted: Annotated[bool, _FLAG] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig(_File):
    """What the matcher needs: its own options, its TLS files, and who may call it."""

    MAIN = "matcher"
    database: Annotated[Path, _path]
    key_check: Annotated[bytes, _KEY_CHECK]
    tls: Annotated[TlsFiles, _Section("tls", TlsFiles)]
    agencies: Annotated[tuple[Agency, ...], _Section("agency", Agency, least=2)]
    coordinators: Annotated[tuple[Coordinator, ...], _Section("coordinator", Coordinator, least=1)]
    operators: Annotated[tuple[Caller, ...], _Section("operator", Caller, least=0)]
    database_key: Annotated[Path | None, _made_by("matcher keygen database")] = None
    database_key_variable: Annotated[str | None, _VARIABLE] = None
    listen: Annotated[str, _address(0)] = "127.0.0.1:7443"
    scheme: Annotated[LinkageScheme, _SCHEME] = UK_PERSON_V1
    epoch: Annotated[int, _whole(1, 65535)] = 1
    previous_epoch: Annotated[int | None, _whole(1, 65535)] = None
    previous_key_check: Annotated[bytes | None, _KEY_CHECK] = None
    expected_population: Annotated[int, _whole(100)] = 1_000_000
    match_probability: Annotated[float, _PROBABILITY] = MATCH_PROBABILITY
    possible_probability: Annotated[float, _PROBABILITY] = POSSIBLE_PROBABILITY
    max_batch_records: Annotated[int, _whole(1, 8192)] = 4096
    block_cap: Annotated[int, _whole(10)] = 1000
    look_back_days: Annotated[int, _whole(1, 3650)] = 365
    escalation_contacts: Annotated[int, _whole(2, 1000)] = 3
    quiet_seconds: Annotated[int, _whole(0, 86400)] = 60
    removal_days: Annotated[int, _whole(1, 3650)] = 30
    records_per_day: Annotated[int, _whole(1)] = 5_000_000
    megabytes_per_day: Annotated[int, _whole(1)] = 10_000
    block_rows_per_day: Annotated[int, _whole(1)] = 500
    streams_per_caller: Annotated[int, _whole(1, 64)] = 4
    deny_list: Annotated[Path | None, _file] = None
    reflection: Annotated[bool, _FLAG] = False
    metrics: Annotated[str | None, _address(0)] = None
    model: Annotated[Path | None, _file] = None
    audit_log: Annotated[Path | None, _path] = None
    audit_key: Annotated[Path | None, _made_by("matcher keygen audit")] = None

    def read_database_key(self) -> bytes | None:
        """The key the database is encrypted with, 32 bytes; None if none is configured. `KeyFileError` if the file or
        variable that is to hold it does not."""
        if self.database_key:
            return read_key(self.database_key, DATABASE_KEY_LABEL)
        return read_variable(self.database_key_variable) if self.database_key_variable else None

    @classmethod
    def _clashes(cls, values: dict[str, Any], wrong: Collection[str]) -> list[str]:
        problems = []
        possible = values.get("possible_probability", POSSIBLE_PROBABILITY)
        if possible >= values.get("match_probability", MATCH_PROBABILITY):
            problems.append("[matcher] possible_probability: must be below match_probability")
        if {"database_key", "database_key_variable"} <= values.keys():
            problems.append("[matcher] database_key_variable: there is a database_key already")
        for pair in (("previous_epoch", "previous_key_check"), ("audit_log", "audit_key")):
            if sum(name in values or name in wrong for name in pair) == 1:
                problems.append(f"[matcher] {', '.join(pair)}: give both or neither")
        for name, in_use in (("epoch", values.get("epoch", 1)), ("key_check", values.get("key_check"))):
            if values.get(f"previous_{name}", b"") == in_use:
                problems.append(f"[matcher] previous_{name}: must be another one than {name}")
        if len(values["agencies"]) > MOST_AGENCIES:
            problems.append(f"[[agency]]: must be {MOST_AGENCIES} at most")
        owners: dict[str, str] = {}
        for kind, field_name in (("agency", "agencies"), ("coordinator", "coordinators"), ("operator", "operators")):
            names: set[str] = set()
            for number, party in enumerate(values[field_name], 1):
                where, name, uri = f"[[{kind}]] {number}", party.get("name"), party.get("certificate")
                problems += [f"{where} name: is given twice"] if name in names else []
                problems += [f"{where} certificate: is that of {owners[uri]} too"] if uri in owners else []
                names |= {name} - {None}
                owners |= {uri: where} if uri else {}
        return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig(_File):
    """What every client needs to call the matcher; `server_name` is the name to expect in the matcher's certificate."""

    name: Annotated[str, _NAME]
    matcher: Annotated[str, _address(1)]
    tls: Annotated[TlsFiles, _Section("tls", TlsFiles)]
    server_name: Annotated[str | None, _text(HOST_NAME, "a host name")] = None
    scheme: Annotated[LinkageScheme, _SCHEME] = UK_PERSON_V1


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyConfig(ClientConfig):
    """What an agency needs to tokenise and send. `columns`: canonical name -> header in its files."""

    MAIN = "agency"
    linkage_key: Annotated[Path, _made_by("matcher keygen linkage")]
    alias_key: Annotated[Path, _made_by("matcher keygen alias")]
    coordinator_public_key: Annotated[Path, _made_by("matcher keygen coordinator")]
    columns: Annotated[Mapping[str, str], _Section("columns", dict)]
    epoch: Annotated[int, _whole(1, 65535)] = 1
    batch_records: Annotated[int, _whole(1, 8192)] = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorConfig(ClientConfig):
    """What a coordinator needs to receive alerts, under the name `consumer`, and to open their references."""

    MAIN = "coordinator"
    private_key: Annotated[Path, _made_by("matcher keygen coordinator")]
    consumer: Annotated[str, _text("[A-Za-z0-9._-]{1,64}", "1 to 64 of A-Z, a-z, 0-9, ., _ and -")] = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorConfig(ClientConfig):
    """What an operator needs to ask how the matcher stands."""

    MAIN = "operator"
