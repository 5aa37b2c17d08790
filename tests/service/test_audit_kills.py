"""The audit log of a real process that is killed under load, or has no room: every acknowledged batch has its entry."""

import json
import random
import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from benchmarks.deployment import Deployment, matcher
from benchmarks.population import Agency, generate
from benchmarks.sending import Sender, part
from matcher.agency.client import FeedClient
from matcher.config import ServerConfig
from matcher.errors import RemoteError
from matcher.store.sqlite import SqliteStore
from matcher.wire import batch_message
from tests.factory import model

AGENCIES = (
    Agency("north", "police", 1.0, 0.5, 0.99, 0.95, 0.99, 0.5),
    Agency("south", "health", 1.0, 0.9, 0.99, 0.95, 0.99, 0.5),
)
KILLS = 4
BATCH = 5
NO_LIMIT = resource.RLIM_INFINITY


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(tmp_path / "run", agencies=AGENCIES, population=1000) as made:
        made.set_up()
        model().save(made.folder / "model.json")
        text = made.server_config.read_text()
        made.server_config.write_text(text.replace("[matcher]", '[matcher]\nmodel = "model.json"', 1))
        made.start()
        yield made


def verified(deployment: Deployment) -> str:
    """What `matcher audit verify` prints of a log that is sound."""
    return deployment.command(
        "audit", "verify", deployment.folder / "audit.log", "--key", deployment.folder / "audit.pub"
    )


def entries(deployment: Deployment) -> list[dict[str, object]]:
    lines = (deployment.folder / "audit.log").read_bytes().splitlines()
    return [json.loads(line) for line in lines if line.endswith(b"}")]


class Feed:
    """Sends batches until its matcher is gone."""

    def __init__(self, deployment: Deployment, agency: str, name: str, seed: int) -> None:
        self.name, self.acknowledged = name, 0
        self._sender = Sender(deployment, agency)
        tokens = self._sender.tokens(generate(2000, seed).records.drop(columns=["observed_day"]))
        self._batches = (
            batch_message(part(tokens, at, at + BATCH), self._sender.scheme, at) for at in range(0, 2000, BATCH)
        )
        self.thread = Thread(target=self._send)
        self.thread.start()

    def _send(self) -> None:
        with self._sender.channel as channel:
            try:
                for offset in FeedClient(channel).append(self.name, self._batches):
                    self.acknowledged = offset
            except RemoteError:
                return


def test_a_kill_loses_no_entry_of_what_was_acknowledged(deployment: Deployment) -> None:
    rng = random.Random(5)
    for kill in range(KILLS):
        feeds = [Feed(deployment, each.name, f"feed-{kill}", 10 * kill + n) for n, each in enumerate(AGENCIES)]
        while not all(feed.acknowledged for feed in feeds):
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.8))
        deployment.kill()
        for feed in feeds:
            feed.thread.join()
        assert "signed with this key" in verified(deployment)
        collected = [entry for entry in entries(deployment) if entry["operation"] == "collection"]
        for agency, feed in zip(AGENCIES, feeds, strict=True):
            offsets = [
                entry["offset"]
                for entry in collected
                if (entry["caller"], entry["feed"]) == (f"agency/{agency.name}", feed.name)
            ]
            assert offsets == list(range(0, BATCH * len(offsets), BATCH))
            assert feed.acknowledged <= BATCH * len(offsets) <= feed.acknowledged + 2 * BATCH
        deployment.start()
    deployment.wait_until_matched(60)
    deployment.stop()
    verified(deployment)
    events = [entry["event"] for entry in entries(deployment) if entry["operation"] == "service"]
    assert events == ["start"] * (KILLS + 1) + ["stop"]
    config = ServerConfig.load(deployment.server_config)
    store = SqliteStore(config.database, config.read_database_key())
    committed, matched = store.committed_through, store.matched_through
    store.close()
    assert committed == matched > 4 * KILLS
    combined: set[int] = set()
    for entry in entries(deployment):
        if entry["operation"] == "combination":
            combined |= set(range(int(str(entry["first_frame"])), int(str(entry["last_frame"])) + 1))
    assert combined == set(range(1, matched + 1))


def test_without_room_for_the_audit_log_nothing_is_served_until_there_is(deployment: Deployment) -> None:
    log = deployment.folder / "audit.log"
    server = deployment._server
    assert server is not None
    deployment.status()
    # the kernel takes part of the next entry and refuses the rest, as a full disk may
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 100, NO_LIMIT))
    sender = Sender(deployment, "north")
    with sender.channel as channel:
        for _ in range(2):
            with pytest.raises(RemoteError, match="audit log cannot be written") as raised:
                FeedClient(channel).next_offset("f")
            assert raised.value.reason == "ERROR_REASON_AUDIT_UNAVAILABLE"
        assert "bytes of an entry" in verified(deployment)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (NO_LIMIT, NO_LIMIT))
        assert FeedClient(channel).next_offset("f") == 0
    assert "1 entries were left unfinished" in verified(deployment)
    deployment.stop()
    deployment.start()
    assert [line.endswith(b" torn") for line in log.read_bytes().splitlines()].count(True) == 1
    verified(deployment)


def test_a_matcher_whose_log_was_cut_refuses_to_start(deployment: Deployment) -> None:
    deployment.status()
    deployment.stop()
    log = deployment.folder / "audit.log"
    whole = log.read_bytes()
    log.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    refused = subprocess.run(
        matcher("serve", "--config", deployment.server_config), capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 1
    assert "does not end where its head says" in refused.stderr
    assert "advice: " in refused.stderr
    # the next file of the log, once both are kept as evidence
    for name in ("audit.log", "audit.log.head"):
        (deployment.folder / name).rename(deployment.folder / f"kept.{name}")
    deployment.start()
    deployment.stop()
    assert verified(deployment).startswith("entries 1 to 2:")
