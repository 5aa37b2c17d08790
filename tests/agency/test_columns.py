import jellyfish
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from matcher.agency.columns import kernels
from matcher.agency.columns.parts import Parts
from matcher.agency.columns.texts import Column, bytes_of
from matcher.agency.identity import NormalisedBatch
from matcher.agency.tokeniser import canonical_columns
from matcher.blocking import passes
from matcher.blocking.common_names import COMMON_NAMES
from matcher.scheme import SCHEMES, LinkageScheme


@settings(deadline=None)
@given(st.lists(st.text("AB\0\x1fÉ 😀", max_size=5), min_size=1, max_size=6))
def test_texts_as_bytes_are_those_encoded(texts):
    held, ends = bytes_of(texts)
    assert held.tobytes() == "".join(texts).encode()
    assert ends.tolist() == [len("".join(texts[: t + 1]).encode()) for t in range(len(texts))]


def test_no_texts_are_no_bytes():
    held, ends = bytes_of([])
    assert (len(held), len(ends)) == (0, 0)


@settings(deadline=None)
@given(st.lists(st.text("ABCÉ\0", max_size=3), min_size=1, max_size=40))
def test_distinct_texts_are_those_of_a_dictionary(texts):
    column = Column.of(*bytes_of(texts))
    assert column.values() == list(dict.fromkeys(filter(None, texts)))
    assert column.rows() == texts
    assert [code >= 0 for code in column.codes.tolist()] == [text != "" for text in texts]


@settings(deadline=None)
@given(
    st.lists(st.text("ABHSWYZ", min_size=1, max_size=8) | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1), min_size=1)
)
@example(["ASHCRAFT", "TYMCZAK", "PFISTER", "HONEYMAN", "WHITE", "A"])
def test_sounds_are_those_of_jellyfish(words):
    column = Column.of_rows(*bytes_of(words))
    made = Column(*kernels.pieces(kernels.SOUNDEX, column.texts, column.ends, column.codes))
    assert made.rows() == list(map(jellyfish.soundex, words))


names = st.sampled_from(sorted(COMMON_NAMES)) | st.text("ABHM", max_size=3)
several = st.lists(names, max_size=3).map(" ".join)
odd = st.text("AB1É \0\x1f\t", max_size=6)
rows_of = {
    "forename": several | odd,
    "surname": several | odd,
    "year": st.sampled_from(["", "1985", "2001"]) | odd,
    "month": st.sampled_from(["", "03", "12"]) | odd,
    "day": st.sampled_from(["", "03", "31"]) | odd,
    "sex": st.sampled_from(["", "F", "M"]),
    "postcode": st.sampled_from(["", "YO16GJ", "2600", "SW1A1AA", "AB"]) | odd,
    "address": st.text("AB12 ", max_size=15) | odd,
    "identifier": st.sampled_from(["", "9434765919"]) | odd,
}


@st.composite
def batches(draw: st.DrawFn) -> NormalisedBatch:
    count = draw(st.integers(1, 6))
    plain = draw(st.booleans())
    columns = {
        name: draw(st.lists(each.filter(str.isascii) if plain else each, min_size=count, max_size=count))
        for name, each in rows_of.items()
    }
    return NormalisedBatch(
        rows=list(range(count)),
        record_ref=list(map(str, range(count))),
        observed_day=[-1] * count,
        restricted=[False] * count,
        note=[""] * count,
        **columns,
    )


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))
@settings(max_examples=150, deadline=None)
@given(batches())
def test_parts_of_a_batch_equal_the_oracle(scheme: LinkageScheme, batch: NormalisedBatch):
    columns = canonical_columns(batch, scheme)
    compiled, slow = Parts(batch, scheme), passes.Parts(columns)
    for part in dict.fromkeys(part for each in scheme.passes for part in each.parts):
        expected = slow[part]
        made = compiled[part]
        assert made.rows() == [expected.values[code] if code >= 0 else "" for code in expected.codes.tolist()], part
        assert (made.codes >= 0).tolist() == (expected.codes >= 0).tolist()
    for field in scheme.encoded:
        column = compiled[field.name]
        assert column.rows() == columns[field.name]
        assert len(set(column.values())) == len(column.values())
