"""An event as a row of the journal, and back: topic, header and payload, each on a line of its own."""

from __future__ import annotations

from typing import Any

from loom.errors import InvalidEvent, MissingKey, PayloadTooLarge, Shredded, StoreCorrupt, WrongKey
from loom.event import PUBLIC, Event
from loom.event import _codec_json as strict_json
from loom.event._codec_payload import JSON, decode_payload, encode_payload
from loom.event.event import check
from loom.store import Put
from loom.store.leaves import THRESHOLD, digest_of, split, unite
from loom.store.text import dump, load, quote
from loom.store.vault import Vault, Whose, read_label, subject_of

LIMIT = 16 * 1024 * 1024
LOST = (StoreCorrupt, Shredded, MissingKey, WrongKey)
"""What reading again does not help against."""
# short names, for a journal has millions of rows
_OPTIONAL = (("k", "key"), ("x", "deadline_ms"), ("th", "thread"), ("sc", "scope"), ("tr", "trace"))
_NONE = (None,) * 5
_JSON_KIND = f',"c":"{JSON}"'


def encode_event(event: Event, vault: Vault, puts: list[Put], limit: int = LIMIT) -> bytes:
    """The row of *event*: topic, fields, payload. Its large leaves are among *puts*.

    Raises InvalidEvent, PayloadTooLarge.
    """
    kind, payload = _payload(event, limit)
    head = _head(event, kind)
    if len(payload) >= THRESHOLD or b'$leaf"' in payload:
        whole, payload = _shelve(kind, payload, (subject_of(event), event._origin[0]), vault, puts)
        head += whole
    return f"{event._topic}\n{head}}}\n".encode() + payload


def flat_event(event: Event, limit: int = LIMIT) -> bytes:
    """The row of *event* with everything in it, in the clear; raises InvalidEvent, PayloadTooLarge."""
    kind, payload = _payload(event, limit)
    return f"{event._topic}\n{_head(event, kind)}}}\n".encode() + payload


def _payload(event: Event, limit: int) -> tuple[str, bytes]:
    """Content type and bytes of the payload; what could not be read back is refused."""
    payload = event._payload
    if type(payload) is dict and event._content_type is None and event._type:
        data = strict_json.dump(
            payload
        )  # what encode_payload would do, with less ceremony: nearly every event
        if len(data) > limit:
            raise PayloadTooLarge(len(data), limit, "the event codec")
        return JSON, data
    kind, data = encode_payload(payload, event._content_type, limit)
    if not event._type or (kind[:5] == "text/" and not isinstance(payload, str)):
        decode_payload(data, kind)
        check(event)
    return kind, data


def _head(event: Event, kind: str) -> str:
    """The fields as JSON, without the last brace; made by hand, because every event pays for it."""
    origin = event._origin
    try:
        head = f'{{"i":{quote(event.id)},"y":{quote(event._type)},"w":{event.timestamp_ms}'
        if event._source:
            head += f',"s":{quote(event._source)}'
        if kind:
            head += _JSON_KIND if kind == JSON else f',"c":{quote(kind)}'
        if origin[3] is not None:
            head += f',"ca":{quote(origin[3])}'
        if origin[4]:
            head += f',"h":{origin[4]:d}'
        rest = _rest(event)
        return f"{head},{dump(rest)[1:-1]}" if rest else head
    except (TypeError, ValueError) as error:
        raise InvalidEvent(f"event {event.type!r} has a field that cannot be kept: {error}") from None


def _rest(event: Event) -> dict[str, Any]:
    """The fields that most events do not have."""
    header: dict[str, Any] = {}
    if event._tags or event._metadata or event._confidence != 1.0 or event._priority != 50:
        _rare(check(event), header)
    label, thread, scope, _, _, trace, _ = event._origin
    if (event._key, event._deadline_ms, thread, scope, trace) != _NONE:
        header.update((short, v) for short, name in _OPTIONAL if (v := getattr(event, name)) is not None)
    if label is not PUBLIC and label != PUBLIC:
        header["l"] = [int(label.confidentiality), int(label.untrusted)]
    return header


def _shelve(kind: str, payload: bytes, whose: Whose, vault: Vault, puts: list[Put]) -> tuple[str, bytes]:
    """The payload without its large leaves: a text or bytes as a whole (then a field says so), in JSON those within."""
    if kind.partition(";")[0].endswith("json"):
        value, leaves = split(strict_json.load(payload))
        puts += vault.shelve(whose, leaves)
        return "", strict_json.dump(value)
    digest = digest_of("b", payload)
    puts += vault.shelve(whose, {digest: payload})
    return ',"b":1', digest


def _unshelve(header: dict[str, Any], payload: bytes, whose: Whose, vault: Vault) -> bytes:
    load_leaf = vault.loader(whose)
    if "b" in header:
        found = load_leaf(payload)
        if found is None or digest_of("b", found) != payload:
            raise StoreCorrupt("the large payload of an event is missing or damaged; run: loom store verify")
        return found
    if b'$leaf"' not in payload:
        return payload
    return strict_json.dump(unite(strict_json.load(payload), load_leaf))


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


def decode_event(seq: int, row: bytes, vault: Vault) -> Event:
    """The event of a row; raises StoreCorrupt where the row does not make sense, Shredded, MissingKey."""
    try:
        topic, header, payload = _parts(row)
        whose = (header.get("m", {}).get("subject", ""), read_label(header.get("l")))
        payload = _unshelve(header, payload, whose, vault)
        event = _event(topic, header, payload)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, InvalidEvent) as error:
        raise StoreCorrupt(f"journal entry {seq} cannot be read ({error}); run: loom store verify") from None
    if seq:
        event._journal = seq
    return event


def read_flat(row: bytes) -> Event:
    """The event of what ``flat_event`` made; raises StoreCorrupt."""
    try:
        return _event(*_parts(row))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, InvalidEvent) as error:
        raise StoreCorrupt(f"an event cannot be read ({error}); run: loom store verify") from None


def _parts(row: bytes) -> tuple[str, dict[str, Any], bytes]:
    topic, text, payload = row.split(b"\n", 2)
    return topic.decode(), load(text), payload


def _event(topic: str, header: dict[str, Any], payload: bytes) -> Event:
    content_type = header.get("c", "")
    origin = {name: header[short] for short, name in (*_OPTIONAL[2:], ("ca", "cause")) if short in header}
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
            label=read_label(header.get("l")),
            hop=header.get("h", 0),
            **origin,
        )
    )
