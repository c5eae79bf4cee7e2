"""An event as a row of the journal, and back: topic, header and payload, each on a line of its own."""

from __future__ import annotations

from typing import Any

from loom.errors import InvalidEvent, MissingKey, Shredded, StoreCorrupt, WrongKey
from loom.event import PUBLIC, Event
from loom.event import _codec_json as strict_json
from loom.event._codec_payload import decode_payload, encode_payload
from loom.event.event import check
from loom.store import Put
from loom.store.leaves import THRESHOLD, digest_of, split, unite
from loom.store.text import dump, load
from loom.store.vault import Vault, Whose, read_label, subject_of

LIMIT = 16 * 1024 * 1024
LOST = (StoreCorrupt, Shredded, MissingKey, WrongKey)
"""What reading again does not help against."""
# short names, for a journal has millions of rows
_OPTIONAL = (
    ("k", "key"), ("x", "deadline_ms"), ("th", "thread"), ("sc", "scope"), ("ca", "cause"), ("tr", "trace"),
)  # fmt: skip


def encode_event(event: Event, vault: Vault, puts: list[Put], limit: int = LIMIT) -> bytes:
    """The row of *event*: topic, fields, payload. Its large leaves are among *puts*.

    Raises InvalidEvent, PayloadTooLarge.
    """
    header, payload = _encode(event, limit)
    whose = (subject_of(event), event._origin[0])
    if len(payload) >= THRESHOLD or b'$leaf"' in payload:
        payload = _shelve(payload, header, whose, vault, puts)
    return _head(event, header) + payload


def flat_event(event: Event, limit: int = LIMIT) -> bytes:
    """The row of *event* with everything in it, in the clear; raises InvalidEvent, PayloadTooLarge."""
    header, payload = _encode(event, limit)
    return _head(event, header) + payload


def _encode(event: Event, limit: int) -> tuple[dict[str, Any], bytes]:
    content_type, payload = encode_payload(event._payload, event._content_type, limit)
    if not event._type or (content_type[:5] == "text/" and not isinstance(event._payload, str)):
        decode_payload(payload, content_type)  # what could not be read back is refused now
        check(event)
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
    return header, payload


def _head(event: Event, header: dict[str, Any]) -> bytes:
    try:
        text = dump(header)
    except (TypeError, ValueError) as error:
        raise InvalidEvent(f"event {event.type!r} has a field that cannot be kept: {error}") from None
    return f"{event._topic}\n{text}\n".encode()


def _shelve(payload: bytes, header: dict[str, Any], whose: Whose, vault: Vault, puts: list[Put]) -> bytes:
    """The payload without its large leaves: a text or bytes as a whole, in JSON the texts within."""
    if header.get("c", "").partition(";")[0].endswith("json"):
        value, leaves = split(strict_json.load(payload))
        puts += vault.shelve(whose, leaves)
        return strict_json.dump(value)
    digest = digest_of("b", payload)
    puts += vault.shelve(whose, {digest: payload})
    header["b"] = 1
    return digest


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
            label=read_label(header.get("l")),
            hop=header.get("h", 0),
            **origin,
        )
    )
