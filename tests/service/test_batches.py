"""Bad batches over real TLS: each is refused for its own reason, and nothing of it is stored."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta

import grpc
import numpy as np
import pytest

from matcher.scheme import ALIAS_BYTES, TOKEN_BYTES, scheme_named
from matcher.v1 import feed_service_pb2 as pb
from matcher.v1.records_pb2 import RecordBatch
from matcher.wire import batch_message
from tests.service.servers import (
    EPOCH,
    MOST_RECORDS,
    SCHEME,
    Deployed,
    Refusal,
    alias,
    batch,
    column,
    people,
    person,
    refused,
    tokens,
)

INVALID, FULL = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
COLUMNS = (
    "aliases",
    "row_records",
    "field_masks",
    "pass_masks",
    "block_tokens",
    "encodings",
    "observed_days",
    "flags",
    "encapsulation",
    "sealed_references",
)
Send = Callable[[Deployed, RecordBatch], object]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with Deployed(tmp_path_factory.mktemp("batches")) as made:
        yield made


def submit(deployed: Deployed, message: RecordBatch) -> object:
    return deployed.feed("police").SubmitRecords(pb.SubmitRecordsRequest(request_id="bad", batch=message))


def append(deployed: Deployed, message: RecordBatch) -> object:
    return list(deployed.feed("police").AppendRecords(iter([pb.AppendRecordsRequest(feed_id="bad", batch=message)])))


@pytest.fixture(params=[submit, append])
def send(request: pytest.FixtureRequest) -> Send:
    return request.param


def refusal_of(deployed: Deployed, send: Send, message: RecordBatch) -> Refusal:
    before = deployed.frames()
    found = refused(lambda: send(deployed, message))
    assert deployed.frames() == before
    feed = deployed.feed("police")
    assert feed.OpenFeed(pb.OpenFeedRequest(feed_id="bad")).next_offset == 0
    return found


def variants() -> RecordBatch:
    """Three rows of two records."""
    return batch("police", [person(1), person(1, surname="Married"), person(2)])


@pytest.mark.parametrize("by", [-1, 1], ids=["shorter", "longer"])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_the_wrong_length_is_refused(deployed: Deployed, send: Send, name: str, by: int) -> None:
    message = variants()
    data = getattr(message, name)
    assert data
    setattr(message, name, data[:by] if by < 0 else data + b"\1")
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (INVALID, "ERROR_REASON_WRONG_STRIDE")
    assert found.metadata == {"column": name}


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "row_records"])
def test_a_column_left_out_is_refused(deployed: Deployed, send: Send, name: str) -> None:
    message = batch("police", people(range(2)))
    message.ClearField(name)
    found = refusal_of(deployed, send, message)
    assert (found.reason, found.metadata) == ("ERROR_REASON_WRONG_STRIDE", {"column": name})


@pytest.mark.parametrize(("records", "rows"), [(2, 2), (4, 4), (3, 6)])
def test_counts_that_do_not_fit_the_columns_are_refused(
    deployed: Deployed, send: Send, records: int, rows: int
) -> None:
    message = batch("police", people(range(3)))
    message.record_count, message.row_count = records, rows
    assert refusal_of(deployed, send, message).reason == "ERROR_REASON_WRONG_STRIDE"


@pytest.mark.parametrize(("records", "rows"), [(0, 0), (2, 1)])
def test_counts_that_cannot_be_are_refused(deployed: Deployed, send: Send, records: int, rows: int) -> None:
    message = batch("police", people(range(2)))
    message.record_count, message.row_count = records, rows
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (INVALID, "ERROR_REASON_INVALID_ARGUMENT")


def test_another_scheme_is_refused(deployed: Deployed, send: Send) -> None:
    message = batch("police", people(range(2)))
    message.scheme_digest = scheme_named("generic-person-v1").digest
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (PRECONDITION, "ERROR_REASON_SCHEME_MISMATCH")


@pytest.mark.parametrize("digest", [b"", SCHEME.digest[:-1], SCHEME.digest.hex().encode()])
def test_a_digest_of_another_form_is_refused(deployed: Deployed, send: Send, digest: bytes) -> None:
    message = batch("police", people(range(2)))
    message.scheme_digest = digest
    assert refusal_of(deployed, send, message).reason == "ERROR_REASON_SCHEME_MISMATCH"


@pytest.mark.parametrize("epoch", [0, EPOCH - 1, EPOCH + 1, 2**32 - 1])
def test_another_epoch_is_refused(deployed: Deployed, send: Send, epoch: int) -> None:
    message = batch("police", people(range(2)))
    message.epoch = epoch
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (PRECONDITION, "ERROR_REASON_UNKNOWN_EPOCH")


def test_a_batch_of_too_many_records_is_refused(deployed: Deployed, send: Send) -> None:
    message = batch("police", [person(1, record_ref=f"R{number}") for number in range(MOST_RECORDS + 1)])
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (FULL, "ERROR_REASON_OVERSIZE_BATCH")


def test_a_record_of_too_many_rows_is_refused(deployed: Deployed, send: Send) -> None:
    message = batch("police", [person(1, address=f"{n} Elm Road") for n in range(4)] + [person(2)])
    message.record_count, message.row_count = 1, 5
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (FULL, "ERROR_REASON_OVERSIZE_BATCH")


def test_too_many_rows_of_one_record_are_refused_among_others_of_few(deployed: Deployed, send: Send) -> None:
    rows = [person(1, address=f"{n} Elm Road") for n in range(4)] + [person(2), person(2, surname="Married")]
    message = batch("police", rows)
    message.row_records = np.array([0, 0, 0, 0, 0, 1], "<u4").tobytes()
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (FULL, "ERROR_REASON_OVERSIZE_BATCH")


def test_counts_beyond_memory_are_refused_before_anything_is_made_of_them(deployed: Deployed, send: Send) -> None:
    message = batch("police", people(range(2)))
    message.record_count = message.row_count = 2**32 - 1
    assert refusal_of(deployed, send, message).reason == "ERROR_REASON_OVERSIZE_BATCH"


def test_an_alias_of_two_records_is_refused(deployed: Deployed, send: Send) -> None:
    message = batch("police", people(range(2)))
    message.aliases = message.aliases[:ALIAS_BYTES] * 2
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (INVALID, "ERROR_REASON_DUPLICATE_ALIAS")


def test_an_alias_of_zeros_is_refused(deployed: Deployed, send: Send) -> None:
    message = batch("police", people(range(2)))
    message.aliases = message.aliases[:ALIAS_BYTES] + bytes(ALIAS_BYTES)
    found = refusal_of(deployed, send, message)
    assert (found.code, found.metadata) == (INVALID, {"field": "aliases"})


def test_a_token_of_zeros_is_refused(deployed: Deployed, send: Send) -> None:
    message = batch("police", people(range(2)))
    message.block_tokens = bytes(TOKEN_BYTES) + message.block_tokens[TOKEN_BYTES:]
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (INVALID, "ERROR_REASON_BAD_TOKEN")


def test_a_token_where_the_mask_has_none_is_refused(deployed: Deployed, send: Send) -> None:
    message = batch("police", people(range(2)))
    masks = np.frombuffer(message.pass_masks, "<u2").copy()
    assert masks[0] & 1
    masks[0] &= ~np.uint16(1)
    message.pass_masks = masks.tobytes()
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (INVALID, "ERROR_REASON_BAD_TOKEN")
    assert found.metadata == {"column": "block_tokens"}


def test_an_encoding_where_the_mask_has_no_pass_is_refused(deployed: Deployed, send: Send) -> None:
    message = batch("police", people(range(2)))
    masks = np.frombuffer(message.pass_masks, "<u2").copy()
    masks[0] &= ~np.uint16(1)
    message.pass_masks = masks.tobytes()
    message.block_tokens = bytes(TOKEN_BYTES) + message.block_tokens[TOKEN_BYTES:]
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (INVALID, "ERROR_REASON_BAD_TOKEN")
    assert found.metadata == {"column": "encodings"}


@pytest.mark.parametrize("name", ["field_masks", "pass_masks"])
def test_a_mask_bit_beyond_the_scheme_is_refused(deployed: Deployed, send: Send, name: str) -> None:
    message = batch("police", people(range(2)))
    setattr(message, name, (np.frombuffer(getattr(message, name), "<u2") | 0x8000).tobytes())
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (INVALID, "ERROR_REASON_INVALID_ARGUMENT")
    assert found.metadata == {"field": name}


def test_one_token_on_too_many_rows_is_refused(deployed: Deployed, send: Send) -> None:
    # the same made-up person under 100 references: a placeholder in a file looks like this
    message = batch("police", [person(1, record_ref=f"R{number}") for number in range(100)])
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (INVALID, "ERROR_REASON_FLOODING_TOKEN")


def test_sixty_four_rows_of_one_token_are_no_flood(deployed: Deployed) -> None:
    message = batch("council", [person(1, record_ref=f"R{number}") for number in range(64)])
    deployed.feed("council").SubmitRecords(pb.SubmitRecordsRequest(request_id="crowd", batch=message))


def day_of(day: date) -> int:
    return (day - date(1970, 1, 1)).days


@pytest.mark.parametrize(
    "day", [-2, -(2**31), 2**31 - 1, day_of(date(1899, 12, 31)), day_of(date.today() + timedelta(3))]
)
def test_a_day_out_of_range_is_refused(deployed: Deployed, send: Send, day: int) -> None:
    if day == -2:
        day = day_of(date(1899, 1, 1))
    message = batch("police", people(range(2)), observed_days=column([-1, day], "<i4"))
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (INVALID, "ERROR_REASON_BAD_DAY")


@pytest.mark.parametrize("flag", [2, 3, 0x80])
def test_a_flag_without_a_meaning_is_refused(deployed: Deployed, send: Send, flag: int) -> None:
    message = batch("police", people(range(2)), flags=column([0, flag], "u1"))
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (INVALID, "ERROR_REASON_INVALID_ARGUMENT")
    assert found.metadata == {"field": "flags"}


@pytest.mark.parametrize(
    "numbers", [(1, 0, 1), (0, 1, 0), (0, 0, 0), (1, 1, 1), (0, 0, 2), (0, 1, 2), (0, 2**32 - 1, 1)]
)
def test_row_records_that_do_not_ascend_are_refused(deployed: Deployed, send: Send, numbers: tuple[int, ...]) -> None:
    message = variants()
    message.row_records = np.array(numbers, "<u4").tobytes()
    found = refusal_of(deployed, send, message)
    assert (found.code, found.reason) == (INVALID, "ERROR_REASON_INVALID_ARGUMENT")
    assert found.metadata == {"field": "row_records"}


@pytest.mark.parametrize("method", ["GetScheme", "OpenFeed", "SubmitRecords", "ReportContacts", "RemoveRecords"])
def test_bytes_that_are_no_message_are_refused(deployed: Deployed, method: str) -> None:
    call = deployed.channel("agency-police").unary_unary(f"/matcher.v1.FeedService/{method}")
    found = refused(lambda: call(b"\xff\xff\xff\xff garbage"))
    assert (found.code, found.reason) == (INVALID, "ERROR_REASON_INVALID_ARGUMENT")


def test_bytes_that_are_no_message_end_a_stream(deployed: Deployed) -> None:
    call = deployed.channel("agency-police").stream_stream("/matcher.v1.FeedService/AppendRecords")
    found = refused(lambda: list(call(iter([b"\xff\xff\xff\xff garbage"]))))
    assert (found.code, found.reason) == (INVALID, "ERROR_REASON_INVALID_ARGUMENT")


def test_an_empty_message_is_refused(deployed: Deployed, send: Send) -> None:
    assert refusal_of(deployed, send, RecordBatch()).reason == "ERROR_REASON_SCHEME_MISMATCH"


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "ä", "a\n"])
def test_a_bad_name_is_refused(deployed: Deployed, name: str) -> None:
    feed, good = deployed.feed("police"), batch("police", people(range(1)))
    calls: list[Callable[[], object]] = [
        lambda: feed.OpenFeed(pb.OpenFeedRequest(feed_id=name)),
        lambda: list(feed.AppendRecords(iter([pb.AppendRecordsRequest(feed_id=name, batch=good)]))),
        lambda: feed.SubmitRecords(pb.SubmitRecordsRequest(request_id=name, batch=good)),
        lambda: feed.ReportContacts(
            pb.ReportContactsRequest(request_id=name, aliases=bytes(16), observed_days=bytes(4))
        ),
        lambda: feed.RemoveRecords(pb.RemoveRecordsRequest(request_id=name, aliases=bytes(16))),
    ]
    before = deployed.frames()
    for call in calls:
        found = refused(call)
        assert (found.code, found.reason) == (INVALID, "ERROR_REASON_INVALID_ARGUMENT")
    assert deployed.frames() == before


# -- contacts and removals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aliases", "days", "reason"),
    [
        (b"", b"", "INVALID_ARGUMENT"),
        (bytes(15), bytes(4), "INVALID_ARGUMENT"),
        (bytes(17), bytes(4), "WRONG_STRIDE"),
        (bytes(16), b"", "WRONG_STRIDE"),
        (bytes(16), bytes(8), "WRONG_STRIDE"),
        (bytes(32), bytes(8), "DUPLICATE_ALIAS"),
        (bytes(16), b"\xff" * 4, "BAD_DAY"),
        (bytes(16), b"\xff\xff\xff\x7f", "BAD_DAY"),
    ],
)
def test_bad_contacts_are_refused(deployed: Deployed, aliases: bytes, days: bytes, reason: str) -> None:
    request = pb.ReportContactsRequest(request_id="c", aliases=aliases, observed_days=days)
    before = deployed.frames()
    found = refused(lambda: deployed.feed("police").ReportContacts(request))
    assert (found.code, found.reason) == (INVALID, f"ERROR_REASON_{reason}")
    assert deployed.frames() == before


@pytest.mark.parametrize(
    ("aliases", "reason"), [(b"", "INVALID_ARGUMENT"), (bytes(17), "WRONG_STRIDE"), (bytes(32), "DUPLICATE_ALIAS")]
)
def test_bad_removals_are_refused(deployed: Deployed, aliases: bytes, reason: str) -> None:
    found = refused(
        lambda: deployed.feed("police").RemoveRecords(pb.RemoveRecordsRequest(request_id="r", aliases=aliases))
    )
    assert (found.code, found.reason) == (INVALID, f"ERROR_REASON_{reason}")


def test_too_many_aliases_are_refused(deployed: Deployed) -> None:
    many = b"".join(number.to_bytes(16, "big") for number in range(MOST_RECORDS + 1))
    found = refused(
        lambda: deployed.feed("police").RemoveRecords(pb.RemoveRecordsRequest(request_id="r", aliases=many))
    )
    assert (found.code, found.reason) == (FULL, "ERROR_REASON_OVERSIZE_BATCH")


def test_no_refusal_quotes_what_was_sent(deployed: Deployed, send: Send) -> None:
    made = tokens("police", people(range(2)))
    message = batch_message(made, SCHEME)
    message.aliases = message.aliases[:ALIAS_BYTES] * 2
    found = refusal_of(deployed, send, message)
    told = found.message + str(found.metadata)
    assert alias("police", person(0)).hex() not in told
    assert str(alias("police", person(0)))[2:-1] not in told
