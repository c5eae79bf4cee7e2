"""An agent's lane: its queues of one QoS, taken from in the order of arrival, one event at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from loom.agent._handlers import Handler
from loom.agent._records import Records
from loom.agent.context import Context
from loom.bus import Queue
from loom.event import Event

if TYPE_CHECKING:
    from loom.agent._cell import Cell


class Door:
    """One handler with its queue, and the call that is ready to be made.

    ``alone``: the agent has no other. ``hook``: it is on_start, on_stop or on_error and has no queue of its own.
    """

    __slots__ = ("alone", "arguments", "call", "handler", "hook", "lane", "queue", "simple", "timeout")

    def __init__(self, handler: Handler, queue: Queue, lane: Lane) -> None:
        self.handler = handler
        self.queue = queue
        self.lane = lane
        self.alone = False
        self.hook = False
        self.call: Callable[..., Any] = handler.function
        self.timeout = handler.trigger.timeout
        self.arguments = handler.arguments
        self.simple = handler.is_async and self.timeout is None and handler.arguments == 2


class Work(NamedTuple):
    """An event that is to be handled again: after a failure, or after an interruption."""

    door: Door
    event: Event
    attempt: int
    records: Records | None
    arrival: int


class Lane:
    """The queues of one QoS of one agent. ``held`` while an event waits for its next attempt: nothing overtakes it."""

    __slots__ = ("_now_ms", "bit", "doors", "held", "rank", "resume", "single")

    def __init__(self, rank: int, now_ms: Callable[[], int]) -> None:
        self.rank = rank
        self.bit = 1 << rank
        self.doors: list[Door] = []
        self.single: Door | None = None
        self.held = False
        self.resume: Work | None = None
        self._now_ms = now_ms

    def add(self, door: Door) -> None:
        """Let *door* be part of the lane."""
        self.doors.append(door)
        self.single = self.doors[0] if len(self.doors) == 1 else None

    def waiting(self) -> bool:
        """Whether there is something to take now."""
        if self.held:
            return False
        single = self.single
        if self.resume is not None or (single is not None and single.queue.items):
            return True
        return single is None and self.head() is not None

    def take(self, cell: Cell) -> Context | None:
        """The next step of *cell* in this lane, or None."""
        if self.held:
            return None
        single = self.single
        if self.resume is not None:
            work, self.resume = self.resume, None
            return Context(cell, work.door, work.event, work.attempt, work.records, work.arrival)
        if single is None:
            return self._take_first(cell)
        event = single.queue.take(self._now_ms() if self.rank == 0 else 0)
        return None if event is None else Context(cell, single, event)

    def hold(self, work: Work, delay: float, cell: Cell) -> None:
        """Let nothing pass until *work* is tried again, *delay* seconds from now."""
        self.held, self.resume = True, work

        def go_on() -> None:
            if self.resume is work:
                self.held = False
                cell.wake()

        cell.services.timers.after(delay, go_on, cell.name)

    def sleep(self) -> None:
        """Ask every queue to say when something comes."""
        for door in self.doors:
            door.queue.idle = True

    def awake(self, busy: bool) -> None:
        """Ask no queue to say so any more, for the lane is going to look by itself; while *busy* those that interrupt
        go on saying so."""
        for door in self.doors:
            door.queue.idle = busy and door.handler.trigger.interrupts

    def head(self) -> Door | None:
        """The door behind which the oldest event waits; None also while an older one has still to be read from disk."""
        heads = [(d.queue.arrivals[0], i) for i, d in enumerate(self.doors) if d.queue.arrivals]
        if not heads:
            return None
        arrival, index = min(heads)
        for door in self.doors:
            if door.queue.durable and door.queue.missing_before(arrival):  # type: ignore[attr-defined]  # durable ones have it
                return None
        return self.doors[index]

    def _take_first(self, cell: Cell) -> Context | None:
        while (door := self.head()) is not None:
            arrival = door.queue.arrivals[0] if door.queue.arrivals else 0
            event = door.queue.take(self._now_ms())
            if event is not None:
                return Context(cell, door, event, 1, None, arrival)
        return None


class Bell:
    """What a queue of the lane rings when an event comes while the lane sleeps."""

    __slots__ = ("_cell", "_interrupts", "_lane", "_scheduler")

    def __init__(self, cell: Cell, lane: Lane, interrupts: bool) -> None:
        self._cell = cell
        self._lane = lane
        self._interrupts = interrupts
        self._scheduler = cell.services.scheduler

    def __call__(self) -> None:
        cell, lane = self._cell, self._lane
        if cell.busy:
            if self._interrupts and cell.step is not None and cell.step.door.lane.rank:
                cell.interrupt("interrupted")
            lane.awake(busy=True)
            return
        if lane.single is not None:
            lane.single.queue.idle = False
        else:
            lane.awake(busy=False)
        if not cell.marked & lane.bit and cell.status == "running":
            cell.marked |= lane.bit
            self._scheduler.ready(cell, lane.rank)


async def call(door: Door, event: Event, ctx: Context) -> Any:
    """Call a handler that is not of the usual shape: plain, with fewer arguments, or with a timeout."""
    result = door.call(*(event, ctx)[: door.arguments])
    if not door.handler.is_async:
        return result
    limit = asyncio.timeout(door.timeout)
    try:
        async with limit:
            return await result
    except TimeoutError as error:
        if limit.expired():
            raise TimeoutError(f"the handler took longer than its timeout of {door.timeout} s") from error
        raise
