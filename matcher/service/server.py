"""Puts the service together: store, pipeline, matching thread, servicers, mutually authenticated TLS."""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from threading import Event, Thread

import grpc
import numpy as np
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from matcher.blocking.names import NameTable
from matcher.config import ServerConfig
from matcher.errors import ConfigError
from matcher.pipeline import Pipeline
from matcher.rpc import MAX_MESSAGE_BYTES
from matcher.scheme import ALIAS_BYTES
from matcher.scoring.decision import Thresholds
from matcher.scoring.model import MatchModel
from matcher.scoring.scorer import Scorer
from matcher.service.alert import AlertServicer
from matcher.service.auditing import Auditor
from matcher.service.case import CaseServicer
from matcher.service.credentials import DenyList, ServerCertificate
from matcher.service.feed import FeedServicer
from matcher.service.guard import Guard
from matcher.service.identity import Directory
from matcher.service.matching import Matching
from matcher.service.metrics import Metrics, State
from matcher.service.operation import StatusServicer
from matcher.settings import AgencyInfo, Settings
from matcher.store.base import Store
from matcher.store.sqlite import SqliteStore
from matcher.v1 import (
    alert_service_pb2,
    alert_service_pb2_grpc,
    case_service_pb2,
    case_service_pb2_grpc,
    feed_service_pb2,
    feed_service_pb2_grpc,
    status_service_pb2,
    status_service_pb2_grpc,
)

log = logging.getLogger(__name__)
_THREADS = 64
"""Calls at a time; every open stream holds one."""
_DOOR_SECONDS = 5.0
"""How often the deny list is looked at."""
_States = health_pb2.HealthCheckResponse
_FEEDS = feed_service_pb2.DESCRIPTOR.services_by_name["FeedService"].full_name
_PING_MS, _PING_PATIENCE_MS, _LEAST_PING_MS = 60_000, 20_000, 10_000


