"""Can an agency tell from a reply whether others hold the person? What is sent back, and when.

One agency makes calls of four classes in random order: its record matches another agency's, matches nobody's, repeats
one it sent before, or replaces one. During each call, a few milliseconds after it, it makes a neutral one over
another connection, the same every time (a repeated request, which waits for the database as any other but leaves
nothing to match), so that matching of the first is felt if it can be, and that a coordinator is told of it, who listens
and acknowledges. Or it probes: it calls what answers without the database, again and again, and the slowest of these
calls is what counts. Replies must be the same bytes; times of each pair of classes go through a rank classifier: the
share of pairs of calls that their times put in the right order. 0.5 is a coin; the interval is DeLong's (Biometrics 44,
1988).
"""

import itertools
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import click
import grpc
import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp, rankdata

from benchmarks.deployment import Deployment
from benchmarks.machine import machine, write
from benchmarks.population import AGENCIES, FILE_COLUMNS, generate
from benchmarks.sending import LOAD, Sender, part
from benchmarks.throughput import pour, write_batches
from matcher.agency.client import FeedClient
from matcher.beat import BEAT_SECONDS
from matcher.model import TokenBatch
from matcher.scheme import UK_PERSON_V1
from matcher.v1 import feed_service_pb2 as pb
from matcher.wire import batch_message

CLASSES = ("matches", "alone", "repeats", "replaces")
TARGET = 0.52
_PAUSE_SECONDS = 0.025
"""After each pair of calls: a beat, and more than matching of one record takes, so that each call finds the matcher at
rest."""
_LAG_SECONDS = 0.02
"""Most by which the neutral call comes after the other: matching begins and ends within it, whenever it begins."""
_PROBE_SECONDS = 0.03
_MOMENTS = 4
"""Parts of a beat, which an agency learns from when it is answered; the matcher's clock is this machine's."""
Seconds = NDArray[np.float64]
Reply = tuple[bytes, tuple[Any, ...], tuple[Any, ...], str, grpc.StatusCode]
"""Body, initial metadata, trailers, details, code: all that a caller is told."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How well times tell two classes apart: `auc` with its 95 % interval, and the largest distance of the two
    distributions (Kolmogorov-Smirnov, 0 to 1), which is twice a threshold's best gain over a coin."""

    classes: tuple[str, str]
    auc: float
    low: float
    high: float
    distance: float

    @property
    def told_apart(self) -> bool:
        """Whether the classifier is beyond the target, in either direction."""
        return not 1 - TARGET <= self.auc <= TARGET


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one method: how many different replies came, and what the times of a call and of the neutral one tell."""

    calls: int
    """Of each class."""
    replies: int
    median_milliseconds: dict[str, float]
    own: list[Comparison]
    meanwhile: list[Comparison]
    moments: dict[str, Comparison]
    """What the neutral one's time tells of a record that matches or is alone, by when in a beat it began, where enough
    did."""


def run(
    calls: int, seed: int, methods: Collection[str], json_path: Path | None, probe: str | None = None, held: int = 0
) -> dict[str, Outcome]:
    """Measure `calls` calls of each class, of some of `METHODS`, print, and write the figures. `probe`: one of
    `PROBES` instead of the neutral call; `held`: records of others that the matcher holds besides."""
    folder = Path(tempfile.mkdtemp(prefix="replies-"))
    try:
        # the neutral call sends one row again and again
        options = f"block_rows_per_day = {100 * calls}"
        with Deployment(folder, agencies=AGENCIES, population=10 * calls + held, options=options) as deployment:
            deployment.set_up()
            deployment.start()
            if held:
                _hold(deployment, held, seed + 1, folder / "held")
            config, out = deployment.coordinator_config, folder / "alerts.jsonl"
            with deployment.spawn("alerts", "watch", "--config", config, "--out", out) as coordinator:
                try:
                    outcomes = _measure(deployment, calls, seed, methods, probe)
                finally:
                    coordinator.terminate()
    finally:
        shutil.rmtree(folder)
    for method, outcome in outcomes.items():
        click.echo(f"{method}: {outcome.replies} different replies to {calls} calls of each class")
        click.echo(f"  median ms {outcome.median_milliseconds}")
        rows = [("its own time", each) for each in outcome.own]
        rows += [("the neutral one's", each) for each in outcome.meanwhile]
        rows += [(f"neutral, {moment}", each) for moment, each in outcome.moments.items()]
        for name, each in rows:
            mark = "  told apart" if each.told_apart else ""
            pair = " / ".join(each.classes)
            click.echo(
                f"  {name:<24}{pair:<22}AUC {each.auc:.4f} ({each.low:.4f} to {each.high:.4f}) "
                f"distance {each.distance:.4f}{mark}"
            )
    of_methods = {name: asdict(each) for name, each in outcomes.items()}
    figures = {"calls": calls, "held": held, "seed": seed, "methods": of_methods}
    write(figures | machine(), json_path)
    return outcomes


def auc(left: Seconds, right: Seconds) -> tuple[float, float, float]:
    """Probability that a time of `right` is above one of `left` (ties count half), and DeLong's 95 % interval."""
    both = rankdata(np.concatenate([left, right]))
    above = 1 - (both[: len(left)] - rankdata(left)) / len(right)
    below = (both[len(left) :] - rankdata(right)) / len(left)
    value = float(below.mean())
    error = float(np.sqrt(above.var(ddof=1) / len(left) + below.var(ddof=1) / len(right)))
    return value, value - 1.96 * error, value + 1.96 * error


