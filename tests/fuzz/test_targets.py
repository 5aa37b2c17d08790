"""Every decoder, on its right inputs and on what a few changes make of them. `make fuzz` goes on from here."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import targets
from tests.fuzz.targets import TARGETS

SEEDS = {name: target.seeds() for name, target in TARGETS.items()}


@st.composite
def changed(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed, cut or with some bytes put in, taken out or replaced."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.sampled_from([0, 1, 4, 40]))] = draw(st.binary(max_size=6))
    return bytes(data[: draw(st.none() | st.integers(0, len(data)))])


@pytest.mark.parametrize("name", TARGETS)
def test_right_inputs_are_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a target would fuzz nothing but its first check."""
    caught: list[BaseException] = []

    class Kept:
        def __init__(self, *kinds: type[BaseException]) -> None:
            self.kinds = kinds

        def __enter__(self) -> None: ...

        def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
            caught.extend([error] if error else [])
            return kind is not None and issubclass(kind, self.kinds)

    monkeypatch.setattr(targets, "suppress", Kept)
    decoders = {"frame": 5, "configuration": 4, "key_file": 4}
    for seed in SEEDS[name]:
        caught.clear()
        TARGETS[name].decode(seed)
        assert len(caught) < decoders.get(name, 1), caught


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_makes_a_decoder_fail_in_another_way(name: str) -> None:
    @settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(changed(SEEDS[name]) | st.binary(max_size=300))
    def decode(data: bytes) -> None:
        TARGETS[name].decode(data)

    decode()


@pytest.mark.parametrize("name", ["configuration", "match_model", "calibration", "token_file"])
@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'"a"', b"1", b"null", b"[]", b"{}", b"\xff", b"a = " + b"[" * 50_000]
)
def test_texts_that_are_no_table_or_go_too_deep_are_refused(name: str, data: bytes) -> None:
    TARGETS[name].decode(data)


def test_a_length_that_is_damaged_does_not_take_all_memory() -> None:
    header = SEEDS["token_file"][0].split(b"\n")[0] + b"\n"
    for length in (b"\xff\xff\xff\xff\x7f", b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x80" * 9 + b"\x01"):
        TARGETS["token_file"].decode(header + length + bytes(100))
