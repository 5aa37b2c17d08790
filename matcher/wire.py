"""From messages to the model and back, and every check of what came from outside.

Arrays are views of the message's bytes.
No refusal holds a value: it names a column, a limit or a count.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.errors import (
    BadDayError,
    BadTokenError,
    DuplicateAliasError,
    FloodingTokenError,
    InvalidArgumentError,
    OversizeBatchError,
    SchemeMismatchError,
    UnknownEpochError,
    WrongStrideError,
)
from matcher.model import (
    HEALTH,
    POLICE,
    RESTRICTED,
    UNKNOWN_DAY,
    Alert,
    AlertKind,
    AlertMember,
    ConfidenceBand,
    Disclosure,
    Evidence,
    TokenBatch,
)
from matcher.scheme import ALIAS_BYTES, ENCAPSULATION_BYTES, MOST_VARIANTS, SEALED_BYTES, TOKEN_BYTES, LinkageScheme
from matcher.v1 import alert_service_pb2, records_pb2

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What a client names something by."""
ID_BYTES = 16
_USUAL_PAGE, _LARGEST_PAGE = 100, 1000
_FIRST_DAY = -25567
"""1900-01-01."""
_FLOOD_LEAST, _FLOOD_SHARE = 64, 8


class Limits(NamedTuple):
    """What a batch must respect."""

    epoch: int
    max_batch_records: int
    today: int
    """Days since 1970-01-01."""


def checked_name(name: str, field: str) -> str:
    """A name a client chose; `InvalidArgumentError` if it is not 1 to 64 of A-Z, a-z, 0-9, ., _ and -."""
    if not NAME.fullmatch(name):
        raise InvalidArgumentError(field, "must be 1 to 64 of A-Z, a-z, 0-9, ., _ and -")
    return name


def checked_id(value: bytes, field: str) -> bytes:
    """A name the matcher gave; `InvalidArgumentError` if it does not have 16 bytes."""
    if len(value) != ID_BYTES:
        raise InvalidArgumentError(field, f"must have {ID_BYTES} bytes")
    return value


def checked_page_size(size: int) -> int:
    """How much a client asks for at most, 0 for the usual; `InvalidArgumentError` if it is too much."""
    if size > _LARGEST_PAGE:
        raise InvalidArgumentError("page_size", f"must be at most {_LARGEST_PAGE}")
    return size or _USUAL_PAGE


def scheme_message(scheme: LinkageScheme) -> records_pb2.Scheme:
    """The scheme, for GetScheme."""
    return records_pb2.Scheme(
        name=scheme.name,
        digest=scheme.digest,
        canonical_json=scheme.to_json(),
        fields=[
            records_pb2.SchemeField(name=field.name, bits=field.bits, comparison=field.comparison)
            for field in scheme.fields
        ],
        passes=[blocking_pass.name for blocking_pass in scheme.passes],
        encoding_bytes=scheme.encoding_bytes,
        sealed_bytes=SEALED_BYTES,
    )


def batch_message(batch: TokenBatch, scheme: LinkageScheme, first_offset: int = 0) -> records_pb2.RecordBatch:
    """A batch as an agency sends it."""
    one_row_each = batch.row_count == batch.record_count
    return records_pb2.RecordBatch(
        scheme_digest=scheme.digest,
        epoch=batch.epoch,
        first_offset=first_offset,
        record_count=batch.record_count,
        row_count=batch.row_count,
        aliases=batch.aliases.tobytes(),
        row_records=b"" if one_row_each else batch.row_records.astype("<u4").tobytes(),
        field_masks=batch.field_masks.astype("<u2").tobytes(),
        pass_masks=batch.pass_masks.astype("<u2").tobytes(),
        block_tokens=batch.block_tokens.tobytes(),
        encodings=batch.encodings.tobytes(),
        observed_days=batch.observed_days.astype("<i4").tobytes(),
        flags=batch.flags.tobytes(),
        encapsulation=batch.encapsulation,
        sealed_references=batch.sealed.tobytes(),
    )


