"""Reads CSV and Parquet files batch by batch, in bounded memory.

Row numbers count records as a spreadsheet shows them: the header is row 1, the record after it row 2; an empty line
is a row, a record with quoted line breaks is one row. Parquet has no header row and is counted as if it had.
What cannot be read becomes a fatal `Problem` of its row and the rest goes on.
"""

import csv
import hashlib
import itertools
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TextIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from matcher.agency.headers import SourceColumns, matched, similar, squashed
from matcher.agency.identity import SOURCE_COLUMNS, Problem, RawBatch
from matcher.agency.normalise import NO_REF, is_restricted
from matcher.errors import DoubtfulHeaderError, InputFileError, NoColumnError
from matcher.scheme import MOST_VARIANTS, LinkageScheme

MAX_RECORD_CHARACTERS = 65_536
"""An unbalanced quote is noticed after so much text, and costs its own row only."""

WRONG_COUNT: Final = "not as many columns as the header"
BAD_QUOTES: Final = "quotation marks do not pair up"
NUL_BYTE: Final = "holds a NUL byte"
NOT_UTF8: Final = "not UTF-8 text"
OVERLONG: Final = f"longer than {MAX_RECORD_CHARACTERS} characters; is a quotation mark missing?"
AGAIN: Final = "record reference appears again; put the rows of one record next to each other"
TOO_MANY: Final = f"more than {MOST_VARIANTS} rows of one record"

_DELIMITERS = ",;\t|"
_PARQUET_SUFFIX = ".parquet"

_Row = tuple[int, Sequence[str] | None, str]
"""Row number, the mapped columns' stripped values in order of the mapping (None if they cannot be told), the reason if
the row is broken."""


def columns_of(
    path: Path, scheme: LinkageScheme, column_map: Mapping[str, str] | None = None, *, with_agency: bool = False
) -> SourceColumns:
    """How the file's header is understood; `column_map` (canonical name -> header) wins over names and synonyms.

    `InputFileError`: unreadable or empty file, a mapped header or needed column not there, an agency column misspelt.
    """
    return matched(path.name, _header(path), scheme, column_map or {}, with_agency=with_agency)


def read(
    path: Path,
    scheme: LinkageScheme,
    column_map: Mapping[str, str] | None = None,
    *,
    batch_rows: int = 4096,
    with_agency: bool = False,
    further: Sequence[str] = (),
    doubtful: bool = False,
    variants: bool = True,
) -> Iterator[RawBatch]:
    """Batches of about `batch_rows` rows; rows of one record that stand together stay in one batch.

    A record reference that comes again further down is a fatal problem of the later row. `with_agency`: references are
    told apart by the agency column; without one all are of the agency the file is named after. Otherwise such a column
    is not read. `further`: headers of columns that are read besides, as they stand. `doubtful`: a header that may
    be the column restricted does not matter. Without `variants` every row is for itself, and a reference may come again
    anywhere; else one row that is restricted makes its record so, though the row be left out. Raises `InputFileError`
    at once, as `columns_of` does and for such a header, or later if the file breaks off.
    """
    header = _header(path)
    columns = matched(path.name, header, scheme, column_map or {}, with_agency=with_agency)
    mapping = columns.mapping
    if not doubtful and (headers := [name for name in columns.doubtful if name not in further]):
        # a value that is not understood counts as restricted; so must a header, or its records would alert
        raise DoubtfulHeaderError(f"{path.name}: column '{headers[0]}' may say which records are restricted")
    for name in set(further) - set(header):
        raise NoColumnError(f"{path.name}: no column '{name}'{similar((squashed(name),), header, certain=True)}")
    rows = _parquet_rows if path.suffix.lower() == _PARQUET_SUFFIX else _csv_rows
    restricted: set[int] = set()
    if variants and "restricted" in mapping:  # all of the file first: the row that says so may be the last
        telling = {name: mapping[name] for name in ("agency", "record_ref", "restricted") if name in mapping}
        restricted = _restricted(rows(path, header, list(telling.values())), list(telling))
    read_rows = rows(path, header, [*mapping.values(), *further])
    batches = _batches(read_rows, list(mapping), further, batch_rows, variants, restricted)
    if not with_agency or "agency" in mapping:
        return batches
    return (replace(each, columns={**each.columns, "agency": [path.stem] * len(each.rows)}) for each in batches)


