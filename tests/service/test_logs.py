"""What a whole deployment logs and refuses holds no token, alias, key or value, in no encoding."""

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from matcher.agency.push import ClearTextSource, push
from matcher.config import AgencyConfig
from matcher.errors import RemoteError
from matcher.scheme import ALIAS_BYTES, TOKEN_BYTES
from matcher.v1 import alert_service_pb2, feed_service_pb2, status_service_pb2
from tests.agency.deployed import agency_config, csv_of
from tests.factory import DATABASE_KEY
from tests.service.servers import (
    COORDINATOR_KEY,
    COORDINATOR_PUBLIC,
    EPOCH,
    KEYS,
    LINKAGE_KEY,
    SCHEME,
    Deployed,
    Person,
    alias,
    batch,
    people,
    person,
    tokens,
    wait_until,
)

SEEN = person(1, forename="Zebulon", surname="Quixotterby", address="77 Xanthippe Mews", record_ref="REF-XYZZY-7")
UNSEEN = person(2, forename="Wilhelmina", surname="Vavasourling", address="78 Yggdrasil Row", record_ref="REF-PLUGH-8")
BROKEN = {**person(3), "record_ref": "REF-FROBOZZ-9", "identifier": "1234567890", "postcode": "QQ99 9QQ"}


def clear_text(record: Person) -> set[str]:
    return {value for value in record.values() if len(value) > 3}


