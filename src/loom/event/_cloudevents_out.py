"""An Event as the JSON object of a CloudEvent."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

from loom.errors import InvalidEvent
from loom.event import _codec_json as strict_json
from loom.event import _rfc3339 as rfc3339
from loom.event._cloudevents_names import (
    EXACT,
    INT32,
    INT64,
    NAMELESS,
    TEXTS,
    UINT32,
    is_json_type,
    is_plain,
    is_reference,
    is_text,
    is_text_type,
)
from loom.event._codec_payload import encode_payload
from loom.event.event import Event, check

DEFAULT_LIMIT = 16 * 1024 * 1024


def to_cloudevent(event: Event, seq: int | None = None, limit: int = DEFAULT_LIMIT) -> dict[str, Any]:
    """*event* as the JSON object of a CloudEvent; *seq* is its number in the journal.

    Raises InvalidEvent for a field or a payload that has no JSON form and PayloadTooLarge above *limit* bytes.
    """
    check(event)
    content_type, payload = encode_payload(event.payload, event.content_type, limit)
    made: dict[str, Any] = {"specversion": "1.0", **_texts(event)}
    if "loomtopic" in made:
        made["subject"] = made["loomtopic"]
    _put_times(made, event)
    _put_facts(made, event)
    if seq is not None:
        made["loomseq"] = str(seq)
    if content_type:
        made["datacontenttype"] = content_type
    if event.payload is not None:
        _put_data(made, content_type, payload)
    return made


def _texts(event: Event) -> dict[str, str]:
    """The attributes of the fields that are texts: exact in a place of their own where theirs cannot carry them."""
    made: dict[str, str] = {}
    exact: dict[str, str] = {}
    for field, name in TEXTS.items():
        text = getattr(event, field)
        if text is None:
            continue
        if not is_text(text) or (field == "id" and not text):
            raise InvalidEvent(f"{field} must be text that UTF-8 can carry, not {text!r:.100}")
        if is_reference(text) if field == "source" else is_plain(text):
            made[name] = text
        elif field == "source" and not text:
            made[name] = NAMELESS
        else:
            exact[field] = text
            if field in ("id", "source", "type"):  # the standard wants them
                made[name] = quote(text, safe="")
    return {**made, EXACT: json.dumps(exact)} if exact else made


def _put_times(made: dict[str, Any], event: Event) -> None:
    moment = rfc3339.write(_bounded("timestamp_ms", event.timestamp_ms, INT64))
    made.update({"loomtime": str(event.timestamp_ms)} if moment is None else {"time": moment})
    if event.deadline_ms is not None:
        deadline = _bounded("deadline_ms", event.deadline_ms, INT64)
        made["loomdeadline"] = rfc3339.write(deadline) or str(deadline)


def _put_facts(made: dict[str, Any], event: Event) -> None:
    made["loomlabel"] = str(event.label)
    if event.hop:
        hop = _bounded("hop", event.hop, UINT32, 0)
        made["loomhop"] = hop if hop < INT32 else str(hop)  # the standard's integers have 32 bits
    if event.priority != 50:
        made["loompriority"] = int(event.priority)
    if event.confidence != 1:
        made["loomconfidence"] = repr(float(event.confidence))  # it has no fractions
    if event.tags:
        made["loomtags"] = _json("tags", event.tags)
    if event.metadata:
        made["loommetadata"] = _json("metadata", dict(event.metadata))


def _put_data(made: dict[str, Any], content_type: str, payload: bytes) -> None:
    if is_json_type(content_type):
        made["data"] = strict_json.load(payload)
        return
    try:
        if is_text_type(content_type):
            made["data"] = payload.decode()
            return
    except UnicodeDecodeError:
        pass
    made["data_base64"] = b64encode(payload).decode()


def _bounded(name: str, value: int, end: int, least: int | None = None) -> int:
    if not (-end if least is None else least) <= value < end:
        raise InvalidEvent(f"{name} {value} is out of the range that events can carry")
    return value


def _json(name: str, value: object) -> str:
    """*value* as JSON in ASCII, in which no character is forbidden."""
    if not is_text(json.dumps(value, ensure_ascii=False)):
        raise InvalidEvent(f"{name} must be text that UTF-8 can carry, not {value!r:.100}")
    return json.dumps(value)