def _keys(names: list[str]) -> Callable[[Sequence[str]], tuple[str, str]]:
    """What tells a row's record from others: its agency, if there is such a column, and its reference."""
    ref_at, agency_at = names.index("record_ref"), names.index("agency") if "agency" in names else None
    return lambda cells: ("" if agency_at is None else cells[agency_at], cells[ref_at])


def _restricted(rows: Iterable[_Row], names: list[str]) -> set[int]:
    """Digests of the records of which a row is restricted, whatever else is wrong with it."""
    key, at = _keys(names), names.index("restricted")
    return {_digest(key(cells)) for _, cells, _ in rows if cells is not None and is_restricted(cells[at])}


def _batches(
    rows: Iterable[_Row], names: list[str], further: Sequence[str], batch_rows: int, variants: bool,
    restricted: Collection[int],
) -> Iterator[RawBatch]:  # fmt: skip
    key_of = _keys(names)
    seen: set[int] = set()
    current: tuple[str, str] | None = None
    count = 0
    numbers: list[int] = []
    values: list[Sequence[str]] = []
    problems: list[Problem] = []
    for number, cells, broken in rows:
        reason = broken
        if cells is not None and not broken:
            key = key_of(cells)
            if not key[1]:
                reason = NO_REF
            elif variants and key == current:
                count += 1
                reason = TOO_MANY if count > MOST_VARIANTS else ""
            elif variants and (digest := _digest(key)) in seen:
                reason = AGAIN
            else:
                if len(numbers) >= batch_rows:
                    yield _batch(numbers, values, names, further, problems)
                    numbers, values, problems = [], [], []
                if variants:
                    seen.add(digest)
                current, count = key, 1
        if cells is not None and not reason:
            numbers.append(number)
            values.append(_marked(cells, names, key, restricted) if restricted else cells)
            continue
        problems.append(Problem(number, "" if broken else "record_ref", reason, fatal=True))
        if len(problems) >= batch_rows:
            # on their own, so that a group of rows is not split
            yield _batch([], [], names, further, problems)
            problems = []
    if numbers or problems:
        yield _batch(numbers, values, names, further, problems)


def _marked(cells: Sequence[str], names: list[str], key: tuple[str, str], restricted: Collection[int]) -> Sequence[str]:
    """A row of a record that is restricted by another row, as restricted too; any other as it is."""
    at = names.index("restricted")
    if is_restricted(cells[at]) or _digest(key) not in restricted:
        return cells
    return [*cells[:at], "yes", *cells[at + 1 :]]


def _digest(key: tuple[str, str]) -> int:
    return int.from_bytes(hashlib.blake2b("\0".join(key).encode(errors="surrogatepass"), digest_size=8).digest(), "big")


def _batch(
    numbers: list[int], values: list[Sequence[str]], names: list[str], further: Sequence[str], problems: list[Problem]
) -> RawBatch:
    held = [list(column) for column in zip(*values, strict=True)] or [[] for _ in (*names, *further)]
    columns = {name: [""] * len(numbers) for name in SOURCE_COLUMNS} | dict(zip(names, held, strict=False))
    return RawBatch(numbers, columns, problems, dict(zip(further, held[len(names) :], strict=True)))


# -- header -----------------------------------------------------------------------------------------------------


def _header(path: Path) -> list[str]:
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".tsv", ".txt", _PARQUET_SUFFIX}:
        raise InputFileError(f"{path.name}: the name must end in .csv or .parquet")
    broken = ""
    try:
        if suffix == _PARQUET_SUFFIX:
            with pq.ParquetFile(path) as file:
                names = [str(name) for name in file.schema_arrow.names]
        else:
            with _opened(path) as text:
                _, cells, broken = next(_records(text, _delimiter(path), None), (1, [], ""))
                names = list(cells or [])
    except OSError as error:
        raise InputFileError(f"{path.name}: cannot be read: {error.strerror or 'input error'}") from None
    except pa.ArrowInvalid:
        raise InputFileError(f"{path.name}: is not a Parquet file, or is damaged") from None
    if broken:
        raise InputFileError(f"{path.name}: row 1, the header: {broken}")
    if not any(name.strip() for name in names):
        raise InputFileError(f"{path.name}: the file is empty or its first row names no columns")
    return [name.strip() for name in names]


