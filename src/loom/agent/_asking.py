"""Asking other agents: a request goes out, replies come back, and nobody waits for itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from loom.agent._requests import REPLY_TO
from loom.agent._waits import path_between
from loom.bus import Line
from loom.errors import Deadlock, HopLimit, NoResponders, RequestFailed, RequestTimeout
from loom.event import HOP_LIMIT, Event
from loom.event.topic import check_topic

if TYPE_CHECKING:
    from loom.agent._cell import Cell
    from loom.agent.context import Context


async def ask_agents(
    ctx: Context, topic: str, payload: Any, k: int | None, timeout: float, fields: dict[str, Any]
) -> list[Event]:
    """Publish a request and return *k* replies, or those of everybody who answers; *timeout* is for the whole."""
    cell = ctx._cell
    services = cell.services
    number, pending = services.requests.open(k, _receivers(ctx, check_topic(topic), payload, k, fields))
    metadata = {**fields.get("metadata", {}), REPLY_TO: number}
    event = ctx._derive(topic, payload, {**fields, "metadata": metadata})
    if event.hop > HOP_LIMIT:
        services.requests.close(number)
        raise HopLimit(f"request on {topic!r}: derived {event.hop} times; the limit is {HOP_LIMIT}")
    cell.asking.append(pending)
    services.scheduler.lend()
    out, limit = False, asyncio.timeout(timeout)
    try:
        async with limit:
            full = services.bus.deliver(event)  # at once, kept or not: nobody answers it after a crash
            if full:
                await Line(event, full).wait(None)
            out = True
            return await pending.future
    except TimeoutError:
        if not limit.expired():
            raise
        wanted = len(pending.owners) if k is None else k
        got = f"{len(pending.replies)} of {wanted} replies" if out else "no room in the queue of a receiver"
        raise RequestTimeout(f"request on {topic!r}: {got} after {timeout} s") from None
    finally:
        services.scheduler.take_back()
        services.requests.close(number)
        cell.asking.remove(pending)


def _receivers(
    ctx: Context, topic: str, payload: Any, k: int | None, fields: dict[str, Any]
) -> tuple[Cell, ...]:
    """The agents that can answer: a handler counts once; raises NoResponders, Deadlock."""
    cell = ctx._cell
    queues = cell.services.bus.receivers(ctx._derive(topic, payload, fields))
    owners: list[Any] = [queue.owner for queue in queues if queue.owner is not None]
    if not owners:
        raise NoResponders(f"no agent listens to {topic!r}")
    if (k or 1) > len(owners):
        raise RequestFailed(f"{k} replies on {topic!r} are wanted and {len(owners)} handlers listen to it")
    ways = [path_between(owner, cell, waits_for) for owner in owners]
    free = tuple(owner for owner, way in zip(owners, ways, strict=True) if way is None)
    if len(free) < (k or 1):
        blocked = next(way for way in ways if way is not None)
        names = " -> ".join(each.name for each in (cell, *blocked))
        raise Deadlock(f"a request on {topic!r} would wait for itself: {names}")
    return free


def waits_for(cell: Any) -> list[Any]:
    """The agents that *cell* cannot go on without: owners of full queues it stands before, and those it asked."""
    owners = [queue.owner for queues, _ in cell.standing for queue in queues if queue.owner is not None]
    return owners + [owner for p in cell.asking if not p.future.done() for owner in p.owners]
