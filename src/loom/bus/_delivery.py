"""Putting one event into the queues it goes to; no loop, no waiting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

from loom.bus._queue import Queue
from loom.errors import InvalidEvent, WouldBlock
from loom.event import Event


def deliver_direct(event: Event, queues: Iterable[Queue]) -> list[Queue]:
    """Put *event* into queues in the order given; returns those that have no room. The fast path of fan-out."""
    full = []
    for queue in queues:
        items = queue.items
        if len(items) < queue.limit:
            items.append(event)
            queue.accepted += 1
            if queue.idle:
                queue.notify()
        elif queue.closed or queue.has_room(event):
            queue.put(event)
        else:
            full.append(queue)
    return full


def deliver(event: Event, queues: Iterable[Queue]) -> list[Queue]:
    """As ``deliver_direct``, telling whoever watches the queues."""
    full = []
    for queue in queues:
        if queue.closed or queue.has_room(event):
            queue.put(event)
        else:
            full.append(queue)
    return full


def append_run(queue: Queue, events: Sequence[Event], start: int, most: int) -> int:
    """Append the longest run of events on the topic of the first that fits *queue*, at most *most*; its length."""
    room = queue.limit - len(queue.items)
    if room <= 0:
        return 0
    topic = events[start]._topic
    run = events[start : start + min(room, most)]
    try:
        for end, event in enumerate(run):
            if event._topic != topic:
                run = run[:end]
                break
    except AttributeError:
        blame(next((e for e in run if not isinstance(e, Event)), None))
    queue.items.extend(run)
    queue.accepted += len(run)
    if queue.idle:
        queue.notify()
    return len(run)


def require_room(event: Event, queues: Sequence[Queue]) -> None:
    """Raise WouldBlock if one of *queues* would make a publisher wait, and count the refusal there."""
    for queue in queues:
        if not queue.has_room(event):
            queue.put(event)  # has no room: counts the refusal
            raise WouldBlock(f"{queue.qos} queue of {queue.name!r} is full ({len(queue.items)} events)")


def blame(thing: object) -> NoReturn:
    """Say that something published is not an Event; re-raise if it is one and the error is our own."""
    if isinstance(thing, Event):
        raise  # noqa: PLE0704 - called while an AttributeError is handled
    raise InvalidEvent(
        f"publish takes an Event, not {type(thing).__name__}; make one: Event(type, payload)"
    ) from None
