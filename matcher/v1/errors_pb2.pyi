from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_WRONG_STRIDE: _ClassVar[ErrorReason]
    ERROR_REASON_BAD_TOKEN: _ClassVar[ErrorReason]
    ERROR_REASON_FLOODING_TOKEN: _ClassVar[ErrorReason]
    ERROR_REASON_DUPLICATE_ALIAS: _ClassVar[ErrorReason]
    ERROR_REASON_BAD_DAY: _ClassVar[ErrorReason]
    ERROR_REASON_OVERSIZE_BATCH: _ClassVar[ErrorReason]
    ERROR_REASON_SCHEME_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_UNKNOWN_EPOCH: _ClassVar[ErrorReason]
    ERROR_REASON_OFFSET_GAP: _ClassVar[ErrorReason]
    ERROR_REASON_OFFSET_COMMITTED: _ClassVar[ErrorReason]
    ERROR_REASON_REQUEST_REUSED: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_ARGUMENT: _ClassVar[ErrorReason]
    ERROR_REASON_PERMISSION_DENIED: _ClassVar[ErrorReason]
    ERROR_REASON_UNKNOWN_CALLER: _ClassVar[ErrorReason]
    ERROR_REASON_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_ACKNOWLEDGE_AHEAD: _ClassVar[ErrorReason]
    ERROR_REASON_CONSUMER_FENCED: _ClassVar[ErrorReason]
    ERROR_REASON_GREEN_AND_BLUE_REQUIRED: _ClassVar[ErrorReason]
    ERROR_REASON_CASE_STATE: _ClassVar[ErrorReason]
    ERROR_REASON_STORE_FULL: _ClassVar[ErrorReason]
    ERROR_REASON_STORE_UNAVAILABLE: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_WRONG_STRIDE: ErrorReason
ERROR_REASON_BAD_TOKEN: ErrorReason
ERROR_REASON_FLOODING_TOKEN: ErrorReason
ERROR_REASON_DUPLICATE_ALIAS: ErrorReason
ERROR_REASON_BAD_DAY: ErrorReason
ERROR_REASON_OVERSIZE_BATCH: ErrorReason
ERROR_REASON_SCHEME_MISMATCH: ErrorReason
ERROR_REASON_UNKNOWN_EPOCH: ErrorReason
ERROR_REASON_OFFSET_GAP: ErrorReason
ERROR_REASON_OFFSET_COMMITTED: ErrorReason
ERROR_REASON_REQUEST_REUSED: ErrorReason
ERROR_REASON_INVALID_ARGUMENT: ErrorReason
ERROR_REASON_PERMISSION_DENIED: ErrorReason
ERROR_REASON_UNKNOWN_CALLER: ErrorReason
ERROR_REASON_NOT_FOUND: ErrorReason
ERROR_REASON_ACKNOWLEDGE_AHEAD: ErrorReason
ERROR_REASON_CONSUMER_FENCED: ErrorReason
ERROR_REASON_GREEN_AND_BLUE_REQUIRED: ErrorReason
ERROR_REASON_CASE_STATE: ErrorReason
ERROR_REASON_STORE_FULL: ErrorReason
ERROR_REASON_STORE_UNAVAILABLE: ErrorReason
