"""A matcher in this process behind real TLS, certificates of its callers, and batches of made-up people."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import grpc
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status
from stdnum.gb import nhs

from matcher.agency.client import FeedClient
from matcher.agency.identity import SOURCE_COLUMNS, RawBatch
from matcher.agency.keys import AliasKey, LinkageKeys
from matcher.agency.normalise import normalise
from matcher.agency.tokeniser import Tokeniser
from matcher.audit.entry import generate_audit_key
from matcher.config import ServerConfig, TlsFiles
from matcher.coordinator.client import AlertClient
from matcher.coordinator.opening import Opener
from matcher.keyfile import DATABASE_KEY_LABEL, write_secret
from matcher.model import Alert, TokenBatch
from matcher.pki import init_pki
from matcher.rpc import MAX_MESSAGE_BYTES, open_channel
from matcher.scheme import UK_PERSON_V1
from matcher.service.database import open_store
from matcher.service.server import Server
from matcher.v1.alert_service_pb2_grpc import AlertServiceStub
from matcher.v1.feed_service_pb2_grpc import FeedServiceStub
from matcher.v1.records_pb2 import RecordBatch
from matcher.v1.status_service_pb2_grpc import StatusServiceStub
from matcher.wire import batch_message
from tests.factory import DATABASE_KEY, model

SCHEME = UK_PERSON_V1
EPOCH = 3
SECTORS = {"police": "police", "clinic": "health", "council": "council"}
LINKAGE_KEY = bytes(range(32))
KEYS = LinkageKeys(LINKAGE_KEY, SCHEME, EPOCH)
COORDINATOR_KEY = bytes(range(1, 33))
COORDINATOR_PUBLIC = X25519PrivateKey.from_private_bytes(COORDINATOR_KEY).public_key().public_bytes_raw()
ALIAS_KEYS = {agency: AliasKey(bytes([number] * 32), agency) for number, agency in enumerate(SECTORS, 1)}
MOST_RECORDS = 200
PATIENCE = 20.0

Person = dict[str, str]
_FORENAMES = ("Amelia", "Boris", "Catherine", "Dominic", "Eleanor", "Frederick", "Gwendolyn", "Hamish", "Imogen", "Jo")
_SURNAMES = (
    "Ackroyd",
    "Blenkinsop",
    "Cholmley",
    "Drummond",
    "Etherington",
    "Fothergill",
    "Gladstone",
    "Hargreaves",
    "Ivy",
)


def person(number: int, **other: str) -> Person:
    """A made-up person with every attribute; two of different numbers (0 to 89) have little in common."""
    nhs_number = next(digits + last for digits in _nine(number) for last in "0123456789" if nhs.is_valid(digits + last))
    return {
        "record_ref": f"REF-{number}",
        "forename": _FORENAMES[number % 10],
        "surname": _SURNAMES[number // 10 % 9],
        "dob": f"{1940 + 3 * number % 60}-{1 + 5 * number % 12:02}-{2 + 7 * number % 26:02}",
        "sex": "FM"[number % 2],
        "postcode": f"LS{1 + number % 28} {number % 9}{'ABDEFGHJL'[number % 9]}{'NPQRSTUWX'[number // 9 % 9]}",
        "address": f"{3 + number} {_SURNAMES[(number + 4) % 9]} {('Street', 'Road', 'Lane')[number % 3]}",
        "identifier": nhs_number,
    } | other


def little(number: int, **other: str) -> Person:
    """What one knows of somebody met in the street: name and date of birth."""
    return {
        name: value for name, value in person(number).items() if name in ("record_ref", "forename", "surname", "dob")
    } | other


def _nine(number: int) -> Iterator[str]:
    """Nine digits to try, for not all have a check digit."""
    return (str(400_000_000 + 4_321_987 * number + more) for more in range(9))


def people(numbers: Iterable[int]) -> list[Person]:
    """Some of them."""
    return [person(number) for number in numbers]


def tokens(agency: str, persons: Sequence[Person], coordinator_public: bytes = COORDINATOR_PUBLIC) -> TokenBatch:
    """Token records as the agency makes them."""
    columns = {name: [each.get(name, "") for each in persons] for name in SOURCE_COLUMNS}
    batch = normalise(RawBatch(list(range(2, len(persons) + 2)), columns), SCHEME)
    return Tokeniser(SCHEME, KEYS, ALIAS_KEYS[agency], agency, coordinator_public).tokenise(batch)


def batch(agency: str, persons: Sequence[Person], first_offset: int = 0, **changed: object) -> RecordBatch:
    """The message of `tokens`, with some of its columns (`TokenBatch`'s names) changed."""
    return batch_message(replace(tokens(agency, persons), **changed), SCHEME, first_offset)  # type: ignore[arg-type]


def alias(agency: str, each: Person) -> bytes:
    """A record's alias."""
    return ALIAS_KEYS[agency].alias(each["record_ref"])


class Deployed:
    """One matcher with agencies police, clinic and council, a coordinator and an operator."""

    def __init__(self, folder: Path, **options: str | int | float | bool | None) -> None:
        self.folder = folder
        model().save(folder / "model.json")
        self.config = write_config(folder, **options)
        init_pki(replace_agencies(self.config), folder / "pki")
        self._channels: dict[str, grpc.Channel] = {}
        self.server = Server(self.config, open_store(self.config))

    def __enter__(self) -> Self:
        self.server.start()
        self.server.complete()
        return self

    def __exit__(self, *_: object) -> None:
        self.close_channels()
        self.server.stop(1.0)

    @property
    def address(self) -> str:
        """Where it listens."""
        return self.server.address

    def restart(self, *, while_down: Callable[[], None] = lambda: None) -> None:
        """Stop, and start again on the same port and database; clients stay connected if they can."""
        address = self.address
        self.server.stop(1.0)
        while_down()
        self.config = replace(self.config, listen=address)
        self.server = Server(self.config, open_store(self.config))
        self.server.start()
        self.server.complete()

    def tls(self, party: str) -> TlsFiles:
        """A party's certificate files, such as `agency-police`."""
        folder = self.folder / "pki" / party
        return TlsFiles(
            certificate=folder / "certificate.pem", key=folder / "key.pem", authority=folder / "authority.pem"
        )

    def new_channel(self, party: str) -> grpc.Channel:
        """A channel of a party, for the caller to close."""
        return open_channel(self.address, self.tls(party))

    def channel(self, party: str) -> grpc.Channel:
        """A party's channel, closed at the end."""
        if party not in self._channels:
            self._channels[party] = self.new_channel(party)
        return self._channels[party]

    def close_channels(self) -> None:
        """Close the channels `channel` opened."""
        while self._channels:
            self._channels.popitem()[1].close()

    def feed(self, agency: str) -> FeedServiceStub:
        """An agency's stub."""
        return FeedServiceStub(self.channel(f"agency-{agency}"))

    def feed_client(self, agency: str) -> FeedClient:
        """An agency's client, on a channel closed at the end."""
        return FeedClient(self.channel(f"agency-{agency}"))

    @property
    def alert(self) -> AlertServiceStub:
        """The coordinator's stub."""
        return AlertServiceStub(self.channel("coordinator-hub"))

    def alert_client(self, consumer: str = "default", key: bytes = COORDINATOR_KEY) -> AlertClient:
        """The coordinator's client, on a channel of its own, to be used as a context."""
        return AlertClient(self.new_channel("coordinator-hub"), consumer, Opener(key), SCHEME)

    @property
    def status(self) -> StatusServiceStub:
        """The operator's stub."""
        return StatusServiceStub(self.channel("operator-ops"))

    def settle(self) -> None:
        """Return when everything committed is matched."""
        store = self.server.matching.store
        wait_until(lambda: store.matched_through == store.committed_through)

    def alerts(self) -> list[Alert]:
        """The alert log, as stored, once everything is matched."""
        self.settle()
        return self.server.matching.store.alerts_after(0, 10_000)

    def frames(self) -> int:
        """Frames ever committed."""
        return self.server.matching.store.committed_through


def write_config(folder: Path, **options: str | int | float | bool | None) -> ServerConfig:
    """A server's configuration file, read; `options` are its own or replace the usual ones, or take one out (None).

    With `model` of `tests.factory`, records that have every attribute are a MATCH, and records with no more than a name
    and a date of birth (`little`) a POSSIBLE_MATCH.
    """
    settings: dict[str, str | int | float | bool | None] = {
        "listen": "127.0.0.1:0",
        "database": "matcher.db",
        "database_key": "database.key",
        "key_check": KEYS.key_check.hex(),
        "scheme": SCHEME.name,
        "epoch": EPOCH,
        "model": "model.json",
        "expected_population": 1_000_000,
        "match_probability": 0.999999,
        "max_batch_records": MOST_RECORDS,
        "quiet_seconds": 0,
        "audit_log": "audit.log",
        "audit_key": "audit.key",
    } | options
    lines = [
        "[matcher]",
        *(f"{name} = {_toml(value)}" for name, value in settings.items() if value is not None),
        "[tls]",
    ]
    lines += [f'{name} = "pki/server/{name}.pem"' for name in ("certificate", "key", "authority")]
    for name, sector in SECTORS.items():
        lines += ["[[agency]]", f'name = "{name}"', f'sector = "{sector}"', f'certificate = "{uri("agency", name)}"']
    for role, name in (("coordinator", "hub"), ("operator", "ops")):
        lines += [f"[[{role}]]", f'name = "{name}"', f'certificate = "{uri(role, name)}"']
    if not (folder / "database.key").exists():
        write_secret(folder / "database.key", DATABASE_KEY_LABEL, DATABASE_KEY)
    if not (folder / "audit.key").exists():
        generate_audit_key(folder / "audit.key", folder / "audit.pub")
    (folder / "matcher.toml").write_text("\n".join(lines) + "\n")
    return ServerConfig.load(folder / "matcher.toml", check_files=False)


def replace_agencies(config: ServerConfig) -> ServerConfig:
    """The configuration with one more agency, which gets a certificate and is then not of the configuration."""
    removed = replace(config.agencies[0], name="removed", certificate=uri("agency", "removed"))
    return replace(config, agencies=(*config.agencies, removed))


def uri(role: str, name: str) -> str:
    """A caller's URI name."""
    return f"spiffe://matcher.test/{role}/{name}"


def _toml(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def wait_until(holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return when something holds; fail when it does not in time."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


@dataclass(frozen=True)
class Refusal:
    """How a call failed."""

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: dict[str, str]


def refused(call: Callable[[], object]) -> Refusal:
    """The refusal of a call that must fail with a google.rpc.Status of just one ErrorInfo."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    error = raised.value
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None, f"{error.code()} came without a google.rpc.Status: {error.details()}"
    assert len(status.details) == 1
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "matcher.v1"
    return Refusal(error.code(), info.reason, status.message, dict(info.metadata))


def raw_channel(
    address: str, authority: bytes, key: bytes | None = None, certificate: bytes | None = None
) -> grpc.Channel:
    """A channel with any credentials."""
    credentials = grpc.ssl_channel_credentials(authority, key, certificate)
    return grpc.secure_channel(address, credentials, [("grpc.max_send_message_length", 2 * MAX_MESSAGE_BYTES)])


def column(values: Iterable[int], dtype: str) -> np.ndarray:
    """A column of a token batch."""
    return np.array(list(values), dtype)
