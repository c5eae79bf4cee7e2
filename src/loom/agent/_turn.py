"""Turns: the one loop in which handlers run and their steps commit."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

from loom.agent._commit import AHEAD, commit
from loom.agent._ending import Abandoned, break_off, fail_request
from loom.agent._lane import call
from loom.agent.context import Context

if TYPE_CHECKING:
    from loom.agent._cell import Cell
    from loom.agent._scheduler import Scheduler


_OTHERS = tuple(~(1 << rank) for rank in range(3))


async def serve(  # noqa: C901 - the hot loop: what is taken out of it is paid at every step
    cell: Cell, rank: int, scheduler: Scheduler, runner: asyncio.Task[Any]
) -> None:
    """Run the steps of *cell*, then of whoever is ready next, until the slice is over or nobody is ready.

    One coroutine for many agents: a step costs no task, no wake-up and no coroutine but the handler's own.
    """
    cancelled, observers = cell.services.cancelled, cell.services.observers
    while True:
        cell.marked &= _OTHERS[rank]
        if not cell.busy and cell.status == "running":
            cell.busy = True
            cell.runner = runner
            least = 0 if cell.interruptible else rank
            done = None
            try:
                while (ctx := take(cell, least, rank)) is not None:
                    least = 0
                    event, door = ctx._event, ctx.door
                    if cancelled.any and event._origin.scope in cancelled:
                        door.queue.settle_cancelled(event)
                        fail_request(cell, event, "its scope was cancelled")
                        continue
                    began = _begin(cell, ctx) if observers.steps else 0.0
                    outcome = "committed"
                    cell.step = ctx
                    try:
                        result = await (door.call(event, ctx) if door.simple else call(door, event, ctx))
                        if cell.reason is not None or ctx.doomed:
                            raise Abandoned
                        waiting = commit(cell, ctx, result)
                        if waiting is not None and waiting is not AHEAD:
                            cell.step = None  # past the point of no return: nobody may interrupt it any more
                            await waiting
                        ctx.finished = True
                        cell.step = None
                    except BaseException as error:  # noqa: BLE001 - told apart there; cancellation passes
                        cell.step = None
                        reason, cell.reason = cell.reason, None
                        outcome = await break_off(cell, ctx, door.lane, reason, error)
                    else:
                        if waiting is None or waiting is not AHEAD:
                            queue = door.queue
                            queue.in_flight -= 1
                            queue.delivered += 1
                            cell.committed_steps += 1
                            if ctx.effects is not None or event._metadata is not None:
                                cell.outbox.send(ctx)
                            if cell.recent is not None:
                                cell.recent.append(event)
                    if began:
                        _ended(cell, ctx, outcome, began)
                    if door.alone and not door.queue.items:
                        done = door if outcome == "committed" else None
                        break
                    if scheduler.must_yield(door.lane.rank):
                        break
                    if cell.status != "running":
                        break
            finally:
                if done is None or cell.awaited:
                    cell.end_turn()
                else:  # the agent's only queue is empty: what end_turn() would do
                    cell.busy = False
                    done.queue.idle = True
        if monotonic() > scheduler.slice_end:
            return
        turn = scheduler.next()
        if turn is None:
            return
        cell, rank = turn


def take(cell: Cell, least: int, most: int) -> Context | None:
    """The next step of *cell*: the most urgent lane that may go on and has something.

    Of class *least* if there is one: the turn may be one that the starvation guard gave to that class. Of none less
    urgent than *most*, the class of the turn: for those the agent stands in line with others.
    """
    for lane in cell.lanes:
        if lane.rank < least:
            continue
        if lane.rank > most:
            break
        if cell.blocked and lane.rank:
            return None
        single = lane.single
        if single is None or lane.resume is not None or not lane.rank:
            ctx = lane.take(cell)
            if ctx is not None:
                return ctx
            continue
        queue = single.queue
        if queue.items:
            if queue.limit:  # a plain queue with nobody in line: what take() would do
                queue.in_flight += 1
                return Context(cell, single, queue.items.popleft())
            event = queue.take(0)
            if event is not None:
                return Context(cell, single, event)
    return take(cell, 0, most) if least else None


def _begin(cell: Cell, ctx: Context) -> float:
    cell.services.observers.tell("step_began", cell.name, ctx.event, ctx.attempt)
    return cell.services.clock.monotonic() or 1e-9


def _ended(cell: Cell, ctx: Context, outcome: str, began: float) -> None:
    seconds = cell.services.clock.monotonic() - began
    cell.services.observers.tell("step_ended", cell.name, ctx.event, outcome, seconds)
