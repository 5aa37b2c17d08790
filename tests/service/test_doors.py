"""Who is let in changes while the matcher serves: deny list, expiry, certificates taken over without a restart."""

import datetime
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from unittest.mock import Mock

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from matcher.errors import ConfigError, RemoteError
from matcher.pki import init_pki
from matcher.rpc import open_channel, remote_error
from matcher.service import server
from matcher.service.credentials import DenyList, ServerCertificate
from matcher.v1 import feed_service_pb2 as pb
from matcher.v1.feed_service_pb2_grpc import FeedServiceStub
from tests.service.servers import Deployed, batch, people, raw_channel, uri, wait_until, write_config
from tests.service.test_callers import authority_of, code_of, issued

UNKNOWN = "ERROR_REASON_UNKNOWN_CALLER"
WATCH = pb.WatchRemovalsRequest()


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    monkeypatch.setattr(server, "_DOOR_SECONDS", 0.05)
    (tmp_path / "denied").write_text("# nobody yet\n")
    with Deployed(tmp_path, deny_list="denied") as made:
        yield made


def deny(deployed: Deployed, *lines: str) -> None:
    """Replace the list, as an editor or a deployment would."""
    new = deployed.folder / "denied.new"
    new.write_text("\n".join(lines) + "\n")
    new.rename(deployed.folder / "denied")


def fingerprint(deployed: Deployed, party: str) -> str:
    pem = (deployed.folder / "pki" / party / "certificate.pem").read_bytes()
    return x509.load_pem_x509_certificate(pem).fingerprint(SHA256()).hex(":").upper()


def get_scheme(deployed: Deployed, agency: str) -> object:
    return deployed.feed(agency).GetScheme(pb.GetSchemeRequest())


def denied(deployed: Deployed, agency: str) -> bool:
    try:
        get_scheme(deployed, agency)
    except grpc.RpcError as error:  # asked once: the next answer may be another
        return remote_error(error).reason == UNKNOWN
    return False


# -- deny list -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["fingerprint", "name"])
def test_a_denied_caller_is_refused_and_its_streams_end(deployed: Deployed, by: str) -> None:
    watching = deployed.feed("police").WatchRemovals(WATCH)
    waiting: SimpleQueue[pb.AppendRecordsRequest] = SimpleQueue()
    appending = deployed.feed("police").AppendRecords(iter(waiting.get, None))
    waiting.put(pb.AppendRecordsRequest(feed_id="f", batch=batch("police", people([1]))))
    assert next(appending).next_offset == 1
    other = deployed.feed("clinic").WatchRemovals(WATCH)
    get_scheme(deployed, "clinic")
    deny(deployed, fingerprint(deployed, "agency-police") if by == "fingerprint" else uri("agency", "police"))
    for stream in (watching, appending):
        with pytest.raises(grpc.RpcError) as raised:
            next(stream)
        assert raised.value.code() is grpc.StatusCode.CANCELLED
    waiting.put(pb.AppendRecordsRequest(feed_id="f", batch=batch("police", people([2]), 1)))
    assert denied(deployed, "police")
    assert deployed.frames() == 1
    get_scheme(deployed, "clinic")
    assert other.is_active()
    other.cancel()
    deny(deployed)
    wait_until(lambda: not denied(deployed, "police"))


def test_a_fingerprint_shuts_out_one_certificate_and_not_the_party(deployed: Deployed) -> None:
    deny(deployed, fingerprint(deployed, "agency-police"))
    wait_until(lambda: denied(deployed, "police"))
    name = x509.UniformResourceIdentifier(uri("agency", "police"))
    key, certificate = issued(deployed.folder / "pki", [name])
    with raw_channel(deployed.address, authority_of(deployed.folder), key, certificate) as channel:
        assert FeedServiceStub(channel).GetScheme(pb.GetSchemeRequest()).epoch


def test_a_list_that_cannot_be_read_leaves_the_one_before_in_force(
    deployed: Deployed, caplog: pytest.LogCaptureFixture
) -> None:
    deny(deployed, uri("agency", "police"))
    wait_until(lambda: denied(deployed, "police"))
    with caplog.at_level(logging.ERROR):
        deny(deployed, "Quixotterby")
        wait_until(lambda: "not taken over" in caplog.text)
        (deployed.folder / "denied").unlink()
        wait_until(lambda: caplog.text.count("not taken over") > 1)
    assert "deny_list: line 1 is neither" in caplog.text
    assert "Quixotterby" not in caplog.text
    assert denied(deployed, "police")
    get_scheme(deployed, "clinic")


