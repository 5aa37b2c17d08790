"""Key files: who may read them, and what is said when something is wrong with one."""

import os
from pathlib import Path

import pytest

from matcher.errors import KeyFileError
from matcher.keyfile import create_file, read_key, read_public_key, read_secret, write_public_key, write_secret

SECRET = bytes(range(200, 232))


def test_a_secret_comes_back_from_a_file_of_mode_0600_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for mask in (0o000, 0o377):
        old = os.umask(mask)
        try:
            write_secret(path, "test key", SECRET)
        finally:
            os.umask(old)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text() == f"familiar-faces test key v1\n{SECRET.hex()}\n"
        assert read_secret(path, "test key") == read_key(path, "test key") == SECRET
        path.unlink()


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_secret(path, "test key", SECRET)
    with pytest.raises(KeyFileError, match="exists already"):
        write_secret(path, "test key", bytes(32))
    assert read_secret(path, "test key") == SECRET


def test_a_link_is_not_followed_when_writing(tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFileError, match="exists already"):
        write_secret(tmp_path / "key", "test key", SECRET)
    assert not (tmp_path / "elsewhere").exists()


def test_a_failed_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match="No space left"):
        write_secret(tmp_path / "key", "test key", SECRET)
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o777])
def test_a_secret_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    write_secret(path, "test key", SECRET)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="others than its owner"):
        read_secret(path, "test key")


DAMAGED = {
    "empty": "",
    "another label": f"familiar-faces other key v1\n{SECRET.hex()}\n",
    "another version": f"familiar-faces test key v2\n{SECRET.hex()}\n",
    "no key": "familiar-faces test key v1\n",
    "empty key": "familiar-faces test key v1\n\n",
    "half a byte": f"familiar-faces test key v1\n{SECRET.hex()[:-1]}\n",
    "not hex": f"familiar-faces test key v1\n{SECRET.hex()[:-1]}g\n",
    "spaces": f"familiar-faces test key v1\n{SECRET.hex(' ')}\n",
    "a third line": f"familiar-faces test key v1\n{SECRET.hex()}\n{SECRET.hex()}\n",
    "not ASCII": f"familiar-faces test key v1\n{SECRET.hex()}é\n",
    "too long": f"familiar-faces test key v1\n{SECRET.hex() * 2000}\n",
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    create_file(path, text.encode())
    with pytest.raises(KeyFileError) as caught:
        read_secret(path, "test key")
    assert str(path) in str(caught.value)
    assert SECRET.hex()[:12] not in str(caught.value)


def test_a_key_of_another_length_is_refused(tmp_path: Path) -> None:
    write_secret(tmp_path / "key", "test key", SECRET[:-1])
    with pytest.raises(KeyFileError, match="32 bytes"):
        read_key(tmp_path / "key", "test key")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("missing", "pipe", "."):
        with pytest.raises(KeyFileError):
            read_secret(tmp_path / name, "test key")
    with pytest.raises(KeyFileError, match="cannot be made"):
        write_secret(tmp_path / "no folder" / "key", "test key", SECRET)


def test_a_public_key_may_be_read_by_all_and_is_not_taken_for_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "public"
    write_public_key(path, SECRET)
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.read_text().startswith("familiar-faces coordinator public key v1\n")
    assert read_public_key(path) == SECRET
    write_secret(tmp_path / "private", "coordinator private key", SECRET)
    with pytest.raises(KeyFileError, match="is no coordinator public key file"):
        read_public_key(tmp_path / "private")
