"""What all clients share: a mutually authenticated channel, and refusals as exceptions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from matcher.config import TlsFiles
from matcher.errors import ConfigError, RemoteError

MAX_MESSAGE_BYTES = 32 << 20
"""Largest message sent or taken; a batch of the largest permitted record count stays well below."""
ERROR_DOMAIN = "matcher.v1"
JUSTIFICATION = "justification"
"""Metadata of a call: the caller's own reference to why it asks, for the audit log."""


def open_channel(
    address: str, tls: TlsFiles, server_name: str | None = None, justification: str | None = None
) -> grpc.Channel:
    """A channel to the matcher. `server_name`: the DNS name its certificate must have, if not the address's own.
    `justification`: sent with every call. `ConfigError` if a file of `tls` cannot be read."""
    try:
        files = [path.read_bytes() for path in (tls.authority, tls.key, tls.certificate)]
    except OSError as error:
        raise ConfigError("[tls]", [f"[tls]: {error.filename} cannot be read"]) from None
    credentials = grpc.ssl_channel_credentials(*files)
    options: list[tuple[str, str | int]] = [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
    ]
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    channel = grpc.secure_channel(address, credentials, options)
    return grpc.intercept_channel(channel, _Justified(justification)) if justification else channel


class Client:
    """Whoever calls over a channel, which is closed at the end of a `with`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()


class _Justified(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Says why a call is made."""

    def __init__(self, justification: str) -> None:
        self._justification = justification

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """The call, with its justification."""
        metadata = (*(details.metadata or ()), (JUSTIFICATION, self._justification))
        return continuation(details._replace(metadata=metadata), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        """The same."""
        return self.intercept_unary_unary(continuation, details, request)


@contextmanager
def refusals() -> Iterator[None]:
    """Raise a refused call as `RemoteError`."""
    try:
        yield
    except grpc.RpcError as error:
        raise remote_error(error) from None


def remote_error(error: grpc.RpcError) -> RemoteError:
    """A failed call as an exception: the reason the matcher gave, or the transport's code where it gave none."""
    call = cast(grpc.Call, error)
    status = rpc_status.from_call(call)
    if status is not None:
        for detail in status.details:
            info = ErrorInfo()
            if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
                return RemoteError(info.reason, status.message, dict(info.metadata))
    return RemoteError(call.code().name, call.details() or "no answer", {})
