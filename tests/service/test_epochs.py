"""A change of the linkage key over real TLS: a window, two agencies that send again one after the other, its end."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matcher.agency.identity import SOURCE_COLUMNS, RawBatch
from matcher.agency.keys import LinkageKeys
from matcher.agency.normalise import normalise
from matcher.agency.tokeniser import Tokeniser
from matcher.errors import ConfigError, StoreError, UnknownEpochError, WrongKeyError
from matcher.frame import pack_records
from matcher.model import MatchOutcome
from matcher.service.database import open_store
from matcher.service.retiring import retire
from matcher.service.server import Server
from matcher.v1 import feed_service_pb2 as feed_pb
from matcher.v1 import status_service_pb2 as status_pb
from matcher.wire import batch_message
from tests.cli.test_commands import run
from tests.service.servers import (
    ALIAS_KEYS,
    COORDINATOR_PUBLIC,
    EPOCH,
    KEYS,
    SCHEME,
    Deployed,
    batch,
    people,
    refused,
    tokens,
    write_config,
)

NEXT = EPOCH + 1
NEXT_KEYS = LinkageKeys(bytes(range(100, 132)), SCHEME, NEXT)
WINDOW = {
    "epoch": NEXT,
    "key_check": NEXT_KEYS.key_check.hex(),
    "previous_epoch": EPOCH,
    "previous_key_check": KEYS.key_check.hex(),
}
COUNT = 12


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    """Twelve people known to the police and the clinic, and told of; then the window opens."""
    with Deployed(tmp_path) as made:
        for agency in ("police", "clinic"):
            request = feed_pb.SubmitRecordsRequest(request_id="s", batch=batch(agency, people(range(COUNT))))
            made.feed(agency).SubmitRecords(request)
        assert len(made.alerts()) == COUNT
        configure(made, **WINDOW)
        yield made


def configure(made: Deployed, **options: object) -> None:
    """Restart with another configuration."""
    made.close_channels()
    made.config = write_config(made.folder, **options)
    made.restart(while_down=lambda: None)


def send_again(made: Deployed, agency: str, count: int = COUNT) -> None:
    """An agency sends its records under the next key."""
    columns = {name: [each.get(name, "") for each in people(range(count))] for name in SOURCE_COLUMNS}
    raw = normalise(RawBatch(list(range(2, count + 2)), columns), SCHEME)
    found = Tokeniser(SCHEME, NEXT_KEYS, ALIAS_KEYS[agency], agency, COORDINATOR_PUBLIC).tokenise(raw)
    request = feed_pb.SubmitRecordsRequest(request_id="again", batch=batch_message(found, SCHEME, 0))
    made.feed(agency).SubmitRecords(request)
    made.settle()


def behind(made: Deployed) -> dict[str, int]:
    """What the operator is told each agency has still to send again."""
    told = made.status.GetStatus(status_pb.GetStatusRequest())
    assert told.records_of_previous_epoch.value in (0, 10, 25)  # 12 or 24, blurred
    return {feed.agency: feed.records_of_previous_epoch.value for feed in told.feeds}


def test_a_window_opens_agencies_send_again_and_it_ends_without_a_word(deployed: Deployed) -> None:
    assert behind(deployed) == {"police": 10, "clinic": 10, "council": 0}
    send_again(deployed, "police")
    assert (len(deployed.alerts()), behind(deployed)) == (COUNT, {"police": 0, "clinic": 10, "council": 0})
    deployed.restart()
    send_again(deployed, "clinic")
    assert (len(deployed.alerts()), behind(deployed)) == (COUNT, {"police": 0, "clinic": 0, "council": 0})
    pipeline = deployed.server.matching.pipeline
    assert len(pipeline.persons.everyone()) == COUNT
    deployed.close_channels()

    def end() -> None:
        assert retire(deployed.config, "KEY-2", remove=False) == {}
        deployed.config = write_config(deployed.folder, epoch=NEXT, key_check=NEXT_KEYS.key_check.hex())

    deployed.restart(while_down=end)
    assert len(deployed.alerts()) == COUNT
    assert deployed.server.matching.pipeline.registry.epochs_seen == {NEXT}


def test_the_former_key_and_a_wrong_one_are_refused_before_anything_is_sent(deployed: Deployed) -> None:
    client = deployed.feed_client("police")
    with pytest.raises(UnknownEpochError):
        client.check("police", SCHEME, EPOCH, KEYS.key_check)
    with pytest.raises(WrongKeyError):
        client.check("police", SCHEME, NEXT, LinkageKeys(bytes(32), SCHEME, NEXT).key_check)
    client.check("police", SCHEME, NEXT, NEXT_KEYS.key_check)
    frames = deployed.frames()
    request = feed_pb.SubmitRecordsRequest(request_id="old", batch=batch("police", people(range(2))))
    assert refused(lambda: deployed.feed("police").SubmitRecords(request)).reason == "ERROR_REASON_UNKNOWN_EPOCH"
    assert deployed.frames() == frames


def test_a_database_of_an_epoch_that_is_not_named_is_refused(deployed: Deployed) -> None:
    deployed.close_channels()

    def start() -> None:
        closed = write_config(deployed.folder, epoch=NEXT, key_check=NEXT_KEYS.key_check.hex())
        with pytest.raises(ConfigError, match=f"records of epoch {EPOCH}.*`matcher retire-epoch`"):
            Server(closed, open_store(closed))
        other = write_config(deployed.folder, **WINDOW | {"previous_key_check": bytes(16).hex()})
        with pytest.raises(StoreError, match=f"another key check of epoch {EPOCH}"):
            Server(other, open_store(other))

    deployed.restart(while_down=start)


def test_what_nobody_sends_again_goes_with_its_epoch_down_to_the_bytes(deployed: Deployed) -> None:
    send_again(deployed, "police")
    send_again(deployed, "clinic", COUNT - 2)
    store = deployed.server.matching.store
    frame = next(each for each in store.matched_frames() if each.frame.epoch == EPOCH).frame
    secrets = [ALIAS_KEYS["clinic"].alias(ref) for ref in ("REF-10", "REF-11")]
    assert all(secret in frame.payload for secret in secrets)
    deployed.close_channels()
    options = ("--config", deployed.folder / "matcher.toml", "--justification", "KEY-2")

    def end() -> None:
        kept = run("retire-epoch", *options)
        assert kept.exit_code == 1
        assert f"clinic: 2 records of epoch {EPOCH} not sent again" in kept.output
        done = run("retire-epoch", *options, "--yes")
        assert (done.exit_code, "2 records were removed" in done.output) == (0, True)
        assert "0 records were removed" in run("retire-epoch", *options, "--yes").output
        store = open_store(deployed.config)
        held = [matched.frame for matched in store.matched_frames()]
        assert {each.epoch for each in held} == {NEXT}
        assert all(frame.payload == b"" for frame in store.frames_after(0, 100) if frame.epoch == EPOCH)
        store.close()
        write_config(deployed.folder, epoch=NEXT, key_check=NEXT_KEYS.key_check.hex())

    deployed.restart(while_down=end)
    alerts = deployed.alerts()
    assert [alert.kind.name for alert in alerts[COUNT:]] == ["WITHDRAWN", "WITHDRAWN"]
    lines = [json.loads(line) for line in (deployed.folder / "audit.log").read_text().splitlines()]
    entries = [line for line in lines if line.get("event") == "retire-epoch"]
    assert [(each["operation"], each["epoch"], each["records"], each["justification"]) for each in entries] == [
        ("erasure", EPOCH, count, "KEY-2") for count in (2, 0)
    ]


def test_records_of_an_agency_that_left_are_not_removed_without_being_asked(deployed: Deployed) -> None:
    for agency in ("police", "clinic"):
        send_again(deployed, agency)
    deployed.close_channels()

    def end() -> None:
        with closing(open_store(deployed.config)) as store:
            store.append("council", "f", 0, 2, EPOCH, pack_records(tokens("council", people(range(2)))), 1)
            numbers = {store.committed_through: np.array([900, 901])}
            store.commit_matching(MatchOutcome(store.committed_through, 902, numbers, today=store.today))
        without = replace(deployed.config, agencies=tuple(a for a in deployed.config.agencies if a.name != "council"))
        assert retire(without, "KEY-2", remove=False) == {"council": 2}
        with closing(open_store(without)) as store:
            assert EPOCH in store.epochs()
        assert retire(without, "KEY-2", remove=True) == {"council": 2}
        with closing(open_store(without)) as store:
            assert EPOCH not in store.epochs()

    deployed.restart(while_down=end)


def test_an_agency_is_not_taken_out_while_what_it_sent_waits(deployed: Deployed) -> None:
    deployed.server.matching.stop()
    request = feed_pb.SubmitRecordsRequest(request_id="late", batch=batch("council", people([1]), epoch=NEXT))
    deployed.feed("council").SubmitRecords(request)
    deployed.close_channels()

    def start() -> None:
        without = replace(deployed.config, agencies=tuple(a for a in deployed.config.agencies if a.name != "council"))
        with pytest.raises(ConfigError, match="what council sent last is not matched yet: put that agency back"):
            Server(without, open_store(without))
        with pytest.raises(ConfigError, match="council"):
            retire(without, "KEY-2", remove=True)

    deployed.restart(while_down=start)
    deployed.settle()


def test_without_a_previous_epoch_there_is_nothing_to_retire(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="previous_epoch"):
        retire(write_config(tmp_path), "KEY-2", remove=True)
    with pytest.raises(StoreError, match="not there"):
        retire(write_config(tmp_path, **WINDOW), "KEY-2", remove=True)
