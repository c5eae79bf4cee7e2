"""A cell: one running agent with its lanes, its committed state, and the loop that turns events into steps."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import TYPE_CHECKING, Any

from loom.agent._beats import Beats, timer_topic
from loom.agent._commit import AHEAD, Outbox, commit
from loom.agent._ending import fail_request
from loom.agent._handlers import Handler, Trigger
from loom.agent._lane import Bell, Door, Lane
from loom.agent._life import Life
from loom.agent._requests import Pending
from loom.agent._services import Services
from loom.agent._supervision import Counts
from loom.agent.agent import Agent, AgentSpec
from loom.agent.context import Context
from loom.bus import Entry, Queue, Ticket
from loom.event import PUBLIC, Event, Label, QoS

if TYPE_CHECKING:
    from loom.agent._durable import Step
    from loom.agent._kept import Kept


class Cell:
    """Runs one agent: takes its events by lane, calls the handlers one at a time, commits or rolls back each step.

    ``status`` is new, running, restarting, parked or stopped; ``life`` is what changes it.
    """

    __slots__ = (
        "_entries", "ahead", "asking", "attributes", "awaited", "beats", "blocked", "busy", "committed",
        "committed_steps", "counts", "durable", "grants", "initial", "instance", "interruptible", "keep", "kept",
        "label", "lanes", "life", "marked", "name", "outbox", "reason", "recent", "recovering", "runner", "services",
        "setbacks", "snapshot", "spec", "stale", "status", "step", "subject",
    )  # fmt: skip

    def __init__(
        self, spec: AgentSpec, instance: Agent, services: Services, name: str, grants: Iterable[str] | None
    ) -> None:
        self.spec = spec
        self.instance = instance
        self.services = services
        self.name = name
        self.grants = None if grants is None else tuple(grants)
        self.status = "new"
        self.lanes: tuple[Lane, ...] = ()
        self.busy = False
        self.step: Context | None = None
        self.label: Label = PUBLIC
        self.initial: dict[str, Any] | None = (
            None  # what an instance that was added had; None: its class makes it anew
        )
        self.attributes = instance.__dict__
        self.snapshot = spec.snapshot
        self.committed = spec.snapshot.capture(instance.__dict__)
        self.keep = services.store.commit
        self.durable = services.durable
        self.ahead: deque[Step] | None = None  # steps on their way to disk
        self.kept: Kept | None = None  # what is on disk of the state
        self.subject: str | None = None  # whose data the state is, "" if of several
        self.recovering = False
        self.stale = False  # what runs began with steps that were taken back
        self.setbacks = 0
        self.outbox = Outbox(self)
        self.beats = Beats(self)
        self.life = Life(self)
        self.asking: list[Pending] = []
        self.recent: deque[Event] | None = deque(maxlen=spec.window) if spec.window else None
        self.counts = Counts()
        self.interruptible = False
        self.committed_steps = 0
        self.blocked = False
        self._entries: list[Entry] = []
        self.marked = 0
        self.reason: str | None = None
        self.runner: asyncio.Task[Any] | None = None
        self.awaited: asyncio.Future[None] | None = None

    # --- the bus -------------------------------------------------------------------------------------------------

    def address(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of an event that is to come back to this agent later."""
        return fields

    def recall(self) -> None:
        """Take up the state that the store has of this agent; raises StateError when it does not fit the class."""
        if self.durable is not None:
            kept = self.durable.restore(self)
        else:
            loaded = self.services.store.load(self.name)
            kept = None if loaded is None else (self.snapshot.adopt(loaded[0]), loaded[1])
        if kept is not None:
            self.committed, self.label = kept
            self.roll_back()

    def connect(self) -> None:
        """Attach a queue for every handler to the bus; events are kept there until the cell runs."""
        lanes = []
        for rank in range(3):
            mine = [h for h in self.spec.handlers if h.trigger.qos.rank == rank]
            if mine:
                lane = Lane(rank, self.services.clock.now_ms)
                arrivals = self._clock() if len(mine) > 1 else None
                for handler in mine:
                    lane.add(self._open_door(handler, lane, arrivals))
                lanes.append(lane)
        self.lanes = tuple(lanes)
        if len(lanes) == 1 and lanes[0].single is not None:
            lanes[0].single.alone = True
        self.interruptible = any(h.trigger.interrupts for h in self.spec.handlers)
        self.bind()

    def _clock(self) -> Callable[[], int]:
        """What numbers the arrivals of a lane: a count, or the journal and a count of what comes in between."""
        following = count(1).__next__
        if self.durable is None:
            return following
        from loom.journal.queue import BITS  # late: a runtime without a store loads nothing of it

        journal = self.durable.journal
        return lambda: (journal.seq << BITS) + following()

    def _open_door(self, handler: Handler, lane: Lane, arrivals: Any) -> Door:
        trigger = handler.trigger
        beat = trigger.pattern == ""
        options: dict[str, Any] = {
            "qos": trigger.qos, "capacity": trigger.capacity,
            "overflow": "latest" if beat and trigger.qos is QoS.REALTIME else trigger.overflow,
            "sample": trigger.sample, "aggregate": trigger.aggregate, "shed_at": trigger.shed_at, "arrivals": arrivals,
        }  # fmt: skip
        name = f"{self.name}.{handler.name.rpartition('.')[2]}"
        queue: Queue
        if self.durable is not None and trigger.durable and lane.rank:
            queue = self.durable.queue(name, trigger, options)
        else:
            queue = Queue(name, **options)
        queue.owner = self
        queue.notify = Bell(self, lane, trigger.interrupts)
        pattern = timer_topic(self.name, handler) if beat else trigger.pattern
        self._entries.append(
            self.services.bus.attach(
                pattern, queue, types=trigger.types, where=trigger.where, group=trigger.group
            )
        )
        return Door(handler, queue, lane)

    def bind(self) -> None:
        """Make every door call the present instance."""
        self.attributes = self.instance.__dict__
        for lane in self.lanes:
            for door in lane.doors:
                function = door.handler.function
                door.call = function if self.spec.cls is Agent else function.__get__(self.instance)

    def disconnect(self) -> None:
        """Leave the bus: what is queued, or waits for its next attempt, ends as cancelled."""
        self.status = "stopped"
        self.beats.clear()
        for entry in self._entries:
            self.services.bus.detach(entry)
            entry.queue.close()
        self._entries.clear()
        for lane in self.lanes:
            if lane.resume is not None:
                lane.resume.door.queue.settle_cancelled(lane.resume.event)
                lane.resume, lane.held = None, False

    def queues(self) -> list[Queue]:
        """The queues of all handlers."""
        return [door.queue for lane in self.lanes for door in lane.doors]

    def quiet(self) -> bool:
        """Whether nothing is queued, running or on its way out, and no retry is due."""
        if self.busy or self.outbox or self.ahead or self.recovering or self.life.telling:
            return False
        if self.status in ("parked", "paused"):
            return True
        return not any(queue.items or queue.in_flight for queue in self.queues())

    # --- scheduling ----------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Stand in the run queue for every lane that has something to do; let the others sleep."""
        for lane in self.lanes:
            single = lane.single
            if single is not None and not single.queue.items and lane.resume is None:
                single.queue.idle = True
            elif not lane.waiting():
                lane.sleep()
            elif not self.blocked or lane.rank == 0:
                self.mark(lane)

    def mark(self, lane: Lane) -> None:
        """Stand in the run queue of *lane*'s class, once."""
        if not self.marked & lane.bit and self.status == "running":
            self.marked |= lane.bit
            self.services.scheduler.ready(self, lane.rank)

    def end_turn(self) -> None:
        """Be free for the next turn, and stand in line for it if there is more to do."""
        self.busy = False
        if self.awaited is not None:
            self.awaited.set_result(None)
            self.awaited = None
        self.wake()

    async def free(self) -> None:
        """Return when no step is running."""
        while self.busy:
            if self.awaited is None:
                self.awaited = asyncio.get_running_loop().create_future()
            await asyncio.shield(self.awaited)

    async def settled(self) -> None:
        """Return when every step so far is on disk; raises StoreError if one could not be kept."""
        if self.durable is not None and self.ahead:
            await self.durable.settled(self)

    def roll_back(self) -> None:
        """Return to the committed state."""
        self.stale = False
        self.snapshot.restore(self.attributes, self.committed)

    # --- from outside --------------------------------------------------------------------------------------------

    def interrupt(self, reason: str) -> bool:
        """Cancel the running step; ``interrupted`` runs it again, ``cancelled`` does not. False if none is running."""
        step = self.step
        if step is None or self.reason is not None:
            return False
        if self.runner is None or asyncio.current_task() is self.runner:
            step.doomed = step.doomed or reason == "cancelled"
            return step.doomed
        self.reason = reason
        self.runner.cancel()
        return True

    def cancel(self) -> int:
        """End whatever of this agent is inside a cancelled scope: the running step, a waiting retry, unsent output."""
        cancelled = self.services.cancelled
        ended = 0
        if self.step is not None and self.step.event.scope in cancelled:
            ended += self.interrupt("cancelled")
        for lane in self.lanes:
            work = lane.resume
            if work is not None and work.event.scope in cancelled:
                if work.records is not None:
                    work.records.discard()
                work.door.queue.settle_cancelled(work.event)
                fail_request(self, work.event, "its scope was cancelled")
                lane.resume, lane.held = None, False
                ended += 1
        self.outbox.forget(cancelled)
        self.wake()
        return ended

    async def hook(self, name: str, *arguments: Any, cause: Event | None = None) -> None:
        """Run ``on_start``, ``on_stop`` or ``on_error`` as a step of its own; an error is raised after the rollback.

        What it derives inherits from *cause*, the event that was given up.
        """
        if name not in self.spec.hooks:
            return
        await self.free()
        inherited = (
            {} if cause is None else {"origin": cause.origin._replace(cause=cause.id, hop=cause.hop + 1)}
        )
        event = Event(name, topic=f"loom.agent.{self.name}.{name}", source="loom", **inherited)  # type: ignore[arg-type]
        handler = Handler(name, getattr(self.spec.cls, name), Trigger(), 1, True)
        door = Door(handler, Queue(name), Lane(1, self.services.clock.now_ms))
        door.hook = True
        ctx = Context(self, door, event)
        self.busy = True
        try:
            result = getattr(self.instance, name)(*(*arguments, ctx)[: self.spec.hooks[name]])
            waiting = commit(self, ctx, await result if hasattr(result, "__await__") else result)
            if waiting is AHEAD:
                await self.settled()
            else:
                if waiting is not None:
                    await waiting
                ctx.finished = True
                self.outbox.send(ctx)
        except BaseException:
            self.roll_back()
            raise
        finally:
            ctx.finished = True
            self.end_turn()

    @property
    def standing(self) -> list[tuple[list[Queue], Ticket]]:
        """The full queues this agent's output waits for, each with its ticket."""
        return self.outbox.standing
