"""Keys: the derivations against an HKDF written out here, and that no key shows."""

import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.agency.keys import (
    AliasKey,
    LinkageKeys,
    generate_alias_key,
    generate_linkage_key,
    length_prefixed,
    load_alias_key,
    load_linkage_keys,
)
from matcher.errors import InputFileError, KeyFileError
from matcher.scheme import GENERIC_PERSON_V1, UK_PERSON_V1

KEY = bytes(range(32))


def lp(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def hkdf(key: bytes, purpose: bytes, name: bytes, digest: bytes, epoch: int) -> bytes:
    """RFC 5869 for one block of output."""
    extracted = hmac.digest(b"familiar-faces token scheme v1", key, "sha256")
    info = lp(digest) + lp(epoch.to_bytes(4, "big")) + lp(purpose) + lp(name)
    return hmac.digest(extracted, info + b"\x01", "sha256")


def test_derived_keys_are_those_of_the_written_out_hkdf() -> None:
    digest = UK_PERSON_V1.digest
    keys = LinkageKeys(KEY, UK_PERSON_V1, 7)
    assert keys.sign_key("surname") == hkdf(KEY, b"sign", b"surname", digest, 7)
    assert keys.pass_key("identifier") == hkdf(KEY, b"pass", b"identifier", digest, 7)
    assert keys.key_check == hkdf(KEY, b"check", b"", digest, 7)[:16]
    assert keys.epoch == 7


def test_golden_values() -> None:
    """The HKDF with a scheme digest of its own, so that these stand when a scheme changes."""

    class FixedScheme:
        digest = bytes(range(32, 64))

    keys = LinkageKeys(KEY, FixedScheme(), 1)  # type: ignore[arg-type]
    assert keys.sign_key("surname").hex() == "38069b0a487489a192aa35f826bc856d38c7c6d7df6eb6781e3b930e254407c0"
    assert keys.pass_key("identifier").hex() == "d59e124b19875a0c9b62afaab613e440fe15569f3ea1ec91390aa33f7f2c4a47"
    assert keys.key_check.hex() == "9cb7764bebbe06a6b7cecd59163b46b6"
    alias_key = AliasKey(KEY, "police")
    assert alias_key.alias("REF-1").hex() == "47ab97b694bcdb7a837ed4af158f97b5"
    assert alias_key.feed_id(bytes(32)) == "file-7b85b7f57d0bc69e83fb31046256d917"


def test_every_input_changes_every_key() -> None:
    variants = [
        LinkageKeys(KEY, UK_PERSON_V1, 1),
        LinkageKeys(KEY, UK_PERSON_V1, 2),
        LinkageKeys(KEY, GENERIC_PERSON_V1, 1),
        LinkageKeys(bytes(32), UK_PERSON_V1, 1),
    ]
    made = [make for keys in variants for make in (keys.sign_key("a"), keys.sign_key("b"), keys.pass_key("a"))]
    assert len({*made, *(keys.key_check for keys in variants)}) == 16


def test_aliases_and_feed_ids_are_those_of_a_written_out_hmac() -> None:
    key = AliasKey(KEY, "police")
    reference = "Ärzte-12"
    message = lp(b"alias") + lp(b"police") + lp(reference.encode())
    assert key.alias(reference) == hmac.digest(KEY, message, "sha256")[:16]
    message = lp(b"feed") + lp(b"police") + lp(b"\x01" * 32)
    assert key.feed_id(b"\x01" * 32) == "file-" + hmac.digest(KEY, message, "sha256")[:16].hex()


@given(st.text(max_size=16), st.text(max_size=16), st.sampled_from(["police", "police-1"]))
def test_different_references_and_agencies_have_different_aliases(one: str, other: str, agency: str) -> None:
    same = one == other and agency == "police"
    assert (AliasKey(KEY, "police").alias(one) == AliasKey(KEY, agency).alias(other)) == same


def test_a_reference_that_cannot_be_used_is_not_quoted() -> None:
    key = AliasKey(KEY, "police")
    assert len(key.alias("é" * 32)) == 16
    for reference in ("é" * 32 + "x", "SMITH\udc80"):
        with pytest.raises(InputFileError) as caught:
            key.alias(reference)
        assert "é" not in str(caught.value)
        assert "SMITH" not in str(caught.value)
        assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_keys_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        LinkageKeys(KEY[:-1], UK_PERSON_V1, 1)
    with pytest.raises(ValueError, match="32 bytes"):
        AliasKey(KEY + b"x", "police")


def test_length_prefix_has_a_limit() -> None:
    assert length_prefixed(b"ab") == b"\x00\x02ab"
    with pytest.raises(OverflowError):
        length_prefixed(bytes(65536))


def test_no_key_shows() -> None:
    for key in (LinkageKeys(KEY, UK_PERSON_V1, 1), AliasKey(KEY, "police")):
        assert not hasattr(key, "__dict__")
        for shown in (repr(key), str(key)):
            assert KEY.hex() not in shown
            assert repr(KEY)[2:-1] not in shown


def test_generated_keys_differ_and_load(tmp_path: Path) -> None:
    for name in ("one", "two"):
        generate_linkage_key(tmp_path / name)
        generate_alias_key(tmp_path / f"{name}.alias")
    one, two = (load_linkage_keys(tmp_path / name, UK_PERSON_V1, 1) for name in ("one", "two"))
    assert one.key_check != two.key_check
    assert one.key_check == load_linkage_keys(tmp_path / "one", UK_PERSON_V1, 1).key_check
    aliases = {load_alias_key(tmp_path / f"{name}.alias", "police").alias("x") for name in ("one", "two", "one")}
    assert len(aliases) == 2
    with pytest.raises(KeyFileError, match="exists already"):
        generate_linkage_key(tmp_path / "one")


def test_one_kind_of_key_is_not_taken_for_another(tmp_path: Path) -> None:
    generate_alias_key(tmp_path / "alias")
    generate_linkage_key(tmp_path / "linkage")
    with pytest.raises(KeyFileError, match="is no linkage key file"):
        load_linkage_keys(tmp_path / "alias", UK_PERSON_V1, 1)
    with pytest.raises(KeyFileError, match="is no alias key file"):
        load_alias_key(tmp_path / "linkage", "police")


def test_aliases_of_many_are_those_of_each() -> None:
    key = AliasKey(KEY, "police")
    references = ["REF-1", "é" * 32, "", "x" * 64]
    assert key.aliases(references) == [key.alias(each) for each in references]
    with pytest.raises(InputFileError):
        key.aliases(["REF-1", "x" * 65])
