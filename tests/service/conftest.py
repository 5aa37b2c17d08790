"""A whole matcher in this process: certificates, a database on disk, a server on loopback, a channel for every role.

Clients go through the real transport, so what a test sees is what a caller sees.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from matcher.agency.client import FeedClient
from matcher.audit.entry import generate_audit_key
from matcher.config import ServerConfig, TlsFiles
from matcher.pki import init_pki
from matcher.rpc import open_channel
from matcher.service.database import open_store
from matcher.service.server import Server
from matcher.v1.alert_service_pb2_grpc import AlertServiceStub
from matcher.v1.case_service_pb2_grpc import CaseServiceStub
from matcher.v1.feed_service_pb2_grpc import FeedServiceStub
from matcher.v1.status_service_pb2_grpc import StatusServiceStub
from matcher.wire import batch_message

from ..factory import AGENCIES, EPOCH, KEYS, SCHEME, Sighting, model, tokens

_MAIN = f"""
[matcher]
database = "matcher.db"
key_check = "{KEYS.key_check.hex()}"
epoch = {EPOCH}
scheme = "{SCHEME.name}"
model = "model.json"
listen = "127.0.0.1:0"
match_probability = 0.999999
possible_probability = 0.5
max_batch_records = 64
reflection = true
audit_log = "audit.log"
audit_key = "audit.key"
[tls]
certificate = "pki/server/certificate.pem"
key = "pki/server/key.pem"
authority = "pki/server/authority.pem"
"""
_PARTIES = {
    "agency": [agency.name for agency in AGENCIES],
    "coordinator": ["hub", "deputy"],
    "operator": ["ops"],
}
_PATIENCE = 20.0


def server_config(folder: Path) -> ServerConfig:
    """A configuration with its certificates and the model made by hand, all in one folder."""
    sectors = {agency.name: agency.sector for agency in AGENCIES}
    tables = [
        f'[[{role}]]\nname = "{name}"\ncertificate = "spiffe://example.org/{role}/{name}"\n'
        + (f'sector = "{sectors[name]}"\n' if role == "agency" else "")
        for role, names in _PARTIES.items()
        for name in names
    ]
    model().save(folder / "model.json")
    generate_audit_key(folder / "audit.key", folder / "audit.pub")
    path = folder / "matcher.toml"
    path.write_text(_MAIN + "".join(tables))
    init_pki(ServerConfig.load(path, check_files=False), folder / "pki")
    return ServerConfig.load(path)


class Matcher:
    """A running server, and callers of it. Restart it with `stop` and `start`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = server_config(folder)
        self._channels: dict[str, grpc.Channel] = {}
        self._feeds: dict[str, int] = {}

    def start(self) -> None:
        """Start serving."""
        self.server = Server(self.config, open_store(self.config))
        self.server.start()
        self.server.complete()

    def stop(self) -> None:
        """Stop serving and close every channel."""
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()
        self.server.stop(grace=2)

    def tls(self, caller: str) -> TlsFiles:
        """Files of a caller, such as "agency-police"."""
        own = self.folder / "pki" / caller
        return TlsFiles(certificate=own / "certificate.pem", key=own / "key.pem", authority=own / "authority.pem")

    def channel(self, caller: str) -> grpc.Channel:
        """The caller's channel."""
        if caller not in self._channels:
            self._channels[caller] = open_channel(self.server.address, self.tls(caller))
        return self._channels[caller]

    def feed(self, agency: str) -> FeedServiceStub:
        """What an agency may call."""
        return FeedServiceStub(self.channel(f"agency-{agency}"))

    def alerts(self, coordinator: str = "hub") -> AlertServiceStub:
        """What a coordinator may call about alerts."""
        return AlertServiceStub(self.channel(f"coordinator-{coordinator}"))

    def cases(self, coordinator: str = "hub") -> CaseServiceStub:
        """What a coordinator may call about cases."""
        return CaseServiceStub(self.channel(f"coordinator-{coordinator}"))

    def status(self) -> StatusServiceStub:
        """What an operator may call."""
        return StatusServiceStub(self.channel("operator-ops"))

    def send(self, agency: str, *sightings: Sighting) -> None:
        """Append records to the agency's feed."""
        client = FeedClient(self.channel(f"agency-{agency}"))
        offset = client.next_offset("f")
        assert list(client.append("f", [batch_message(tokens(agency, *sightings), SCHEME, offset)])) == [
            offset + len(sightings)
        ]

    def settle(self) -> None:
        """Wait until everything committed is matched."""
        store = self.server.matching.store
        until(lambda: store.matched_through == store.committed_through)


def until(holds: Callable[[], bool]) -> None:
    """Wait for something; fails after 20 seconds."""
    end = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


@pytest.fixture
def matcher(tmp_path: Path) -> Iterator[Matcher]:
    """A running matcher with an empty database."""
    made = Matcher(tmp_path)
    made.start()
    yield made
    made.stop()


def sighting_today(sighting: Sighting, days_later: int = 0) -> Sighting:
    """The sighting, made on the day the test runs (UTC) or days later."""
    return replace(sighting, day=int(time.time()) // 86400 + days_later)