def read_batch(message: records_pb2.RecordBatch, scheme: LinkageScheme, limits: Limits) -> TokenBatch:
    """A batch as it came, checked whole; a `BatchError` says what is wrong with it."""
    if message.scheme_digest != scheme.digest:
        raise SchemeMismatchError(f"the batch was tokenised for another scheme than {scheme.name}")
    if message.epoch != limits.epoch:
        raise UnknownEpochError(f"the epoch in use is {limits.epoch}")
    records, rows = message.record_count, message.row_count
    if records > limits.max_batch_records or rows > MOST_VARIANTS * records:
        raise OversizeBatchError(
            f"a batch may have {limits.max_batch_records} records at most, of {MOST_VARIANTS} rows at most"
        )
    if not 1 <= records <= rows:
        raise InvalidArgumentError("record_count", "must be at least 1 and row_count at least record_count")
    passes, width = len(scheme.passes), scheme.encoding_bytes
    if len(message.encapsulation) != ENCAPSULATION_BYTES:
        raise WrongStrideError("encapsulation", f"must have {ENCAPSULATION_BYTES} bytes")
    batch = TokenBatch(
        epoch=message.epoch,
        aliases=_column(message.aliases, "aliases", "u1", (records, ALIAS_BYTES)),
        row_records=_row_records(message.row_records, records, rows),
        field_masks=_column(message.field_masks, "field_masks", "<u2", (rows,)),
        pass_masks=_column(message.pass_masks, "pass_masks", "<u2", (rows,)),
        block_tokens=_column(message.block_tokens, "block_tokens", "u1", (rows, passes, TOKEN_BYTES)),
        encodings=_column(message.encodings, "encodings", "u1", (rows, passes, width)),
        observed_days=_column(message.observed_days, "observed_days", "<i4", (records,)),
        flags=_column(message.flags, "flags", "u1", (records,)),
        encapsulation=message.encapsulation,
        sealed=_column(message.sealed_references, "sealed_references", "u1", (records, SEALED_BYTES)),
    )
    _check_tokens(batch, len(scheme.encoded))
    if not batch.aliases.any(axis=1).all():
        raise InvalidArgumentError("aliases", "must not hold one of zero bytes alone")
    _check_aliases(batch.aliases)
    _check_days(batch.observed_days, limits.today)
    if (batch.flags & ~np.uint8(RESTRICTED)).any():
        raise InvalidArgumentError("flags", "has a bit set that has no meaning")
    return batch


def read_aliases(data: bytes, limits: Limits) -> NDArray[np.uint8]:
    """A column of aliases (n, 16)."""
    count = len(data) // ALIAS_BYTES
    if count > limits.max_batch_records:
        raise OversizeBatchError(f"a call may name {limits.max_batch_records} aliases at most")
    if not count:
        raise InvalidArgumentError("aliases", "must not be empty")
    aliases: NDArray[np.uint8] = _column(data, "aliases", "u1", (count, ALIAS_BYTES))
    _check_aliases(aliases)
    return aliases


def read_days(data: bytes, count: int, limits: Limits) -> NDArray[np.int32]:
    """A column of contact days (n,)."""
    days: NDArray[np.int32] = _column(data, "observed_days", "<i4", (count,))
    if (days == UNKNOWN_DAY).any():
        raise BadDayError("a contact must have a day")
    _check_days(days, limits.today)
    return days


