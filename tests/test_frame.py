"""A batch comes out of its frame as it went in, erasing a record leaves the others alone, and damage is noticed."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.errors import StoreError
from matcher.frame import (
    Layout,
    pack_aliases,
    pack_answer,
    pack_records,
    unpack_aliases,
    unpack_answer,
    unpack_records,
)
from matcher.model import Answer, FrameKind, Resolution, TokenBatch


@st.composite
def batches(draw: st.DrawFn) -> TokenBatch:
    """Batches of any dimensions, each record with one to three rows."""
    passes, words, sealed = draw(st.tuples(st.integers(1, 9), st.integers(1, 8), st.integers(1, 40)))
    rows_of = draw(st.lists(st.integers(1, 3), min_size=1, max_size=8))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    records, rows = len(rows_of), sum(rows_of)

    def octets(*shape: int) -> np.ndarray:
        return generator.integers(1, 256, shape, np.uint8)

    return TokenBatch(
        epoch=draw(st.integers(0, 2**31)),
        aliases=octets(records, 16),
        row_records=np.repeat(np.arange(records, dtype=np.uint32), rows_of),
        field_masks=generator.integers(1, 2**16, rows, np.uint16),
        pass_masks=generator.integers(1, 2**16, rows, np.uint16),
        block_tokens=octets(rows, passes, 16),
        encodings=octets(rows, passes, words * 4),
        observed_days=generator.integers(1, 20000, records, np.int32),
        flags=octets(records),
        encapsulation=octets(80).tobytes(),
        sealed=octets(records, sealed),
    )


def _columns(batch: TokenBatch) -> dict[str, np.ndarray]:
    named = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    return {name: column for name, column in named.items() if isinstance(column, np.ndarray)}


@given(batches())
def test_a_batch_comes_out_as_it_went_in(batch: TokenBatch) -> None:
    payload = pack_records(batch)
    found = unpack_records(payload, batch.epoch)
    assert (found.epoch, found.encapsulation) == (batch.epoch, batch.encapsulation)
    for name, column in _columns(batch).items():
        np.testing.assert_array_equal(getattr(found, name), column, strict=True)
    assert Layout.of(payload).size == len(payload)
    assert pack_records(found) == payload


@given(batches(), st.data())
def test_erasing_a_record_wipes_all_of_it_and_nothing_else(batch: TokenBatch, data: st.DataObject) -> None:
    record = data.draw(st.integers(0, batch.record_count - 1))
    rows = np.flatnonzero(batch.row_records == record)
    payload = bytearray(pack_records(batch))
    for span in Layout.of(bytes(payload)).record_spans(record, range(rows[0], rows[-1] + 1)):
        payload[span] = bytes(span.stop - span.start)
    found = unpack_records(bytes(payload), batch.epoch)
    assert found.encapsulation == batch.encapsulation
    np.testing.assert_array_equal(found.row_records, batch.row_records)
    for name, column in _columns(batch).items():
        if name != "row_records":
            own = np.isin(np.arange(len(column)), rows if len(column) == batch.row_count else [record])
            if len(column) == batch.row_count == batch.record_count:
                own = np.arange(len(column)) == record
            assert not getattr(found, name)[own].any()
            np.testing.assert_array_equal(getattr(found, name)[~own], column[~own])


@given(batches(), st.data())
def test_a_frame_cut_short_or_too_long_is_noticed(batch: TokenBatch, data: st.DataObject) -> None:
    payload = pack_records(batch)
    cut = payload[: data.draw(st.integers(0, len(payload) - 1))]
    for damaged in (cut, payload + b"\0", b"X" + payload[1:], payload[:4] + b"\x63\0" + payload[6:]):
        with pytest.raises(StoreError, match="damaged"):
            unpack_records(damaged, 1)


@given(st.integers(0, 5), st.integers(1, 60))
def test_contacts_and_removals_come_out_as_they_went_in(count: int, cut: int) -> None:
    aliases = np.random.default_rng(count).integers(0, 256, (count, 16), np.uint8)
    days = np.arange(-1, count - 1, dtype=np.int32)
    contacts, removals = pack_aliases(FrameKind.CONTACTS, aliases, days), pack_aliases(FrameKind.REMOVALS, aliases)
    for payload, expected in ((contacts, days), (removals, days[:0])):
        found_aliases, found_days = unpack_aliases(payload)
        np.testing.assert_array_equal(found_aliases, aliases, strict=True)
        np.testing.assert_array_equal(found_days, expected)
        for damaged in (payload[:-cut], payload + bytes(cut)):
            with pytest.raises(StoreError, match="damaged"):
                unpack_aliases(damaged)


@given(
    st.integers(0, 2**62),
    st.integers(0, 2**62),
    st.sampled_from(Resolution),
    st.text(max_size=20),
    st.integers(0, 2**40),
)
def test_an_answer_comes_out_as_it_went_in(left: int, right: int, said: Resolution, who: str, until: int) -> None:
    payload = pack_answer(Answer(left, right, said, who, until))
    assert unpack_answer(payload) == Answer(left, right, said, who, until)
    with pytest.raises(StoreError, match="damaged"):
        unpack_answer(payload[:40])


def test_one_kind_is_not_read_as_another() -> None:
    removals = pack_aliases(FrameKind.REMOVALS, np.zeros((3, 16), np.uint8))
    with pytest.raises(StoreError, match="damaged"):
        unpack_answer(removals)
    with pytest.raises(StoreError, match="damaged"):
        unpack_records(removals, 1)
    with pytest.raises(StoreError, match="damaged"):
        unpack_aliases(pack_answer(Answer(1, 2, Resolution.SAME_PERSON, "x", 0)))
