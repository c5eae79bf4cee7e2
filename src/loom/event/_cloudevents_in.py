"""The JSON object of a CloudEvent as an Event; whoever wrote it may be a stranger."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from loom.errors import InvalidEvent, InvalidTopic
from loom.event import _codec_buffer as buffers
from loom.event import _codec_json as strict_json
from loom.event import _rfc3339 as rfc3339
from loom.event._cloudevents_names import (
    EXACT,
    INT64,
    NAMELESS,
    OWN,
    STANDARD,
    TEXTS,
    UINT32,
    is_json_type,
    is_text,
    is_text_type,
)
from loom.event._codec_payload import BYTES, JSON, decode_payload
from loom.event.event import Event, check
from loom.event.label import Label
from loom.event.topic import MAX_LENGTH, check_topic

FOREIGN = Label(untrusted=True)
"""The label of an event that says nothing about one."""

_DATA = ("data", "data_base64")
_NAME = re.compile(r"[a-z0-9]+\Z")
_WHOLE = re.compile(r"-?\d{1,20}\Z", re.ASCII)
_FRACTION = re.compile(r"\d{1,20}(?:\.\d{1,400})?(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)


def from_cloudevent(obj: object) -> tuple[Event, int | None]:
    """The event of a CloudEvent's JSON object, and its number in the journal it came from.

    A stranger's event gets its topic from its subject, or from its type. What an event says about its label is its own
    claim: give what strangers send a label of yours. Raises InvalidEvent naming the attribute that cannot be used.
    """
    if not isinstance(obj, Mapping):
        raise InvalidEvent(f"a CloudEvent is a JSON object, not {type(obj).__name__}")
    given = {name: value for name, value in obj.items() if value is not None or name == "data"}
    for name, value in given.items():
        _check_attribute(name, value)
    for name in ("id", "source", "type", "specversion"):
        if name not in given:
            raise InvalidEvent(f"CloudEvent attribute {name!r} is missing")
    if given["specversion"] != "1.0":
        raise _wrong("specversion", given["specversion"], "this Loom reads CloudEvents 1.0")
    return check(_event(given, _texts(given))), _whole(given, "loomseq", 0, INT64 - 1)


def topic_of(text: str) -> str:
    """*text* as a topic: ``/orders/42`` becomes ``orders.42``, what no topic may contain becomes ``_``."""
    tokens = re.split(r"[./]", text[:MAX_LENGTH])
    return ".".join(re.sub(r"[\s\x00*>]", "_", token) for token in tokens if token)


def _check_attribute(name: object, value: object) -> None:
    if name in _DATA:
        return
    if not isinstance(name, str) or not _NAME.match(name):
        raise InvalidEvent(f"CloudEvent attribute {name!r:.100}: names are lower-case letters and digits")
    if name in STANDARD and not (isinstance(value, str) and value):
        raise _wrong(name, value, "it must be a text that is not empty")
    if not isinstance(value, str | int):
        raise _wrong(name, value, "it must be a text, a whole number, true or false")
    if isinstance(value, int) and not -INT64 <= value < INT64:
        raise InvalidEvent(f"CloudEvent attribute {name!r} is a number of more than 64 bits")
    if isinstance(value, str) and not is_text(value):
        raise _wrong(name, value, "it contains half a character")


def _event(given: Mapping[str, Any], texts: Mapping[str, str | None]) -> Event:
    priority = _whole(given, "loompriority", 0, 100)
    content_type, payload = _payload(given)
    return Event(
        texts["type"] or given["type"],
        payload,
        id=texts["id"],
        source=texts["source"] or "",
        topic=_topic(given, texts["topic"]),
        timestamp_ms=_time(given),
        content_type=content_type,
        tags=_words(given),
        metadata=_metadata(given),
        confidence=_confidence(given),
        priority=50 if priority is None else priority,
        deadline_ms=_moment(given, "loomdeadline"),
        key=texts["key"] if texts["key"] is not None else _text(given, "partitionkey"),
        label=_label(given),
        hop=_whole(given, "loomhop", 0, UINT32 - 1) or 0,
        thread=texts["thread"],
        scope=texts["scope"],
        cause=texts["cause"],
        trace=texts["trace"],
    )


def _texts(given: Mapping[str, Any]) -> dict[str, str | None]:
    """The fields that are texts, by field."""
    exact = _json(given, EXACT, dict)
    if any(field not in TEXTS or not is_text(text) for field, text in exact.items()):
        raise _wrong(EXACT, given[EXACT], f"it may have texts for {', '.join(TEXTS)}")
    if not exact.get("id", "x") or not exact.get("type", "x"):
        raise _wrong(EXACT, given[EXACT], "id and type must not be empty")
    texts = {field: _text(given, name) for field, name in TEXTS.items()}
    if texts["source"] == NAMELESS:
        texts["source"] = ""
    return {**texts, **exact}


def _topic(given: Mapping[str, Any], topic: str | None) -> str:
    if topic is None:
        return topic_of(given.get("subject", given["type"])) or topic_of(given["type"]) or "cloudevents"
    try:
        return topic and check_topic(topic)
    except InvalidTopic as error:
        raise InvalidEvent(f"CloudEvent attribute 'loomtopic': {error}") from None


def _payload(given: Mapping[str, Any]) -> tuple[str | None, object]:
    """Content type and payload, such that they can be written again."""
    content_type: str | None = given.get("datacontenttype")
    if given.get("data") is not None and "data_base64" in given:
        raise InvalidEvent("CloudEvent attributes 'data' and 'data_base64' are both given; one is allowed")
    if "data_base64" in given:
        return content_type or BYTES, _decoded(_bytes(given), content_type or BYTES)
    if given.get("data") is None:
        return content_type, None
    return _characters(given["data"], content_type or JSON)


def _bytes(given: Mapping[str, Any]) -> bytes:
    try:
        return b64decode(given["data_base64"], validate=True)
    except (ValueError, TypeError):
        raise _wrong("data_base64", given["data_base64"], "it is not base64") from None


def _characters(data: object, content_type: str) -> tuple[str, object]:
    """What the attribute `data` means; JSON values are looked at as those of our own are."""
    if is_json_type(content_type):
        try:
            strict_json.dump(data, "data")
        except InvalidEvent as error:
            raise InvalidEvent(f"CloudEvent attribute 'data': {error}") from None
        return content_type, data
    if not isinstance(data, str) or not is_text(data):
        raise _wrong(
            "data", data, f"data of type {content_type[:100]!r} must be a text; bytes go into data_base64"
        )
    charset = buffers.parameters(content_type).get("charset", "utf-8").lower()
    if is_text_type(content_type) and charset not in ("utf-8", "utf8", "us-ascii"):
        content_type = (
            content_type.partition(";")[0].strip() + "; charset=utf-8"
        )  # these are characters already
    return content_type, _decoded(data.encode(), content_type)


def _decoded(data: bytes, content_type: str) -> object:
    try:
        return decode_payload(data, content_type)
    except InvalidEvent as error:
        raise InvalidEvent(f"CloudEvent attribute 'data': {error}") from None


def _time(given: Mapping[str, Any]) -> int | None:
    stamp = _whole(given, "loomtime", -INT64, INT64 - 1)
    return _moment(given, "time") if stamp is None else stamp


def _moment(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    stamp = rfc3339.read(value) if isinstance(value, str) else None
    if value is None or stamp is not None:
        return stamp
    if name != "time" and _WHOLE.match(str(value)):
        return _whole(given, name, -INT64, INT64 - 1)
    raise _wrong(name, value, "it must be a moment such as 2026-11-22T19:34:53.123Z")


def _whole(given: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not _WHOLE.match(str(value)) or not least <= int(value) <= most:
        raise _wrong(name, value, f"it must be a whole number from {least} to {most}")
    return int(value)


def _confidence(given: Mapping[str, Any]) -> float:
    value = given.get("loomconfidence", 1)
    if isinstance(value, bool) or not _FRACTION.match(str(value)) or not float(value) <= 1:
        raise _wrong("loomconfidence", value, "it must be a number from 0 to 1")
    return float(value)


def _label(given: Mapping[str, Any]) -> Label:
    value = _text(given, "loomlabel")
    try:
        return FOREIGN if value is None else Label.parse(value)
    except ValueError as error:
        raise _wrong("loomlabel", value, str(error)) from None


def _words(given: Mapping[str, Any]) -> tuple[str, ...]:
    words = _json(given, "loomtags", list)
    if not all(map(is_text, words)):
        raise _wrong("loomtags", given["loomtags"], "it must be the JSON of a list of texts")
    return tuple(words)


def _metadata(given: Mapping[str, Any]) -> dict[str, str] | None:
    facts: dict[str, str] = _json(given, "loommetadata", dict)
    if not all(is_text(name) and is_text(value) for name, value in facts.items()):
        raise _wrong("loommetadata", given["loommetadata"], "it must be the JSON of an object of texts")
    for name, value in given.items():
        if name not in OWN and name not in _DATA:
            facts[name] = value if isinstance(value, str) else json.dumps(value)
    return facts or None


def _json(given: Mapping[str, Any], name: str, kind: type[dict[Any, Any]] | type[list[Any]]) -> Any:
    """The value of the JSON text in an attribute, a *kind*; an empty one when there is no such attribute."""
    value = given.get(name)
    try:
        found = kind() if value is None else strict_json.load(str(value).encode(), name)
    except InvalidEvent:
        found = None
    if not isinstance(found, kind):
        raise _wrong(name, value, f"it must be the JSON of {'an object' if kind is dict else 'a list'}")
    return found


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is None or isinstance(value, str):
        return value
    raise _wrong(name, value, "it must be a text")


def _wrong(name: str, value: object, why: str) -> InvalidEvent:
    shown = repr(value[:80] if isinstance(value, str) else value)
    return InvalidEvent(f"CloudEvent attribute {name!r} is {shown:.100}: {why}")
