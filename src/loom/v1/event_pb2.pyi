from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Confidentiality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONFIDENTIALITY_PUBLIC: _ClassVar[Confidentiality]
    CONFIDENTIALITY_SENSITIVE: _ClassVar[Confidentiality]
    CONFIDENTIALITY_PRIVATE: _ClassVar[Confidentiality]
    CONFIDENTIALITY_LOCAL_ONLY: _ClassVar[Confidentiality]
CONFIDENTIALITY_PUBLIC: Confidentiality
CONFIDENTIALITY_SENSITIVE: Confidentiality
CONFIDENTIALITY_PRIVATE: Confidentiality
CONFIDENTIALITY_LOCAL_ONLY: Confidentiality

class Event(_message.Message):
    __slots__ = ("id", "type", "timestamp_ms", "source", "metadata", "payload", "confidence", "tags", "priority", "topic", "content_type", "confidentiality", "untrusted", "key", "deadline_ms", "thread", "scope", "cause", "hop", "traceparent")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENTIALITY_FIELD_NUMBER: _ClassVar[int]
    UNTRUSTED_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    THREAD_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    HOP_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: str
    timestamp_ms: int
    source: str
    metadata: _containers.ScalarMap[str, str]
    payload: bytes
    confidence: float
    tags: _containers.RepeatedScalarFieldContainer[str]
    priority: int
    topic: str
    content_type: str
    confidentiality: Confidentiality
    untrusted: bool
    key: str
    deadline_ms: int
    thread: str
    scope: str
    cause: str
    hop: int
    traceparent: str
    def __init__(self, id: _Optional[str] = ..., type: _Optional[str] = ..., timestamp_ms: _Optional[int] = ..., source: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., payload: _Optional[bytes] = ..., confidence: _Optional[float] = ..., tags: _Optional[_Iterable[str]] = ..., priority: _Optional[int] = ..., topic: _Optional[str] = ..., content_type: _Optional[str] = ..., confidentiality: _Optional[_Union[Confidentiality, str]] = ..., untrusted: _Optional[bool] = ..., key: _Optional[str] = ..., deadline_ms: _Optional[int] = ..., thread: _Optional[str] = ..., scope: _Optional[str] = ..., cause: _Optional[str] = ..., hop: _Optional[int] = ..., traceparent: _Optional[str] = ...) -> None: ...
