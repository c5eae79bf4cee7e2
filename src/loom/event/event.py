"""The Event: an immutable record of something that happened, cheap enough to make a million times a second."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import count
from operator import attrgetter
from time import time as _time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

from loom.errors import InvalidEvent
from loom.event.label import PUBLIC, Label

HOP_LIMIT = 32
_EMPTY: Mapping[str, str] = MappingProxyType({})
_next_sequence = count(1).__next__
_node = ""


def _new_node() -> None:
    """Draw the 64 random bits that tell this process from every other; drawn again after a fork."""
    global _node
    _node = os.urandom(8).hex()


_new_node()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_node)


class Origin(NamedTuple):
    """What an event inherits from the step that made it; one object serves all events of a step.

    ``trail`` is the chain of (topic, id) behind the event, as long as its hop count; it stays in this process.
    """

    label: Label = PUBLIC
    thread: str | None = None
    scope: str | None = None
    cause: str | None = None
    hop: int = 0
    trace: str | None = None
    trail: tuple[tuple[str, str], ...] = ()


class OriginFields(TypedDict, total=False):
    """The fields of an Origin as keywords of an Event, or one ready-made ``origin=``."""

    label: Label
    thread: str | None
    scope: str | None
    cause: str | None
    hop: int
    trace: str | None
    origin: Origin


ROOT = Origin()


def _origin(fields: OriginFields) -> Origin:
    ready = fields.pop("origin", ROOT)
    changes: dict[str, Any] = {**fields}
    try:
        return ready._replace(**changes) if changes else ready
    except (TypeError, ValueError):
        unknown = min(set(fields) - set(Origin._fields))
        raise InvalidEvent(f"an event has no field {unknown!r}; it has {', '.join(FIELDS)}") from None


def _words(tags: Iterable[str]) -> tuple[str, ...]:
    if isinstance(tags, str):
        raise InvalidEvent(f"tags must be strings in a list or tuple, not {tags!r}")
    try:
        return tuple(tags)
    except TypeError:
        raise InvalidEvent(f"tags must be strings in a list or tuple, not {tags!r}") from None


def _frozen(metadata: Mapping[str, str]) -> Mapping[str, str]:
    try:
        return MappingProxyType(dict(metadata))
    except (TypeError, ValueError):
        raise InvalidEvent(f"metadata maps strings to strings; {metadata!r} is no mapping") from None


def _milliseconds(stamp: float) -> int:
    try:
        return int(stamp)
    except (TypeError, ValueError, OverflowError):
        raise InvalidEvent(f"timestamp_ms must be Unix milliseconds, not {stamp!r}") from None


class Event:
    """An immutable record: what happened (type, payload), where (topic, source), when, how sure, and because of what.

    *payload* is held by reference and never copied inside the process: publish what you will not change.
    *confidence* is 0..1, *priority* 0..100 (the lowest is shed first), *timestamp_ms* and *deadline_ms* are Unix
    milliseconds, *tags* a tuple of words, *metadata* a mapping of str to str, *key* what ``latest`` queues and keyed
    agents tell events apart by. ``thread`` is the conversation, ``scope`` the tree one cancel takes down
    (``"turn-1/search"`` is inside ``"turn-1"``), ``cause`` the id of the event it was derived from, ``hop`` how many
    derivations lie behind it. An event made without a topic takes the topic of its first publication.

    Ids are unique across machines and sort by time: 12 hex digits of milliseconds, the process's 16 random ones, a
    counter. Nothing asks the operating system for anything when an event is made.
    """

    __slots__ = (
        "_confidence", "_content_type", "_deadline_ms", "_id", "_journal", "_key", "_metadata", "_origin", "_payload",
        "_priority", "_sequence", "_source", "_tags", "_time", "_topic", "_type", "_wire",
    )  # fmt: skip

    def __init__(
        self,
        type: str,
        payload: Any = None,
        *,
        topic: str = "",
        source: str = "",
        tags: Iterable[str] = (),
        metadata: Mapping[str, str] | None = None,
        confidence: float = 1.0,
        priority: int = 50,
        timestamp_ms: int | None = None,
        id: str | None = None,
        content_type: str | None = None,
        key: str | None = None,
        deadline_ms: int | None = None,
        **origin: Unpack[OriginFields],
    ) -> None:
        self._type = type
        self._payload = payload
        self._topic = topic
        self._source = source
        self._tags = _words(tags) if tags else ()
        self._metadata = None if metadata is None else _frozen(metadata)
        self._confidence = confidence
        self._priority = priority
        self._time = _time() if timestamp_ms is None else _milliseconds(timestamp_ms)
        self._id = id
        self._content_type = content_type
        self._key = key
        self._deadline_ms = deadline_ms
        self._sequence = _next_sequence()
        self._origin = _origin(origin) if origin else ROOT

    if TYPE_CHECKING:
        _journal: int
        type: str
        payload: Any
        topic: str
        source: str
        confidence: float
        priority: int
        content_type: str | None
        key: str | None
        deadline_ms: int | None
        origin: Origin
        label: Label
        thread: str | None
        scope: str | None
        cause: str | None
        hop: int
        trace: str | None
    else:
        type = property(attrgetter("_type"))
        payload = property(attrgetter("_payload"))
        topic = property(attrgetter("_topic"))
        source = property(attrgetter("_source"))
        confidence = property(attrgetter("_confidence"))
        priority = property(attrgetter("_priority"))
        content_type = property(attrgetter("_content_type"))
        key = property(attrgetter("_key"))
        deadline_ms = property(attrgetter("_deadline_ms"))
        origin = property(attrgetter("_origin"))
        label = property(attrgetter("_origin.label"))
        thread = property(attrgetter("_origin.thread"))
        scope = property(attrgetter("_origin.scope"))
        cause = property(attrgetter("_origin.cause"))
        hop = property(attrgetter("_origin.hop"))
        trace = property(attrgetter("_origin.trace"))

    @property
    def seq(self) -> int:
        """Its sequence number in the journal; 0 as long as it is not there."""
        number: int = getattr(self, "_journal", 0)
        return number

    @property
    def id(self) -> str:
        """Unique across machines, sortable by time; written out when first asked for."""
        if self._id is None:
            self._id = f"{self.timestamp_ms:012x}-{_node}-{self._sequence:010x}"
        return self._id

    @property
    def timestamp_ms(self) -> int:
        """When it happened, Unix milliseconds."""
        stamp = self._time
        if type(stamp) is float:
            self._time = stamp = int(stamp * 1000)
        return stamp  # type: ignore[return-value]  # a float only until it is first read

    @property
    def tags(self) -> tuple[str, ...]:
        """Free words about the event."""
        return self._tags

    @property
    def metadata(self) -> Mapping[str, str]:
        """Read-only string facts about the event."""
        return _EMPTY if self._metadata is None else self._metadata

    @property
    def nbytes(self) -> int:
        """An estimate of the payload's size in bytes, for accounting: exact for buffers, bytes and text."""
        return payload_nbytes(self._payload)

    def expired(self, now_ms: float) -> bool:
        """Whether its deadline lies before *now_ms*."""
        return self._deadline_ms is not None and now_ms > self._deadline_ms

    def replace(self, **changes: Any) -> Event:
        """A copy with some fields changed and, unless ``id=`` is among the changes, an id of its own.

        Raises InvalidEvent for a field an event does not have.
        """
        fields = {name: getattr(self, name) for name in FIELDS if name != "id"}
        unknown = changes.keys() - set(FIELDS)
        if unknown:
            raise InvalidEvent(f"an event has no field {min(unknown)!r}; it has {', '.join(FIELDS)}")
        return Event(origin=self._origin, **{**fields, **changes})  # the origin also holds the trail

    def _stamp(self, topic: str) -> Event:
        """This event on *topic*: itself if it had none yet, else a copy that keeps the id."""
        if not self._topic:
            self._topic = topic
            return self
        return self if self._topic == topic else self.replace(topic=topic, id=self.id)

    def __repr__(self) -> str:
        return f"<Event {self.type} on {self.topic or '(no topic)'} id={self.id}>"


