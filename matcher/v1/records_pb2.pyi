from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecordBatch(_message.Message):
    __slots__ = ("scheme_digest", "epoch", "first_offset", "record_count", "row_count", "aliases", "row_records", "field_masks", "pass_masks", "block_tokens", "encodings", "observed_days", "flags", "encapsulation", "sealed_references")
    SCHEME_DIGEST_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FIRST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    ROW_RECORDS_FIELD_NUMBER: _ClassVar[int]
    FIELD_MASKS_FIELD_NUMBER: _ClassVar[int]
    PASS_MASKS_FIELD_NUMBER: _ClassVar[int]
    BLOCK_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ENCODINGS_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_DAYS_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    ENCAPSULATION_FIELD_NUMBER: _ClassVar[int]
    SEALED_REFERENCES_FIELD_NUMBER: _ClassVar[int]
    scheme_digest: bytes
    epoch: int
    first_offset: int
    record_count: int
    row_count: int
    aliases: bytes
    row_records: bytes
    field_masks: bytes
    pass_masks: bytes
    block_tokens: bytes
    encodings: bytes
    observed_days: bytes
    flags: bytes
    encapsulation: bytes
    sealed_references: bytes
    def __init__(self, scheme_digest: _Optional[bytes] = ..., epoch: _Optional[int] = ..., first_offset: _Optional[int] = ..., record_count: _Optional[int] = ..., row_count: _Optional[int] = ..., aliases: _Optional[bytes] = ..., row_records: _Optional[bytes] = ..., field_masks: _Optional[bytes] = ..., pass_masks: _Optional[bytes] = ..., block_tokens: _Optional[bytes] = ..., encodings: _Optional[bytes] = ..., observed_days: _Optional[bytes] = ..., flags: _Optional[bytes] = ..., encapsulation: _Optional[bytes] = ..., sealed_references: _Optional[bytes] = ...) -> None: ...

class SchemeField(_message.Message):
    __slots__ = ("name", "bits", "comparison")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    name: str
    bits: int
    comparison: str
    def __init__(self, name: _Optional[str] = ..., bits: _Optional[int] = ..., comparison: _Optional[str] = ...) -> None: ...

class Scheme(_message.Message):
    __slots__ = ("name", "digest", "canonical_json", "fields", "passes", "encoding_bytes", "sealed_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CANONICAL_JSON_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    PASSES_FIELD_NUMBER: _ClassVar[int]
    ENCODING_BYTES_FIELD_NUMBER: _ClassVar[int]
    SEALED_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: bytes
    canonical_json: str
    fields: _containers.RepeatedCompositeFieldContainer[SchemeField]
    passes: _containers.RepeatedScalarFieldContainer[str]
    encoding_bytes: int
    sealed_bytes: int
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[bytes] = ..., canonical_json: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[SchemeField, _Mapping]]] = ..., passes: _Optional[_Iterable[str]] = ..., encoding_bytes: _Optional[int] = ..., sealed_bytes: _Optional[int] = ...) -> None: ...
