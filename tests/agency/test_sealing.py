"""Sealed references: both halves together, and every way in which a seal must not open."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.agency.sealing import _plain_texts, seal_batch
from matcher.coordinator.opening import Opener, generate_coordinator_key
from matcher.errors import InputFileError, KeyFileError, SealError
from matcher.keyfile import read_public_key
from matcher.model import Disclosure
from matcher.scheme import ENCAPSULATION_BYTES, SEALED_BYTES
from tests import reference as oracle

PRIVATE = bytes(range(1, 33))
PUBLIC = X25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()
DIGEST = bytes(range(32))
OPENER = Opener(PRIVATE)


def utf8_of_at_most(limit: int) -> st.SearchStrategy[str]:
    return st.text(max_size=limit).filter(lambda text: len(text.encode()) <= limit)


def aliases_for(count: int) -> list[bytes]:
    return [bytes([number]) * 16 for number in range(count)]


def sealed_members(references: list[str], notes: list[str] | None = None) -> list[Disclosure]:
    aliases = aliases_for(len(references))
    encapsulation, sealed = seal_batch(
        PUBLIC,
        scheme_digest=DIGEST,
        epoch=3,
        agency="police",
        aliases=aliases,
        references=references,
        notes=notes or [""] * len(references),
    )
    assert len(encapsulation) == ENCAPSULATION_BYTES
    assert sealed.shape == (len(references), SEALED_BYTES)
    return [
        Disclosure("police", "police", alias, encapsulation, sealed[number].tobytes(), 1, 3)
        for number, alias in enumerate(aliases)
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(utf8_of_at_most(64), utf8_of_at_most(24)), max_size=5))
def test_what_is_sealed_opens_and_has_one_length(texts: list[tuple[str, str]]) -> None:
    members = sealed_members([reference for reference, _ in texts], [note for _, note in texts])
    opened = [OPENER.open(member, DIGEST) for member in members]
    assert [(each.reference, each.note) for each in opened] == texts
    assert all(len(member.sealed) == 112 for member in members)


@settings(deadline=None)
@given(st.lists(st.tuples(utf8_of_at_most(64), utf8_of_at_most(24)), max_size=5))
def test_plain_texts_equal_the_oracle(texts: list[tuple[str, str]]) -> None:
    made = _plain_texts([one for one, _ in texts], [note for _, note in texts])
    assert made == [oracle.plain_text(*each) for each in texts]


def test_the_longest_texts_fit() -> None:
    (member,) = sealed_members(["r" * 64], ["n" * 24])
    assert OPENER.open(member, DIGEST).note == "n" * 24


@pytest.mark.parametrize(
    ("reference", "note", "limit"),
    [("SECRET" * 11, "", 64), ("é" * 33, "", 64), ("", "SECRET" * 5, 24), ("SECRET\ud800", "", None)],
)
def test_a_text_that_cannot_be_sealed_is_not_quoted(reference: str, note: str, limit: int | None) -> None:
    with pytest.raises(InputFileError) as caught:
        sealed_members(["fine", reference], ["", note])
    assert "SECRET" not in str(caught.value)
    assert limit is None or f"at most {limit} bytes" in str(caught.value)


def test_the_same_record_sealed_twice_looks_different() -> None:
    first, second = sealed_members(["a"])[0], sealed_members(["a"])[0]
    assert first.sealed != second.sealed
    assert first.encapsulation != second.encapsulation


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(SealError):
        Opener(bytes(range(2, 34))).open(sealed_members(["a"])[0], DIGEST)


def test_nothing_it_is_bound_to_can_change() -> None:
    one, other = sealed_members(["one", "other"])
    moved = [
        replace(one, alias=other.alias),
        replace(one, alias=one.alias[:12] + b"\xff" * 4),
        replace(one, sealed=other.sealed),
        replace(one, agency="health"),
        replace(one, epoch=4),
        replace(one, encapsulation=sealed_members(["one"])[0].encapsulation),
    ]
    for member in moved:
        with pytest.raises(SealError, match="does not open"):
            OPENER.open(member, DIGEST)
    with pytest.raises(SealError):
        OPENER.open(one, bytes(32))
    assert OPENER.open(one, DIGEST).reference == "one"


def test_no_bit_can_change() -> None:
    (member,) = sealed_members(["a"])

    def flips(data: bytes) -> Iterator[bytes]:
        for bit in range(len(data) * 8):
            yield bytes(byte ^ (1 << bit % 8 if at == bit // 8 else 0) for at, byte in enumerate(data))

    changed = [replace(member, sealed=data) for data in flips(member.sealed)]
    changed += [replace(member, encapsulation=data) for data in flips(member.encapsulation)]
    changed += [replace(member, alias=data) for data in flips(member.alias)]
    for each in changed:
        with pytest.raises(SealError):
            OPENER.open(each, DIGEST)


@settings(deadline=None)
@given(st.binary(max_size=130), st.binary(max_size=90), st.binary(max_size=20))
def test_anything_else_is_refused_in_the_same_way(sealed: bytes, encapsulation: bytes, alias: bytes) -> None:
    member = replace(sealed_members(["a"])[0], sealed=sealed, encapsulation=encapsulation, alias=alias)
    with pytest.raises(SealError):
        OPENER.open(member, DIGEST)


@pytest.mark.parametrize(
    "text",
    [
        b"\x60" + b"a" * 95,
        b"\x01a\x60" + b"n" * 93,
        b"\x01a\x00x" + bytes(92),
        b"\x01\xff" + bytes(94),
    ],
)
def test_a_text_laid_out_wrongly_is_refused(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matcher.agency.sealing._plain_texts", lambda _references, _notes: [text.ljust(96, b"\0")])
    (member,) = sealed_members(["x"])
    with pytest.raises(SealError):
        OPENER.open(member, DIGEST)


def seal(aliases: list[bytes], references: list[str], public_key: bytes = PUBLIC) -> None:
    notes = [""] * len(aliases)
    seal_batch(
        public_key,
        scheme_digest=DIGEST,
        epoch=1,
        agency="police",
        aliases=aliases,
        references=references,
        notes=notes,
    )


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="begin alike"):
        seal([bytes(16), bytes(15) + b"\x01"], ["a", "b"])
    with pytest.raises(ValueError, match="16 bytes"):
        seal([bytes(15)], ["a"])
    with pytest.raises(ValueError, match="shorter"):
        seal([bytes(16)], [])


@pytest.mark.parametrize("public_key", [bytes(32), b"short", b"\x01" + bytes(31)])
def test_a_public_key_that_seals_to_anyone_is_refused(public_key: bytes) -> None:
    with pytest.raises(KeyFileError):
        seal([], [], public_key)


def test_neither_key_nor_reference_shows() -> None:
    (member,) = sealed_members(["REF-77"], ["call us"])
    shown = repr(OPENER.open(member, DIGEST)) + repr(OPENER) + repr(member)
    assert "REF-77" not in shown
    assert "call us" not in shown
    assert repr(PRIVATE)[2:-1] not in shown


def test_a_generated_pair_works_and_is_never_half_written(tmp_path: Path) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    generate_coordinator_key(private, public)
    assert private.stat().st_mode & 0o777 == 0o600
    aliases = aliases_for(1)
    encapsulation, sealed = seal_batch(
        read_public_key(public),
        scheme_digest=DIGEST,
        epoch=1,
        agency="fire",
        aliases=aliases,
        references=["r"],
        notes=["n"],
    )
    member = Disclosure("fire", "fire", aliases[0], encapsulation, sealed.tobytes(), -1, 1)
    assert Opener.load(private).open(member, DIGEST).reference == "r"

    with pytest.raises(KeyFileError, match="exists already"):
        generate_coordinator_key(tmp_path / "second", public)
    assert not (tmp_path / "second").exists()
    before = private.read_bytes()
    with pytest.raises(KeyFileError, match="exists already"):
        generate_coordinator_key(private, tmp_path / "other")
    assert private.read_bytes() == before
    assert not (tmp_path / "other").exists()
