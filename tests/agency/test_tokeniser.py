import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.agency.identity import NormalisedBatch
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.tokeniser import Tokeniser, canonical_columns
from matcher.model import TokenBatch
from matcher.scheme import GENERIC_PERSON_V1, SCHEMES, UK_PERSON_V1, LinkageScheme
from tests.agency import vectors
from tests.factory import COORDINATOR

VECTORS = json.loads(vectors.PATH.read_text())
Row = dict[str, str]


def batch(rows: list[Row], identifier: str) -> NormalisedBatch:
    columns = {name: [row.get(name, "") for row in rows] for name in vectors._COLUMNS if name != "identifier"}
    count = len(rows)
    return NormalisedBatch(
        rows=list(range(count)),
        record_ref=[str(i) for i in range(count)],
        identifier=[row.get(identifier, "") for row in rows],
        observed_day=[-1] * count,
        restricted=[False] * count,
        note=[""] * count,
        **columns,
    )


def tokenise(scheme: LinkageScheme, rows: list[Row]) -> TokenBatch:
    keys = LinkageKeys(vectors.LINKAGE_KEY, scheme, vectors.EPOCH)
    public = COORDINATOR.public_key().public_bytes_raw()
    return Tokeniser(scheme, keys, AliasKey(bytes(32), "a"), "a", public).tokenise(
        batch(rows, scheme.identifier_column)
    )


def assert_as_expected(scheme: LinkageScheme, tokens: TokenBatch, number: int, wanted: dict) -> None:
    by_name = {each["pass"]: each for each in wanted["passes"]}
    known = np.frombuffer(bytes.fromhex(wanted["known"]), np.uint8)
    assert tokens.field_masks[number] == wanted["field_mask"]
    assert tokens.pass_masks[number] == sum((p.name in by_name) << i for i, p in enumerate(scheme.passes))
    for p, each in enumerate(scheme.passes):
        token, encoding = tokens.block_tokens[number, p], tokens.encodings[number, p]
        if each.name in by_name:
            assert token.tobytes().hex() == by_name[each.name]["block_token"]
            assert (encoding & known).tobytes().hex() == by_name[each.name]["encoding"]
        else:
            assert not token.any()
            assert not encoding.any()


def test_the_published_vectors_are_the_oracle_s():
    assert vectors.document() == VECTORS


@pytest.mark.parametrize("published", VECTORS["schemes"], ids=lambda each: each["name"])
def test_tokens_are_those_published(published):
    scheme = SCHEMES[published["name"]]
    assert scheme.digest.hex() == published["digest"]
    assert scheme.to_json() == published["canonical_json"]
    keys = LinkageKeys(bytes.fromhex(VECTORS["linkage_key"]), scheme, VECTORS["epoch"])
    assert keys.key_check.hex() == published["key_check"]
    tokens = tokenise(scheme, [record["canonical"] for record in published["records"]])
    for number, record in enumerate(published["records"]):
        assert_as_expected(scheme, tokens, number, record)


names = st.text("ABEMNOT ", max_size=12).map(lambda text: " ".join(text.split()))
digits = st.text("0123456789", min_size=2, max_size=2)
rows = st.fixed_dictionaries(
    {
        "forename": st.text("ABEMNOT", max_size=8),
        "surname": names,
        "year": st.sampled_from(["", "1985", "2001"]),
        "month": digits | st.just(""),
        "day": digits | st.just(""),
        "sex": st.sampled_from(["", "F", "M"]),
        "postcode": st.sampled_from(["", "YO16GJ", "2600", "SW1A1AA"]),
        "address": st.text("AB12 ", max_size=15).map(lambda text: " ".join(text.split())),
        "identifier": st.sampled_from(["", "9434765919"]),
    }
)


@settings(max_examples=25, deadline=None)
@given(st.lists(rows, min_size=1, max_size=3))
def test_the_compiled_tokeniser_equals_the_oracle(drawn):
    scheme = GENERIC_PERSON_V1
    tokens = tokenise(scheme, drawn)
    for number, row in enumerate(drawn):
        columns = vectors.canonical(scheme, tuple(row[name] for name in vectors._COLUMNS))
        assert_as_expected(scheme, tokens, number, vectors.expected(scheme, columns))


def test_missing_fields_are_random_and_present_ones_are_not():
    first, second = (tokenise(UK_PERSON_V1, [{"forename": "ANNA", "nhs_number": "9434765919"}]) for _ in range(2))
    present = [first.field_masks[0] >> f & 1 == 1 for f in range(len(UK_PERSON_V1.encoded))]
    known = np.repeat(present, [field.bits // 8 for field in UK_PERSON_V1.encoded])
    one, two = first.encodings[0, -1], second.encodings[0, -1]
    assert (one[known] == two[known]).all()
    assert (one[~known] != two[~known]).mean() > 0.9


def test_the_same_value_looks_like_chance_in_another_block():
    scheme = UK_PERSON_V1
    people = [{"forename": "ANNA", "surname": "SMITH", "nhs_number": str(number)} for number in range(200)]
    encodings = tokenise(scheme, people).encodings[:, -1, :8]
    share = np.bitwise_count(encodings[1:] ^ encodings[:-1]).mean() / 8
    assert 0.47 < share < 0.53


def test_of_forenames_the_first_counts():
    columns = canonical_columns(batch([{"forename": "ANNA MARIA", "surname": "DE SOUZA"}], "nhs_number"), UK_PERSON_V1)
    assert (columns["forename"], columns["full_name"]) == (["ANNA"], ["ANNA DE SOUZA"])


def test_variants_are_rows_of_one_record():
    rows = batch([{"forename": "ANNA"}, {"forename": "BO"}, {"forename": "CY"}], "nhs_number")
    rows.record_ref, rows.observed_day, rows.restricted = ["1", "1", "2"], [3, 5, -1], [False, True, False]
    keys = LinkageKeys(vectors.LINKAGE_KEY, UK_PERSON_V1, 1)
    public = COORDINATOR.public_key().public_bytes_raw()
    tokens = Tokeniser(UK_PERSON_V1, keys, AliasKey(bytes(32), "a"), "a", public).tokenise(rows)
    assert tokens.row_records.tolist() == [0, 0, 1]
    assert tokens.observed_days.tolist() == [5, -1]
    assert tokens.flags.tolist() == [1, 0]