def _column(data: bytes, name: str, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if len(data) != size:
        raise WrongStrideError(name, f"must have {size} bytes and has {len(data)}")
    return np.frombuffer(data, dtype).reshape(shape)


def _row_records(data: bytes, records: int, rows: int) -> NDArray[np.uint32]:
    if not data and records == rows:
        return np.arange(rows, dtype=np.uint32)
    numbers: NDArray[np.uint32] = _column(data, "row_records", "<u4", (rows,))
    steps = np.diff(numbers.astype(np.int64))
    if numbers[0] != 0 or numbers[-1] != records - 1 or ((steps != 0) & (steps != 1)).any():
        raise InvalidArgumentError("row_records", "must ascend from 0 to record_count - 1 without gaps")
    if np.bincount(numbers).max() > MOST_VARIANTS:
        raise OversizeBatchError(f"a record may have {MOST_VARIANTS} rows at most")
    return numbers


def _check_tokens(batch: TokenBatch, fields: int) -> None:
    passes = batch.block_tokens.shape[1]
    for name, masks, bits in (("pass_masks", batch.pass_masks, passes), ("field_masks", batch.field_masks, fields)):
        if (masks >> bits).any():
            raise InvalidArgumentError(name, "has a bit set that the scheme gives no meaning")
    present = (batch.pass_masks[:, None] >> np.arange(passes, dtype=np.uint16)) & 1 == 1
    first, second = np.moveaxis(batch.block_tokens.view("<u8"), 2, 0)
    if ((first | second != 0) != present).any():
        raise BadTokenError("block_tokens", "must be zero where pass_masks has no bit, and nowhere else")
    if batch.encodings[~present].any():
        raise BadTokenError("encodings", "must be zero where pass_masks has no bit")
    _, counts = np.unique((first ^ second)[present], return_counts=True)
    most = max(_FLOOD_LEAST, batch.row_count // _FLOOD_SHARE)
    if counts.max(initial=0) > most:
        raise FloodingTokenError(f"a block token stands on more than {most} rows of the batch")


def _check_aliases(aliases: NDArray[np.uint8]) -> None:
    # first by half of each, of which two are hardly ever the same; and not as Python's bytes, which stay in memory
    halves = np.sort(aliases.view("<u8")[:, 0])
    if (halves[1:] == halves[:-1]).any() and len(np.unique(aliases.view("V16"))) != len(aliases):
        raise DuplicateAliasError("an alias stands twice in aliases")


def _check_days(days: NDArray[np.int32], today: int) -> None:
    if ((days != UNKNOWN_DAY) & ((days < _FIRST_DAY) | (days > today + 1))).any():
        raise BadDayError("observed_days must lie between 1900-01-01 and tomorrow, or be -1")


def alert_message(alert: Alert, members: Iterable[Disclosure]) -> alert_service_pb2.Alert:
    """An alert, for the coordinator, and what it is sent of the alert's members: it says no more than they do."""
    members = list(members)
    sectors = {member.sector for member in members}
    return alert_service_pb2.Alert(
        sequence=alert.sequence,
        alert_id=alert.alert_id,
        kind=alert_service_pb2.AlertKind.ValueType(alert.kind),
        person_id=alert.person_id,
        members=map(member_message, members),
        confidence=alert_service_pb2.ConfidenceBand.ValueType(alert.confidence),
        health_present=HEALTH in sectors,
        police_present=POLICE in sectors,
        surviving_person_id=alert.surviving_person_id,
        rule_version=alert.rule_version,
        raised_at=alert.raised_at,
        backfill=alert.backfill,
    )


def member_message(member: Disclosure) -> alert_service_pb2.AlertMember:
    """A record of a person, for the coordinator."""
    return alert_service_pb2.AlertMember(
        agency=member.agency,
        sector=member.sector,
        alias=member.alias,
        encapsulation=member.encapsulation,
        sealed_reference=member.sealed,
        observed_day=member.observed_day,
        epoch=member.epoch,
    )


def evidence_messages(evidence: Iterable[Evidence]) -> list[alert_service_pb2.Evidence]:
    """Evidence, for the coordinator."""
    return [
        alert_service_pb2.Evidence(
            field=each.field, band=alert_service_pb2.EvidenceBand.ValueType(each.band), weight=each.weight
        )
        for each in evidence
    ]


def read_member(message: alert_service_pb2.AlertMember) -> Disclosure:
    """A record of a person as the coordinator receives it."""
    return Disclosure(
        agency=message.agency,
        sector=message.sector,
        alias=message.alias,
        encapsulation=message.encapsulation,
        sealed=message.sealed_reference,
        observed_day=message.observed_day,
        epoch=message.epoch,
    )


def read_alert(message: alert_service_pb2.Alert) -> tuple[Alert, tuple[Disclosure, ...]]:
    """An alert as the coordinator receives it, and its members in the same order; record numbers come as -1."""
    members = tuple(map(read_member, message.members))
    alert = Alert(
        sequence=message.sequence,
        alert_id=message.alert_id,
        kind=AlertKind(message.kind),
        person_id=message.person_id,
        agencies=tuple(sorted({member.agency for member in members})),
        members=tuple([AlertMember(-1, member.agency, member.observed_day) for member in members]),
        confidence=ConfidenceBand(message.confidence),
        health_present=message.health_present,
        police_present=message.police_present,
        surviving_person_id=message.surviving_person_id,
        rule_version=message.rule_version,
        raised_at=message.raised_at,
        backfill=message.backfill,
    )
    return alert, members
