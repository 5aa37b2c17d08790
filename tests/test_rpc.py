"""What clients share: refusals become exceptions, with the matcher's reason or the transport's code."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from matcher.config import TlsFiles
from matcher.errors import DuplicateAliasError, NotFoundError, RemoteError
from matcher.pki import init_pki
from matcher.rpc import open_channel, refusals
from matcher.v1.errors_pb2 import ErrorReason
from tests.service.servers import write_config

NOT_FOUND = grpc.StatusCode.NOT_FOUND.value[0]


def packed(message: object) -> Any:
    detail = Any()
    detail.Pack(message)  # type: ignore[arg-type]
    return detail


@pytest.fixture
def fail() -> Iterator:
    """A call that fails with the status it is told."""

    def handler(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request:
            context.abort_with_status(rpc_status.to_status(Status.FromString(request)))
        context.abort(grpc.StatusCode.NOT_FOUND, "plain")

    pool = ThreadPoolExecutor(1)
    server = grpc.server(pool)
    handlers = {"Fail": grpc.unary_unary_rpc_method_handler(handler)}
    server.add_registered_method_handlers("t.T", handlers)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel.unary_unary("/t.T/Fail")
    server.stop(None).wait()
    pool.shutdown()


def error_of(fail, *details: Any) -> RemoteError:
    request = Status(code=NOT_FOUND, message="text", details=details).SerializeToString() if details else b""
    with pytest.raises(RemoteError) as raised, refusals():
        fail(request, timeout=10)
    return raised.value


def test_the_matchers_reason_and_metadata_are_kept(fail) -> None:
    info = ErrorInfo(reason="ERROR_REASON_OFFSET_GAP", domain="matcher.v1", metadata={"resume_offset": "3"})
    error = error_of(fail, packed(info))
    assert (error.reason, error.metadata) == ("ERROR_REASON_OFFSET_GAP", {"resume_offset": "3"})
    assert str(error) == "ERROR_REASON_OFFSET_GAP: text"


def test_a_reason_of_another_domain_is_not_taken_for_ours(fail) -> None:
    error = error_of(fail, packed(RetryInfo()), packed(ErrorInfo(reason="OTHER", domain="proxy.example")))
    assert (error.reason, error.metadata) == ("NOT_FOUND", {})


def test_our_detail_is_found_among_others(fail) -> None:
    error = error_of(fail, packed(RetryInfo()), packed(ErrorInfo(reason="R", domain="matcher.v1")))
    assert error.reason == "R"


def test_a_failure_without_a_status_has_the_transports_code(fail) -> None:
    error = error_of(fail)
    assert (error.reason, str(error)) == ("NOT_FOUND", "NOT_FOUND: plain")


def reasoned(fail, reason: str) -> RemoteError:
    return error_of(fail, packed(ErrorInfo(reason=reason, domain="matcher.v1")))


def test_a_refusal_comes_with_the_advice_of_its_reason(fail) -> None:
    assert reasoned(fail, "ERROR_REASON_NOT_FOUND").advice() == NotFoundError().advice()
    assert reasoned(fail, "ERROR_REASON_DUPLICATE_ALIAS").advice() == DuplicateAliasError().advice()
    later = "Try again later; if it goes on, tell the operator, whose log names the kind of failure."
    for reason in ("ERROR_REASON_INTERNAL", "ERROR_REASON_STORE_UNAVAILABLE", "ERROR_REASON_STORE_FULL", "R"):
        assert reasoned(fail, reason).advice() == later  # a caller cannot restore a backup


@pytest.mark.parametrize("reason", sorted({*ErrorReason.keys()} - {"ERROR_REASON_UNSPECIFIED"}))
def test_every_reason_has_advice_that_names_something_to_do(reason: str) -> None:
    assert len(RemoteError(reason, "", {}).advice()) > 30


def test_a_matcher_that_is_not_there_is_told_of_as_such(tmp_path: Path) -> None:
    init_pki(write_config(tmp_path), tmp_path / "pki", hosts=("matcher.example",))
    names = ("certificate", "key", "authority")
    tls = TlsFiles(**{name: tmp_path / "pki" / "server" / f"{name}.pem" for name in names})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "is it started" in no_answer(port, tls).advice()

    server = grpc.server(ThreadPoolExecutor(1))
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    wrong = no_answer(port, tls)
    server.stop(None).wait()
    assert "Set `server_name`" in wrong.advice()


def no_answer(port: int, tls: TlsFiles) -> RemoteError:
    with open_channel(f"127.0.0.1:{port}", tls) as channel, pytest.raises(RemoteError) as raised, refusals():
        channel.unary_unary("/t.T/Fail")(b"", timeout=10)
    return raised.value


def test_what_is_no_failed_call_passes_through() -> None:
    with pytest.raises(KeyError), refusals():
        raise KeyError
    with refusals():
        pass


def test_a_remote_error_is_not_chained_to_the_call(fail) -> None:
    assert error_of(fail).__suppress_context__
