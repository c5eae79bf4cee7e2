"""Payloads as bytes: one form for each kind of value, named by the content type that undoes it."""

from __future__ import annotations

from typing import Any

from loom.errors import InvalidEvent, PayloadTooLarge
from loom.event import _codec_audio as sound
from loom.event import _codec_buffer as buffers
from loom.event import _codec_json as strict_json

JSON = "application/json"
BYTES = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"
PROTOBUF = "application/x-protobuf"
Raw = bytes | bytearray | memoryview


def encode_payload(payload: object, content_type: str | None, limit: int) -> tuple[str, bytes]:
    """Content type and bytes of *payload*; *content_type* None picks the form that fits the value.

    Raises InvalidEvent (path and type of what has no form) and PayloadTooLarge, before copying where it can.
    """
    if content_type:
        content_type, data = _encode_as(payload, content_type, limit)
    else:
        content_type, data = _encode_by_value(payload, limit)
    _check_size(len(data), limit)
    return content_type, data


def decode_payload(data: bytes, content_type: str) -> object:
    """The value of *data* in the form *content_type*; bytes when the form is not known. Raises InvalidEvent."""
    kind = _kind(content_type)
    if not kind:
        return data or None
    if _is_json(kind):
        return strict_json.load(data)
    if kind.startswith("text/"):
        return _text(data, content_type)
    if kind == buffers.CONTENT_TYPE:
        return buffers.parse(content_type, data)
    if kind == sound.CONTENT_TYPE:
        return sound.parse(content_type, data)
    if kind == PROTOBUF:
        return _message(data, content_type)
    return data


def _encode_by_value(payload: object, limit: int) -> tuple[str, bytes]:
    if payload is None:
        return "", b""
    if isinstance(payload, str):
        return TEXT, _utf8(payload)
    if isinstance(payload, bytes | bytearray):
        return BYTES, _raw(payload, limit)
    if isinstance(payload, dict | list | tuple | int | float):
        return JSON, strict_json.dump(payload)
    if _is_message(payload):
        name = payload.DESCRIPTOR.full_name  # type: ignore[attr-defined]
        return f"{PROTOBUF}; messageType={name}", _serialized(payload)
    if sound.is_audio(payload):
        return sound.describe(payload), _raw(payload.pcm, limit)  # type: ignore[arg-type,attr-defined]
    buffer = buffers.as_buffer(payload)
    if buffer is None:
        return JSON, strict_json.dump(payload)  # raises, naming the type
    plain = isinstance(payload, memoryview) and buffer.dtype == "uint8" and len(buffer.shape) == 1
    return BYTES if plain else buffers.describe(buffer), _raw(buffer.data, limit)


def _encode_as(payload: object, content_type: str, limit: int) -> tuple[str, bytes]:
    kind = _kind(content_type)
    if _is_json(kind):
        return content_type, strict_json.dump(payload)
    if kind.startswith("text/") and isinstance(payload, str):
        return content_type, _utf8(payload)
    if _is_message(payload):
        return content_type, _serialized(payload)
    if payload is None:
        return content_type, b""
    if kind == sound.CONTENT_TYPE and sound.is_audio(payload):
        return sound.describe(payload), _raw(payload.pcm, limit)  # type: ignore[arg-type,attr-defined]
    buffer = None if isinstance(payload, str) else buffers.as_buffer(payload)
    if buffer is None:
        raise InvalidEvent(
            f"payload is of type {type(payload).__name__}, which is no {content_type!r}; send bytes"
        )
    data = _raw(buffer.data, limit)
    if kind == buffers.CONTENT_TYPE:
        buffers.parse(content_type, data)
    return content_type, data


def _raw(data: Raw, limit: int) -> bytes:
    _check_size(memoryview(data).nbytes, limit)
    return bytes(data)


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise PayloadTooLarge(size, limit, "the event codec")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidEvent(
            f"payload is text that UTF-8 cannot carry: {error.reason} at {error.start}"
        ) from None


def _text(data: bytes, content_type: str) -> str:
    charset = buffers.parameters(content_type).get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise InvalidEvent(f"content type {content_type[:100]!r}: text is read as UTF-8 only")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidEvent(f"payload is not UTF-8 text: {error.reason} at byte {error.start}") from None


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _is_json(kind: str) -> bool:
    return kind == JSON or kind.endswith("+json")


def _is_message(payload: object) -> bool:
    return hasattr(payload, "SerializeToString") and hasattr(payload, "DESCRIPTOR")


def _serialized(message: Any) -> bytes:
    try:
        return bytes(message.SerializeToString(deterministic=True))
    except Exception as error:  # noqa: BLE001 - a message class is a stranger's code
        raise InvalidEvent(f"payload {message.DESCRIPTOR.full_name} cannot be serialised: {error}") from None


def _message(data: bytes, content_type: str) -> object:
    # Only classes that the program has loaded: the wire never makes us import anything.
    from google.protobuf import descriptor_pool, message_factory
    from google.protobuf.message import DecodeError

    name = buffers.parameters(content_type).get("messagetype", "")
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except (KeyError, UnicodeError):
        return data
    try:
        return message_factory.GetMessageClass(descriptor).FromString(data)
    except DecodeError as error:
        raise InvalidEvent(f"payload is not a {name}: {error}") from None
