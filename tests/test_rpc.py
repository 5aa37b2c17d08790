"""What clients share: refusals become exceptions, with the matcher's reason or the transport's code."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from matcher.errors import RemoteError
from matcher.rpc import refusals

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


def test_what_is_no_failed_call_passes_through() -> None:
    with pytest.raises(KeyError), refusals():
        raise KeyError
    with refusals():
        pass


def test_a_remote_error_is_not_chained_to_the_call(fail) -> None:
    assert error_of(fail).__suppress_context__
