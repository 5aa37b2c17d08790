from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CaseState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CASE_STATE_UNSPECIFIED: _ClassVar[CaseState]
    CASE_STATE_OPEN: _ClassVar[CaseState]
    CASE_STATE_PLANNED: _ClassVar[CaseState]
    CASE_STATE_CLOSING: _ClassVar[CaseState]
    CASE_STATE_CLOSED: _ClassVar[CaseState]
CASE_STATE_UNSPECIFIED: CaseState
CASE_STATE_OPEN: CaseState
CASE_STATE_PLANNED: CaseState
CASE_STATE_CLOSING: CaseState
CASE_STATE_CLOSED: CaseState

class OpenCaseRequest(_message.Message):
    __slots__ = ("person_id",)
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    person_id: bytes
    def __init__(self, person_id: _Optional[bytes] = ...) -> None: ...

class OpenCaseResponse(_message.Message):
    __slots__ = ("case_id",)
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    case_id: bytes
    def __init__(self, case_id: _Optional[bytes] = ...) -> None: ...

class RecordDecisionRequest(_message.Message):
    __slots__ = ("case_id", "decision_id", "participants")
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    case_id: bytes
    decision_id: str
    participants: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, case_id: _Optional[bytes] = ..., decision_id: _Optional[str] = ..., participants: _Optional[_Iterable[str]] = ...) -> None: ...

class RecordDecisionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CloseCaseRequest(_message.Message):
    __slots__ = ("case_id",)
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    case_id: bytes
    def __init__(self, case_id: _Optional[bytes] = ...) -> None: ...

class CloseCaseResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCaseRequest(_message.Message):
    __slots__ = ("case_id",)
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    case_id: bytes
    def __init__(self, case_id: _Optional[bytes] = ...) -> None: ...

class GetCaseResponse(_message.Message):
    __slots__ = ("state", "person_id", "decisions", "awaiting_removal", "opened_at", "closed_at")
    STATE_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    AWAITING_REMOVAL_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    state: CaseState
    person_id: bytes
    decisions: int
    awaiting_removal: _containers.RepeatedScalarFieldContainer[str]
    opened_at: int
    closed_at: int
    def __init__(self, state: _Optional[_Union[CaseState, str]] = ..., person_id: _Optional[bytes] = ..., decisions: _Optional[int] = ..., awaiting_removal: _Optional[_Iterable[str]] = ..., opened_at: _Optional[int] = ..., closed_at: _Optional[int] = ...) -> None: ...
