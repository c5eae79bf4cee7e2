"""An event as a row of the journal, and back: topic, header and payload, each on a line of its own."""

from __future__ import annotations

import json
from typing import Any

from loom.errors import InvalidEvent, StoreCorrupt
from loom.event import PUBLIC, Confidentiality, Event, Label
from loom.event._codec_payload import decode_payload, encode_payload
from loom.event.event import check

LIMIT = 16 * 1024 * 1024
_dumps = json.JSONEncoder(separators=(",", ":")).encode
# short names, for a journal has millions of rows
_OPTIONAL = (
    ("k", "key"), ("x", "deadline_ms"), ("th", "thread"), ("sc", "scope"), ("ca", "cause"), ("tr", "trace"),
)  # fmt: skip


def encode_event(event: Event, limit: int = LIMIT) -> tuple[bytes, bytes]:
    """The header (topic and fields, two lines) and the payload of *event*; raises InvalidEvent, PayloadTooLarge."""
    content_type, payload = encode_payload(event._payload, event._content_type, limit)
    header: dict[str, Any] = {"i": event.id, "y": event._type, "w": event.timestamp_ms}
    if event._source:
        header["s"] = event._source
    if content_type:
        header["c"] = content_type
    if event._tags or event._metadata or event._confidence != 1.0 or event._priority != 50:
        _rare(check(event), header)
    origin = event._origin
    if (
        event._key is not None
        or event._deadline_ms is not None
        or origin[1:4] != (None, None, None)
        or origin[5]
    ):
        header.update((short, v) for short, name in _OPTIONAL if (v := getattr(event, name)) is not None)
    if origin[0] is not PUBLIC and origin[0] != PUBLIC:
        header["l"] = [int(origin[0].confidentiality), int(origin[0].untrusted)]
    if origin[4]:
        header["h"] = origin[4]
    try:
        text = _dumps(header)
    except (TypeError, ValueError) as error:
        raise InvalidEvent(f"event {event.type!r} has a field that cannot be kept: {error}") from None
    return f"{event._topic}\n{text}\n".encode(), payload


def _rare(event: Event, header: dict[str, Any]) -> None:
    header.update(
        (short, value)
        for short, value, usual in (
            ("g", list(event.tags), []),
            ("m", dict(event.metadata), {}),
            ("f", event.confidence, 1.0),
            ("p", event.priority, 50),
        )
        if value != usual
    )


def topic_of(row: bytes) -> str:
    """The topic of a row, without reading the rest."""
    return row[: row.index(b"\n")].decode()


def decode_event(seq: int, row: bytes) -> Event:
    """The event of a row; raises StoreCorrupt where the row does not make sense."""
    try:
        topic, text, payload = row.split(b"\n", 2)
        header = json.loads(text)
        event = _event(topic.decode(), header, payload)
    except (ValueError, TypeError, KeyError, IndexError, InvalidEvent) as error:
        raise StoreCorrupt(f"journal entry {seq} cannot be read ({error}); run: loom store verify") from None
    event._journal = seq
    return event


def _event(topic: str, header: dict[str, Any], payload: bytes) -> Event:
    content_type = header.get("c", "")
    label = header.get("l")
    origin = {name: header[short] for short, name in _OPTIONAL[2:] if short in header}
    return check(
        Event(
            header["y"],
            decode_payload(payload, content_type),
            topic=topic,
            source=header.get("s", ""),
            tags=tuple(header.get("g", ())),
            metadata=header.get("m"),
            confidence=header.get("f", 1.0),
            priority=header.get("p", 50),
            timestamp_ms=header["w"],
            id=header["i"],
            content_type=content_type or None,
            key=header.get("k"),
            deadline_ms=header.get("x"),
            label=PUBLIC if label is None else Label(Confidentiality(label[0]), bool(label[1])),
            hop=header.get("h", 0),
            **origin,
        )
    )
