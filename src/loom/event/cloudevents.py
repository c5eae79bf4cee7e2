"""Events as CloudEvents 1.0 in JSON, and back: one event a line, for other systems and for copies one can read.

Attributes of the standard carry what they can; everything else of an Event is in extension attributes whose names begin
with ``loom``. Strangers' events are read by the standard alone: their other attributes become metadata, and they are
untrusted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from loom.errors import InvalidEvent
from loom.event import _codec_json as strict_json
from loom.event._cloudevents_in import FOREIGN, from_cloudevent, topic_of
from loom.event._cloudevents_out import DEFAULT_LIMIT, to_cloudevent
from loom.event.event import Event

__all__ = [
    "DEFAULT_LIMIT", "FOREIGN", "LINE_LIMIT", "Hole", "Line", "from_cloudevent", "read_lines", "to_cloudevent",
    "to_line", "topic_of",
]  # fmt: skip

LINE_LIMIT = 32 * 1024 * 1024
"""Bytes of a line: an event of 16 MiB in base64 is 22."""

_BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """An event that was read, with its number in the journal it came from, and the line it stands on."""

    event: Event
    seq: int | None
    number: int


class Hole(NamedTuple):
    """The numbers *first* to *last* of a journal that a file does not have, before the line *number*."""

    first: int
    last: int
    number: int


class Readable(Protocol):
    """A binary stream."""

    def readline(self, size: int, /) -> bytes:
        """At most *size* bytes, to the end of the line."""
        ...


def to_line(event: Event, seq: int | None = None, limit: int = DEFAULT_LIMIT) -> bytes:
    """*event* as one line of UTF-8 JSON, its end included; raises what ``to_cloudevent`` raises."""
    made = to_cloudevent(event, seq, limit)
    return json.dumps(made, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def read_lines(stream: Readable, limit: int = LINE_LIMIT) -> Iterator[Line | Hole]:
    """The events of *stream*, one JSON object a line, and a Hole wherever their numbers leave some out.

    Empty lines are passed over; no more than *limit* bytes of a line are held. Raises InvalidEvent with the number of
    the line when it is too long, is no CloudEvent, or its event's number does not grow.
    """
    before: int | None = None
    for number, text in _lines(stream, limit):
        try:
            event, seq = from_cloudevent(_object(text))
            if seq is not None and before is not None and seq <= before:
                raise InvalidEvent(f"CloudEvent attribute 'loomseq' is {seq} after {before}: it must grow")
        except InvalidEvent as error:
            raise InvalidEvent(f"line {number}: {error}") from None
        if seq is not None and before is not None and seq > before + 1:
            yield Hole(before + 1, seq - 1, number)
        before = before if seq is None else seq
        yield Line(event, seq, number)


def _lines(stream: Readable, limit: int) -> Iterator[tuple[int, bytes]]:
    number = 0
    while text := stream.readline(limit + 1):
        number += 1
        if len(text) > limit:
            raise InvalidEvent(
                f"line {number} is longer than {limit:,} bytes; is this a file with one event a line?"
            )
        text = text.removeprefix(_BOM) if number == 1 else text
        if not text.isspace() and text:
            yield number, text


def _object(text: bytes) -> object:
    if text.lstrip()[:1] == b"[":
        raise InvalidEvent("it is a JSON array; write one event a line, for example with: jq -c '.[]'")
    try:
        return strict_json.load(text, "it")
    except InvalidEvent as error:
        cut = "" if text.endswith(b"\n") else "; the file ends in the middle of it"
        raise InvalidEvent(f"{error}{cut}") from None
