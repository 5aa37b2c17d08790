from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AlertKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALERT_KIND_UNSPECIFIED: _ClassVar[AlertKind]
    ALERT_KIND_KNOWN_TO_TWO: _ClassVar[AlertKind]
    ALERT_KIND_FURTHER_AGENCY: _ClassVar[AlertKind]
    ALERT_KIND_ESCALATION: _ClassVar[AlertKind]
    ALERT_KIND_NO_LONGER_IDENTIFIED: _ClassVar[AlertKind]
    ALERT_KIND_WITHDRAWN: _ClassVar[AlertKind]
    ALERT_KIND_MERGED: _ClassVar[AlertKind]

class ConfidenceBand(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONFIDENCE_BAND_UNSPECIFIED: _ClassVar[ConfidenceBand]
    CONFIDENCE_BAND_MODERATE: _ClassVar[ConfidenceBand]
    CONFIDENCE_BAND_HIGH: _ClassVar[ConfidenceBand]
    CONFIDENCE_BAND_VERY_HIGH: _ClassVar[ConfidenceBand]

class EvidenceBand(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVIDENCE_BAND_UNSPECIFIED: _ClassVar[EvidenceBand]
    EVIDENCE_BAND_MISSING: _ClassVar[EvidenceBand]
    EVIDENCE_BAND_AGREE: _ClassVar[EvidenceBand]
    EVIDENCE_BAND_SIMILAR: _ClassVar[EvidenceBand]
    EVIDENCE_BAND_DIFFER: _ClassVar[EvidenceBand]

class Resolution(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESOLUTION_UNSPECIFIED: _ClassVar[Resolution]
    RESOLUTION_SAME_PERSON: _ClassVar[Resolution]
    RESOLUTION_DIFFERENT_PEOPLE: _ClassVar[Resolution]
ALERT_KIND_UNSPECIFIED: AlertKind
ALERT_KIND_KNOWN_TO_TWO: AlertKind
ALERT_KIND_FURTHER_AGENCY: AlertKind
ALERT_KIND_ESCALATION: AlertKind
ALERT_KIND_NO_LONGER_IDENTIFIED: AlertKind
ALERT_KIND_WITHDRAWN: AlertKind
ALERT_KIND_MERGED: AlertKind
CONFIDENCE_BAND_UNSPECIFIED: ConfidenceBand
CONFIDENCE_BAND_MODERATE: ConfidenceBand
CONFIDENCE_BAND_HIGH: ConfidenceBand
CONFIDENCE_BAND_VERY_HIGH: ConfidenceBand
EVIDENCE_BAND_UNSPECIFIED: EvidenceBand
EVIDENCE_BAND_MISSING: EvidenceBand
EVIDENCE_BAND_AGREE: EvidenceBand
EVIDENCE_BAND_SIMILAR: EvidenceBand
EVIDENCE_BAND_DIFFER: EvidenceBand
RESOLUTION_UNSPECIFIED: Resolution
RESOLUTION_SAME_PERSON: Resolution
RESOLUTION_DIFFERENT_PEOPLE: Resolution

class AlertMember(_message.Message):
    __slots__ = ("agency", "sector", "alias", "encapsulation", "sealed_reference", "observed_day", "epoch")
    AGENCY_FIELD_NUMBER: _ClassVar[int]
    SECTOR_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    ENCAPSULATION_FIELD_NUMBER: _ClassVar[int]
    SEALED_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_DAY_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    agency: str
    sector: str
    alias: bytes
    encapsulation: bytes
    sealed_reference: bytes
    observed_day: int
    epoch: int
    def __init__(self, agency: _Optional[str] = ..., sector: _Optional[str] = ..., alias: _Optional[bytes] = ..., encapsulation: _Optional[bytes] = ..., sealed_reference: _Optional[bytes] = ..., observed_day: _Optional[int] = ..., epoch: _Optional[int] = ...) -> None: ...

class Alert(_message.Message):
    __slots__ = ("sequence", "alert_id", "kind", "person_id", "members", "confidence", "health_present", "police_present", "surviving_person_id", "rule_version", "raised_at")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ALERT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    HEALTH_PRESENT_FIELD_NUMBER: _ClassVar[int]
    POLICE_PRESENT_FIELD_NUMBER: _ClassVar[int]
    SURVIVING_PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    RULE_VERSION_FIELD_NUMBER: _ClassVar[int]
    RAISED_AT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    alert_id: bytes
    kind: AlertKind
    person_id: bytes
    members: _containers.RepeatedCompositeFieldContainer[AlertMember]
    confidence: ConfidenceBand
    health_present: bool
    police_present: bool
    surviving_person_id: bytes
    rule_version: str
    raised_at: int
    def __init__(self, sequence: _Optional[int] = ..., alert_id: _Optional[bytes] = ..., kind: _Optional[_Union[AlertKind, str]] = ..., person_id: _Optional[bytes] = ..., members: _Optional[_Iterable[_Union[AlertMember, _Mapping]]] = ..., confidence: _Optional[_Union[ConfidenceBand, str]] = ..., health_present: _Optional[bool] = ..., police_present: _Optional[bool] = ..., surviving_person_id: _Optional[bytes] = ..., rule_version: _Optional[str] = ..., raised_at: _Optional[int] = ...) -> None: ...

class WatchAlertsRequest(_message.Message):
    __slots__ = ("consumer", "after_sequence")
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    consumer: str
    after_sequence: int
    def __init__(self, consumer: _Optional[str] = ..., after_sequence: _Optional[int] = ...) -> None: ...

class WatchAlertsResponse(_message.Message):
    __slots__ = ("alert", "checkpoint")
    ALERT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    alert: Alert
    checkpoint: int
    def __init__(self, alert: _Optional[_Union[Alert, _Mapping]] = ..., checkpoint: _Optional[int] = ...) -> None: ...

class AcknowledgeAlertsRequest(_message.Message):
    __slots__ = ("consumer", "through_sequence")
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    THROUGH_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    consumer: str
    through_sequence: int
    def __init__(self, consumer: _Optional[str] = ..., through_sequence: _Optional[int] = ...) -> None: ...

class AcknowledgeAlertsResponse(_message.Message):
    __slots__ = ("through_sequence",)
    THROUGH_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    through_sequence: int
    def __init__(self, through_sequence: _Optional[int] = ...) -> None: ...

class ListAlertsRequest(_message.Message):
    __slots__ = ("after_sequence", "page_size")
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    after_sequence: int
    page_size: int
    def __init__(self, after_sequence: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListAlertsResponse(_message.Message):
    __slots__ = ("alerts", "more")
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    alerts: _containers.RepeatedCompositeFieldContainer[Alert]
    more: bool
    def __init__(self, alerts: _Optional[_Iterable[_Union[Alert, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class ExplainAlertRequest(_message.Message):
    __slots__ = ("alert_id",)
    ALERT_ID_FIELD_NUMBER: _ClassVar[int]
    alert_id: bytes
    def __init__(self, alert_id: _Optional[bytes] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("comparison", "band", "weight")
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    comparison: str
    band: EvidenceBand
    weight: float
    def __init__(self, comparison: _Optional[str] = ..., band: _Optional[_Union[EvidenceBand, str]] = ..., weight: _Optional[float] = ...) -> None: ...

class ExplainedLink(_message.Message):
    __slots__ = ("alias_l", "agency_l", "alias_r", "agency_r", "evidence", "prior", "weight", "confidence", "reviewed")
    ALIAS_L_FIELD_NUMBER: _ClassVar[int]
    AGENCY_L_FIELD_NUMBER: _ClassVar[int]
    ALIAS_R_FIELD_NUMBER: _ClassVar[int]
    AGENCY_R_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    REVIEWED_FIELD_NUMBER: _ClassVar[int]
    alias_l: bytes
    agency_l: str
    alias_r: bytes
    agency_r: str
    evidence: _containers.RepeatedCompositeFieldContainer[Evidence]
    prior: float
    weight: float
    confidence: ConfidenceBand
    reviewed: bool
    def __init__(self, alias_l: _Optional[bytes] = ..., agency_l: _Optional[str] = ..., alias_r: _Optional[bytes] = ..., agency_r: _Optional[str] = ..., evidence: _Optional[_Iterable[_Union[Evidence, _Mapping]]] = ..., prior: _Optional[float] = ..., weight: _Optional[float] = ..., confidence: _Optional[_Union[ConfidenceBand, str]] = ..., reviewed: _Optional[bool] = ...) -> None: ...

class ExplainAlertResponse(_message.Message):
    __slots__ = ("person_id", "links")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    person_id: bytes
    links: _containers.RepeatedCompositeFieldContainer[ExplainedLink]
    def __init__(self, person_id: _Optional[bytes] = ..., links: _Optional[_Iterable[_Union[ExplainedLink, _Mapping]]] = ...) -> None: ...

class ListPossibleMatchesRequest(_message.Message):
    __slots__ = ("page_size", "after_possible_match_id")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    AFTER_POSSIBLE_MATCH_ID_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    after_possible_match_id: bytes
    def __init__(self, page_size: _Optional[int] = ..., after_possible_match_id: _Optional[bytes] = ...) -> None: ...

class PossibleMatch(_message.Message):
    __slots__ = ("possible_match_id", "agency_l", "agency_r", "evidence")
    POSSIBLE_MATCH_ID_FIELD_NUMBER: _ClassVar[int]
    AGENCY_L_FIELD_NUMBER: _ClassVar[int]
    AGENCY_R_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    possible_match_id: bytes
    agency_l: str
    agency_r: str
    evidence: _containers.RepeatedCompositeFieldContainer[Evidence]
    def __init__(self, possible_match_id: _Optional[bytes] = ..., agency_l: _Optional[str] = ..., agency_r: _Optional[str] = ..., evidence: _Optional[_Iterable[_Union[Evidence, _Mapping]]] = ...) -> None: ...

class ListPossibleMatchesResponse(_message.Message):
    __slots__ = ("possible_matches", "more")
    POSSIBLE_MATCHES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    possible_matches: _containers.RepeatedCompositeFieldContainer[PossibleMatch]
    more: bool
    def __init__(self, possible_matches: _Optional[_Iterable[_Union[PossibleMatch, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class ResolvePossibleMatchRequest(_message.Message):
    __slots__ = ("possible_match_id", "resolution", "reviewer", "expires_at")
    POSSIBLE_MATCH_ID_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    REVIEWER_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    possible_match_id: bytes
    resolution: Resolution
    reviewer: str
    expires_at: int
    def __init__(self, possible_match_id: _Optional[bytes] = ..., resolution: _Optional[_Union[Resolution, str]] = ..., reviewer: _Optional[str] = ..., expires_at: _Optional[int] = ...) -> None: ...

class ResolvePossibleMatchResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
