"""Sends a file, from clear text or already tokenised, and resumes where an interrupted push stopped."""

import hashlib
import json
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from google.protobuf.message import DecodeError
from google.protobuf.proto import parse_length_prefixed, serialize_length_prefixed

from matcher.agency.client import FeedClient
from matcher.agency.identity import NormalisedBatch, Problem, RawBatch
from matcher.agency.keys import AliasKey, LinkageKeys, load_alias_key, load_linkage_keys
from matcher.agency.normalise import normalise
from matcher.agency.parallel import in_order
from matcher.agency.sources import read
from matcher.agency.tokeniser import Tokeniser
from matcher.config import AgencyConfig
from matcher.errors import InputFileError, RemoteError
from matcher.keyfile import read_public_key
from matcher.rpc import MAX_MESSAGE_BYTES
from matcher.scheme import LinkageScheme, scheme_named
from matcher.v1.records_pb2 import RecordBatch
from matcher.wire import batch_message

log = logging.getLogger(__name__)
FILE_FORMAT = "familiar-faces tokens v1"
_DAMAGED = "the token file is damaged or cut short; copy it again"
_CHECKSUM_BYTES = 32
_PART_BYTES = 1 << 20
_TRIES = 6
_FIRST_PAUSE = 0.5
_TRANSIENT = {
    "UNAVAILABLE",
    "CANCELLED",  # what a matcher that stops leaves of the calls in hand
    "ERROR_REASON_STORE_UNAVAILABLE",
    "ERROR_REASON_STORE_FULL",
    "ERROR_REASON_AUDIT_UNAVAILABLE",
    "ERROR_REASON_OFFSET_COMMITTED",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What a token file was made for."""

    agency: str
    scheme: str
    scheme_digest: str
    epoch: int
    key_check: str
    feed_id: str


class Source(Protocol):
    """Token batches of one file, always the same ones in the same order."""

    header: Header
    problems: list[Problem]
    batch_records: int
    """Most rows a batch takes; may be lowered before the first is made."""

    def batches(self, first_offset: int) -> Iterator[RecordBatch]:
        """Batches from an offset on, which may lie inside one."""


class ClearTextSource:
    """Tokenises a CSV or Parquet file as it is read. `problems` fills as rows are met."""

    def __init__(self, path: Path, config: AgencyConfig, *, anew: bool = False, jobs: int = 1) -> None:
        self._path, self._config, self._jobs = path, config, jobs
        keys = load_linkage_keys(config.linkage_key, config.scheme, config.epoch)
        alias_key = load_alias_key(config.alias_key, config.name)
        coordinator = read_public_key(config.coordinator_public_key)
        self._tokeniser = Tokeniser(config.scheme, keys, alias_key, config.name, coordinator)
        self.problems: list[Problem] = []
        self.batch_records = config.batch_records
        self.header = _header(config, keys, alias_key, path, anew=anew)

    def batches(self, first_offset: int) -> Iterator[RecordBatch]:
        """See `Source`."""
        offset = 0
        self.problems = []
        chunks = read(self._path, self._config.scheme, self._config.columns, batch_rows=self.batch_records)
        while offset < first_offset and (raw := next(chunks, None)):
            # what the matcher has is counted and no more; no process is started for it
            batch = normalise(raw, self._config.scheme)
            self.problems += batch.problems
            starts = [i for i, ref in enumerate(batch.record_ref) if i == 0 or ref != batch.record_ref[i - 1]]
            skipped = min(first_offset - offset, len(starts))
            offset += skipped
            if skipped < len(starts):
                tokens = self._tokeniser.tokenise(_from_row(batch, starts[skipped]))
                yield batch_message(tokens, self._config.scheme, offset)
                offset += tokens.record_count
        for message, problems in in_order(_Tokenising(self._tokeniser, self._config.scheme), chunks, self._jobs):
            self.problems += problems
            if message:
                made = RecordBatch.FromString(message)
                made.first_offset = offset
                yield made
                offset += made.record_count


@dataclass(frozen=True, slots=True, repr=False)
class _Tokenising:
    """From rows to the bytes of a `RecordBatch` whose offset is still to be set; none if no row can be used."""

    tokeniser: Tokeniser
    scheme: LinkageScheme

    def __call__(self, raw: RawBatch) -> tuple[bytes, list[Problem]]:
        batch = normalise(raw, self.scheme)
        message = batch_message(self.tokeniser.tokenise(batch), self.scheme).SerializeToString() if len(batch) else b""
        return message, batch.problems


class TokenFileSource:
    """Reads a file that `write_token_file` made, once it is proved whole; needs no key."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[Problem] = []
        self.batch_records = 0
        """As many as the file's batches have."""
        with path.open("rb") as file:
            self.header = _read_header(file, path)
            self._end = file.seek(0, SEEK_END) - _CHECKSUM_BYTES
            file.seek(max(self._end, 0))
            if file.read() != _checksum(path, self._end):
                raise InputFileError(f"{path.name}: {_DAMAGED}")

    def batches(self, first_offset: int) -> Iterator[RecordBatch]:
        """See `Source`; batches are sent as they are, so an offset inside one is refused with `InputFileError`."""
        with self._path.open("rb") as file:
            _read_header(file, self._path)
            try:
                while file.tell() < self._end:
                    batch = parse_length_prefixed(RecordBatch, cast(BytesIO, _Bounded(file)))
                    if batch is None:
                        raise ValueError
                    if batch.first_offset >= first_offset:
                        yield batch
                    elif batch.first_offset + batch.record_count > first_offset:
                        raise InputFileError("the feed stopped inside a batch of this file; make the file anew")
            except (DecodeError, ValueError):
                raise InputFileError(f"{self._path.name}: {_DAMAGED}") from None


def is_token_file(path: Path) -> bool:
    """Whether a file was made by `write_token_file`."""
    try:
        with path.open("rb") as file:
            return FILE_FORMAT.encode() in file.readline(200)
    except OSError as error:
        raise InputFileError(f"{path.name}: cannot be read: {error.strerror}") from None


def write_token_file(source: ClearTextSource, out: Path, progress: Callable[[int], None]) -> int:
    """Write a file's tokens for an air-gapped hand-over; the number of records. `InputFileError` if `out` exists.

    A header line, the batches with their lengths, and a checksum of it all, for the file's owner alone. What cannot be
    finished is removed.
    """
    records = 0
    try:
        out.touch(0o600, exist_ok=False)
    except FileExistsError:
        raise InputFileError(f"{out.name}: there is such a file already") from None
    try:
        with out.open("wb") as file:
            header = {name.name: getattr(source.header, name.name) for name in fields(Header)}
            file.write(json.dumps({"format": FILE_FORMAT} | header).encode() + b"\n")
            for batch in source.batches(0):
                serialize_length_prefixed(batch, cast(BytesIO, file))
                records += batch.record_count
                progress(records)
            file.flush()
            file.write(_checksum(out, file.tell()))
    except BaseException:
        out.unlink()
        raise
    return records


def push(client: FeedClient, source: Source, progress: Callable[[int], None], *, backfill: bool = False) -> int:
    """Send what the matcher does not have yet; the feed's length when all is committed. `progress` gets offsets.

    Tries again, from where the matcher says, when the connection breaks or the matcher is full; `RemoteError` when that
    does not help.
    """
    header = source.header
    scheme = scheme_named(header.scheme)
    if scheme.digest.hex() != header.scheme_digest:
        raise InputFileError("the token file was made for another version of its scheme; make it anew")
    most = client.check(header.agency, scheme, header.epoch, bytes.fromhex(header.key_check))
    source.batch_records = min(source.batch_records, most)
    tries = 0
    while True:
        try:
            committed = client.next_offset(header.feed_id)
            progress(committed)
            batches = source.batches(committed)
            for committed in client.append(header.feed_id, batches, backfill=backfill):
                tries = 0
                progress(committed)
            return committed
        except RemoteError as error:
            tries += 1
            if error.reason not in _TRANSIENT or tries == _TRIES:
                raise
            log.warning("the connection broke (%s); trying again", error.reason)
            time.sleep(_FIRST_PAUSE * 2**tries)


def _header(config: AgencyConfig, keys: LinkageKeys, alias_key: AliasKey, path: Path, *, anew: bool) -> Header:
    """`anew`: the file makes a feed that never was, and so is sent from the start."""
    nonce = secrets.token_bytes(16) if anew else b""
    return Header(
        agency=config.name,
        scheme=config.scheme.name,
        scheme_digest=config.scheme.digest.hex(),
        epoch=keys.epoch,
        key_check=keys.key_check.hex(),
        feed_id=alias_key.feed_id(_content_digest(path, config) + nonce),
    )


def _content_digest(path: Path, config: AgencyConfig) -> bytes:
    """A file's content as it is tokenised: another scheme, epoch or column map makes another feed."""
    try:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise InputFileError(f"{path.name}: cannot be read: {error.strerror}") from None
    columns = json.dumps(dict(config.columns), sort_keys=True).encode()
    return hashlib.sha256(content + config.scheme.digest + config.epoch.to_bytes(4, "big") + columns).digest()


class _Bounded:
    """A file of which no part is longer than a message may be: a damaged length must not take all memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        """The next bytes; `ValueError` if they are too many."""
        if size > MAX_MESSAGE_BYTES:
            raise ValueError
        return self._file.read(size)


def _read_header(file: BinaryIO, path: Path) -> Header:
    try:
        content = json.loads(file.readline(2000))
        if content.pop("format") != FILE_FORMAT:
            raise ValueError
        return Header(**content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputFileError(f"{path.name}: is no token file of this version") from None


def _checksum(path: Path, size: int) -> bytes:
    """SHA-256 of a file's first bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(min(max(size, 0), _PART_BYTES)):
            digest.update(part)
            size -= len(part)
    return digest.digest()


def _from_row(batch: NormalisedBatch, first: int) -> NormalisedBatch:
    if first == 0:
        return batch
    return NormalisedBatch(
        **{each.name: getattr(batch, each.name)[first:] for each in fields(batch) if each.name != "problems"}
    )
