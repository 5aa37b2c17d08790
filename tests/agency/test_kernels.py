import hmac

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.agency.elements import elements
from matcher.agency.hashing.kernels import hmac_sha256
from matcher.agency.kernels import LANES, encode, key_streams, start_states
from matcher.agency.nicknames import ROOTS
from matcher.agency.signing import kernels
from matcher.agency.signing.kernels import signatures
from matcher.agency.signing.values import sign_values
from matcher.scheme import Field, Kind
from tests import reference


def packed(texts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    return np.frombuffer(b"".join(texts), np.uint8), np.cumsum([len(text) for text in texts], dtype=np.int64)


def unpacked(texts: np.ndarray, ends: np.ndarray) -> list[bytes]:
    return [each.tobytes() for each in np.split(texts, ends[:-1])]


def streams(keys: list[bytes], blocks: int) -> list[bytes]:
    start, out = np.zeros(16 * LANES, np.uint32), np.empty(16 * blocks * LANES, np.uint32)
    start_states(np.frombuffer(b"".join(keys), "<u4").reshape(-1, 8), start)
    key_streams(start, out)
    return [each.tobytes() for each in out.reshape(-1, LANES).T[: len(keys)]]


def test_the_key_stream_is_the_one_of_rfc_8439():
    # RFC 8439, appendix A.1, vector 1
    (stream,) = streams([bytes(32)], 1)
    assert stream.hex().startswith("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7")


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=LANES), st.integers(1, 6))
def test_key_streams_equal_the_oracle(keys, blocks):
    assert streams(keys, blocks) == [reference.key_stream(key, 64 * blocks) for key in keys]


@settings(max_examples=40, deadline=None)
@given(st.data(), st.lists(st.sampled_from([32, 64, 96, 128, 256]), min_size=1, max_size=16))
def test_encodings_equal_the_oracle(data, field_bits):
    rows, passes, size = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 6)), reference.SIGNATURE_BITS
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    signatures = rng.integers(0, 2, (7, size), dtype=np.uint8)
    which = rng.integers(-1, len(signatures), (rows, len(field_bits)))
    places = np.flatnonzero(rng.random(rows * passes) < data.draw(st.sampled_from([0.0, 0.5, 1.0])))
    secrets = rng.integers(0, 2**32, (len(places), 8), dtype=np.uint32)
    before = rng.integers(0, 256, (rows, passes, sum(field_bits) // 8), dtype=np.uint8)
    tokens, encodings = np.zeros((rows, passes, 16), np.uint8), before.copy()
    encode(secrets, places, signatures, which, np.array(field_bits), tokens, encodings)
    expected_tokens, expected = np.zeros_like(tokens), before.copy()
    for secret, place in zip(secrets, places, strict=True):
        r, p = divmod(place, passes)
        signed = [signatures[value].tolist() if value >= 0 else None for value in which[r]]
        token, encoding = reference.encode(secret.tobytes(), field_bits, signed)
        expected_tokens[r, p] = np.frombuffer(token, np.uint8)
        present = np.repeat(which[r] >= 0, np.array(field_bits) // 8)
        expected[r, p] = np.where(present, np.frombuffer(encoding, np.uint8), before[r, p])
    assert (tokens == expected_tokens).all()
    assert (encodings == expected).all()


def test_the_hmac_is_the_one_of_rfc_4231():
    # test case 2
    digest = hmac_sha256(np.frombuffer(b"Jefe", np.uint8), *packed([b"what do ya want for nothing?"]))
    assert digest.tobytes().hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=64), st.lists(st.binary(max_size=200), min_size=1, max_size=40))
def test_hmacs_equal_the_oracle(key, texts):
    digests = hmac_sha256(np.frombuffer(key, np.uint8), *packed(texts))
    assert [each.tobytes() for each in digests] == [hmac.digest(key, text, "sha256") for text in texts]


@pytest.mark.parametrize("size", [*range(50, 70), *range(115, 125)])
def test_hmacs_of_texts_that_just_fill_a_block(size):
    digest = hmac_sha256(np.zeros(32, np.uint8), *packed([bytes(size), b"A" * size]))
    assert digest[1].tobytes() == hmac.digest(bytes(32), b"A" * size, "sha256")


def sets_of(kind: int, values: list[str]) -> list[set[str]]:
    texts, ends, members, member_ends = kernels.element_sets(kind, *packed([value.encode() for value in values]))
    known = [each.decode() for each in unpacked(texts, ends)] if len(ends) else []
    assert len(known) == len(set(known))
    return [{known[member] for member in each} for each in np.split(members, member_ends[:-1])]


canonical = st.text("ABZ019", min_size=1, max_size=14)


@settings(max_examples=100, deadline=None)
@given(st.lists(canonical, min_size=1, max_size=6))
def test_compiled_elements_equal_the_oracle(values):
    for kind in (Kind.NAME, Kind.TEXT, Kind.POSTCODE, Kind.IDENTIFIER, Kind.CATEGORY):
        made = sets_of(getattr(kernels, kind.name), values)
        assert made == [elements(kind, value) for value in values]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.text("0189", min_size=4, max_size=6), min_size=1, max_size=6),
    st.lists(st.text("019-", min_size=1, max_size=6), min_size=1, max_size=6),
)
def test_compiled_elements_of_dates_equal_the_oracle(years, days):
    assert sets_of(kernels.YEAR, years) == [elements(Kind.YEAR, value) for value in years]
    made = sets_of(kernels.MONTH_DAY, days)
    assert made == [elements(Kind.MONTH_DAY, value) for value in days]


