"""The feed client: the treaty is compared before anything is sent, and refusals come as exceptions."""

import time
from collections.abc import Iterator

import pytest

from matcher.agency.client import FeedClient
from matcher.agency.keys import LinkageKeys
from matcher.errors import (
    InputFileError,
    RemoteError,
    SchemeMismatchError,
    UnknownEpochError,
    WrongAgencyError,
    WrongKeyError,
)
from matcher.model import AlertKind
from matcher.scheme import scheme_named
from matcher.v1.records_pb2 import RecordBatch
from tests.service.servers import EPOCH, KEYS, MOST_RECORDS, SCHEME, Deployed, alias, batch, people, person


@pytest.fixture
def client(deployed: Deployed) -> Iterator[FeedClient]:
    with FeedClient(deployed.new_channel("agency-police")) as made:
        yield made


def test_the_treaty_agreed_tells_the_largest_batch(client: FeedClient) -> None:
    assert client.check("police", SCHEME, EPOCH, KEYS.key_check) == MOST_RECORDS


def test_another_scheme_is_noticed(client: FeedClient) -> None:
    with pytest.raises(SchemeMismatchError):
        client.check("police", scheme_named("generic-person-v1"), EPOCH, KEYS.key_check)


def test_another_epoch_is_noticed(client: FeedClient) -> None:
    with pytest.raises(UnknownEpochError):
        client.check("police", SCHEME, EPOCH + 1, KEYS.key_check)


def test_another_key_is_noticed(client: FeedClient) -> None:
    with pytest.raises(WrongKeyError):
        client.check("police", SCHEME, EPOCH, LinkageKeys(bytes(32), SCHEME, EPOCH).key_check)


def test_another_agencys_certificate_is_noticed(client: FeedClient) -> None:
    with pytest.raises(WrongAgencyError, match="this certificate is that of police; the configuration says clinic"):
        client.check("clinic", SCHEME, EPOCH, KEYS.key_check)


def test_append_yields_what_is_committed(client: FeedClient, deployed: Deployed) -> None:
    batches = [batch("police", people(range(at, at + 4)), at) for at in (0, 4, 8)]
    assert list(client.append("f", iter(batches))) == [4, 8, 12]
    assert client.next_offset("f") == 12
    assert list(client.append("f", [])) == []


def test_a_refusal_names_its_reason_and_where_to_resume(client: FeedClient) -> None:
    list(client.append("f", [batch("police", people(range(3)))]))
    with pytest.raises(RemoteError) as raised:
        list(client.append("f", [batch("police", people(range(3)))]))
    assert raised.value.reason == "ERROR_REASON_OFFSET_COMMITTED"
    assert raised.value.metadata == {"resume_offset": "3"}
    with pytest.raises(RemoteError) as raised:
        client.submit("s/s", batch("police", people(range(3))))
    assert raised.value.reason == "ERROR_REASON_INVALID_ARGUMENT"


def test_what_goes_wrong_in_the_source_is_raised_after_the_good_batches(client: FeedClient) -> None:
    def source() -> Iterator[RecordBatch]:
        yield batch("police", people(range(3)))
        raise InputFileError("row 5")

    offsets = client.append("f", source())
    assert next(offsets) == 3
    with pytest.raises(InputFileError, match="row 5"):
        list(offsets)
    assert client.next_offset("f") == 3


def test_submit_contacts_and_removal(client: FeedClient, deployed: Deployed) -> None:
    client.submit("s", batch("police", people(range(3))))
    with FeedClient(deployed.new_channel("agency-clinic")) as other:
        other.submit("s", batch("clinic", people(range(3))))
    assert [alert.kind for alert in deployed.alerts()] == [AlertKind.KNOWN_TO_TWO] * 3
    client.report_contacts("c", [alias("police", person(0))], [20_000])
    client.remove("r", [alias("police", each) for each in people(range(1, 3))])
    assert [alert.kind for alert in deployed.alerts()[3:]].count(AlertKind.WITHDRAWN) >= 2


def test_an_old_contact_counts(client: FeedClient, deployed: Deployed) -> None:
    """A contact outside the look-back window does not raise an alert; one inside it does."""
    client.submit("s", batch("police", [person(0, observed_day="2001-01-01")]))
    with FeedClient(deployed.new_channel("agency-clinic")) as other:
        other.submit("s", batch("clinic", people(range(1))))
    assert deployed.alerts() == []
    client.report_contacts("c1", [alias("police", person(0))], [19_000])
    assert deployed.alerts() == []
    today = int(time.time()) // 86400
    client.report_contacts("c2", [alias("police", person(0))], [today])
    assert [alert.kind for alert in deployed.alerts()] == [AlertKind.KNOWN_TO_TWO]


def test_a_matcher_that_is_not_there_is_unavailable(deployed: Deployed) -> None:
    reasons = []

    def ask() -> None:
        with FeedClient(deployed.new_channel("agency-police")) as client, pytest.raises(RemoteError) as raised:
            client.next_offset("f")
        reasons.append(raised.value.reason)

    deployed.restart(while_down=ask)
    assert reasons == ["UNAVAILABLE"]
