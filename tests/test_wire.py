"""From messages to the model and back: nothing is lost on the way, and no bytes whatever break the reader."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from matcher.errors import (
    BadDayError,
    BadTokenError,
    DuplicateAliasError,
    FloodingTokenError,
    InvalidArgumentError,
    MatcherError,
    OversizeBatchError,
    WrongStrideError,
)
from matcher.model import (
    HEALTH,
    POLICE,
    Alert,
    AlertKind,
    AlertMember,
    ConfidenceBand,
    Disclosure,
    Evidence,
    EvidenceBand,
    TokenBatch,
)
from matcher.scheme import SEALED_BYTES
from matcher.v1 import alert_service_pb2
from matcher.v1.records_pb2 import RecordBatch
from matcher.wire import (
    Limits,
    alert_message,
    batch_message,
    evidence_messages,
    read_alert,
    read_aliases,
    read_batch,
    read_days,
    scheme_message,
)
from tests.service.servers import EPOCH, SCHEME, little, people, person, tokens

TODAY = 20_000
LIMITS = Limits(EPOCH, 100, TODAY)


def variants() -> TokenBatch:
    persons = [
        person(0),
        person(0, surname="Married"),
        person(1, restricted="yes", observed_day="2020-02-02"),
        little(2),
    ]
    return tokens("police", persons)


def equal(left: TokenBatch, right: TokenBatch) -> bool:
    return all(np.array_equal(getattr(left, each.name), getattr(right, each.name)) for each in fields(TokenBatch))


def sent(batch: TokenBatch) -> TokenBatch:
    """A batch after its way over the wire."""
    return read_batch(RecordBatch.FromString(batch_message(batch, SCHEME).SerializeToString()), SCHEME, LIMITS)


# -- batches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made", [variants, lambda: tokens("police", people(range(5)))], ids=["variants", "one row each"]
)
def test_a_batch_survives_its_way(made) -> None:
    batch = made()
    assert equal(sent(batch), batch)


def test_row_records_are_left_out_where_they_say_nothing() -> None:
    assert batch_message(tokens("police", people(range(5))), SCHEME).row_records == b""
    message = batch_message(variants(), SCHEME)
    assert np.frombuffer(message.row_records, "<u4").tolist() == [0, 0, 1, 2]
    plain = batch_message(tokens("police", people(range(3))), SCHEME)
    plain.row_records = np.arange(3, dtype="<u4").tobytes()
    assert read_batch(plain, SCHEME, LIMITS).row_records.tolist() == [0, 1, 2]


def test_what_is_read_are_views_of_the_message() -> None:
    batch = sent(variants())
    assert not batch.encodings.flags.owndata
    assert not batch.block_tokens.flags.writeable


@pytest.mark.parametrize("day", [-1, -25567, 0, TODAY, TODAY + 1])
def test_days_at_the_bounds_are_taken(day: int) -> None:
    batch = replace(tokens("police", people(range(1))), observed_days=np.array([day], np.int32))
    assert sent(batch).observed_days.tolist() == [day]


@pytest.mark.parametrize("day", [-2 - 25566, TODAY + 2])
def test_days_beyond_the_bounds_are_refused(day: int) -> None:
    with pytest.raises(BadDayError):
        sent(replace(tokens("police", people(range(1))), observed_days=np.array([day], np.int32)))


def test_the_largest_batch_is_taken_and_no_larger_one() -> None:
    batch = tokens("police", people(range(5)))
    for most, taken in ((5, True), (4, False)):
        limits = LIMITS._replace(max_batch_records=most)
        if taken:
            assert equal(read_batch(batch_message(batch, SCHEME), SCHEME, limits), batch)
        else:
            with pytest.raises(OversizeBatchError):
                read_batch(batch_message(batch, SCHEME), SCHEME, limits)


def test_four_rows_a_record_are_the_most() -> None:
    batch = tokens("police", [person(0, address=f"{n} Elm Road") for n in range(4)])
    assert sent(batch).row_count == 4
    message = batch_message(batch, SCHEME)
    message.row_count = 5
    with pytest.raises(OversizeBatchError):
        read_batch(message, SCHEME, LIMITS)


def test_a_flood_is_counted_by_token_and_not_by_its_halves() -> None:
    """Two tokens that share a half are two tokens, whatever the count folds together."""
    batch = tokens("police", [person(n % 80, record_ref=f"R{n}") for n in range(80)])
    assert equal(sent(batch), batch)
    crowd = tokens("police", [person(1, record_ref=f"R{n}") for n in range(65)])
    with pytest.raises(FloodingTokenError):
        sent(crowd)
    assert sent(tokens("police", [person(1, record_ref=f"R{n}") for n in range(64)])).record_count == 64


def test_aliases_that_differ_in_their_last_byte_are_two() -> None:
    batch = tokens("police", people(range(2)))
    aliases = np.repeat(batch.aliases[:1], 2, axis=0)
    with pytest.raises(DuplicateAliasError):
        sent(replace(batch, aliases=aliases))
    aliases[1, 15] ^= 1
    assert sent(replace(batch, aliases=aliases)).record_count == 2


def test_a_token_of_which_one_byte_is_not_zero_is_present() -> None:
    batch = tokens("police", people(range(1)))
    block_tokens = batch.block_tokens.copy()
    block_tokens[0, 0] = 0
    with pytest.raises(BadTokenError):
        sent(replace(batch, block_tokens=block_tokens))
    block_tokens[0, 0, 15] = 1
    assert sent(replace(batch, block_tokens=block_tokens)).record_count == 1


BYTES_COLUMNS = [field.name for field in RecordBatch.DESCRIPTOR.fields if field.type == field.TYPE_BYTES]
NUMBERS = ["epoch", "record_count", "row_count"]
GOOD = batch_message(variants(), SCHEME)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_message_changed_anyhow_is_read_or_refused(data: st.DataObject) -> None:
    message = RecordBatch.FromString(GOOD.SerializeToString())
    for name in data.draw(st.lists(st.sampled_from(BYTES_COLUMNS), max_size=3, unique=True)):
        old = getattr(message, name)
        at = data.draw(st.integers(0, max(len(old) - 1, 0)))
        new = data.draw(st.binary(max_size=8))
        keep = data.draw(st.booleans())
        setattr(message, name, old[:at] + new + old[at + (len(new) if keep else 0) :])
    for name in data.draw(st.lists(st.sampled_from(NUMBERS), max_size=2, unique=True)):
        setattr(message, name, data.draw(st.sampled_from([0, 1, 2, 3, 4, 5, 99, 2**31, 2**32 - 1])))
    try:
        batch = read_batch(message, SCHEME, LIMITS)
    except MatcherError as error:
        assert error.REASON != "ERROR_REASON_INTERNAL"
    else:
        assert equal(read_batch(batch_message(batch, SCHEME), SCHEME, LIMITS), batch)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=70), st.binary(max_size=30))
@example(b"", b"")
@example(bytes(32), bytes(8))
def test_aliases_and_days_are_read_or_refused(aliases: bytes, days: bytes) -> None:
    try:
        read = read_aliases(aliases, LIMITS)
        found = read_days(days, len(read), LIMITS)
    except (WrongStrideError, InvalidArgumentError, DuplicateAliasError, BadDayError):
        return
    assert read.tobytes() == aliases
    assert found.astype("<i4").tobytes() == days


# -- what goes to the coordinator ------------------------------------------------------------------------------------


MEMBERS = tuple(
    Disclosure(agency, sector, bytes([n] * 16), bytes([n] * 80), bytes([n] * SEALED_BYTES), day, 7)
    for n, (agency, sector, day) in enumerate((("clinic", "health", -1), ("police", "police", TODAY)))
)


def alert(**changed: object) -> Alert:
    made = Alert(
        sequence=2**40,
        alert_id=bytes(range(16)),
        kind=AlertKind.FURTHER_AGENCY,
        person_id=bytes(range(16, 32)),
        agencies=("clinic", "police"),
        members=tuple(AlertMember(-1, each.agency, each.observed_day) for each in MEMBERS),
        confidence=ConfidenceBand.HIGH,
        health_present=True,
        police_present=True,
        surviving_person_id=b"",
        rule_version="1",
        raised_at=2**33,
        backfill=True,
    )
    return made._replace(**changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", AlertKind)
@pytest.mark.parametrize("confidence", ConfidenceBand)
def test_an_alert_survives_its_way(kind: AlertKind, confidence: ConfidenceBand) -> None:
    for members, survivor in ((MEMBERS, b""), ((), bytes(range(32, 48)))):
        made = alert(
            kind=kind,
            confidence=confidence,
            members=alert().members if members else (),
            agencies=tuple(each.agency for each in members),
            health_present=HEALTH in {each.sector for each in members},
            police_present=POLICE in {each.sector for each in members},
            surviving_person_id=survivor,
        )
        data = alert_message(made, members).SerializeToString()
        assert read_alert(alert_service_pb2.Alert.FromString(data)) == (made, members)


def test_an_alert_does_not_tell_the_matchers_record_numbers() -> None:
    members = tuple(each._replace(record=987_654_321) for each in alert().members)
    assert alert_message(alert(members=members), MEMBERS) == alert_message(alert(), MEMBERS)


def test_evidence_has_the_contracts_bands() -> None:
    made = [Evidence(band.name, band, -1.5) for band in EvidenceBand]
    told = evidence_messages(made)
    names = [alert_service_pb2.EvidenceBand.Name(each.band) for each in told]
    assert names == [f"EVIDENCE_BAND_{each.field}" for each in told]
    assert {each.weight for each in told} == {-1.5}


def test_the_scheme_message_is_the_scheme() -> None:
    message = scheme_message(SCHEME)
    assert (message.name, message.digest, message.canonical_json) == (SCHEME.name, SCHEME.digest, SCHEME.to_json())
    assert (message.encoding_bytes, message.sealed_bytes) == (SCHEME.encoding_bytes, SEALED_BYTES)
    assert [(field.name, field.bits) for field in message.fields] == [(f.name, f.bits) for f in SCHEME.fields]