# -- rows -------------------------------------------------------------------------------------------------------


def _opened(path: Path) -> TextIO:
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise InputFileError(f"{path.name}: is UTF-16; save it as CSV UTF-8")
    # a byte that is no UTF-8 spoils its row, not the file
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _delimiter(path: Path) -> str:
    """The one that splits the header into most columns."""
    with _opened(path) as text:
        line = text.readline(MAX_RECORD_CHARACTERS)
    return max(_DELIMITERS, key=lambda mark: len(next(csv.reader([line], delimiter=mark), [])))


class _OverlongError(Exception):
    """A record is longer than `MAX_RECORD_CHARACTERS`; it carries nothing."""


class _Lines:
    """Physical lines for the csv reader, of which all but a broken record's first can be read again."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self._record: list[str] = []
        self._size = 0
        self.reason = ""

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._from_file()
        if not line:
            raise StopIteration
        self._record.append(line)
        self._size += len(line)
        if self._size > MAX_RECORD_CHARACTERS:
            raise _OverlongError
        if "\0" in line:
            self.reason = NUL_BYTE
        elif not line.isascii() and any("\ud800" <= letter <= "\udfff" for letter in line):
            self.reason = NOT_UTF8
        return line

    def _from_file(self) -> str:
        line = rest = self._file.readline(MAX_RECORD_CHARACTERS + 1)
        while len(rest) > MAX_RECORD_CHARACTERS and not rest.endswith(("\n", "\r")):
            rest = self._file.readline(MAX_RECORD_CHARACTERS + 1)
        return line

    def start(self) -> None:
        """A record begins."""
        self._record, self._size, self.reason = [], 0, ""

    def again(self) -> None:
        """Give all lines of this record but the first once more: a quotation mark had swallowed them."""
        self._again.extendleft(reversed(self._record[1:]))


def _records(file: TextIO, delimiter: str, width: int | None) -> Iterator[_Row]:
    """All records from the header on; an empty line gives an empty list. `width`: how many cells each must have."""
    lines = _Lines(file)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    for number in itertools.count(1):
        lines.start()
        cells: list[str] = []
        reason = ""
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            reason = BAD_QUOTES
        except _OverlongError:
            reason = OVERLONG
        if not reason and cells and width not in (None, len(cells)):
            reason = WRONG_COUNT
        if reason:
            lines.again()
        yield number, None if reason else cells, reason or lines.reason


def _csv_rows(path: Path, header: list[str], wanted: list[str]) -> Iterator[_Row]:
    places = [header.index(name) for name in wanted]
    with _opened(path) as file:
        for number, cells, reason in itertools.islice(_records(file, _delimiter(path), len(header)), 1, None):
            stripped = [cell.strip() for cell in cells or ()]
            if cells is None:
                yield number, None, reason
            elif reason or any(stripped):
                yield number, [stripped[place] for place in places], reason


def _parquet_rows(path: Path, header: list[str], wanted: list[str]) -> Iterator[_Row]:
    number, broken = 1, ""
    with pq.ParquetFile(path) as file:
        # by position, since a file's own names may have spaces around them
        names = [str(file.schema_arrow.names[header.index(name)]) for name in wanted]
        try:
            for batch in file.iter_batches(batch_size=8192, columns=list(dict.fromkeys(names))):
                columns = [_texts(batch.column(name)) for name in names]
                for cells in zip(*columns, strict=True):
                    number += 1
                    if any(cells):
                        yield number, cells, ""
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, UnicodeDecodeError):
            broken = "a column that is used holds neither text, numbers nor dates"
        except OSError:
            broken = "the file is damaged"
    # raised out here, so that no library error with a value in it hangs on to it
    if broken:
        raise InputFileError(f"{path.name}: after row {number}: {broken}")


def _texts(column: pa.Array) -> list[str]:
    return ["" if text is None else str(text).strip() for text in pc.cast(column, pa.string()).to_pylist()]
