"""Stopping: what is in hand is finished and acknowledged, and nothing new is begun."""

from pathlib import Path
from queue import Queue
from threading import Event, Thread

import grpc
import pytest

from matcher.store.sqlite import SqliteStore
from matcher.v1 import feed_service_pb2 as pb
from matcher.v1.feed_service_pb2_grpc import FeedServiceStub
from tests.service.servers import Deployed, batch, people, wait_until


def test_calls_in_hand_are_finished_and_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, let_go = Event(), Event()
    append = SqliteStore.append

    def slow(store: SqliteStore, *arguments: object) -> int:
        begun.set()
        assert let_go.wait(20)
        return append(store, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(SqliteStore, "append", slow)
    with Deployed(tmp_path) as deployed:
        waiting: Queue[pb.AppendRecordsRequest | None] = Queue()
        waiting.put(pb.AppendRecordsRequest(feed_id="f", batch=batch("police", people(range(3)))))
        waiting.put(None)
        replies = deployed.feed("police").AppendRecords(iter(waiting.get, None), timeout=20)
        assert begun.wait(20)
        stopping = Thread(target=deployed.server.stop, args=(20.0,))
        stopping.start()
        wait_until(lambda: deployed.server.metrics.state == "stopping")

        wait_until(lambda: _is_refused(deployed))
        assert stopping.is_alive()
        let_go.set()
        assert [reply.next_offset for reply in replies] == [3]
        stopping.join(20)
        assert not stopping.is_alive()
        deployed.restart()
        assert deployed.feed("police").OpenFeed(pb.OpenFeedRequest(feed_id="f"), timeout=20).next_offset == 3
        deployed.settle()
        assert deployed.server.matching.pipeline.registry.held().tolist() == [3]


def _is_refused(deployed: Deployed) -> bool:
    with deployed.new_channel("agency-police") as channel:
        try:
            FeedServiceStub(channel).OpenFeed(pb.OpenFeedRequest(feed_id="f"), timeout=20)
        except grpc.RpcError as error:
            return error.code() is grpc.StatusCode.UNAVAILABLE
    return False
