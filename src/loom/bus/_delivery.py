"""Putting one event into the queues it goes to; no loop, no waiting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loom.bus._queue import Queue
from loom.errors import WouldBlock
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


def require_room(event: Event, queues: Sequence[Queue]) -> None:
    """Raise WouldBlock if one of *queues* would make a publisher wait, and count the refusal there."""
    for queue in queues:
        if not queue.has_room(event):
            queue.put(event)  # has no room: counts the refusal
            raise WouldBlock(f"{queue.qos} queue of {queue.name!r} is full ({len(queue.items)} events)")
