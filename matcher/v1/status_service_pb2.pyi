from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BlurredCount(_message.Message):
    __slots__ = ("value", "at_most")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    AT_MOST_FIELD_NUMBER: _ClassVar[int]
    value: int
    at_most: bool
    def __init__(self, value: _Optional[int] = ..., at_most: _Optional[bool] = ...) -> None: ...

class FeedStatus(_message.Message):
    __slots__ = ("agency", "records", "last_committed_day")
    AGENCY_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    LAST_COMMITTED_DAY_FIELD_NUMBER: _ClassVar[int]
    agency: str
    records: BlurredCount
    last_committed_day: int
    def __init__(self, agency: _Optional[str] = ..., records: _Optional[_Union[BlurredCount, _Mapping]] = ..., last_committed_day: _Optional[int] = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("version", "frames_waiting", "records", "alerts", "over_cap", "feeds", "removals_unconfirmed")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FRAMES_WAITING_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    OVER_CAP_FIELD_NUMBER: _ClassVar[int]
    FEEDS_FIELD_NUMBER: _ClassVar[int]
    REMOVALS_UNCONFIRMED_FIELD_NUMBER: _ClassVar[int]
    version: str
    frames_waiting: int
    records: BlurredCount
    alerts: BlurredCount
    over_cap: BlurredCount
    feeds: _containers.RepeatedCompositeFieldContainer[FeedStatus]
    removals_unconfirmed: BlurredCount
    def __init__(self, version: _Optional[str] = ..., frames_waiting: _Optional[int] = ..., records: _Optional[_Union[BlurredCount, _Mapping]] = ..., alerts: _Optional[_Union[BlurredCount, _Mapping]] = ..., over_cap: _Optional[_Union[BlurredCount, _Mapping]] = ..., feeds: _Optional[_Iterable[_Union[FeedStatus, _Mapping]]] = ..., removals_unconfirmed: _Optional[_Union[BlurredCount, _Mapping]] = ...) -> None: ...
