"""Stands before every method: authenticate, authorise, only then parse; and turns what goes wrong into a status.

Handlers get raw bytes from gRPC and are parsed here, so that a caller without the right to a method cannot make its
message be read. What is asked and told goes through the audit log (`matcher.service.auditing`).

When an agency is answered, and when others are heard, is kept apart: see `matcher.beat`.
"""

import logging
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, NoReturn, TypeAlias

import grpc

from matcher.beat import Beat
from matcher.errors import (
    InvalidArgumentError,
    MatcherError,
    QuotaExceededError,
    UnknownCallerError,
    UnknownMethodError,
    for_log,
)
from matcher.service.auditing import Auditor
from matcher.service.identity import Caller, Directory, Role, authorise, fingerprint
from matcher.service.metrics import CANCELLED, SERVED, Metrics
from matcher.service.status import status_of

log = logging.getLogger(__name__)
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in the type stubs only
_MISSING: _Handler = grpc.stream_stream_rpc_method_handler(lambda requests, context: iter(()))
_NO_METHOD = "/(none)/(none)"
"""What a caller makes up is not noted."""


class Guard(grpc.ServerInterceptor):
    """See the module."""

    def __init__(
        self, directory: Directory, streams_per_caller: int, metrics: Metrics, auditor: Auditor, beat: Beat
    ) -> None:  # fmt: skip
        self._directory = directory
        self._most_streams = streams_per_caller
        self._metrics = metrics
        self._auditor = auditor
        self._beat = beat
        self._streams: dict[grpc.ServicerContext, Caller] = {}
        self._lock = Lock()

    def end_denied(self) -> None:
        """End the open streams of callers who are let in no more."""
        for context in list(self._streams):
            try:
                self._directory.identify(context)
            except UnknownCallerError:
                log.info("ended a stream of a caller that is let in no more")
                context.cancel()

    def _hold(self, context: grpc.ServicerContext, caller: Caller) -> None:
        """Count a stream as open until its call ends; `QuotaExceededError` if its caller has too many."""
        with self._lock:
            if list(self._streams.values()).count(caller) >= self._most_streams:
                raise QuotaExceededError("streams_per_caller", self._most_streams, "too many open streams")
            self._streams[context] = caller

        def ended() -> None:
            self._streams.pop(context, None)

        if not context.add_callback(ended):  # it has ended already
            ended()

    def intercept_service(
        self, continuation: "Callable[[grpc.HandlerCallDetails], _Handler | None]", details: grpc.HandlerCallDetails
    ) -> _Handler:
        """The method's handler, guarded; of a method that is not there one that says so, no sooner than any other."""
        found = continuation(details)
        handler, method = (found, details.method) if found else (_MISSING, _NO_METHOD)
        parse = handler.request_deserializer or (lambda data: data)
        call: Callable[[Any, grpc.ServicerContext], Any] = (
            handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream  # type: ignore[assignment]
        )
        streams = handler.request_streaming or handler.response_streaming

        def replies(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            """The one reply of a unary method, or all of a stream."""
            of_an_agency = True  # as long as nobody knows
            audited = self._auditor.call(method)

            def asked(data: bytes) -> Any:
                if of_an_agency and not streams:  # those wait for what comes
                    self._beat.take(audited)
                return audited.asked(_parse(parse, data))

            try:
                caller = self._directory.identify(context)
                of_an_agency = caller.role is Role.AGENCY
                if not of_an_agency:
                    self._beat.begin()
                audited.by(caller)
                if not found:
                    raise UnknownMethodError("there is no such method")
                authorise(caller, method)
                audited.justified(context.invocation_metadata())
                if streams:
                    self._hold(context, caller)
                parsed = map(asked, request) if handler.request_streaming else asked(request)
                for reply in call(parsed, context) if handler.response_streaming else (call(parsed, context),):
                    audited.told(reply)
                    if of_an_agency:
                        self._beat.leave(audited)
                    yield reply
            except Exception as error:
                if isinstance(error, UnknownCallerError):
                    audited.by_unknown(fingerprint(context))
                if not isinstance(error, grpc.RpcError):
                    audited.refused(_reason(error))
                if of_an_agency:
                    self._beat.leave(audited)
                self._refuse(context, method, error)
            except GeneratorExit:
                self._metrics.count(method, CANCELLED)
                raise
            finally:
                self._beat.drop(audited)
            self._metrics.count(method, SERVED)

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            (reply,) = replies(request, context)
            return reply

        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[handler.request_streaming, handler.response_streaming]
        return make(replies if handler.response_streaming else answer, None, handler.response_serializer)

    def _refuse(self, context: grpc.ServicerContext, method: str, error: Exception) -> NoReturn:
        reason = _reason(error)
        self._metrics.count(method, CANCELLED if isinstance(error, grpc.RpcError) else reason)
        if isinstance(error, MatcherError):
            log.info("refused %s: %s", method, for_log(error))
        elif isinstance(error, grpc.RpcError):
            log.info("the caller of %s went away", method)
        else:
            log.error("failed %s: %s", method, for_log(error))
        context.abort_with_status(status_of(error))
        raise AssertionError("abort_with_status always raises")


def _reason(error: Exception) -> str:
    return error.REASON if isinstance(error, MatcherError) else MatcherError.REASON


def _parse(parse: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return parse(data)
    except Exception:
        raise InvalidArgumentError("message", "cannot be read: is it of this contract's version?") from None
