"""The audit log against whoever changes it: every mutation is found, and a crash is not taken for one."""

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from matcher.audit.entry import Head, generate_audit_key, write_line
from matcher.audit.log import AuditLog, head_path
from matcher.audit.proof import Proof, prove
from matcher.errors import AuditError, AuditProofError, KeyFileError
from tests.store.test_file_faults import disturbed

MUTATIONS = 10_000
RUN = 8
LAST = RUN + 2
"""Entries of one run, and the number of its last with start and stop."""


@dataclass
class Place:
    """A folder with a key pair, and logs in it."""

    folder: Path

    def __post_init__(self) -> None:
        generate_audit_key(self.folder / "key", self.folder / "pub")

    def open(self, name: str = "log") -> AuditLog:
        return AuditLog(self.folder / name, self.folder / "key")

    def prove(self, *names: str, known: tuple[Head, ...] = ()) -> Proof:
        return prove([self.folder / name for name in names or ("log",)], self.folder / "pub", known)

    def run(self, name: str = "log", stop: bool = True) -> None:
        """A run of the matcher, which ends in order or not."""
        log = self.open(name)
        log.write({"event": "start"})
        for number in range(RUN):
            log.write({"operation": "collection", "caller": f"agency/{name}", "records": number})
        if stop:
            log.write({"event": "stop"})
        log.close()

    def read(self, name: str = "log") -> bytes:
        return (self.folder / name).read_bytes()

    def write(self, data: bytes, name: str = "log") -> None:
        (self.folder / name).write_bytes(data)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def lived(place: Place) -> Place:
    """Three runs, the second killed while it wrote an entry; and another log under the same key."""
    place.run()
    place.run(stop=False)
    with (place.folder / "log").open("ab") as file:
        file.write(place.read()[-200:-90])
    place.run()
    place.run("other")
    place.run("other")
    place.run("other")
    return place


def mutations(random: random.Random, data: bytes, other: bytes) -> Iterator[tuple[str, bytes]]:
    """Changes of a log, of every kind in turn, without end."""

    def place(least: int = 0) -> int:
        return random.randrange(least, len(data))

    def joined(change: Callable[[list[bytes], int, int], None]) -> bytes:
        lines = data.splitlines(keepends=True)
        change(lines, *random.sample(range(len(lines)), 2))
        return b"".join(lines)

    def flip() -> bytes:
        at = place()
        return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]

    def swap(lines: list[bytes], i: int, j: int) -> None:
        lines[i], lines[j] = lines[j], lines[i]

    def replace(lines: list[bytes], i: int, j: int) -> None:
        lines[i] = lines[j]

    foreign = other.splitlines(keepends=True)
    kinds: dict[str, Callable[[], bytes]] = {
        "flip": flip,
        "flip of the last byte": lambda: data[:-1] + bytes([data[-1] ^ 1 << random.randrange(8)]),
        "byte inserted": lambda: data[: (at := place())] + random.randbytes(1) + data[at:],
        "byte deleted": lambda: data[: (at := place())] + data[at + 1 :],
        "bytes overwritten": lambda: data[: (at := place())] + random.randbytes(9) + data[at + 9 :],
        "cut": lambda: data[: place()],
        "beginning cut": lambda: data[place(1) :],
        "line deleted": lambda: joined(lambda lines, i, j: lines.pop(i) and None),
        "lines deleted": lambda: joined(lambda lines, i, j: lines.__delitem__(slice(min(i, j), max(i, j)))),
        "lines cut": lambda: joined(lambda lines, i, j: lines.__delitem__(slice(i, None))),
        "lines swapped": lambda: joined(swap),
        "line replaced": lambda: joined(replace),
        "line duplicated": lambda: joined(lambda lines, i, j: lines.insert(i, lines[i])),
        "line moved": lambda: joined(lambda lines, i, j: lines.insert(j, lines.pop(i))),
        "junk line": lambda: joined(lambda lines, i, j: lines.insert(i, random.randbytes(j + 1) + b"\n")),
        "line of another log": lambda: joined(lambda lines, i, j: lines.insert(i, foreign[j % len(foreign)])),
        "line exchanged": lambda: joined(lambda lines, i, j: lines.__setitem__(i, foreign[i % len(foreign)])),
        "end of another log": lambda: joined(lambda lines, i, j: lines.__setitem__(slice(i, None), foreign[i:])),
        "appended": lambda: data + random.choice([foreign[0], b"\n", b"{}\n", data]),
        "another log": lambda: other,
    }
    while True:
        for kind, make in kinds.items():
            if (made := make()) != data:
                yield kind, made


