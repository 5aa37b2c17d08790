"""Every decoder of what comes from outside, as a function of bytes that must not fail but in its own way.

A target takes any bytes; whatever it raises is a fault. Its seeds are right inputs to begin from. Where a digest or
checksum stands guard, it is made right first: a fuzzer would never get behind it.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from google.protobuf.proto import serialize_length_prefixed

from matcher.agency.push import FILE_FORMAT, TokenFileSource, is_token_file
from matcher.audit.entry import generate_audit_key
from matcher.audit.log import AuditLog, head_path
from matcher.audit.proof import prove
from matcher.config import AgencyConfig, CoordinatorConfig, OperatorConfig, ServerConfig
from matcher.coordinator.opening import Opener
from matcher.errors import (
    AuditProofError,
    CalibrationFileError,
    ConfigError,
    InputFileError,
    KeyFileError,
    MatcherError,
    ModelFileError,
    SealError,
    StoreError,
)
from matcher.frame import (
    pack_aliases,
    pack_answer,
    pack_closure,
    pack_records,
    pack_retirement,
    unpack_aliases,
    unpack_answer,
    unpack_closure,
    unpack_records,
    unpack_retirement,
)
from matcher.keyfile import PUBLIC_KEY_LABEL, read_key, read_public_key, read_secret
from matcher.model import Answer, Disclosure, FrameKind, Resolution
from matcher.scheme import ENCAPSULATION_BYTES
from matcher.scoring.calibration import Calibration
from matcher.scoring.model import MatchModel
from matcher.service.credentials import DenyList
from matcher.v1.records_pb2 import RecordBatch
from matcher.wire import Limits, batch_message, read_aliases, read_batch, read_days
from tests.factory import ANNA, BORIS, COORDINATOR, EPOCH, KEYS, SCHEME, TODAY, Sighting, model, tokens

LIMITS = Limits(EPOCH, 64, TODAY)
_ALIASES = bytes(range(32))


@dataclass(frozen=True)
class Target:
    """One decoder."""

    decode: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


@cache
def _folder() -> Path:
    """A place for the files that decoders read; it goes with the process."""
    folder = tempfile.TemporaryDirectory(prefix="fuzz-")
    _KEPT.append(folder)
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def _file(data: bytes) -> Path:
    path = _folder() / "input"
    path.write_bytes(data)
    path.chmod(0o600)
    return path


@cache
def _batch() -> Any:
    return tokens("police", Sighting("1", ANNA, variants=(BORIS,)), Sighting("2", BORIS))


def batch(data: bytes) -> None:
    """A batch that is taken is laid out in a frame and read back as it was."""
    try:
        message = RecordBatch.FromString(data)
    except DecodeError:
        return
    with suppress(MatcherError):
        taken = read_batch(message, SCHEME, LIMITS)
        again = unpack_records(pack_records(taken), taken.epoch)
        for name in ("aliases", "row_records", "pass_masks", "block_tokens", "encodings", "observed_days", "sealed"):
            assert np.array_equal(getattr(taken, name), getattr(again, name)), name


def contacts(data: bytes) -> None:
    """Aliases and days: a fifth of the bytes are days."""
    at = len(data) // 20 * 16
    with suppress(MatcherError):
        aliases = read_aliases(data[:at], LIMITS)
        days = read_days(data[at:], len(aliases), LIMITS)
        found = unpack_aliases(pack_aliases(FrameKind.CONTACTS, aliases, days))
        assert np.array_equal(found[0], aliases)
        assert np.array_equal(found[1], days)


def frame(data: bytes) -> None:
    """A damaged frame is a `StoreError`, whichever kind it says it is."""
    for unpack in (
        lambda payload: unpack_records(payload, 1),
        unpack_aliases,
        unpack_answer,
        unpack_closure,
        unpack_retirement,
    ):
        with suppress(StoreError):
            unpack(data)


def configuration(data: bytes) -> None:
    """All four files."""
    path = _file(data)
    for kind in (ServerConfig, AgencyConfig, CoordinatorConfig, OperatorConfig):
        with suppress(ConfigError):
            kind.load(path, check_files=False)


def token_file(data: bytes) -> None:
    """With its checksum made right."""
    path = _file(data + hashlib.sha256(data).digest())
    with suppress(InputFileError):
        is_token_file(path)
        for each in TokenFileSource(path).batches(0):
            each.ByteSize()


def key_file(data: bytes) -> None:
    """Of any kind."""
    path = _file(data)
    for read in (
        lambda: read_secret(path, "linkage key"),
        lambda: read_key(path, "linkage key"),
        lambda: read_public_key(path),
        lambda: Opener.load(path),
    ):
        with suppress(KeyFileError):
            read()


def audit_log(data: bytes) -> None:
    """A log's head, and the log."""
    head, _, rest = data.partition(b"\n")
    path = _file(rest)
    head_path(path).write_bytes(head + b"\n")
    try:
        with suppress(AuditProofError):
            prove([path], _audit_keys() / "pub")
    finally:
        head_path(path).unlink()


@cache
def _audit_keys() -> Path:
    """The folder of a pair, `key` and `pub`."""
    generate_audit_key(_folder() / "key", _folder() / "pub")
    return _folder()


def match_model(data: bytes) -> None:
    """With its digest made right; one that is taken can be saved and read again."""
    path = _file(_signed(data))
    with suppress(ModelFileError):
        MatchModel.load(path, SCHEME)