def compare(times: dict[str, Seconds]) -> list[Comparison]:
    """Every pair of classes."""
    return [
        Comparison(
            pair, *auc(times[pair[0]], times[pair[1]]), float(ks_2samp(times[pair[0]], times[pair[1]]).statistic)
        )
        for pair in itertools.combinations(times, 2)
    ]


def _hold(deployment: Deployment, records: int, seed: int, folder: Path) -> None:
    """Have the matcher hold records of other people, of all agencies."""
    folder.mkdir()
    configs = {agency.name: deployment.agency_config(agency.name) for agency in deployment.agencies}
    with ProcessPoolExecutor(1, get_context("spawn")) as feeds:
        feeds.submit(write_batches, generate(records, seed), configs, folder).result()
        feeds.submit(pour, folder, configs).result()
    deployment.wait_until_matched()
    watch = ("alerts", "watch", "--config", deployment.coordinator_config, "--no-follow")
    deployment.command(*watch, "--out", folder / "read.jsonl")  # so that nothing is told meanwhile but of these calls


def _load(sender: Sender, feed_id: str, tokens: TokenBatch) -> None:
    """Append records, under a feed of their own."""
    starts = range(0, tokens.record_count, LOAD)
    batches = (batch_message(part(tokens, at, at + LOAD), UK_PERSON_V1, at) for at in starts)
    for _ in FeedClient(sender.channel).append(feed_id, batches):
        pass


def _measure(
    deployment: Deployment, calls: int, seed: int, methods: Collection[str], probe: str | None
) -> dict[str, Outcome]:
    """Each method's outcome: some people are appended, others submitted, and the first ones removed."""
    people = generate(20 * calls + 200, seed, error_rate=0.0, known_share=0.1).records[[*FILE_COLUMNS, "person"]]
    people = people.drop_duplicates("person").reset_index(drop=True)
    people["record_ref"] = [f"R{number:07}" for number in range(len(people))]
    police, health = (agency.name for agency in deployment.agencies[:2])
    caller, beside, other = (Sender(deployment, name) for name in (police, police, health))
    sent: list[dict[str, TokenBatch]] = []
    for group in range(2):
        at = group * len(CLASSES) * calls
        rows = {name: people.iloc[at + i * calls : at + (i + 1) * calls] for i, name in enumerate(CLASSES)}
        made = {name: caller.tokens(mine) for name, mine in rows.items()}
        _load(other, f"theirs-{group}", other.tokens(rows["matches"]))
        _load(caller, f"before-{group}", made["repeats"])
        _load(caller, f"before-{group}-too", made["replaces"])
        sent.append(made | {"replaces": caller.tokens(rows["replaces"].assign(address="1 Elsewhere Road"))})
    deployment.wait_until_matched()
    rng = np.random.default_rng(seed)
    outcomes = {}
    for method in (each for each in METHODS if each in methods):
        make, group = METHODS[method]
        made = sent[group]
        if method == "RemoveRecords" and "AppendRecords" not in methods:  # what is removed was appended
            for name in CLASSES:
                _load(caller, f"appended-{name}", made[name])
            deployment.wait_until_matched()
        order = rng.permutation(np.repeat(np.arange(len(CLASSES)), calls))
        neutral = _Probing(PROBES[probe](beside.channel)) if probe else _Unary(beside.channel, "SubmitRecords")
        outcomes[method] = _ask(caller.channel, neutral, method, order, [made[name] for name in CLASSES], make)
        deployment.wait_until_matched()
    for sender in (caller, beside, other):
        sender.channel.close()
    return outcomes


def _append(number: int, record: TokenBatch) -> bytes:
    batch = batch_message(record, UK_PERSON_V1, number)
    return pb.AppendRecordsRequest(feed_id="asked", batch=batch).SerializeToString()


def _submission(number: int, record: TokenBatch) -> bytes:
    batch = batch_message(record, UK_PERSON_V1)
    return pb.SubmitRecordsRequest(request_id=f"s{number}", batch=batch).SerializeToString()


def _removal(number: int, record: TokenBatch) -> bytes:
    return pb.RemoveRecordsRequest(request_id=f"r{number}", aliases=record.aliases.tobytes()).SerializeToString()


METHODS = {"AppendRecords": (_append, 0), "SubmitRecords": (_submission, 1), "RemoveRecords": (_removal, 0)}
"""What makes a request of each, and of which people, in the order in which they are called."""


