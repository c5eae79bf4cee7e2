"""`loom store tail`: the last events as lines for people."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from time import sleep
from typing import TYPE_CHECKING

from loom.cli._data_folder import find_place, opened
from loom.cli._output import columns, count, is_terminal, say
from loom.cli._store_entries import Entry, entries, head_of, last_entries
from loom.event import PUBLIC
from loom.event.topic import check_pattern

if TYPE_CHECKING:
    from loom.event import Event

_PAUSE = 0.25  # seconds between two looks for new events
_LONGEST = 2000


def tail_store(options: argparse.Namespace) -> int:
    """Show the last events, and the new ones until Ctrl-C if wanted."""
    pattern = check_pattern(options.pattern)
    width = columns(200) if is_terminal() else _LONGEST
    with opened(find_place(options), anyway=True) as store:
        head = head_of(store)
        for entry in last_entries(store, pattern, options.n):
            say(line_of(entry, width))
        try:
            while options.f:
                sleep(_PAUSE)
                now = head_of(store)
                for entry in entries(store, pattern, head + 1, now) if now > head else ():
                    say(line_of(entry, width))
                head = now
        except KeyboardInterrupt:
            say()
    return 0


def line_of(entry: Entry, width: int) -> str:
    """An event as one line: number, moment, topic, type, label, payload. Pure but for the time zone."""
    number, event, why = entry
    text = f"{number:>7}  ({why})" if event is None else f"{number:>7}  {_event(event)}"
    text = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return text if len(text) <= width else text[: width - 3] + "..."


def _event(event: Event) -> str:
    label = "" if event.label == PUBLIC else f"[{event.label}] "
    kind = "" if event.type == event.topic else f"{event.type} "
    return f"{_moment(event.timestamp_ms)}  {event.topic}  {label}{kind}{_payload(event.payload)}"


def _moment(stamp_ms: int) -> str:
    try:
        moment = datetime.fromtimestamp(stamp_ms / 1000, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return f"{stamp_ms} ms"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{stamp_ms % 1000:03}"


def _payload(payload: object) -> str:
    if payload is None:
        return ""
    if isinstance(payload, bytes):
        return f"<{count(len(payload))} bytes>"
    try:
        return json.dumps(payload, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(payload)