FIELDS = (
    "type", "payload", "topic", "source", "tags", "metadata", "confidence", "priority", "timestamp_ms", "id",
    "content_type", "key", "deadline_ms", "label", "thread", "scope", "cause", "hop", "trace",
)  # fmt: skip


def payload_nbytes(payload: object, depth: int = 4) -> int:
    """An estimate of the bytes *payload* occupies; looks *depth* containers deep."""
    if payload is None:
        return 0
    if isinstance(payload, bytes | bytearray):
        return len(payload)
    if isinstance(payload, str):
        return len(payload.encode("utf-8", "surrogatepass"))
    nbytes = getattr(payload, "nbytes", None)
    if isinstance(nbytes, int):
        return nbytes
    if depth and isinstance(payload, Mapping):
        return sum(payload_nbytes(k, 0) + payload_nbytes(v, depth - 1) for k, v in payload.items())
    if depth and isinstance(payload, list | tuple | set | frozenset):
        return sum(payload_nbytes(v, depth - 1) for v in payload)
    return 8


def check(event: Event) -> Event:
    """Validate an event made from outside data; returns it, raises InvalidEvent naming the first bad field."""
    if not isinstance(event.type, str) or not event.type:
        raise InvalidEvent(f"type must be a non-empty string, not {event.type!r}")
    if not all(isinstance(t, str) for t in event.tags):
        raise InvalidEvent(f"tags must be strings in a list or tuple, not {event.tags!r}")
    if not isinstance(event.confidence, int | float) or not 0 <= event.confidence <= 1:
        raise InvalidEvent(f"confidence must be between 0 and 1, not {event.confidence!r}")
    if not isinstance(event.priority, int) or not 0 <= event.priority <= 100:
        raise InvalidEvent(f"priority must be a whole number from 0 to 100, not {event.priority!r}")
    for name, value in event.metadata.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidEvent(f"metadata maps strings to strings, not {name!r} to {value!r}")
    return event
