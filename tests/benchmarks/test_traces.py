"""The search for traces finds what is planted, and nothing else."""

import base64

import numpy as np
import pytest

from benchmarks.traces import Traces

RNG = np.random.default_rng(7)
SECRETS = RNG.integers(0, 256, (50, 16), np.uint8)
NOISE = RNG.bytes(5001)
ONE = SECRETS[17].tobytes()


@pytest.mark.parametrize("shift", range(8))
@pytest.mark.parametrize(
    "written",
    [
        ONE,
        ONE.hex().encode(),
        ONE.hex().upper().encode(),
        b"0" + ONE.hex().encode(),
        base64.b64encode(ONE),
        base64.urlsafe_b64encode(b"?" + ONE + b"??"),
        base64.b64encode(b"??" + ONE),
        ONE[1:],
        ONE[:-1],
        ONE[1:].hex().encode(),
    ],
)
def test_a_secret_is_found_wherever_and_however_it_stands(written: bytes, shift: int) -> None:
    assert Traces(SECRETS).found(NOISE[: 1000 + shift] + b" " + written + b" " + NOISE) == {17}
    assert Traces(SECRETS).found(written) == {17}


def test_several_secrets_and_those_that_share_a_piece_are_all_found() -> None:
    twins = SECRETS.copy()
    twins[3, 8:] = twins[17, 8:]
    assert Traces(twins).found(NOISE + twins[17, 8:].tobytes() + b" " + twins[40].tobytes().hex().encode()) == {
        3,
        17,
        40,
    }


def test_noise_zeros_and_nothing_hold_no_secret() -> None:
    blank = SECRETS.copy()
    blank[5] = 0
    for data in (NOISE, bytes(1000), b"", b"abc", NOISE.hex().encode(), base64.b64encode(NOISE)):
        assert Traces(blank).found(data) == set()
    assert Traces(SECRETS[:0]).found(ONE) == set()
