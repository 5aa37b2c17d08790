"""Metrics for Prometheus, on a listener of their own. Nobody can be told apart by them: there is no count of an
agency's matches, and counts that speak of records, alerts or calls are blurred as the status is.

Figures are taken when somebody asks for them; only calls are counted as they happen.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from enum import StrEnum
from importlib.metadata import version
from threading import Lock

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.registry import Collector

from matcher.errors import ConfigError, MatcherError
from matcher.model import DAY_SECONDS
from matcher.service.operation import DISTRIBUTION, blurred
from matcher.v1.status_service_pb2 import GetStatusResponse

_BLURRED = "blurred: 7 means 1 to 7, others are rounded to 5"
SERVED = "OK"
CANCELLED = "CANCELLED"
"""Outcomes of a call besides the error reasons."""


class State(StrEnum):
    """Where the matcher stands."""

    STARTING = "starting"
    """It reads the database; at most feeds are served."""
    SERVING = "serving"
    FAILING = "failing"
    """It takes input, and cannot commit what matching changes."""
    STOPPING = "stopping"


class Metrics(Collector):
    """What is told. `status` is there once all is served."""

    def __init__(self) -> None:
        self.state = State.STARTING
        self.status: Callable[[], GetStatusResponse] | None = None
        self._calls: Counter[tuple[str, str]] = Counter()
        self._failures = 0
        self._lock = Lock()

    def count(self, method: str, outcome: str) -> None:
        """Count a call (`/package.Service/Method`) that ended."""
        with self._lock:
            self._calls[method.split("/")[1], outcome] += 1

    def report(self, working: bool) -> None:
        """Note that matching stopped or began to work."""
        self.state = State.SERVING if working else State.FAILING
        self._failures += not working

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        yield InfoMetricFamily("matcher", "The software.", {"version": version(DISTRIBUTION)})
        yield StateSetMetricFamily(
            "matcher_state", "Where the matcher stands.", {state.value: state is self.state for state in State}
        )
        yield CounterMetricFamily("matcher_matching_failures", "Times that matching stopped working.", self._failures)
        with self._lock:
            ended = sorted(self._calls.items())
        calls = CounterMetricFamily(
            "matcher_calls",
            f"Calls that ended; {_BLURRED}.",
            labels=("service", "outcome"),
        )
        for labels, count in ended:
            calls.add_metric(labels, blurred(count).value)
        yield calls
        if self.status is not None:
            try:
                yield from _standing(self.status())
            except MatcherError:  # the database cannot be read: the state says so, or will
                return

    def listen(self, address: str) -> Callable[[], None]:
        """Answer `GET /metrics` at `host:port`; what stops it. `ConfigError` if the address cannot be listened on."""
        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        host, _, port = address.rpartition(":")
        try:
            server, thread = start_http_server(int(port), host.strip("[]"), registry)
        except OSError:
            raise ConfigError("[matcher] metrics", [f"{address} cannot be listened on: is it in use?"]) from None
        self.address = f"{host}:{server.server_port}"

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop


def _standing(status: GetStatusResponse) -> Iterable[Metric]:
    yield GaugeMetricFamily("matcher_frames_waiting", "Frames committed and not yet matched.", status.frames_waiting)
    for name, text, count in (
        ("matcher_records", "Records held", status.records),
        ("matcher_records_of_previous_epoch", "Of those, records to send again", status.records_of_previous_epoch),
        ("matcher_alerts", "Alerts in the log", status.alerts),
        ("matcher_over_cap_rows", "Rows left uncompared in some pass", status.over_cap),
        ("matcher_compared_pairs", "Pairs of rows compared by matching since the matcher started", status.compared),
        ("matcher_removals_unconfirmed", "Removal notices not confirmed", status.removals_unconfirmed),
        ("matcher_removals_overdue", "Of those, notices that are overdue", status.removals_overdue),
    ):
        yield GaugeMetricFamily(name, f"{text}; {_BLURRED}.", count.value)
    days = GaugeMetricFamily(
        "matcher_agency_last_input_timestamp_seconds",
        "Start of the day (UTC) on which an agency last sent something; none if it never did.",
        labels=("agency",),
    )
    for feed in status.feeds:
        if feed.last_committed_day >= 0:
            days.add_metric((feed.agency,), feed.last_committed_day * DAY_SECONDS)
    yield days
