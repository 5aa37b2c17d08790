"""A disk that fails at a chosen write or sync and forgets at a crash what was not synced: a shim under SQLite."""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

from matcher.store.pages import check_pages

_NAME = "faulty"


@dataclass
class Disk:
    """Counts writes and syncs; number `fails_at` (from 1) and `for_good` all later ones fail."""

    fails_at: int = 0
    for_good: bool = False
    done: int = 0
    unsynced: dict[str, list[tuple[int, int, bytes]]] = field(default_factory=dict)
    """By file: place, size before, and what stood there, of each write since the last sync."""

    def step(self) -> None:
        """Do one thing, or fail."""
        self.done += 1
        if self.fails_at and (self.done == self.fails_at or (self.for_good and self.done > self.fails_at)):
            raise apsw.IOError("the disk failed on purpose")

    def crash(self, database: Path, into: Path, seed: int) -> Path:
        """What a power cut leaves of a database: of what was not synced, any part may be missing."""
        into.mkdir()
        chosen = random.Random(seed)
        for name in (database.name, f"{database.name}-wal"):
            if not (file := database.with_name(name)).exists():
                continue
            shutil.copy(file, into / name)
            with (into / name).open("r+b") as copy:
                for place, size, before in reversed(self.unsynced.get(str(file), [])):
                    if chosen.random() < 0.5:
                        copy.seek(place)
                        copy.write(before)
                        if chosen.random() < 0.5 and place >= size:
                            copy.truncate(size)
        return into / database.name


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: object, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.step()
        size = self.xFileSize()
        before = self.xRead(min(len(data), max(size - offset, 0)), offset) if offset < size else b""
        self._disk.unsynced.setdefault(self._path, []).append((offset, size, before))
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._disk.step()
        self._disk.unsynced.pop(self._path, None)  # what counts here; the machine's own disk need not wait


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__(_NAME, "unix")

    def xOpen(self, name: object, flags: list[int]) -> _File:
        return _File(self._disk, name, flags)


@contextmanager
def faulty(disk: Disk) -> Iterator[None]:
    """Databases opened meanwhile lie on the disk."""
    usual, encrypting = "unix", f"multipleciphers-{_NAME}"
    shim = _Vfs(disk)
    check_pages(_NAME)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("matcher.store.connection.ENCRYPTED", encrypting)  # made when it is first asked for
            yield
    finally:
        if encrypting in apsw.vfs_names():
            apsw.unregister_vfs(encrypting)
        check_pages(usual)
        shim.unregister()