def test_a_wrong_list_is_refused_at_the_start_by_its_lines(tmp_path: Path) -> None:
    (tmp_path / "denied").write_text(f"# one\n{uri('agency', 'police')}\nabc\n{'0' * 63}\n")
    with pytest.raises(ConfigError) as raised:
        DenyList(tmp_path / "denied")
    lines = ["[matcher] deny_list: line 3 is", "[matcher] deny_list: line 4 is"]
    assert [problem.partition(" neither")[0] for problem in raised.value.problems] == lines


# -- expiry ----------------------------------------------------------------------------------------------------------


def test_a_certificate_that_expires_ends_its_open_connection_too(deployed: Deployed) -> None:
    name = x509.UniformResourceIdentifier(uri("agency", "police"))
    key, certificate = issued(deployed.folder / "pki", [name], ends=datetime.timedelta(seconds=4))
    with raw_channel(deployed.address, authority_of(deployed.folder), key, certificate) as channel:
        stub = FeedServiceStub(channel)
        assert stub.GetScheme(pb.GetSchemeRequest()).epoch
        with pytest.raises(grpc.RpcError) as raised:
            next(stub.WatchRemovals(WATCH, timeout=20))
        assert raised.value.code() is grpc.StatusCode.CANCELLED
        with pytest.raises(grpc.RpcError) as raised:
            stub.GetScheme(pb.GetSchemeRequest())
        assert raised.value.code() in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE}


def test_a_coordinator_whose_certificate_expires_goes_on_with_the_next(deployed: Deployed) -> None:
    from matcher.coordinator.client import AlertClient
    from matcher.coordinator.opening import Opener
    from tests.service.servers import COORDINATOR_KEY, SCHEME

    for agency in ("police", "clinic"):
        deployed.feed(agency).SubmitRecords(pb.SubmitRecordsRequest(request_id="r", batch=batch(agency, people([1]))))
    deployed.settle()
    ends = datetime.timedelta(seconds=4)
    key, certificate = issued(
        deployed.folder / "pki", [x509.UniformResourceIdentifier(uri("coordinator", "hub"))], ends=ends
    )
    opener, expired = Opener(COORDINATOR_KEY), time.monotonic() + ends.total_seconds() + 1
    with raw_channel(deployed.address, authority_of(deployed.folder), key, certificate) as channel:
        without = AlertClient(channel, "desk", opener, SCHEME)
        assert without.acknowledge(1) == 1
        time.sleep(max(expired - time.monotonic(), 0))
        with pytest.raises(RemoteError) as raised:
            without.acknowledge(1)
        assert raised.value.reason == UNKNOWN
        renewing = AlertClient(channel, "desk", opener, SCHEME, lambda: deployed.channel("coordinator-hub"))
        assert renewing.acknowledge(1) == 1


# -- certificates ----------------------------------------------------------------------------------------------------


def renewed(deployed: Deployed, tmp_path: Path) -> Path:
    """Folders of another authority, for the same parties."""
    (tmp_path / "other").mkdir()
    init_pki(write_config(tmp_path / "other"), tmp_path / "other" / "pki")
    return tmp_path / "other" / "pki"


def test_a_new_certificate_is_taken_over_and_open_streams_go_on(deployed: Deployed, tmp_path: Path) -> None:
    waiting: SimpleQueue[pb.AppendRecordsRequest | None] = SimpleQueue()
    appending = deployed.feed("police").AppendRecords(iter(waiting.get, None))
    waiting.put(pb.AppendRecordsRequest(feed_id="f", batch=batch("police", people([1]))))
    assert next(appending).next_offset == 1
    other = renewed(deployed, tmp_path)
    for name in ("certificate.pem", "key.pem", "authority.pem"):
        shutil.copy(other / "server" / name, deployed.folder / "pki" / "server" / name)
    new = other / "agency-clinic"
    with raw_channel(
        deployed.address,
        (new / "authority.pem").read_bytes(),
        (new / "key.pem").read_bytes(),
        (new / "certificate.pem").read_bytes(),
    ) as channel:
        assert FeedServiceStub(channel).GetScheme(pb.GetSchemeRequest(), timeout=10).epoch
    with open_channel(deployed.address, deployed.tls("agency-council")) as old:
        stub = FeedServiceStub(old)
        assert code_of(lambda: stub.GetScheme(pb.GetSchemeRequest())) is grpc.StatusCode.UNAVAILABLE
    waiting.put(pb.AppendRecordsRequest(feed_id="f", batch=batch("police", people([2]), 1)))
    assert next(appending).next_offset == 2
    waiting.put(None)
    assert list(appending) == []


