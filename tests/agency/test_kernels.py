import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.agency.kernels import key_stream, signatures
from tests import reference


def test_the_key_stream_is_the_one_of_rfc_8439():
    # RFC 8439, appendix A.1, vector 1
    out = np.empty(64, np.uint8)
    key_stream(np.zeros(8, np.uint32), out)
    assert out.tobytes().hex().startswith("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7")


@settings(max_examples=20, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.integers(1, 6))
def test_the_key_stream_equals_the_oracle(key, blocks):
    out = np.empty(64 * blocks, np.uint8)
    key_stream(np.frombuffer(key, "<u4"), out)
    assert out.tobytes() == reference.key_stream(key, 64 * blocks)


def test_split_mix_is_the_published_one():
    # first outputs of SplitMix64 seeded with 0 (Vigna's reference code)
    assert [reference.split_mix(0, i) for i in range(2)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_signatures_estimate_likeness():
    rng = np.random.default_rng(1)
    common, one, other = (rng.integers(2**63, size=10, dtype=np.uint64) for _ in range(3))
    bits = signatures(np.concatenate([common, one, common, other]), np.array([20, 40]), 4096)
    # Jaccard 10 of 30: half of what is not shared differs
    assert abs((bits[0] != bits[1]).mean() - (1 - 1 / 3) / 2) < 0.03