def calibration(data: bytes) -> None:
    """With its digest made right."""
    path = _file(_signed(data))
    with suppress(CalibrationFileError):
        Calibration.load(path, SCHEME)


def deny_list(data: bytes) -> None:
    """The matcher's list of certificates."""
    with suppress(ConfigError):
        DenyList(_file(data))


def sealed(data: bytes) -> None:
    """A reference as the coordinator opens it."""
    member = Disclosure(
        agency="police",
        sector="police",
        alias=data[:16],
        encapsulation=data[16 : 16 + ENCAPSULATION_BYTES],
        sealed=data[16 + ENCAPSULATION_BYTES :],
        observed_day=-1,
        epoch=EPOCH,
    )
    with suppress(SealError):
        Opener(COORDINATOR.private_bytes_raw()).open(member, SCHEME.digest)


def _signed(data: bytes) -> bytes:
    """JSON with the digest that its content should have; other bytes as they are."""
    try:
        content = json.loads(data)
        content.pop("digest", None)
        text = json.dumps(content, sort_keys=True)
        return json.dumps(content | {"digest": hashlib.sha256(text.encode()).hexdigest()}).encode()
    except (ValueError, AttributeError, TypeError, RecursionError):
        return data


def _batches() -> list[bytes]:
    whole = batch_message(_batch(), SCHEME)
    one = batch_message(tokens("police", Sighting("1", ANNA)), SCHEME)
    return [each.SerializeToString() for each in (whole, one)]


def _frames() -> list[bytes]:
    aliases = np.frombuffer(_ALIASES, np.uint8).reshape(2, 16)
    return [
        pack_records(_batch()),
        pack_aliases(FrameKind.CONTACTS, aliases, np.array([1, 2], np.int32)),
        pack_aliases(FrameKind.REMOVALS, aliases),
        pack_answer(Answer(1, 2, Resolution.SAME_PERSON, "reviewer", 9)),
        pack_closure(bytes(16)),
        pack_retirement(1, 2),
    ]


def _configurations() -> list[bytes]:
    tls = '[tls]\ncertificate = "a"\nkey = "b"\nauthority = "c"\n'
    party = '[[{0}]]\nname = "{1}"\ncertificate = "spiffe://a.test/{1}"\n{2}'
    parties = [party.format("agency", name, 'sector = "health"\n') for name in ("a", "b")]
    parties += [party.format("coordinator", "c", "")]
    key_check = "0" * 32
    server = f'[matcher]\ndatabase = "d"\nkey_check = "{key_check}"\nmodel = "m"\n'
    agency = '[agency]\nname = "a"\nmatcher = "h:1"\nlinkage_key = "l"\nalias_key = "k"\ncoordinator_public_key = "p"\n'
    other = '[{}]\nname = "a"\nmatcher = "[::1]:1"\n'
    texts = (
        server + tls + "".join(parties),
        agency + tls + '[columns]\nsurname = "Name"\n',
        other.format("coordinator") + 'private_key = "k"\n' + tls,
        other.format("operator") + tls,
    )
    return [text.encode() for text in texts]


def _token_files() -> list[bytes]:
    header = {
        "format": FILE_FORMAT,
        "agency": "police",
        "scheme": SCHEME.name,
        "scheme_digest": SCHEME.digest.hex(),
        "epoch": EPOCH,
        "key_check": KEYS.key_check.hex(),
        "feed_id": "f",
    }
    path = _folder() / "tokens"
    with path.open("wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        serialize_length_prefixed(batch_message(_batch(), SCHEME), file)  # type: ignore[arg-type]
    return [path.read_bytes()]


def _saved(saves: Callable[[Path], None]) -> list[bytes]:
    path = _folder() / "saved"
    path.unlink(missing_ok=True)
    saves(path)
    return [path.read_bytes()]


def _audit_logs() -> list[bytes]:
    path, key = _folder() / "log", _audit_keys() / "key"
    for _ in range(2):
        log = AuditLog(path, key)
        log.write({"operation": "service", "event": "start"})
        log.close()
        with path.open("ab") as file:
            file.write(b'{"number":')  # a kill
    return [head_path(path).read_bytes() + path.read_bytes()]


def _calibrations() -> list[bytes]:
    counts = tuple(np.arange(field.bits + 1) for field in SCHEME.encoded)
    return _saved(Calibration(SCHEME, 1000, counts).save)


def _seals() -> list[bytes]:
    made = _batch()
    return [made.aliases[0].tobytes() + made.encapsulation + made.sealed[0].tobytes()]


TARGETS = {
    "batch": Target(batch, _batches),
    "contacts": Target(contacts, lambda: [_ALIASES + bytes(8)]),
    "frame": Target(frame, _frames),
    "configuration": Target(configuration, _configurations),
    "token_file": Target(token_file, _token_files),
    "key_file": Target(
        key_file,
        lambda: [f"familiar-faces {label} v1\n{'ab' * 32}\n".encode() for label in ("linkage key", PUBLIC_KEY_LABEL)],
    ),
    "audit_log": Target(audit_log, _audit_logs),
    "match_model": Target(match_model, lambda: _saved(model().save)),
    "calibration": Target(calibration, _calibrations),
    "deny_list": Target(deny_list, lambda: [f"# a\nspiffe://a.test/b\n{'0f:' * 31}0f\n".encode()]),
    "sealed": Target(sealed, _seals),
}
