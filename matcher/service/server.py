"""Puts the service together: store, pipeline, matching thread, servicers, mutually authenticated TLS."""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from matcher.config import ServerConfig
from matcher.errors import ConfigError
from matcher.pipeline import AgencyInfo, Pipeline, Settings
from matcher.rpc import MAX_MESSAGE_BYTES
from matcher.scoring.decision import Thresholds
from matcher.scoring.model import MatchModel
from matcher.scoring.scorer import Scorer
from matcher.service.alert import AlertServicer
from matcher.service.case import CaseServicer
from matcher.service.feed import FeedServicer
from matcher.service.guard import Guard
from matcher.service.identity import Directory
from matcher.service.matching import Matching
from matcher.service.operation import StatusServicer
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


class Server:
    """The matcher. `address` is where it listens, with the port it was given."""

    def __init__(self, config: ServerConfig) -> None:
        model = MatchModel.load(config.model, config.scheme) if config.model else MatchModel.shipped(config.scheme)
        self._store = SqliteStore(config.database)
        try:
            self._store.bind("scheme", config.scheme.digest.hex())
            # what stored weights were made with; the threshold of a MATCH applies to them afresh at every start
            scoring = (model.digest, config.expected_population, config.possible_probability)
            self._store.bind("scoring", " ".join(map(str, scoring)))
            pipeline = Pipeline(self._store, scorer_of(config, model), settings_of(config))
            self._health = health.HealthServicer()
            self.matching = Matching(pipeline, self._report)
            self._calls = ThreadPoolExecutor(_THREADS, "call")
            self._server = self._build(config)
            self.address = self._listen(config)
        except BaseException:
            self._store.close()
            raise

    def start(self) -> None:
        """Match what is waiting, and serve."""
        self.matching.start()
        self._server.start()
        self._report(working=True)
        log.info("serving on %s", self.address)

    def stop(self, grace: float = 5.0) -> None:
        """Take no new calls, let the ones in hand end within `grace` seconds, and close the database."""
        self._health.enter_graceful_shutdown()
        stopped = self._server.stop(grace)
        self.matching.stop()
        stopped.wait()
        self._calls.shutdown()  # a stream whose client went away may still be ending
        self._store.close()
        log.info("stopped")

    def _report(self, working: bool) -> None:
        states = health_pb2.HealthCheckResponse
        self._health.set("", states.SERVING if working else states.NOT_SERVING)

    def _build(self, config: ServerConfig) -> grpc.Server:
        directory = Directory(config)
        server = grpc.server(
            self._calls,
            interceptors=[Guard(directory)],
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
            ],
        )
        feed_service_pb2_grpc.add_FeedServiceServicer_to_server(FeedServicer(config, directory, self.matching), server)
        alert_service_pb2_grpc.add_AlertServiceServicer_to_server(AlertServicer(self.matching, config.epoch), server)
        case_service_pb2_grpc.add_CaseServiceServicer_to_server(CaseServicer(config, self.matching), server)
        status_service_pb2_grpc.add_StatusServiceServicer_to_server(StatusServicer(self.matching), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if config.reflection:
            contract = (feed_service_pb2, alert_service_pb2, case_service_pb2, status_service_pb2)
            names = [service.full_name for file in contract for service in file.DESCRIPTOR.services_by_name.values()]
            reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
        return server

    def _listen(self, config: ServerConfig) -> str:
        host, _, _ = config.listen.rpartition(":")
        credentials = grpc.ssl_server_credentials(
            [(_read(config.tls.key), _read(config.tls.certificate))],
            root_certificates=_read(config.tls.authority),
            require_client_auth=True,
        )
        try:
            port = self._server.add_secure_port(config.listen, credentials)
        except RuntimeError:
            raise ConfigError("[matcher] listen", [f"{config.listen} cannot be listened on: is it in use?"]) from None
        return f"{host}:{port}"


def scorer_of(config: ServerConfig, model: MatchModel) -> Scorer:
    """The scorer a configuration asks for."""
    return Scorer(model, config.expected_population, Thresholds(config.match_probability, config.possible_probability))


def settings_of(config: ServerConfig) -> Settings:
    """What a configuration says about matching."""
    agencies = tuple(AgencyInfo(agency.name, agency.sector) for agency in config.agencies)
    return Settings(agencies, config.block_cap, config.look_back_days)


def _read(path: Path) -> bytes:
    return path.read_bytes()