def _ask(
    channel: grpc.Channel,
    neutral: "_Unary | _Probing",
    method: str,
    order: NDArray[np.int64],
    made: list[TokenBatch],
    make: Callable[[int, TokenBatch], bytes],
) -> Outcome:
    """Call with one record of a class after the other, each once, in the order of classes given."""
    call = _Streamed(channel) if method == "AppendRecords" else _Unary(channel, method)
    batch = batch_message(part(made[1], 0, 1), UK_PERSON_V1)
    nobody = pb.SubmitRecordsRequest(request_id=f"neutral-{method}", batch=batch).SerializeToString()
    neutral.send(nobody)
    neutral.reply()
    lag = 0.0 if isinstance(neutral, _Probing) else _LAG_SECONDS
    lags = np.random.default_rng(len(order)).uniform(0, lag, len(order)).tolist()
    own, meanwhile, moment = np.zeros((3, len(order)))
    met = [0] * len(made)
    replies: set[Reply] = set()
    for number, which in enumerate(order.tolist()):
        request = make(number, part(made[which], met[which], met[which] + 1))
        met[which] += 1
        time.sleep(_PAUSE_SECONDS)
        call.send(request)
        time.sleep(lags[number])
        moment[number] = time.monotonic() % BEAT_SECONDS
        neutral.send(nobody)
        body, *rest = call.reply()
        neutral.reply()
        own[number], meanwhile[number] = call.seconds, neutral.seconds
        if method == "AppendRecords":  # the one thing that differs, by what was sent alone
            told = pb.AppendRecordsResponse.FromString(body)
            if told != pb.AppendRecordsResponse(next_offset=number + 1):
                raise RuntimeError("an acknowledgement is not of what was sent")
            body = b""
        replies.add((body, *rest))  # type: ignore[arg-type]
    by_class = [{name: times[order == i] for i, name in enumerate(CLASSES)} for times in (own, meanwhile)]
    moments = {}
    for start, stop in itertools.pairwise(np.linspace(0, BEAT_SECONDS, _MOMENTS + 1)):
        came = (start <= moment) & (moment < stop)
        both = {CLASSES[i]: meanwhile[(order == i) & came] for i in range(2)}
        if min(map(len, both.values())) > 1:
            (moments[f"{start * 1000:.4g} to {stop * 1000:.4g} ms"],) = compare(both)
    medians = {name: round(float(np.median(times)) * 1000, 3) for name, times in by_class[0].items()}
    own_found, meanwhile_found = map(compare, by_class)
    return Outcome(len(order) // len(made), len(replies), medians, own_found, meanwhile_found, moments)


class _Unary:
    """Calls of one method, timed from `send` until the reply is there, whoever waits for it."""

    def __init__(self, channel: grpc.Channel, method: str) -> None:
        self._call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            f"/matcher.v1.FeedService/{method}"
        )
        self.seconds = 0.0

    def send(self, request: bytes) -> None:
        """Begin a call."""
        began = time.perf_counter()
        self._done = threading.Event()
        self._state = self._call.future(request)

        def ended(_: object) -> None:
            self.seconds = time.perf_counter() - began
            self._done.set()

        self._state.add_done_callback(ended)

    def reply(self) -> Reply:
        """What it was answered."""
        self._done.wait()
        body, state = self._state.result(), self._state
        return body, tuple(state.initial_metadata()), tuple(state.trailing_metadata()), state.details(), state.code()


def _missing(channel: grpc.Channel) -> Callable[[], None]:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/matcher.v1.FeedService/FindPerson")

    def probe() -> None:
        with suppress(grpc.RpcError):
            call(b"")

    return probe


def _health(channel: grpc.Channel) -> Callable[[], None]:
    call: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/grpc.health.v1.Health/Watch")

    def probe() -> None:
        watch = call(b"")
        next(watch)
        watch.cancel()

    return probe


PROBES = {"missing": _missing, "health": _health}
"""A method that is not there, and the first answer of a stream."""


class _Probing:
    """Calls of one kind after the other, for some time from `send` on; `seconds` is what the slowest took."""

    def __init__(self, probe: Callable[[], None]) -> None:
        self._probe = probe
        self.seconds = 0.0

    def send(self, _: bytes) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        until, self.seconds = time.perf_counter() + _PROBE_SECONDS, 0.0
        while (began := time.perf_counter()) < until:
            self._probe()
            self.seconds = max(self.seconds, time.perf_counter() - began)

    def reply(self) -> None:
        """Wait for the last one."""
        self._thread.join()


class _Streamed:
    """The same over one stream; its trailers come at its end, once for all."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._waiting: SimpleQueue[bytes] = SimpleQueue()
        self._came: SimpleQueue[tuple[bytes, float]] = SimpleQueue()
        call: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
            "/matcher.v1.FeedService/AppendRecords"
        )
        self._stream = call(iter(self._waiting.get, None))
        self.seconds = self._began = 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(grpc.RpcError):  # its end
            for body in self._stream:
                self._came.put((body, time.perf_counter()))

    def send(self, request: bytes) -> None:
        """Send the next request."""
        self._began = time.perf_counter()
        self._waiting.put(request)

    def reply(self) -> Reply:
        """What it was answered."""
        body, came = self._came.get(timeout=60)
        self.seconds = came - self._began
        return body, (), (), "", grpc.StatusCode.OK