@pytest.mark.parametrize("size", [9, 10, 127, 128, 129, 1000, 1001])
def test_compiled_elements_of_long_identifiers_equal_the_oracle(size):
    values = ["A" * size, "AB" * (size // 2)]
    assert sets_of(kernels.IDENTIFIER, values) == [elements(Kind.IDENTIFIER, value) for value in values]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("AB Z\t", min_size=1, max_size=14).filter(str.strip), min_size=1, max_size=6))
def test_compiled_elements_of_names_equal_the_oracle(values):
    assert sets_of(kernels.NAME, values) == [elements(Kind.NAME, value) for value in values]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([*ROOTS, "ZED", "Q"]), min_size=1, max_size=6))
def test_compiled_elements_of_forenames_equal_the_oracle(values):
    given_forms = ["|".join((value, *ROOTS.get(value, ()))) for value in values]
    assert sets_of(kernels.FORENAME, given_forms) == [elements(Kind.FORENAME, value) for value in values]


@given(st.lists(st.text("AB \t\x1c\n", max_size=12), min_size=1, max_size=6))
@settings(deadline=None)
def test_words_are_those_of_str_split(values):
    assert sets_of(kernels.WORDS, values) == [set(value.split()) for value in values]


values_of = {
    Kind.NAME: "AB Z",
    Kind.FORENAME: "ALEXDNÉ ",
    Kind.YEAR: "0189",
    Kind.CATEGORY: "FM",
    Kind.POSTCODE: "AB01É",
    Kind.TEXT: "A1 É|",
    Kind.IDENTIFIER: "A01",
}


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(list(values_of)))
def test_signatures_of_values_equal_the_oracle(data, kind):
    texts = st.text(values_of[kind], min_size=4, max_size=10).filter(str.strip)
    values = data.draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    signed = sign_values(bytes(range(32)), Field("x", kind, 64, "x"), values)
    expected = [reference.signature(bytes(range(32)), elements(kind, value)) for value in values]
    assert signed.tolist() == expected


def unmixed(output: int, i: int) -> int:
    """The seed of which SplitMix64's output i is this."""

    def unshifted(z: int, n: int) -> int:
        found = z
        for _ in range(64 // n):
            found = z ^ (found >> n)
        return found

    z = unshifted(output, 31) * pow(0x94D049BB133111EB, -1, 2**64) % 2**64
    z = unshifted(z, 27) * pow(0xBF58476D1CE4E5B9, -1, 2**64) % 2**64
    return (unshifted(z, 30) - (i + 1) * 0x9E3779B97F4A7C15) % 2**64


def doubting(hashes, members, ends, result, least=kernels.least_keys):
    least(hashes, members, ends, result)
    result[:] = 0
    return False


@pytest.mark.parametrize("bits", [(0, 1), (1, 0)])
def test_keys_that_differ_in_the_lowest_bit_alone_are_not_trusted(bits, monkeypatch):
    # two outputs of function 7 that begin alike in 31 bits and end unlike: the longer one is the greater
    hashes = np.array([unmixed(bits[0], 7), unmixed(1 << 8 | bits[1], 7)], np.uint64)
    assert [reference.split_mix(int(each), 7) for each in hashes] == [bits[0], 1 << 8 | bits[1]]
    rows = np.empty((2, 256), np.uint32)
    assert not kernels.least_keys(hashes, np.array([0, 1]), np.array([2]), rows[:1])
    assert kernels.least_keys(hashes, np.array([0, 1]), np.array([1, 2]), rows)
    assert not kernels.least_of(rows, np.array([0, 1]), np.array([2]), np.empty((1, 256), np.uint8))
    assert signatures(hashes, np.array([2]), 256)[0, 7] == bits[0]
    # and the tokeniser compares all bits then: made to doubt, it signs as before
    for kind, values in ((Kind.TEXT, ["A BO", "BO", "C A BO"]), (Kind.POSTCODE, ["YO16GJ", "2600"])):
        field = Field("x", kind, 64, "x")
        trusted = sign_values(bytes(32), field, values)
        with monkeypatch.context() as patched:
            patched.setattr(kernels, "least_keys", doubting)
            assert (sign_values(bytes(32), field, values) == trusted).all()


def test_split_mix_is_the_published_one():
    # first outputs of SplitMix64 seeded with 0 (Vigna's reference code)
    assert [reference.split_mix(0, i) for i in range(2)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_signatures_estimate_likeness():
    rng = np.random.default_rng(1)
    common, one, other = (rng.integers(2**63, size=10, dtype=np.uint64) for _ in range(3))
    bits = signatures(np.concatenate([common, one, common, other]), np.array([20, 40]), 4096)
    # Jaccard 10 of 30: half of what is not shared differs
    assert abs((bits[0] != bits[1]).mean() - (1 - 1 / 3) / 2) < 0.03