def encodings_of(secret: bytes) -> set[str]:
    """How some bytes may look in a text: hex, base64 at any place of a longer run, a repr, a list of numbers."""
    found = {secret.hex(), secret.hex(" "), secret.hex(":"), repr(secret)[2:-1], str(list(secret))[1:-1]}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found |= {encode(bytes(shift) + secret)[4 : 4 * (len(secret) // 3)].decode() for shift in range(3)}
    found |= {
        base64.b32encode(secret).decode()[:16],
        str(int.from_bytes(secret, "big")),
        str(int.from_bytes(secret, "little")),
    }
    found.add(secret.decode("latin-1"))
    return {text.lower() for text in found}


def test_the_search_finds_what_is_planted() -> None:
    secret = bytes(range(100, 116))
    for text in (secret.hex().upper(), str(secret), base64.b64encode(b"?" + secret + b"??").decode(), f"{[*secret]}"):
        assert any(each in text.lower() for each in encodings_of(secret)), text


@pytest.fixture
def captured(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


def attempt(call: object, told: list[str]) -> None:
    """Make a call that must be refused, and keep all that the caller is told."""
    with pytest.raises(grpc.RpcError) as raised:
        call()  # type: ignore[operator]
    told.append(f"{raised.value.details()} {raised.value.trailing_metadata()} {raised.value}")


def test_nothing_secret_is_logged_or_told(
    tmp_path: Path, captured: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    with Deployed(tmp_path) as deployed:
        for agency, persons in (("police", [SEEN, UNSEEN, BROKEN]), ("clinic", [SEEN])):
            config = AgencyConfig.load(agency_config(deployed, agency))
            source = ClearTextSource(csv_of(tmp_path / f"{agency}.csv", persons), config)
            push(deployed.feed_client(agency), source, lambda offset: None)
            told += [f"{problem}" for problem in source.problems]
        deployed.settle()
        with deployed.alert_client() as coordinator:
            [opened] = list(coordinator.alerts(follow=False))
            told.append(repr(opened))
            coordinator.explain(opened.alert.alert_id)
            coordinator.acknowledge(1)
        told += [str(deployed.status.GetStatus(status_service_pb2.GetStatusRequest()))]
        for party in ("agency-police", "coordinator-hub", "operator-ops"):
            health = HealthStub(deployed.channel(party)).Check.with_call(health_pb2.HealthCheckRequest())
            told.append(str(health[0]) + str(health[1].trailing_metadata()))
        misuse(deployed, told)
        break_matching(deployed)
        deployed.restart()
    output = capfd.readouterr()
    logged = "\n".join(
        [
            record.getMessage() + str(record.exc_info) + str(record.exc_text) + str(record.args)
            for record in captured.records
        ]
    )
    everything = "\n".join([logged, captured.text, output.out, output.err, *told]).lower()
    assert "refused /matcher.v1.feedservice/submitrecords" in everything
    assert "matching failed" in everything
    assert "frames_waiting" in everything or "version:" in everything
    assert "status: serving" in everything
    for agency in ("police", "clinic"):
        made = tokens(agency, [SEEN, UNSEEN])
        secrets = [made.aliases[0], made.aliases[1], *made.block_tokens[made.block_tokens.any(axis=2)]]
        for secret in map(np.ndarray.tobytes, secrets):
            assert not any(each in everything for each in encodings_of(secret))
    for key in (
        LINKAGE_KEY,
        COORDINATOR_KEY,
        DATABASE_KEY,
        KEYS.sign_key("surname"),
        KEYS.pass_key(SCHEME.passes[0].name),
        bytes([1]) * 32,
    ):
        assert not any(each in everything for each in encodings_of(key))
    for value in set.union(*map(clear_text, (SEEN, UNSEEN, BROKEN))):
        assert value.lower() not in everything
    assert COORDINATOR_PUBLIC.hex() not in everything


def misuse(deployed: Deployed, told: list[str]) -> None:
    """Refusals of every kind, with secrets in what is refused."""
    feed = deployed.feed("police")

    def submit(**changed: object):
        message = batch("police", [SEEN, UNSEEN])
        for name, value in changed.items():
            setattr(message, name, value)
        return lambda: feed.SubmitRecords(feed_service_pb2.SubmitRecordsRequest(request_id="m", batch=message))

    good = batch("police", [SEEN, UNSEEN])
    attempt(submit(aliases=good.aliases[:ALIAS_BYTES] * 2), told)
    attempt(submit(aliases=good.aliases[1:]), told)
    attempt(submit(block_tokens=bytes(TOKEN_BYTES) + good.block_tokens[TOKEN_BYTES:]), told)
    attempt(submit(epoch=EPOCH + 1), told)
    attempt(submit(scheme_digest=good.aliases), told)
    attempt(submit(observed_days=good.aliases[:8]), told)
    attempt(submit(flags=good.aliases[:2]), told)
    flood = batch("police", [{**SEEN, "record_ref": f"R{number}"} for number in range(90)])
    attempt(lambda: feed.SubmitRecords(feed_service_pb2.SubmitRecordsRequest(request_id="m", batch=flood)), told)
    attempt(lambda: feed.OpenFeed(feed_service_pb2.OpenFeedRequest(feed_id=good.aliases.hex() + "00")), told)
    attempt(lambda: feed.OpenFeed(feed_service_pb2.OpenFeedRequest(feed_id="Quixotterby Zebulon")), told)
    raw = deployed.channel("agency-police").unary_unary("/matcher.v1.FeedService/SubmitRecords")
    attempt(lambda: raw(b"\xff" + good.aliases + b"Quixotterby"), told)
    attempt(lambda: deployed.channel("agency-police").unary_unary("/matcher.v1.AlertService/ListAlerts")(b""), told)
    attempt(
        lambda: deployed.alert.ExplainAlert(alert_service_pb2.ExplainAlertRequest(alert_id=alias("police", UNSEEN))),
        told,
    )


def break_matching(deployed: Deployed) -> None:
    """Make matching fail once with an exception whose text is a token, as a bug might."""
    matching = deployed.server.matching
    secret = tokens("police", [UNSEEN]).block_tokens[0, 0].tobytes()
    right = matching.pipeline.match_next

    def wrong(*, singly: bool = False) -> bool:
        matching.pipeline.match_next = right  # type: ignore[method-assign]
        raise ValueError(secret, "Quixotterby")

    matching.pipeline.match_next = wrong  # type: ignore[method-assign]
    request = feed_service_pb2.SubmitRecordsRequest(request_id="after", batch=batch("police", people([9])))
    deployed.feed("police").SubmitRecords(request)
    wait_until(lambda: not matching.working)
    wait_until(lambda: matching.working)
    deployed.settle()


def test_a_handler_that_fails_says_nothing_of_why(tmp_path: Path, captured: pytest.LogCaptureFixture) -> None:
    with Deployed(tmp_path) as deployed:
        store = deployed.server.matching.store

        def fail(*_: object) -> int:
            raise ValueError("Quixotterby")

        store.next_offset = fail  # type: ignore[method-assign]
        with pytest.raises(RemoteError) as raised:
            deployed.feed_client("police").next_offset("f")
    assert raised.value.reason == "ERROR_REASON_INTERNAL"
    assert "Quixotterby" not in str(raised.value) + captured.text
    assert "failed /matcher.v1.FeedService/OpenFeed: ValueError" in captured.text