def test_every_mutation_is_found(lived: Place) -> None:
    data, other, found = lived.read(), lived.read("other"), lived.prove()
    assert (found.first, found.head.number, found.complete_through) == (1, 3 * (RUN + 2) - 1, 3 * (RUN + 2) - 1)
    kinds = set()
    for _, (kind, changed) in zip(range(MUTATIONS), mutations(random.Random(1), data, other), strict=False):
        lived.write(changed)
        with pytest.raises(AuditProofError):
            pytest.fail(f"{kind} was not found: {lived.prove()}")
        kinds.add(kind)
    assert len(kinds) == 20
    # but for what may be an entry that a kill left unfinished: nothing is gone, and it is told
    lived.write(data + b"x")
    assert lived.prove().unfinished == 1
    lived.write(data)
    assert lived.prove() == found


def test_every_cut_is_found(lived: Place) -> None:
    data = lived.read()
    for size in range(len(data)):
        os.truncate(lived.folder / "log", size)
        with pytest.raises(AuditProofError):
            pytest.fail(f"a cut at {size} was not found: {lived.prove()}")
        lived.write(data)


def test_a_killed_log_hides_no_mutation(place: Place) -> None:
    """Its end may be taken for one more unfinished entry, which is told."""
    place.run()
    place.run("other")
    place.run(stop=False)
    data, found = place.read(), place.prove()
    assert found.unfinished == 0
    for _, (kind, changed) in zip(range(2000), mutations(random.Random(2), data, place.read("other")), strict=False):
        place.write(changed)
        try:
            proof = place.prove()
        except AuditProofError:
            continue
        assert changed.startswith(data), kind
        assert (proof.head, proof.unfinished) == (found.head, len(changed) - len(data))


def test_a_restart_heals_no_mutation(lived: Place) -> None:
    data, head, refused = lived.read(), lived.read("log.head"), 0
    for _, (kind, changed) in zip(range(400), mutations(random.Random(3), data, lived.read("other")), strict=False):
        lived.write(changed)
        lived.write(head, "log.head")
        try:
            lived.run()
        except AuditProofError:
            refused += 1
            assert lived.read() == changed, "what is refused stays as it is"
        with pytest.raises(AuditProofError):
            pytest.fail(f"{kind} was not found: {lived.prove()}")
    assert refused > 100, "a cut, or a change of the last entry, is noticed at the start"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines.pop(4), "entry 5 is missing"),
        (lambda lines: lines.insert(5, lines[4]), "entry 5 stands again after entry 5"),
        (lambda lines: lines.insert(4, lines.pop(5)), "entry 5 is missing"),
        (lambda lines: lines.pop(), f"entry {LAST} is missing: the log was cut, {LAST} entries were written"),
        (lambda lines: lines.__setitem__(4, lines[4].replace(b"agency/log", b"agency/lag")), "entry 5 was changed"),
        (lambda lines: lines.append(lines.pop().replace(b"stop", b"step")), f"entry {LAST} was changed"),
        (lambda lines: lines.__setitem__(4, b"{" + lines[4]), "entry 5 cannot be read"),
        (lambda lines: lines.append(b"more\n"), f"entry {LAST + 1} cannot be read"),
        (lambda lines: lines.pop(0), "entry 1 is missing: the log begins with entry 2"),
        (list.clear, "entry 1 is missing: the log was cut"),
    ],
    ids=["gone", "twice", "swapped", "cut", "changed", "last changed", "unreadable", "appended", "beginning", "empty"],
)
def test_the_first_fault_is_named(place: Place, change: Callable[[list[bytes]], object], said: str) -> None:
    place.run()
    lines = place.read().splitlines(keepends=True)
    change(lines)
    place.write(b"".join(lines))
    with pytest.raises(AuditProofError, match=said):
        place.prove()


