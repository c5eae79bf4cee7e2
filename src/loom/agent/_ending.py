"""How a step ends when it does not commit: taken back, and then tried again, given up, cancelled or put back."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from loom.agent._lane import Lane, Work
from loom.agent._requests import REPLY_TO
from loom.errors import Diverged, StateError

if TYPE_CHECKING:
    from loom.agent._cell import Cell
    from loom.agent.context import Context
    from loom.event import Event

log = logging.getLogger("loom.agent")


class Abandoned(RuntimeError):
    """A step that may not commit: interrupted or cancelled, or ended by a cancellation nobody had asked for."""


async def break_off(cell: Cell, ctx: Context, lane: Lane, reason: str | None, error: BaseException) -> str:
    """Leave nothing of a step that ended by *error* and decide what becomes of its event; returns the outcome.

    *reason* is why it was interrupted, if it was. Cancellation of the runtime itself passes through.
    """
    ctx.finished = True
    ctx.effects = None
    cell.roll_back()
    if reason is not None or ctx.doomed:
        return await _abandon(cell, ctx, lane, reason)
    if isinstance(error, asyncio.CancelledError) and cell.runner is not None and not cell.runner.cancelling():
        error = Abandoned(f"{ctx.door.handler.name} awaited something that was cancelled, and let that pass")
    if not isinstance(error, Exception):
        ctx.door.queue.put_back(ctx.event, ctx.arrival)
        raise error
    _fail(cell, ctx, lane, error)
    return "failed"


async def _abandon(cell: Cell, ctx: Context, lane: Lane, reason: str | None) -> str:
    """End a step that was interrupted (it runs again) or cancelled (it does not)."""
    if reason == "uncommitted":  # an earlier step could not be kept: this one runs again after it
        if cell.durable is not None:
            cell.durable.ledger.stash(ctx)
        ctx.door.queue.put_back(ctx.event, ctx.arrival)
    elif reason == "interrupted":
        lane.resume = Work(ctx.door, ctx.event, ctx.attempt, ctx.records, ctx.arrival)
        cell.counts.interrupted += 1
    else:
        if ctx.records is not None:
            ctx.records.discard()
        ctx.door.queue.settle_cancelled(ctx.event)
        cell.counts.cancelled += 1
        fail_request(cell, ctx.event, "its scope was cancelled")
    if reason is not None and cell.runner is not None:
        await _absorb(cell.runner)
    return reason or "cancelled"


def _fail(cell: Cell, ctx: Context, lane: Lane, error: Exception) -> None:
    """Try the event again after a delay, its lane held until then, or give it up."""
    cell.counts.failed += 1
    event, records = ctx.event, ctx.records
    if records is not None:
        records.forget_failure(error, ctx._calls)
    delay = None
    if lane.rank and not isinstance(error, StateError | Diverged):
        delay = cell.spec.retry.delay(ctx.attempt, cell.services.random)
    if delay is None:
        _give_up(cell, ctx, error)
        return
    what = type(error).__name__
    log.warning("%s: attempt %d at %s failed: %s: %s", cell.name, ctx.attempt, event, what, error)
    if cell.services.notes is not None:
        where = (cell.name, ctx.door.queue.name)
        cell.services.notes.retried(where, event, ctx.attempt, delay, f"{what}: {error}")
    lane.hold(Work(ctx.door, event, ctx.attempt + 1, records, ctx.arrival), delay, cell)


def _give_up(cell: Cell, ctx: Context, error: Exception) -> None:
    event = ctx.event
    ctx.door.queue.settle(1)
    text = f"{type(error).__name__}: {error}"
    if cell.durable is not None:
        cell.durable.give_up(cell, ctx, cell.durable.causes.of_failure(cell, ctx, text))
    cell.counts.given_up += 1
    log.error("%s gave up %s after attempt %d: %s", cell.name, event, ctx.attempt, text, exc_info=error)
    fail_request(cell, event, text)
    cell.services.bury(cell.name, event, "failed", text, kept=True)
    cell.life.failed(event, error)


def fail_request(cell: Cell, event: Event, error: str) -> None:
    """Tell whoever waits for a reply to *event* that none will come from here."""
    number = event.metadata.get(REPLY_TO)
    if number is not None:
        cell.services.requests.fail(number, error)


async def _absorb(runner: asyncio.Task[Any]) -> None:
    """Take a cancellation that was meant for a step off its runner, also if it is still on its way."""
    runner.uncancel()
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        if runner.cancelling():
            raise
