from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Qos(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QOS_BATCHED: _ClassVar[Qos]
    QOS_REALTIME: _ClassVar[Qos]
    QOS_BACKGROUND: _ClassVar[Qos]

class LogLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOG_LEVEL_INFO: _ClassVar[LogLevel]
    LOG_LEVEL_DEBUG: _ClassVar[LogLevel]
    LOG_LEVEL_WARNING: _ClassVar[LogLevel]
    LOG_LEVEL_ERROR: _ClassVar[LogLevel]
QOS_BATCHED: Qos
QOS_REALTIME: Qos
QOS_BACKGROUND: Qos
LOG_LEVEL_INFO: LogLevel
LOG_LEVEL_DEBUG: LogLevel
LOG_LEVEL_WARNING: LogLevel
LOG_LEVEL_ERROR: LogLevel

class Envelope(_message.Message):
    __slots__ = ("init", "hello", "call", "reply", "failure", "item", "stream_end", "credit", "cancel", "heartbeat", "lease", "release", "log", "shutdown")
    INIT_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    STREAM_END_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_FIELD_NUMBER: _ClassVar[int]
    init: Init
    hello: Hello
    call: Call
    reply: Reply
    failure: Failure
    item: Item
    stream_end: StreamEnd
    credit: Credit
    cancel: Cancel
    heartbeat: Heartbeat
    lease: Lease
    release: Release
    log: Log
    shutdown: Shutdown
    def __init__(self, init: _Optional[_Union[Init, _Mapping]] = ..., hello: _Optional[_Union[Hello, _Mapping]] = ..., call: _Optional[_Union[Call, _Mapping]] = ..., reply: _Optional[_Union[Reply, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., item: _Optional[_Union[Item, _Mapping]] = ..., stream_end: _Optional[_Union[StreamEnd, _Mapping]] = ..., credit: _Optional[_Union[Credit, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., lease: _Optional[_Union[Lease, _Mapping]] = ..., release: _Optional[_Union[Release, _Mapping]] = ..., log: _Optional[_Union[Log, _Mapping]] = ..., shutdown: _Optional[_Union[Shutdown, _Mapping]] = ...) -> None: ...

class Init(_message.Message):
    __slots__ = ("protocol", "name", "spec", "config", "memory_limit", "heartbeat_ms", "max_frame", "arenas")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    MEMORY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_FRAME_FIELD_NUMBER: _ClassVar[int]
    ARENAS_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    name: str
    spec: str
    config: bytes
    memory_limit: int
    heartbeat_ms: int
    max_frame: int
    arenas: _containers.RepeatedCompositeFieldContainer[Arena]
    def __init__(self, protocol: _Optional[int] = ..., name: _Optional[str] = ..., spec: _Optional[str] = ..., config: _Optional[bytes] = ..., memory_limit: _Optional[int] = ..., heartbeat_ms: _Optional[int] = ..., max_frame: _Optional[int] = ..., arenas: _Optional[_Iterable[_Union[Arena, _Mapping]]] = ...) -> None: ...

class Arena(_message.Message):
    __slots__ = ("name", "fd", "slots", "slot_bytes", "stride", "offset", "producer", "id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FD_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SLOT_BYTES_FIELD_NUMBER: _ClassVar[int]
    STRIDE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    fd: int
    slots: int
    slot_bytes: int
    stride: int
    offset: int
    producer: bool
    id: str
    def __init__(self, name: _Optional[str] = ..., fd: _Optional[int] = ..., slots: _Optional[int] = ..., slot_bytes: _Optional[int] = ..., stride: _Optional[int] = ..., offset: _Optional[int] = ..., producer: _Optional[bool] = ..., id: _Optional[str] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("protocol", "name", "methods", "pid", "rss")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    RSS_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    name: str
    methods: _containers.RepeatedScalarFieldContainer[str]
    pid: int
    rss: int
    def __init__(self, protocol: _Optional[int] = ..., name: _Optional[str] = ..., methods: _Optional[_Iterable[str]] = ..., pid: _Optional[int] = ..., rss: _Optional[int] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("json", "data", "buffer", "frame", "fields")
    JSON_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    BUFFER_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    json: bytes
    data: bytes
    buffer: Buffer
    frame: FrameHandle
    fields: Fields
    def __init__(self, json: _Optional[bytes] = ..., data: _Optional[bytes] = ..., buffer: _Optional[_Union[Buffer, _Mapping]] = ..., frame: _Optional[_Union[FrameHandle, _Mapping]] = ..., fields: _Optional[_Union[Fields, _Mapping]] = ...) -> None: ...

class Fields(_message.Message):
    __slots__ = ("values", "json")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...
    VALUES_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    values: _containers.MessageMap[str, Value]
    json: bytes
    def __init__(self, values: _Optional[_Mapping[str, Value]] = ..., json: _Optional[bytes] = ...) -> None: ...

class Buffer(_message.Message):
    __slots__ = ("dtype", "shape", "rate", "data")
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    dtype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    rate: float
    data: bytes
    def __init__(self, dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., rate: _Optional[float] = ..., data: _Optional[bytes] = ...) -> None: ...

class FrameHandle(_message.Message):
    __slots__ = ("arena", "slot", "generation", "size", "shape", "dtype")
    ARENA_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    arena: str
    slot: int
    generation: int
    size: int
    shape: _containers.RepeatedScalarFieldContainer[int]
    dtype: str
    def __init__(self, arena: _Optional[str] = ..., slot: _Optional[int] = ..., generation: _Optional[int] = ..., size: _Optional[int] = ..., shape: _Optional[_Iterable[int]] = ..., dtype: _Optional[str] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("id", "method", "body", "timeout_ms", "qos", "stream", "credit")
    ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    QOS_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    id: int
    method: str
    body: Value
    timeout_ms: int
    qos: Qos
    stream: bool
    credit: int
    def __init__(self, id: _Optional[int] = ..., method: _Optional[str] = ..., body: _Optional[_Union[Value, _Mapping]] = ..., timeout_ms: _Optional[int] = ..., qos: _Optional[_Union[Qos, str]] = ..., stream: _Optional[bool] = ..., credit: _Optional[int] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("id", "body")
    ID_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    id: int
    body: Value
    def __init__(self, id: _Optional[int] = ..., body: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("id", "code", "message", "retryable", "attributes", "trace")
    ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    id: int
    code: str
    message: str
    retryable: bool
    attributes: bytes
    trace: str
    def __init__(self, id: _Optional[int] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., retryable: _Optional[bool] = ..., attributes: _Optional[bytes] = ..., trace: _Optional[str] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("id", "body")
    ID_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    id: int
    body: Value
    def __init__(self, id: _Optional[int] = ..., body: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...

class StreamEnd(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class Credit(_message.Message):
    __slots__ = ("id", "count")
    ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    id: int
    count: int
    def __init__(self, id: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("rss",)
    RSS_FIELD_NUMBER: _ClassVar[int]
    rss: int
    def __init__(self, rss: _Optional[int] = ...) -> None: ...

class Lease(_message.Message):
    __slots__ = ("arena", "slots")
    ARENA_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    arena: str
    slots: _containers.RepeatedCompositeFieldContainer[Slot]
    def __init__(self, arena: _Optional[str] = ..., slots: _Optional[_Iterable[_Union[Slot, _Mapping]]] = ...) -> None: ...

class Slot(_message.Message):
    __slots__ = ("slot", "generation")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    slot: int
    generation: int
    def __init__(self, slot: _Optional[int] = ..., generation: _Optional[int] = ...) -> None: ...

class Release(_message.Message):
    __slots__ = ("arena", "slot")
    ARENA_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    arena: str
    slot: Slot
    def __init__(self, arena: _Optional[str] = ..., slot: _Optional[_Union[Slot, _Mapping]] = ...) -> None: ...

class Log(_message.Message):
    __slots__ = ("level", "text")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    level: LogLevel
    text: str
    def __init__(self, level: _Optional[_Union[LogLevel, str]] = ..., text: _Optional[str] = ...) -> None: ...

class Shutdown(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