def test_a_chain_made_anew_without_the_key_is_found(place: Place) -> None:
    """Whoever has the files and not the key can make hashes and head fit, and no signature."""
    place.run()
    lines = place.read().splitlines(keepends=True)[:5]
    place.write(b"".join(lines))
    head, key = _head_of(place, "log"), Ed25519PrivateKey.generate()
    for _ in range(5):
        lines.append(write_line(key, head, 0.0, b"", {"operation": "collection"}))
        head = head.after(lines[-1])
    place.write(data := b"".join(lines))
    place.write(f"{head.number:018} {head.digest} {len(data):018}\n".encode(), "log.head")
    with pytest.raises(AuditProofError, match="entry 6 is not signed with this key"):
        place.prove()


def test_another_key_proves_nothing(place: Place) -> None:
    place.run()
    (place.folder / "pub").unlink()
    (place.folder / "key").unlink()
    generate_audit_key(place.folder / "key", place.folder / "pub")
    with pytest.raises(AuditProofError, match="entry 1 is not signed"):
        place.prove()
    with pytest.raises(AuditProofError, match=f"entry {RUN + 2} of .* is not signed with this key"):
        place.open()


# -- what vouches for the end -----------------------------------------------------------------------------------------


def test_without_a_head_nothing_tells_where_a_log_ends(place: Place) -> None:
    place.run()
    head = place.prove().head
    head_path(place.folder / "log").unlink()
    with pytest.raises(AuditProofError, match=r"put log\.head beside it"):
        place.prove()
    assert place.prove(known=(head,)).complete_through == head.number
    with pytest.raises(AuditProofError, match="has no head beside it"):
        place.open()


def test_a_log_cut_back_together_with_its_head_is_found_by_what_was_noted(place: Place) -> None:
    place.run()
    before = place.read(), place.read("log.head")
    place.run()
    noted = place.prove().head
    place.write(before[0])
    place.write(before[1], "log.head")
    assert place.prove().head.number == RUN + 2
    with pytest.raises(AuditProofError, match=f"entry {RUN + 3} is missing"):
        place.prove(known=(noted,))
    place.run()  # as long as before, and other
    with pytest.raises(AuditProofError, match="was noted elsewhere"):
        place.prove(known=(noted,))


def test_a_head_that_was_changed_is_found(place: Place) -> None:
    place.run()
    head = place.read("log.head")
    for at in range(len(head) - 20):
        place.write(head[:at] + bytes([head[at] ^ 1]) + head[at + 1 :], "log.head")
        with pytest.raises(AuditProofError):
            place.prove()
        with pytest.raises(AuditProofError):
            place.open()


def test_a_log_that_was_moved_away_goes_on_in_a_new_file(place: Place) -> None:
    place.run()
    (place.folder / "log").rename(place.folder / "log.1")
    place.run()
    (place.folder / "log").rename(place.folder / "log.2")
    place.run()
    proof = place.prove("log.1", "log.2", "log")
    assert (proof.first, proof.head.number) == (1, 3 * (RUN + 2))
    for names, said in ((("log.1", "log"), f"entry {RUN + 3} is missing"), (("log",), "entry 1 is missing")):
        with pytest.raises(AuditProofError, match=said):
            place.prove(*names)
    # the first two may be deleted once the second's last entry is noted
    head = _head_of(place, "log.1", "log.2")
    assert place.prove("log", known=(head,)).first == head.number + 1
    with pytest.raises(AuditProofError, match="was changed"):
        place.prove("log", known=(Head(head.number, "0" * 64),))


def _head_of(place: Place, *names: str) -> Head:
    head = Head()
    for name in names:
        for line in place.read(name).splitlines(keepends=True):
            head = head.after(line)
    return head


