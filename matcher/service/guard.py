"""Stands before every method: authenticate, authorise, only then parse; and turns what goes wrong into a status.

Handlers get raw bytes from gRPC and are parsed here, so that a caller without the right to a method cannot make its
message be read.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeAlias

import grpc

from matcher.errors import InvalidArgumentError, MatcherError
from matcher.service.identity import Directory
from matcher.service.status import status_of

log = logging.getLogger(__name__)

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"  # generic in the type stubs only


class Guard(grpc.ServerInterceptor):
    """See the module."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], _Handler], details: grpc.HandlerCallDetails
    ) -> _Handler:
        """The method's handler, guarded."""
        handler = continuation(details)
        if handler is None:
            return None
        method: str = details.method
        parse = handler.request_deserializer or (lambda data: data)
        call: Callable[[Any, grpc.ServicerContext], Any] = (
            handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream  # type: ignore[assignment]
        )

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                self._directory.authorise(context, method)
                parsed = (
                    (_parse(parse, part) for part in request) if handler.request_streaming else _parse(parse, request)
                )
                return call(parsed, context)
            except Exception as error:
                _refuse(context, method, error)

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                self._directory.authorise(context, method)
                parsed = (
                    (_parse(parse, part) for part in request) if handler.request_streaming else _parse(parse, request)
                )
                yield from call(parsed, context)
            except Exception as error:
                _refuse(context, method, error)

        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[handler.request_streaming, handler.response_streaming]
        return make(stream if handler.response_streaming else answer, None, handler.response_serializer)


def _parse(parse: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return parse(data)
    except Exception:
        raise InvalidArgumentError("message", "cannot be read: is it of this contract's version?") from None


def _refuse(context: grpc.ServicerContext, method: str, error: Exception) -> NoReturn:
    if isinstance(error, MatcherError):
        log.info("refused %s: %s", method, error.REASON)
    else:
        # its message or frames might hold what must not be logged
        log.error("failed %s: %s", method, type(error).__name__)
    context.abort_with_status(status_of(error))
    raise AssertionError("abort_with_status always raises")
