"""The coordinator's client: no alert lost over restarts, references opened, foreign seals shown as such."""

import threading
import time
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from matcher.coordinator import client as coordinating
from matcher.coordinator.client import AlertClient, OpenedAlert
from matcher.errors import RemoteError
from matcher.model import AlertKind, Resolution
from matcher.scheme import scheme_named
from matcher.service import alert as alert_service
from matcher.v1 import feed_service_pb2 as pb
from matcher.wire import batch_message
from tests.service.servers import (
    SCHEME,
    Deployed,
    Person,
    batch,
    little,
    people,
    person,
    tokens,
    wait_until,
)


@pytest.fixture
def client(deployed: Deployed) -> Iterator[AlertClient]:
    with deployed.alert_client() as made:
        yield made


def send(deployed: Deployed, agency: str, persons: list[Person]) -> None:
    request = pb.SubmitRecordsRequest(request_id=f"s{time.time_ns()}", batch=batch(agency, persons))
    deployed.feed(agency).SubmitRecords(request)


def known_to_two(deployed: Deployed, numbers: range) -> None:
    for agency in ("police", "clinic"):
        send(deployed, agency, people(numbers))
    deployed.settle()


def references(opened: OpenedAlert) -> dict[str, tuple[str, str] | None]:
    return {
        each.member.agency: (each.reference.reference, each.reference.note) if each.reference else None
        for each in opened.members
    }


def test_references_open_to_what_the_agencies_wrote(deployed: Deployed, client: AlertClient) -> None:
    send(deployed, "police", [person(0, record_ref="PNC/0001 Ä", note="call first")])
    send(deployed, "clinic", [person(0, record_ref="MRN-9")])
    deployed.settle()
    [opened] = client.alerts(follow=False)
    assert references(opened) == {"police": ("PNC/0001 Ä", "call first"), "clinic": ("MRN-9", "")}
    assert (opened.sequence, opened.alert.kind) == (1, AlertKind.KNOWN_TO_TWO)
    assert "PNC" not in repr(opened)


def test_an_alert_read_later_has_the_newest_seal_of_each_record(deployed: Deployed, client: AlertClient) -> None:
    for record in (person(0, note="call first"), person(0, note="call later")):
        send(deployed, "police", [record])
        send(deployed, "clinic", [person(0)])
    deployed.settle()
    [opened] = client.alerts(follow=False)
    assert references(opened) == {"police": ("REF-0", "call later"), "clinic": ("REF-0", "")}


def test_a_reference_sealed_to_another_key_is_none(deployed: Deployed, client: AlertClient) -> None:
    other = X25519PrivateKey.generate().public_key().public_bytes_raw()
    message = batch_message(tokens("police", [person(0)], other), SCHEME)
    deployed.feed("police").SubmitRecords(pb.SubmitRecordsRequest(request_id="s", batch=message))
    send(deployed, "clinic", [person(0)])
    deployed.settle()
    [opened] = client.alerts(follow=False)
    assert references(opened) == {"police": None, "clinic": ("REF-0", "")}


def test_with_the_wrong_private_key_all_are_none(deployed: Deployed) -> None:
    known_to_two(deployed, range(2))
    with deployed.alert_client(key=bytes(range(2, 34))) as wrong:
        assert [references(opened) for opened in wrong.alerts(follow=False)] == [{"police": None, "clinic": None}] * 2


def test_without_follow_it_ends_where_the_log_does(deployed: Deployed, client: AlertClient) -> None:
    assert list(client.alerts(follow=False)) == []
    known_to_two(deployed, range(5))
    assert [opened.sequence for opened in client.alerts(follow=False)] == [1, 2, 3, 4, 5]


def test_a_restart_of_the_client_resumes_behind_the_mark(deployed: Deployed, client: AlertClient) -> None:
    known_to_two(deployed, range(5))
    handled = client.alerts()
    for _ in range(3):
        client.acknowledge(next(handled).sequence)
    with deployed.alert_client() as again:
        assert [opened.sequence for opened in again.alerts(follow=False)] == [4, 5]
        assert again.acknowledge(5) == 5
        assert list(again.alerts(follow=False)) == []


