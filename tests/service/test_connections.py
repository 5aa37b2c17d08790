"""Connections that are half open or slow: they lose nothing, hold up nobody, and give back what they hold."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from matcher.agency.client import FeedClient
from matcher.model import MatchOutcome
from matcher.rpc import open_channel
from matcher.service import server as serving
from matcher.v1 import alert_service_pb2 as pb
from matcher.v1.alert_service_pb2_grpc import AlertServiceStub
from tests.service.servers import Deployed, batch, people, person, wait_until
from tests.service.test_alert import known_to_two, send, until_checkpoint, watch
from tests.store.build import alert


class Wire:
    """A way to the matcher that can be cut without either end being told: nothing passes, no end is announced."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._to = (host, int(port))
        self._cut = threading.Event()
        self._listener = socket.create_server((host, 0))
        self._sockets = [self._listener]
        self.address = f"{host}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """From now on nothing passes."""
        self._cut.set()

    def close(self) -> None:
        """End everything."""
        self._cut.set()
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._to)
                self._sockets += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if self._cut.is_set():
                    return
                other.sendall(data)


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """A matcher that is quick to ask whether its callers are there."""
    monkeypatch.setattr(serving, "_PING_MS", 1_000)
    monkeypatch.setattr(serving, "_PING_PATIENCE_MS", 500)
    with Deployed(tmp_path) as made:
        yield made


@pytest.fixture
def wire(deployed: Deployed) -> Iterator[Wire]:
    with closing(Wire(deployed.address)) as made:
        yield made


def calls(deployed: Deployed) -> int:
    """Calls in hand."""
    return len(deployed.server._server._state.rpc_states)


def test_a_watcher_that_vanished_gives_its_thread_back_and_misses_nothing(deployed: Deployed, wire: Wire) -> None:
    known_to_two(deployed, 3)
    channel = open_channel(wire.address, deployed.tls("coordinator-hub"), "127.0.0.1")
    events = AlertServiceStub(channel).WatchAlerts(pb.WatchAlertsRequest(consumer="desk"))
    assert until_checkpoint(events)[1] == 3
    assert calls(deployed) == 1
    wire.cut()
    known_to_two(deployed, 2, start=3)
    wait_until(lambda: calls(deployed) == 0)
    again = watch(deployed, after=3)
    assert [alert.sequence for alert in until_checkpoint(again)[0]] == [4, 5]
    channel.close()


def test_a_feed_cut_in_the_middle_loses_nothing_and_goes_on_at_its_offset(deployed: Deployed, wire: Wire) -> None:
    said = threading.Event()

    def batches() -> Iterator[object]:
        yield batch("police", people(range(10)))
        said.wait()
        yield batch("police", people(range(10, 20)), first_offset=10)

    channel = open_channel(wire.address, deployed.tls("agency-police"), "127.0.0.1")
    acknowledged = FeedClient(channel).append("f", batches())
    assert next(acknowledged) == 10
    wire.cut()
    said.set()
    client = deployed.feed_client("police")
    assert client.next_offset("f") == 10
    assert list(client.append("f", [batch("police", people(range(10, 20)), first_offset=10)])) == [20]
    wait_until(lambda: calls(deployed) == 0)
    channel.close()
    deployed.settle()
    assert deployed.server.matching.pipeline.registry.held().tolist() == [20]


def test_a_consumer_that_does_not_read_holds_up_nobody_and_misses_nothing(deployed: Deployed) -> None:
    pipeline = deployed.server.matching.pipeline
    raised = [alert(sequence, 0, 1) for sequence in range(1, 20_001)]  # more than a connection takes unread
    pipeline.store.commit_matching(MatchOutcome(0, alerts=raised, today=pipeline.today))
    slow = watch(deployed, "slow", timeout=60)
    first = [alert.sequence for alert in next(slow).alerts]
    for number in range(3):
        send(deployed, "police", [person(number)])
        deployed.settle()
    alerts, checkpoint = until_checkpoint(watch(deployed, "quick"))
    assert (len(alerts), checkpoint) == (20_000, 20_000)
    rest, checkpoint = until_checkpoint(slow)
    assert (first + [each.sequence for each in rest], checkpoint) == (list(range(1, 20_001)), 20_000)
