"""The audit log of a running matcher. It is only ever appended to: what a crash left half written stays, and the next
entry says so.

Beside it `FILE.head` holds the last entry's number, hash and end, so that a log cut short is noticed. It is written
after the entry: a kill leaves it exact or one entry behind, and while the log is made durable, by those written
meanwhile. It is made durable after the log, and names no entry then that the log may still lose: a power cut leaves it
behind by what was written since.
"""

import fcntl
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from threading import Event, Lock, Thread

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from matcher.audit.entry import MOST_BYTES, PRIVATE_KEY_LABEL, TORN_END, Chain, Entry, Head, is_signed, write_line
from matcher.errors import AuditError, AuditProofError
from matcher.keyfile import read_key
from matcher.store.sums import sync_folder

_log = logging.getLogger(__name__)
SYNC_SECONDS = 1.0
"""What a power cut may take of the log's end."""
_NOTE = re.compile(rb"([0-9]{18}) ([0-9a-f]{64}) ([0-9]{18})\n")
_MOST_REST = 16 << 20
"""Bytes that may follow the entry a head names: what is written in the seconds that a busy disk takes to sync, many
times over. All of it is read at a start."""


def head_path(path: Path) -> Path:
    """Where a log's head stands."""
    return path.with_name(path.name + ".head")


def read_note(data: bytes) -> tuple[Head, int] | None:
    """What a head file says: the head, and the log's bytes up to there; None if nothing. `ValueError` if damaged."""
    if not data:
        return None
    if not (found := _NOTE.fullmatch(data)):
        raise ValueError("no head")
    return Head(int(found[1]), found[2].decode()), int(found[3])


class AuditLog:
    """See the module. May be used from several threads."""

    def __init__(self, path: Path, key_path: Path, now: Callable[[], float] = time.time) -> None:
        """Open a log, or begin one. `AuditProofError` if it does not end as its head says, `AuditError` if it cannot be
        used, `KeyFileError` if the key cannot."""
        self._path = path
        self._now = now
        self._key = Ed25519PrivateKey.from_private_bytes(read_key(key_path, PRIVATE_KEY_LABEL))
        self._lock = Lock()
        self._syncing = Lock()
        self._ending = Event()
        self._durable = True
        self._noting = True
        """Whether the head follows each entry. Not while it is made durable."""
        self._head, self._end, self._torn = Head(), 0, b""
        """The last entry, where it ends, and what was left unfinished after it."""
        self._file, self._note = -1, -1
        try:
            mode = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(path, mode | os.O_APPEND, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._note = os.open(head_path(path), mode, 0o600)
            self._resume()
            os.fsync(self._file)
            os.fsync(self._note)
            sync_folder(path)
        except BlockingIOError:
            self._release()
            raise AuditError(f"{path} is open in another matcher: stop that one first") from None
        except OSError as error:
            self._release()
            raise AuditError(f"{path} cannot be opened ({error.strerror})") from None
        except BaseException:
            self._release()
            raise
        self._synced = 0
        self._syncer = Thread(target=self._keep_syncing, name="audit", daemon=True)
        self._syncer.start()

    def write(self, said: Mapping[str, object]) -> int:
        """Append an entry, and return its number. From then on a kill does not lose it, and from the next `sync` on,
        within a second, a power cut neither. `AuditError` if it cannot be written."""
        with self._lock:
            if not self._durable:
                raise AuditError(f"{self._path} cannot be made durable: see the system log, then restart")
            torn = self._torn + TORN_END if self._torn else b""
            line = write_line(self._key, self._head, self._now(), torn, said)
            data = (TORN_END if torn else b"") + line
            try:
                written = os.write(self._file, data)
            except OSError as error:
                raise AuditError(f"{self._path} cannot be written ({error.strerror})") from None
            if written < len(data):
                self._torn += data[:written]
                raise AuditError(f"{self._path} cannot be written (no room for the whole entry)")
            self._head, self._end, self._torn = self._head.after(line), self._end + len(torn) + len(line), b""
            if self._noting:
                self._note_head()
            return self._head.number

    def sync(self) -> None:
        """Make what was written durable; those who write meanwhile do not wait. `AuditError` if that fails: then
        nothing can be written any more, since what the kernel dropped does not come back by trying again."""
        # one at a time: the kernel tells of a failure once, and whoever asks again is told that all is well
        with self._syncing:
            with self._lock:
                number = self._head.number
                if not self._durable:
                    raise AuditError(f"{self._path} cannot be made durable: see the system log, then restart")
                if number == self._synced:
                    return
                self._noting = False
            try:
                os.fsync(self._file)
                os.fsync(self._note)  # it names an entry that is on disk by now, whatever is written meanwhile
                self._synced = number
            except OSError as error:
                self._durable = False
                raise AuditError(f"{self._path} cannot be made durable ({error.strerror})") from None
            finally:
                with self._lock:
                    self._noting = True
                    if self._head.number > number:
                        self._note_head()

    def close(self) -> None:
        """Make all durable and release the files."""
        self._ending.set()
        self._syncer.join()
        self._sync_or_say()
        self._release()

    def _keep_syncing(self) -> None:
        while not self._ending.wait(SYNC_SECONDS):
            self._sync_or_say()

    def _sync_or_say(self) -> None:
        try:
            self.sync()
        except AuditError as error:
            _log.error("%s", error)

    def _resume(self) -> None:
        """Find the log's end, as the head and what follows it say."""
        size = os.fstat(self._file).st_size
        try:
            noted = read_note(os.pread(self._note, MOST_BYTES, 0))
        except ValueError:
            raise AuditProofError(f"{head_path(self._path)} is damaged") from None
        if noted is None and size:
            raise AuditProofError(f"{self._path} has no head beside it")
        self._head, self._end = noted or (self._head, 0)
        if not size:  # a new log, or the next file of one
            if self._head.number:
                _log.warning("%s begins after entry %d of the file before it", self._path.name, self._head.number)
            self._end = 0
            self._note_head()
        if size - self._end not in range(_MOST_REST):
            raise AuditProofError(f"{self._path} does not end where its head says: entry {self._head.number}")
        if self._end:
            self._prove_last(self._last_line())
        chain, read = Chain(self._head), 0
        for line in BytesIO(os.pread(self._file, size - self._end, self._end)):
            read += len(line)
            if chain.take(line) is None:
                continue
            self._prove_ours(chain.head.number, line)
            self._head, self._end, read = chain.head, self._end + read, 0
        self._torn = chain.torn
        self._note_head()

    def _prove_last(self, line: bytes) -> None:
        try:
            same = Head(Entry.read(line).number - 1).after(line) == self._head
        except ValueError:
            same = False
        if not same:
            raise AuditProofError(f"entry {self._head.number} of {self._path} was changed")
        self._prove_ours(self._head.number, line)

    def _prove_ours(self, number: int, line: bytes) -> None:
        if not is_signed(self._key.public_key(), line):
            raise AuditProofError(f"entry {number} of {self._path} is not signed with this key")

    def _last_line(self) -> bytes:
        """The line that ends where the head says."""
        start = max(self._end - MOST_BYTES, 0)
        before = os.pread(self._file, self._end - start, start)
        return before[before.rfind(b"\n", 0, -1) + 1 :]

    def _note_head(self) -> None:
        note = f"{self._head.number:018} {self._head.digest} {self._end:018}\n"
        with suppress(OSError):  # then it stays behind, and what follows it is proved by its signature
            os.pwrite(self._note, note.encode(), 0)

    def _release(self) -> None:
        for descriptor in (self._file, self._note):
            if descriptor >= 0:
                os.close(descriptor)
