"""What an exception becomes on the wire: a google.rpc.Status with one ErrorInfo."""

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from matcher.errors import AuditError, MatcherError, StoreError, StoreFullError
from matcher.rpc import ERROR_DOMAIN

INTERNAL = "the matcher failed; nothing that was acknowledged is lost"
_CONSTANT = {
    StoreError.REASON: "the matcher's database cannot be used now; nothing acknowledged is lost: try again later",
    StoreFullError.REASON: "the matcher's disk is full; nothing acknowledged is lost: try again later",
    AuditError.REASON: "the matcher's audit log cannot be written now; nothing acknowledged is lost: try again later",
}
"""Instead of the exception's own text, which is for the operator and may name a path."""
_CODES = {
    "ERROR_REASON_WRONG_STRIDE": grpc.StatusCode.INVALID_ARGUMENT,
    "ERROR_REASON_BAD_TOKEN": grpc.StatusCode.INVALID_ARGUMENT,
    "ERROR_REASON_FLOODING_TOKEN": grpc.StatusCode.INVALID_ARGUMENT,
    "ERROR_REASON_DUPLICATE_ALIAS": grpc.StatusCode.INVALID_ARGUMENT,
    "ERROR_REASON_BAD_DAY": grpc.StatusCode.INVALID_ARGUMENT,
    "ERROR_REASON_OVERSIZE_BATCH": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "ERROR_REASON_SCHEME_MISMATCH": grpc.StatusCode.FAILED_PRECONDITION,
    "ERROR_REASON_UNKNOWN_EPOCH": grpc.StatusCode.FAILED_PRECONDITION,
    "ERROR_REASON_OFFSET_GAP": grpc.StatusCode.OUT_OF_RANGE,
    "ERROR_REASON_OFFSET_COMMITTED": grpc.StatusCode.ALREADY_EXISTS,
    "ERROR_REASON_REQUEST_REUSED": grpc.StatusCode.ALREADY_EXISTS,
    "ERROR_REASON_INVALID_ARGUMENT": grpc.StatusCode.INVALID_ARGUMENT,
    "ERROR_REASON_PERMISSION_DENIED": grpc.StatusCode.PERMISSION_DENIED,
    "ERROR_REASON_UNKNOWN_CALLER": grpc.StatusCode.UNAUTHENTICATED,
    "ERROR_REASON_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "ERROR_REASON_ACKNOWLEDGE_AHEAD": grpc.StatusCode.OUT_OF_RANGE,
    "ERROR_REASON_CONSUMER_FENCED": grpc.StatusCode.ABORTED,
    "ERROR_REASON_GREEN_AND_BLUE_REQUIRED": grpc.StatusCode.FAILED_PRECONDITION,
    "ERROR_REASON_CASE_STATE": grpc.StatusCode.FAILED_PRECONDITION,
    "ERROR_REASON_STORE_FULL": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "ERROR_REASON_STORE_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "ERROR_REASON_AUDIT_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "ERROR_REASON_QUOTA_EXCEEDED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "ERROR_REASON_NUMBERS_USED_UP": grpc.StatusCode.FAILED_PRECONDITION,
    "ERROR_REASON_UNKNOWN_METHOD": grpc.StatusCode.UNIMPLEMENTED,
}


def status_of(error: Exception) -> grpc.Status:
    """The status of a failed call. What is not a `MatcherError` says nothing of itself."""
    reason, message = MatcherError.REASON, INTERNAL
    if isinstance(error, MatcherError) and error.REASON in _CODES:
        reason, message = error.REASON, _CONSTANT.get(error.REASON, str(error))
    info = ErrorInfo(reason=reason, domain=ERROR_DOMAIN)
    if isinstance(error, MatcherError):
        info.metadata.update(error.details())
    detail = Any()
    detail.Pack(info)
    code = _CODES.get(reason, grpc.StatusCode.INTERNAL)
    return rpc_status.to_status(Status(code=code.value[0], message=message, details=[detail]))