# -- crashes and full disks -------------------------------------------------------------------------------------------


def test_a_kill_at_any_byte_is_no_tampering(place: Place) -> None:
    """An entry is cut anywhere, and so is the writing of the head: the next run goes on, and the log is proved."""
    log = place.open()
    for _ in range(3):
        log.write({"operation": "consultation", "caller": "operator/ops"})
    log.close()
    before, head_before = place.read(), place.read("log.head")
    log = place.open()
    log.write({"operation": "disclosure", "caller": "coordinator/hub"})
    log.close()
    data = place.read()
    for size in range(len(before), len(data) + 1):
        place.write(data[:size])
        place.write(head_before, "log.head")
        proof = place.prove()
        whole = size == len(data)
        assert (proof.head.number, proof.unfinished) == (3 + whole, 0 if whole else size - len(before))
        for _ in range(2):
            place.run()
        proof = place.prove()
        assert (proof.head.number, proof.unfinished) == (3 + whole + 2 * (RUN + 2), 0)
        scars = [line for line in place.read().splitlines() if line.endswith(b" torn")]
        assert len(scars) == (len(before) < size < len(data)), "what was torn stays, and is marked"
        (place.folder / "log").write_bytes(data)


def test_a_scar_that_is_changed_is_found(lived: Place) -> None:
    data = lived.read()
    scar = next(line for line in data.splitlines() if line.endswith(b" torn"))
    for changed in (data.replace(scar + b"\n", b""), data.replace(scar, b"x" + scar[1:]), data.replace(scar, b" torn")):
        lived.write(changed)
        with pytest.raises(AuditProofError, match="cannot be read"):
            lived.prove()


