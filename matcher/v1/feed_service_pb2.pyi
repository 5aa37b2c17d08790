from matcher.v1 import records_pb2 as _records_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetSchemeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetSchemeResponse(_message.Message):
    __slots__ = ("scheme", "epoch", "key_check", "max_batch_records")
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    KEY_CHECK_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_RECORDS_FIELD_NUMBER: _ClassVar[int]
    scheme: _records_pb2.Scheme
    epoch: int
    key_check: bytes
    max_batch_records: int
    def __init__(self, scheme: _Optional[_Union[_records_pb2.Scheme, _Mapping]] = ..., epoch: _Optional[int] = ..., key_check: _Optional[bytes] = ..., max_batch_records: _Optional[int] = ...) -> None: ...

class OpenFeedRequest(_message.Message):
    __slots__ = ("feed_id",)
    FEED_ID_FIELD_NUMBER: _ClassVar[int]
    feed_id: str
    def __init__(self, feed_id: _Optional[str] = ...) -> None: ...

class OpenFeedResponse(_message.Message):
    __slots__ = ("next_offset",)
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    next_offset: int
    def __init__(self, next_offset: _Optional[int] = ...) -> None: ...

class AppendRecordsRequest(_message.Message):
    __slots__ = ("feed_id", "batch")
    FEED_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    feed_id: str
    batch: _records_pb2.RecordBatch
    def __init__(self, feed_id: _Optional[str] = ..., batch: _Optional[_Union[_records_pb2.RecordBatch, _Mapping]] = ...) -> None: ...

class AppendRecordsResponse(_message.Message):
    __slots__ = ("next_offset",)
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    next_offset: int
    def __init__(self, next_offset: _Optional[int] = ...) -> None: ...

class SubmitRecordsRequest(_message.Message):
    __slots__ = ("request_id", "batch")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    batch: _records_pb2.RecordBatch
    def __init__(self, request_id: _Optional[str] = ..., batch: _Optional[_Union[_records_pb2.RecordBatch, _Mapping]] = ...) -> None: ...

class SubmitRecordsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReportContactsRequest(_message.Message):
    __slots__ = ("request_id", "aliases", "observed_days")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_DAYS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    aliases: bytes
    observed_days: bytes
    def __init__(self, request_id: _Optional[str] = ..., aliases: _Optional[bytes] = ..., observed_days: _Optional[bytes] = ...) -> None: ...

class ReportContactsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RemoveRecordsRequest(_message.Message):
    __slots__ = ("request_id", "aliases")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    aliases: bytes
    def __init__(self, request_id: _Optional[str] = ..., aliases: _Optional[bytes] = ...) -> None: ...

class RemoveRecordsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchRemovalsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchRemovalsResponse(_message.Message):
    __slots__ = ("notice_id", "alias", "closed_at")
    NOTICE_ID_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    notice_id: bytes
    alias: bytes
    closed_at: int
    def __init__(self, notice_id: _Optional[bytes] = ..., alias: _Optional[bytes] = ..., closed_at: _Optional[int] = ...) -> None: ...

class ConfirmRemovalRequest(_message.Message):
    __slots__ = ("notice_ids",)
    NOTICE_IDS_FIELD_NUMBER: _ClassVar[int]
    notice_ids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, notice_ids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ConfirmRemovalResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