@pytest.mark.parametrize("wrong", ["half", "garbage", "gone"])
def test_files_that_do_not_fit_together_are_not_taken_over(
    deployed: Deployed, tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    own = deployed.folder / "pki" / "server"
    if wrong == "half":
        shutil.copy(renewed(deployed, tmp_path) / "server" / "certificate.pem", own / "certificate.pem")
    elif wrong == "garbage":
        (own / "key.pem").write_text("Quixotterby")
    else:
        (own / "key.pem").unlink()
    with caplog.at_level(logging.INFO), open_channel(deployed.address, deployed.tls("agency-police")) as channel:
        assert FeedServiceStub(channel).GetScheme(pb.GetSchemeRequest(), timeout=10).epoch
    assert "not taken over" in caplog.text
    assert "Quixotterby" not in caplog.text


def test_a_certificate_that_could_not_be_read_once_is_read_again(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = ServerCertificate(deployed.config.tls)
    other = renewed(deployed, tmp_path)
    for name in ("certificate.pem", "key.pem", "authority.pem"):
        shutil.copy(other / "server" / name, deployed.folder / "pki" / "server" / name)

    def failing(_: Path) -> bytes:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", failing)
        assert own._changed() is None
    assert "[tls] has changed and is not taken over (OSError)" in caplog.text
    assert own._changed() is not None
    assert own._changed() is None, "and once it was read, there is nothing new"


def test_files_that_do_not_fit_are_told_of_once(
    deployed: Deployed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever connects has them looked at: the log must not be for strangers to fill."""
    own, pki = ServerCertificate(deployed.config.tls), deployed.folder / "pki" / "server"
    other = renewed(deployed, tmp_path) / "server"
    shutil.copy(other / "certificate.pem", pki / "certificate.pem")
    assert [own._changed() for _ in range(3)] == [None] * 3
    assert caplog.text.count("not taken over") == 1
    shutil.copy(other / "key.pem", pki / "key.pem")
    assert own._changed() is not None


def test_a_watching_coordinator_goes_on_with_its_renewed_certificate(deployed: Deployed, tmp_path: Path) -> None:
    """Both sides move to another authority: the coordinator's client reads its files again when it connects again."""
    from matcher.coordinator.client import AlertClient
    from matcher.coordinator.opening import Opener
    from tests.service.servers import COORDINATOR_KEY, SCHEME

    tls = deployed.tls("coordinator-hub")

    def connect() -> grpc.Channel:
        return open_channel(deployed.address, tls)

    seen: SimpleQueue[int] = SimpleQueue()
    with AlertClient(connect(), "c", Opener(COORDINATOR_KEY), SCHEME, connect) as client:
        alerts = client.alerts()
        threading.Thread(target=lambda: seen.put(next(alerts).sequence), daemon=True).start()
        time.sleep(0.2)
        other = renewed(deployed, tmp_path)
        for party in ("server", "coordinator-hub", "agency-police", "agency-clinic"):
            for name in ("certificate.pem", "key.pem", "authority.pem"):
                shutil.copy(other / party / name, deployed.folder / "pki" / party / name)
        deployed.close_channels()
        deployed.restart()
        for agency in ("police", "clinic"):
            request = pb.SubmitRecordsRequest(request_id="r", batch=batch(agency, people([1])))
            deployed.feed(agency).SubmitRecords(request)
        assert seen.get(timeout=30) == 1


def test_a_deny_list_that_could_not_be_read_is_read_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "denied"
    path.write_text("")
    found = DenyList(path)
    path.write_text(uri("agency", "a") + "\n")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", Mock(side_effect=PermissionError))
        found.refresh()
    assert not found.names
    found.refresh()
    assert found.names == {uri("agency", "a")}


def test_a_fingerprint_may_be_what_openssl_prints(tmp_path: Path) -> None:
    path, digits = tmp_path / "denied", "3f" * 32
    path.write_text(f"sha256 Fingerprint={':'.join(['3F'] * 32)}  # a laptop\n")
    assert DenyList(path).names == {digits}
    path.write_text(f"SHA1 Fingerprint={':'.join(['3F'] * 20)}\n")
    with pytest.raises(ConfigError, match=r"\[matcher\] deny_list: line 1 is neither"):
        DenyList(path)


def test_files_are_looked_at_by_time_size_and_place(tmp_path: Path) -> None:
    path = tmp_path / "denied"
    path.write_text(uri("agency", "a") + "\n")
    found = DenyList(path)
    before = path.stat()
    other = tmp_path / "new"
    other.write_text(uri("agency", "b") + "\n")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a copy that keeps times
    other.rename(path)
    found.refresh()
    assert found.names == {uri("agency", "b")}