class Server:
    """The matcher. `address` is where it listens, with the port it was given; `store` is closed with it."""

    def __init__(self, config: ServerConfig, store: SqliteStore) -> None:
        self.metrics = Metrics()
        self._store = store
        with ExitStack() as undo:
            undo.callback(store.close)
            if config.metrics:
                undo.callback(self.metrics.listen(config.metrics))
            self._auditor = Auditor(config)
            undo.callback(self._auditor.close)
            self._open(config)
            self._at_end = undo.pop_all()

    def _open(self, config: ServerConfig) -> None:
        model = bound_model(config, self._store)
        check_epochs(config, self._store)
        check_agencies(config, self._store)
        making = partial(
            Pipeline,
            self._store,
            scorer_of(config, model),
            settings_of(config),
            about_to_commit=self._auditor.combining,
        )
        self._deny_list = DenyList(config.deny_list)
        self._certificate = ServerCertificate(config.tls)
        directory = Directory(config, self._deny_list)
        self._guard = Guard(directory, config.streams_per_caller, self.metrics, self._auditor, self._store.beat)
        self._ending = Event()
        self._doorkeeper = Thread(target=self._keep_doors, name="doorkeeper", daemon=True)
        self._health = health.HealthServicer()
        self.matching = Matching(self._store, self._store.beat, making, self._report)
        self._calls = ThreadPoolExecutor(_THREADS, "call")
        self._server = self._build(config, directory)
        self.address = self._listen(config)
        self._auditor.started(model.digest, self._store.committed_through)

    def start(self) -> None:
        """Serve, and make memory from the database: until that is done, feeds are served, and all that asks memory
        waits."""
        self._health.set("", _States.NOT_SERVING)
        self._health.set(_FEEDS, _States.SERVING)
        self._server.start()
        self.matching.start()
        self._doorkeeper.start()
        log.info("serving on %s", self.address)

    def complete(self) -> None:
        """Wait until memory is made. What its making raised is raised here: such a database is not to be served."""
        _ = self.matching.pipeline
        log.info("memory is made; all is served")

    def stop(self, grace: float = 5.0) -> None:
        """Take no new calls, let the ones in hand end within `grace` seconds, and close the database."""
        self.metrics.state = State.STOPPING
        self._health.enter_graceful_shutdown()
        self._ending.set()
        self._doorkeeper.join()
        stopped = self._server.stop(grace)
        self.matching.stop()
        stopped.wait()
        self._calls.shutdown()  # a stream whose client went away may still be ending
        self.metrics.status = None
        self._store.close()
        self._auditor.stopped()
        self._at_end.close()
        log.info("stopped")

    def _report(self, working: bool) -> None:
        self._health.set("", _States.SERVING if working else _States.NOT_SERVING)
        self.metrics.status = self._status.standing
        self.metrics.report(working)

    def _keep_doors(self) -> None:
        """Until the end: have the deny list count, for open streams too."""
        while not self._ending.wait(_DOOR_SECONDS):
            self._deny_list.refresh()
            self._guard.end_denied()

    def _build(self, config: ServerConfig, directory: Directory) -> grpc.Server:
        server = grpc.server(
            self._calls,
            interceptors=[self._guard],
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
                # whoever vanished without a word gives back the thread its stream holds
                ("grpc.keepalive_time_ms", _PING_MS),
                ("grpc.keepalive_timeout_ms", _PING_PATIENCE_MS),
                ("grpc.http2.ping_timeout_ms", _PING_PATIENCE_MS),  # the former alone leaves it at a minute
                ("grpc.http2.min_recv_ping_interval_without_data_ms", _LEAST_PING_MS),  # clients ping every 30 s
            ],
        )
        feed_service_pb2_grpc.add_FeedServiceServicer_to_server(FeedServicer(config, directory, self.matching), server)
        alerts = AlertServicer(self.matching, config.epoch, lambda context: directory.identify(context).restricted)
        alert_service_pb2_grpc.add_AlertServiceServicer_to_server(alerts, server)
        case_service_pb2_grpc.add_CaseServiceServicer_to_server(CaseServicer(config, self.matching), server)
        self._status = StatusServicer(self.matching, config.removal_days, config.epoch)
        status_service_pb2_grpc.add_StatusServiceServicer_to_server(self._status, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if config.reflection:
            contract = (feed_service_pb2, alert_service_pb2, case_service_pb2, status_service_pb2)
            names = [service.full_name for file in contract for service in file.DESCRIPTOR.services_by_name.values()]
            reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
        return server

    def _listen(self, config: ServerConfig) -> str:
        host, _, _ = config.listen.rpartition(":")
        try:
            port = self._server.add_secure_port(config.listen, self._certificate.credentials())
        except RuntimeError:
            raise ConfigError("[matcher] listen", [f"{config.listen} cannot be listened on: is it in use?"]) from None
        return f"{host}:{port}"


def load_loops() -> None:
    """Call a compiled loop: the first one takes a third of a second, in which what runs it is loaded."""
    NameTable().find(np.zeros((1, ALIAS_BYTES), np.uint8))


def bound_model(config: ServerConfig, store: Store) -> MatchModel:
    """The model a configuration names; `StoreError` if the database was made for another one, or another scheme."""
    model = MatchModel.load(config.model, config.scheme) if config.model else MatchModel.shipped(config.scheme)
    store.bind("scheme", config.scheme.digest.hex())
    # what stored weights were made with; the threshold of a MATCH applies to them afresh at every start
    scoring = (model.digest, config.expected_population, config.possible_probability)
    store.bind("scoring", " ".join(map(str, scoring)))
    return model


def check_epochs(config: ServerConfig, store: Store) -> None:
    """`ConfigError` if a database holds records of an epoch that a configuration does not name, `StoreError` if it took
    them in under another key check."""
    named = {config.epoch: config.key_check, config.previous_epoch: config.previous_key_check}
    for epoch in sorted(store.epochs()):
        if (key_check := named.get(epoch)) is None:
            raise ConfigError("[matcher] previous_epoch", [
                f"[matcher] previous_epoch: the database holds records of epoch {epoch}, which is neither epoch nor "
                f"previous_epoch: set previous_epoch = {epoch} and its previous_key_check until every agency has "
                "sent its records again, then end that epoch with `matcher retire-epoch`"
            ])  # fmt: skip
        store.bind(f"key check of epoch {epoch}", key_check.hex())


def check_agencies(config: ServerConfig, store: Store) -> None:
    """`ConfigError` if input waits to be matched whose agency is not configured: it would be passed over for good."""
    named, frame_id = {"", *(agency.name for agency in config.agencies)}, store.matched_through
    while frames := store.frames_after(frame_id, 1):
        frame_id = frames[0].frame_id
        if (agency := frames[0].agency) not in named:
            raise ConfigError("[[agency]]", [
                f"[[agency]]: what {agency} sent last is not matched yet: put that agency back, and take it out once "
                "`matcher status` shows no frames_waiting"
            ])  # fmt: skip


def scorer_of(config: ServerConfig, model: MatchModel) -> Scorer:
    """The scorer a configuration asks for."""
    return Scorer(model, config.expected_population, Thresholds(config.match_probability, config.possible_probability))


def settings_of(config: ServerConfig) -> Settings:
    """What a configuration says about matching."""
    agencies = tuple(AgencyInfo(agency.name, agency.sector) for agency in config.agencies)
    return Settings(
        agencies,
        block_cap=config.block_cap,
        look_back_days=config.look_back_days,
        escalation_contacts=config.escalation_contacts,
        quiet_seconds=config.quiet_seconds,
    )