def test_it_rides_out_restarts_without_gap_or_repeat(
    deployed: Deployed, client: AlertClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinating, "_LONGEST_PAUSE", 0.3)
    received: list[OpenedAlert] = []
    finished = threading.Event()

    def follow() -> None:
        for opened in client.alerts():
            received.append(opened)
            client.acknowledge(opened.sequence)
            if opened.sequence == 15:
                finished.set()
                return

    watcher = threading.Thread(target=follow)
    watcher.start()
    known_to_two(deployed, range(5))
    wait_until(lambda: len(received) == 5)
    deployed.restart(while_down=lambda: time.sleep(0.8))
    deployed.close_channels()
    known_to_two(deployed, range(5, 10))
    wait_until(lambda: len(received) == 10)
    deployed.restart()
    deployed.close_channels()
    known_to_two(deployed, range(10, 15))
    assert finished.wait(20)
    watcher.join()
    assert [opened.sequence for opened in received] == list(range(1, 16))
    sent = {f"REF-{number}" for number in range(15)}
    assert {references(opened)["police"][0] for opened in received} == sent  # type: ignore[index]
    assert deployed.server.matching.store.mark("default") == 15


def test_it_waits_for_a_matcher_that_is_not_there_yet(deployed: Deployed) -> None:
    known_to_two(deployed, range(2))
    received: list[int] = []

    def read() -> None:
        with deployed.alert_client() as client:
            received.extend(opened.sequence for opened in client.alerts(follow=False))

    reader = threading.Thread(target=read)

    def while_down() -> None:
        reader.start()
        time.sleep(0.7)

    deployed.restart(while_down=while_down)
    reader.join(20)
    assert received == [1, 2]


def test_without_follow_it_gives_up_on_a_matcher_that_stays_away(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinating, "_LONGEST_PAUSE", 0.3)

    def while_down() -> None:
        with deployed.alert_client() as client:
            for call in (
                lambda: list(client.alerts(follow=False)),
                lambda: client.acknowledge(0, follow=False),
            ):
                with pytest.raises(RemoteError) as raised:
                    call()
                assert raised.value.reason == "UNAVAILABLE"

    deployed.restart(while_down=while_down)


def test_a_newer_connection_ends_the_older(
    deployed: Deployed, client: AlertClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_service, "_FENCE_SECONDS", 0.05)
    known_to_two(deployed, range(1))
    older = client.alerts()
    next(older)
    with deployed.alert_client() as newer:
        next(newer.alerts())
        with pytest.raises(RemoteError) as raised:
            next(older)
    assert raised.value.reason == "ERROR_REASON_CONSUMER_FENCED"


def test_acknowledging_ahead_raises(client: AlertClient) -> None:
    with pytest.raises(RemoteError) as raised:
        client.acknowledge(1)
    assert raised.value.reason == "ERROR_REASON_ACKNOWLEDGE_AHEAD"


def test_pages_are_opened_too(deployed: Deployed, client: AlertClient) -> None:
    known_to_two(deployed, range(3))
    first, more = client.page(0, 2)
    rest, end = client.page(2, 2)
    assert ([opened.sequence for opened in first + rest], more, end) == ([1, 2, 3], True, False)
    assert {references(opened)["clinic"] for opened in first + rest} == {(f"REF-{n}", "") for n in range(3)}


def test_an_explanation_and_an_answer(deployed: Deployed, client: AlertClient) -> None:
    send(deployed, "police", people(range(8)))
    send(deployed, "clinic", [little(number) for number in range(8)])
    deployed.settle()
    waiting = list(client.possible_matches())
    assert len(waiting) == 8
    client.resolve(waiting[0].possible_match_id, Resolution.SAME_PERSON, "R. Evans")
    client.resolve(waiting[1].possible_match_id, Resolution.DIFFERENT_PEOPLE, "R. Evans", int(time.time()) + 1000)
    deployed.settle()
    assert {each.possible_match_id for each in client.possible_matches()} == {
        each.possible_match_id for each in waiting[2:]
    }
    [opened] = client.alerts(follow=False)
    explanation = client.explain(opened.alert.alert_id)
    assert explanation.person_id == opened.alert.person_id
    assert [link.reviewed for link in explanation.links] == [True]


def test_a_queue_longer_than_a_page_comes_whole(
    deployed: Deployed, client: AlertClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_service, "_PAGE", 3)
    send(deployed, "police", people(range(7)))
    send(deployed, "clinic", [little(number) for number in range(7)])
    deployed.settle()
    found = [each.possible_match_id for each in client.possible_matches()]
    assert len(found) == len(set(found)) == 7


def test_another_scheme_opens_nothing(deployed: Deployed) -> None:
    known_to_two(deployed, range(1))
    with deployed.alert_client() as client:
        client._scheme = scheme_named("generic-person-v1")
        [opened] = client.alerts(follow=False)
    assert references(opened) == {"police": None, "clinic": None}
