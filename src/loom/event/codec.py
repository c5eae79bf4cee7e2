"""Events as bytes and back: the wire form of proto/loom/v1/event.proto, made only at a boundary.

A leaf: it needs protobuf (extra `worker`), and the core never imports it.
"""

from __future__ import annotations

from typing import Any, cast

from loom.errors import InvalidEvent, InvalidTopic, LoomError, MissingExtra, PayloadTooLarge
from loom.event import Confidentiality, Event, Label
from loom.event._codec_buffer import Buffer
from loom.event._codec_payload import decode_payload, encode_payload
from loom.event.event import check
from loom.event.topic import check_topic

try:
    from google.protobuf.message import DecodeError

    from loom.v1 import event_pb2
except ImportError:
    raise MissingExtra("worker", "protobuf") from None

__all__ = ["DEFAULT_LIMIT", "Buffer", "decode", "encode"]

DEFAULT_LIMIT = 16 * 1024 * 1024
_CACHE = "_wire"  # the slot that an event keeps for its bytes
_OPTIONAL = ("key", "deadline_ms", "thread", "scope", "cause")


def encode(event: Event, limit: int = DEFAULT_LIMIT) -> bytes:
    """The wire form of *event*, made once and kept with it; at most *limit* bytes.

    Raises InvalidEvent for a field or a payload that has no wire form (with path and type) and PayloadTooLarge.
    """
    wire: bytes | None = getattr(event, _CACHE, None)
    if wire is None:
        wire = _encode(event, limit)
        if event.topic:  # the first publication still sets the topic of an event without one
            setattr(event, _CACHE, wire)
    if len(wire) > limit:
        raise PayloadTooLarge(len(wire), limit, "the event codec")
    return wire


def decode(data: bytes | bytearray | memoryview, limit: int = DEFAULT_LIMIT) -> Event:
    """The event of wire form *data*; raises InvalidEvent for any other bytes, PayloadTooLarge above *limit*."""
    if len(data) > limit:
        raise PayloadTooLarge(len(data), limit, "the event codec")
    try:
        message = event_pb2.Event.FromString(bytes(data))
    except DecodeError:
        raise InvalidEvent(f"{len(data)} bytes that are no loom.v1.Event") from None
    try:
        return _event(message)
    except (ValueError, TypeError, OverflowError, LoomError) as error:
        if isinstance(error, InvalidEvent):
            raise
        raise InvalidEvent(f"no usable event: {error}") from None


def _encode(event: Event, limit: int) -> bytes:
    check(event)
    _check_topic(event.topic)
    content_type, payload = encode_payload(event.payload, event.content_type, limit)
    try:
        message = event_pb2.Event(
            id=event.id,
            type=event.type,
            timestamp_ms=event.timestamp_ms,
            source=event.source,
            metadata=event.metadata,
            payload=payload,
            confidence=event.confidence,
            tags=event.tags,
            priority=event.priority,
            topic=event.topic,
            content_type=content_type,
            confidentiality=cast("Any", int(event.label.confidentiality)),
            untrusted=event.label.untrusted,
            hop=event.hop,
            traceparent=event.trace,
            **{name: getattr(event, name) for name in _OPTIONAL},
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidEvent(f"event {event.type!r} has a field with no wire form: {error}") from None
    return bytes(message.SerializeToString(deterministic=True))


def _event(message: Any) -> Event:
    if not message.id:
        raise InvalidEvent("event without an id")
    _check_topic(message.topic)
    optional = {name: getattr(message, name) for name in _OPTIONAL if message.HasField(name)}
    return check(
        Event(
            message.type,
            decode_payload(message.payload, message.content_type),
            topic=message.topic,
            source=message.source,
            tags=tuple(message.tags),
            metadata=dict(message.metadata),
            confidence=message.confidence,
            priority=message.priority,
            timestamp_ms=message.timestamp_ms,
            id=message.id,
            content_type=message.content_type or None,
            label=_label(message),
            hop=message.hop,
            trace=message.traceparent if message.HasField("traceparent") else None,
            **optional,
        )
    )


def _label(message: Any) -> Label:
    try:
        return Label(Confidentiality(message.confidentiality), message.untrusted)
    except ValueError:
        raise InvalidEvent(f"event with the unknown confidentiality {message.confidentiality}") from None


def _check_topic(topic: str) -> None:
    if not topic:
        return
    try:
        check_topic(topic)
    except InvalidTopic as error:
        raise InvalidEvent(str(error)) from None