def test_a_full_disk_refuses_and_leaves_a_log_that_is_proved(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    write, room = os.write, [0]

    def full(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        done = write(descriptor, data[: room[0]])
        room[0] -= done
        return done

    log = place.open()
    log.write({"event": "start"})
    monkeypatch.setattr(os, "write", full)
    for room[0] in (0, 1, 5, 6, 7, 200, 0):
        with pytest.raises(AuditError, match="cannot be written"):
            log.write({"operation": "collection"})
    monkeypatch.undo()
    assert log.write({"operation": "collection"}) == 2
    log.close()
    assert place.prove().head.number == 2
    place.run()
    assert place.prove().unfinished == 0


def test_what_cannot_be_made_durable_is_written_to_no_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    log = place.open()
    log.write({"event": "start"})

    def broken(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(AuditError, match="cannot be made durable"):
        log.sync()
    monkeypatch.undo()
    with pytest.raises(AuditError, match="cannot be made durable"):
        log.write({"operation": "collection"})
    log.close()
    place.run()
    assert place.prove().head.number == 1 + RUN + 2


def test_a_failure_that_another_thread_saw_first_is_not_taken_for_success(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = place.open()
    log.write({"operation": "disclosure"})
    sync, failures = os.fsync, [OSError(5, "Input/output error")]

    def told_once(descriptor: int) -> None:  # as Linux tells of a failure once for each open file
        if failures:
            raise failures.pop()
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", told_once)
    log._sync_or_say()
    with pytest.raises(AuditError, match="cannot be made durable"):
        log.sync()
    log.close()


# -- power cuts -------------------------------------------------------------------------------------------------------


@dataclass
class Disk:
    """What a disk has of a log and its head: what stood in them when they were last synced."""

    folder: Path
    log: AuditLog
    meanwhile: Callable[[], object] = lambda: None
    """Done while a file is synced, before and after the moment that counts."""

    def __post_init__(self) -> None:
        self.has = self._content()
        self.cuts = [self.has]
        """What a power cut leaves, at each moment at which that changes."""

    def sync(self, descriptor: int) -> None:
        name = {self.log._file: "log", self.log._note: "log.head"}[descriptor]
        self.meanwhile()
        self.has = {**self.has, name: self._content()[name]}
        self.meanwhile()
        self.cuts.append(self.has)

    def started(self, number: int) -> Proof:
        """A matcher starts after a power cut."""
        cut = self.folder / f"cut-{number}"
        cut.mkdir()
        for name, data in self.cuts[number].items():
            (cut / name).write_bytes(data)
        AuditLog(cut / "log", self.folder / "key").close()
        return prove([cut / "log"], self.folder / "pub")

    def _content(self) -> dict[str, bytes]:
        return {name: (self.folder / name).read_bytes() for name in ("log", "log.head")}


def test_a_power_cut_leaves_a_head_that_the_log_reaches(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever others write while the two files are synced."""
    log = place.open()
    log.write({"event": "start"})
    log.sync()
    disk = Disk(place.folder, log, lambda: log.write({"operation": "collection"}))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", disk.sync)
        for _ in range(10):
            disclosed = log.write({"operation": "disclosure"})
            log.sync()
            assert int(disk.has["log.head"][:18]) >= disclosed, "what was made durable is not cut off unnoticed"
            assert int(place.read("log.head")[:18]) == log._head.number, "the head follows again"
    log.close()
    assert place.prove().complete_through == log._head.number
    assert len(disk.cuts) > 20
    for number, cut in enumerate(disk.cuts):
        assert int(cut["log.head"][19 + 65 :]) <= len(cut["log"])
        assert disk.started(number).head.number == cut["log"].count(b"\n")


def test_a_power_cut_after_much_was_written_is_no_tampering(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    log = place.open()
    disk = Disk(place.folder, log)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", disk.sync)
        for _ in range(4):
            for _ in range(600):
                log.write({"operation": "collection", "caller": "agency/police", "method": "x" * 8000})
            log.sync()
        log.close()
    assert len(disk.has["log"]) > 18 << 20
    assert disk.started(len(disk.cuts) - 2).head.number == 2400, "the head is a sync behind"


@pytest.mark.parametrize("kills", [True, False], ids=["killed", "failing"])
def test_a_kill_at_any_sync_is_no_tampering(place: Place, kills: bool) -> None:
    def live() -> None:
        log = place.open()
        for _ in range(3):
            log.write({"operation": "disclosure"})
            log.sync()
        log.close()

    step, ended = 0, -1
    while ended:
        step += 1
        ended = disturbed(live, step, kills=kills)
        place.run()
        assert place.prove().complete_through == place.prove().head.number
    assert step > 8


# -- the files --------------------------------------------------------------------------------------------------------


def test_two_matchers_do_not_share_a_log(place: Place) -> None:
    log = place.open()
    with pytest.raises(AuditError, match="open in another matcher"):
        place.open()
    log.close()
    place.open().close()


def test_log_and_head_are_their_owners_alone(place: Place) -> None:
    place.run()
    for name in ("log", "log.head", "key"):
        assert (place.folder / name).stat().st_mode & 0o777 == 0o600


def test_a_key_of_another_kind_is_refused(place: Place) -> None:
    with pytest.raises(KeyFileError, match="is no audit private key file"):
        AuditLog(place.folder / "log", _alias(place))
    place.run()
    with pytest.raises(KeyFileError, match="is no audit public key file"):
        prove([place.folder / "log"], place.folder / "key")


def _alias(place: Place) -> Path:
    from matcher.agency.keys import generate_alias_key

    generate_alias_key(place.folder / "alias")
    return place.folder / "alias"


def test_a_line_is_json_and_says_what_was_given(place: Place) -> None:
    log = AuditLog(place.folder / "log", place.folder / "key", lambda: 1764179823.5)
    log.write({"operation": "disclosure", "reviewer": 'Zoë\n"O\'Neil"'})
    log.close()
    [line] = place.read().splitlines()
    said = json.loads(line)
    assert said.pop("signature") and said.pop("before") == "0" * 64
    assert said == {
        "number": 1, "time": "2025-11-26T17:57:03.500+00:00", "operation": "disclosure",
        "reviewer": "Zoë\n\"O'Neil\"",
    }  # fmt: skip
