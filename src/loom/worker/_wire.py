"""Envelopes as bytes, and values as messages: the only place of the worker that knows protobuf. A leaf."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loom.errors import InvalidEvent, MissingExtra, PayloadTooLarge, WorkerGarbage
from loom.event import _codec_json as strict_json
from loom.event._codec_buffer import Buffer, as_buffer
from loom.worker.frame import Frame, FrameHandle

try:
    from google.protobuf.message import DecodeError

    from loom.v1 import plugin_pb2 as pb
except ImportError:
    raise MissingExtra("worker", "protobuf") from None

PROTOCOL = 1
FrameFor = Callable[[Frame], FrameHandle | None]
FrameFrom = Callable[[FrameHandle], Frame]


def parse(data: bytes) -> tuple[str, Any]:
    """The kind and the message in one frame; raises WorkerGarbage when there is none."""
    try:
        envelope = pb.Envelope.FromString(data)
    except DecodeError:
        raise WorkerGarbage(f"{len(data)} bytes that are no Envelope (first {data[:16]!r})") from None
    kind = envelope.WhichOneof("message")
    if kind is None:
        raise WorkerGarbage(f"an Envelope of {len(data)} bytes without a message that this host knows")
    return kind, getattr(envelope, kind)


def envelope(**message: Any) -> bytes:
    """The bytes of the Envelope with this one message."""
    return bytes(pb.Envelope(**message).SerializeToString())


def to_value(body: object, handle_for: FrameFor, limit: int, where: str) -> Any:
    """*body* as a Value: JSON, bytes, an array, a frame, or a dict with some of these as values.

    A frame whose arena the other side does not map goes as a copy. Raises InvalidEvent (path and type) for
    what has no form and PayloadTooLarge naming *where* above *limit* bytes.
    """
    if isinstance(body, dict) and (special := [name for name, value in body.items() if _is_special(value)]):
        return pb.Value(fields=_fields(body, special, handle_for, limit, where))
    if isinstance(body, Frame):
        handle = handle_for(body)
        if handle is not None:
            return pb.Value(frame=_handle_message(handle))
    if isinstance(body, bytes | bytearray):
        return pb.Value(data=bytes(_within(body, limit, where)))
    if body is None or isinstance(body, str | int | float | list | tuple | dict):
        return pb.Value(json=_within(strict_json.dump(body, "body"), limit, where))
    buffer = as_buffer(body)
    if buffer is None:
        strict_json.dump(body, "body")  # raises, naming the type
        raise InvalidEvent(f"body of type {type(body).__name__} has no wire form")
    _within(buffer.data, limit, where)
    return pb.Value(
        buffer=pb.Buffer(dtype=buffer.dtype, shape=buffer.shape, rate=buffer.rate, data=bytes(buffer.data))
    )


def from_value(value: Any, frame_from: FrameFrom) -> object:
    """The object that *value* carries; raises WorkerGarbage when its parts contradict each other."""
    kind = value.WhichOneof("kind")
    try:
        if kind == "json":
            return strict_json.load(value.json, "body")
        if kind == "data":
            return value.data
        if kind == "buffer":
            rate = value.buffer.rate if value.buffer.HasField("rate") else None
            return Buffer(value.buffer.data, value.buffer.dtype, tuple(value.buffer.shape), rate)
        if kind == "frame":
            return frame_from(_handle(value.frame))
        if kind == "fields":
            return _fields_back(value.fields, frame_from)
    except (InvalidEvent, RecursionError) as error:
        raise WorkerGarbage(f"a value that contradicts itself: {error}") from None
    return None


def _fields(body: dict[str, object], special: list[str], handle_for: FrameFor, limit: int, where: str) -> Any:
    for name in body:
        if not isinstance(name, str):
            raise InvalidEvent(f"body has the key {name!r}; keys are strings")
    values = {name: to_value(body[name], handle_for, limit, where) for name in special}
    plain = {name: value for name, value in body.items() if name not in values}
    return pb.Fields(values=values, json=strict_json.dump(plain, "body") if plain else b"")


def _fields_back(fields: Any, frame_from: FrameFrom) -> dict[str, object]:
    plain = strict_json.load(fields.json, "body") if fields.json else {}
    if not isinstance(plain, dict):
        raise InvalidEvent("fields whose JSON is no object")
    return plain | {name: from_value(value, frame_from) for name, value in fields.values.items()}


def _is_special(value: object, depth: int = 0) -> bool:
    if isinstance(value, Frame):
        return True
    if value is None or isinstance(value, str | int | float | list | tuple):
        return False
    if isinstance(value, dict):
        if depth > strict_json.MAX_DEPTH:
            raise InvalidEvent(f"body is nested over {strict_json.MAX_DEPTH} deep, or contains itself")
        return any(_is_special(inner, depth + 1) for inner in value.values())
    return as_buffer(value) is not None


def _within(data: bytes | bytearray | memoryview, limit: int, where: str) -> Any:
    if len(data) > limit:
        raise PayloadTooLarge(len(data), limit, where)
    return data


def _handle_message(handle: FrameHandle) -> Any:
    return pb.FrameHandle(
        arena=handle.arena,
        slot=handle.slot,
        generation=handle.generation,
        size=handle.nbytes,
        shape=handle.shape,
        dtype=handle.dtype,
    )


def _handle(message: Any) -> FrameHandle:
    return FrameHandle(
        message.arena, message.slot, message.generation, message.size, tuple(message.shape), message.dtype
    )
