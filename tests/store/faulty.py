"""A disk that fails, or kills its process, at a chosen write, sync, cut or removal, and forgets at a crash what was not
synced: a shim under SQLite."""

import os
import random
import shutil
import signal
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
    """Counts what changes it; number `fails_at` (from 1) and `for_good` all later ones fail, or it `kills` at it."""

    fails_at: int = 0
    for_good: bool = False
    kills: bool = False
    done: int = 0
    unsynced: dict[str, list[tuple[int, int, bytes]]] = field(default_factory=dict)
    """By file: place, size before, and what stood there, of each write since the last sync."""

    def step(self) -> None:
        """Do one thing, or fail."""
        self.done += 1
        if self.fails_at and (self.done == self.fails_at or (self.for_good and self.done > self.fails_at)):
            if self.kills:
                os.kill(os.getpid(), signal.SIGKILL)
            raise apsw.IOError("the disk failed on purpose")

    def crash(self, database: Path, into: Path, seed: int) -> Path:
        """What a power cut leaves of a database: of what was not synced, any part may be missing."""
        into.mkdir()
        chosen = random.Random(seed)
        for name in (database.name, f"{database.name}-wal", f"{database.name}-journal"):
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

    def xTruncate(self, size: int) -> None:
        self._disk.step()
        if (was := self.xFileSize()) > size:
            lost = (size, was, self.xRead(was - size, size))
            self._disk.unsynced.setdefault(self._path, []).append(lost)
        super().xTruncate(size)


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__(_NAME, "unix")

    def xOpen(self, name: object, flags: list[int]) -> _File:
        return _File(self._disk, name, flags)

    def xDelete(self, name: str, sync: bool) -> None:
        self._disk.step()
        self._disk.unsynced.pop(name, None)
        super().xDelete(name, sync)


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
