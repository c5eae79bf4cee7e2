"""A cell: one running agent with its lanes, its committed state, and the loop that turns events into steps."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING, Any

from loom.agent._beats import Beats, timer_topic
from loom.agent._commit import Outbox, commit
from loom.agent._handlers import Handler, Trigger
from loom.agent._lane import Bell, Door, Lane, Work, absorb, call
from loom.agent._life import Life
from loom.agent._requests import REPLY_TO, Pending
from loom.agent._services import Services
from loom.agent._supervision import Abandoned, Counts
from loom.agent.agent import Agent, AgentSpec
from loom.agent.context import Context
from loom.bus import Entry, Queue, Ticket
from loom.errors import Diverged, StateError
from loom.event import PUBLIC, Event, Label, QoS

if TYPE_CHECKING:
    from loom.agent._scheduler import Scheduler

log = logging.getLogger("loom.agent")


class Cell:
    """Runs one agent: takes its events by lane, calls the handlers one at a time, commits or rolls back each step.

    ``status`` is new, running, restarting, parked or stopped; ``life`` is what changes it.
    """

    __slots__ = (
        "_entries", "_freed", "_interruptible", "_marked", "_reason", "_runner", "asking", "beats", "busy", "committed",
        "counts", "grants", "initial", "instance", "label", "lanes", "life", "name", "outbox", "recent", "services",
        "spec", "status", "step",
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
        self.initial = dict(instance.__dict__)
        self.committed = spec.snapshot.capture(instance.__dict__)
        self.outbox = Outbox(self)
        self.beats = Beats(self)
        self.life = Life(self)
        self.asking: list[Pending] = []
        self.recent: deque[Event] | None = deque(maxlen=spec.window) if spec.window else None
        self.counts = Counts()
        self._entries: list[Entry] = []
        self._marked = 0
        self._reason: str | None = None
        self._runner: asyncio.Task[Any] | None = None
        self._interruptible = False
        self._freed: asyncio.Future[None] | None = None

    # --- the bus -------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Attach a queue for every handler to the bus; events are kept there until the cell runs."""
        lanes = []
        for rank in range(3):
            mine = [h for h in self.spec.handlers if h.trigger.qos.rank == rank]
            if mine:
                lane = Lane(rank, self.services.clock.now_ms)
                arrivals = count(1).__next__ if len(mine) > 1 else None
                for handler in mine:
                    lane.add(self._open_door(handler, lane, arrivals))
                lanes.append(lane)
        self.lanes = tuple(lanes)
        self._interruptible = any(h.trigger.interrupts for h in self.spec.handlers)
        self.bind()

    def _open_door(self, handler: Handler, lane: Lane, arrivals: Any) -> Door:
        trigger = handler.trigger
        beat = trigger.pattern == ""
        queue = Queue(
            f"{self.name}.{handler.name.rpartition('.')[2]}", trigger.qos, trigger.capacity,
            "latest" if beat and trigger.qos is QoS.REALTIME else trigger.overflow,
            sample=trigger.sample, aggregate=trigger.aggregate, shed_at=trigger.shed_at, arrivals=arrivals,
        )  # fmt: skip
        queue.owner = self
        queue.notify = Bell(self, lane, trigger.interrupts)
        pattern = timer_topic(self.name, handler) if beat else trigger.pattern
        self._entries.append(
            self.services.bus.attach(
                pattern, queue, types=trigger.types, where=trigger.where, group=trigger.group
            )
        )
        return Door(handler, queue)

    def bind(self) -> None:
        """Make every door call the present instance."""
        for lane in self.lanes:
            for door in lane.doors:
                function = door.handler.function
                door.call = function if self.spec.cls is Agent else function.__get__(self.instance)

    def disconnect(self) -> None:
        """Leave the bus: what is queued ends as cancelled."""
        self.status = "stopped"
        self.beats.clear()
        for entry in self._entries:
            self.services.bus.detach(entry)
            entry.queue.close()
        self._entries.clear()

    def queues(self) -> list[Queue]:
        """The queues of all handlers."""
        return [door.queue for lane in self.lanes for door in lane.doors]

    def quiet(self) -> bool:
        """Whether nothing is queued, running or on its way out, and no retry is due."""
        if self.busy or self.outbox or self.life.telling:
            return False
        if self.status == "parked":
            return True
        return not any(queue.items or queue.in_flight for queue in self.queues())

    # --- scheduling ----------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Stand in the run queue for every lane that has something to do; let the others sleep."""
        held_back = bool(self.outbox)
        for lane in self.lanes:
            if not lane.waiting():
                lane.sleep()
            elif not held_back or lane.rank == 0:
                self.mark(lane)

    def mark(self, lane: Lane) -> None:
        """Stand in the run queue of *lane*'s class, once."""
        if not self._marked & lane.bit and self.status == "running":
            self._marked |= lane.bit
            self.services.scheduler.ready(self, lane.rank)

    async def work(self, scheduler: Scheduler, rank: int) -> None:
        """Run steps, the most urgent lane first, until nothing is left or the scheduler wants the turn back."""
        self._marked &= ~(1 << rank)
        if self.busy or self.status != "running":
            return
        self.busy = True
        self._runner = scheduler.current
        cancelled, observers = self.services.cancelled, self.services.observers
        least = 0 if self._interruptible else rank
        try:
            while (lane := self._next_lane(least)) is not None:
                least = 0
                ctx = lane.take(self)
                if ctx is None:
                    continue
                if cancelled and ctx._event._origin.scope in cancelled:
                    ctx.door.queue.settle_cancelled(ctx._event)
                    self._fail_request(ctx._event, "its scope was cancelled")
                elif observers.step_ended or observers.step_began:  # type: ignore[attr-defined]
                    await self._watched_step(ctx, lane)
                else:
                    await self._step(ctx, lane)
                scheduler.steps += 1
                if scheduler.must_yield(lane.rank) or self.status != "running":
                    break
        finally:
            self._end_turn()

    def _next_lane(self, least: int) -> Lane | None:
        """The most urgent lane that waits, of class *least* if there is one: a turn for it may be its guard's."""
        for lane in self.lanes:
            if lane.rank >= least and lane.waiting():
                return lane if lane.rank == 0 or not self.outbox else None
        return self._next_lane(0) if least else None

    def _end_turn(self) -> None:
        self.busy = False
        self._runner = None
        if self._freed is not None:
            self._freed.set_result(None)
            self._freed = None
        self.wake()

    async def free(self) -> None:
        """Return when no step is running."""
        while self.busy:
            if self._freed is None:
                self._freed = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._freed)

    # --- one step ------------------------------------------------------------------------------------------------

    async def _watched_step(self, ctx: Context, lane: Lane) -> None:
        services, event = self.services, ctx._event
        services.observers.tell("step_began", self.name, event, ctx.attempt)
        began = services.clock.monotonic()
        outcome = await self._step(ctx, lane)
        services.observers.tell("step_ended", self.name, event, outcome, services.clock.monotonic() - began)

    async def _step(self, ctx: Context, lane: Lane) -> str:
        self.step = ctx
        door = ctx.door
        error: Exception | None = None
        try:
            if door.simple:
                result = await door.call(ctx._event, ctx)
            else:
                result = await call(door, ctx._event, ctx)
            if self._reason is None and not ctx.doomed:
                waiting = commit(self, ctx, result)
                if waiting is not None:
                    self.step = None  # past the point of no return: nobody may interrupt it any more
                    await waiting
        except asyncio.CancelledError:
            if self._reason is None:
                if self._runner is None or self._runner.cancelling():
                    self._undo(ctx)
                    raise
                error = Abandoned(
                    f"{door.handler.name} awaited something that was cancelled, and let that pass"
                )
        except Exception as failure:  # noqa: BLE001 - a stranger's handler: rolled back, retried or buried, always told
            error = failure
        ctx.finished = True
        self.step = None
        if self._reason is not None or ctx.doomed:
            return await self._abandon(ctx, lane)
        if error is not None:
            ctx.effects = None
            self.roll_back()
            self._failed(ctx, lane, error)
            return "failed"
        door.queue.settle(1)
        self.counts.committed += 1
        if ctx.effects is not None or ctx._event._metadata is not None:
            self.outbox.send(ctx)
        if self.recent is not None:
            self.recent.append(ctx._event)
        return "committed"

    def _cut_short(self, ctx: Context, cut: asyncio.CancelledError) -> Exception | None:
        """A cancellation came out of the handler: meant for the step, or for all, or none of ours."""
        if self._reason is not None:
            return None
        if self._runner is not None and not self._runner.cancelling():
            return Abandoned(f"{ctx.door.handler.name} awaited something that was cancelled")
        self._undo(ctx)
        raise cut

    def _undo(self, ctx: Context) -> None:
        """The runtime is taken down in the middle of a step: leave nothing of it and put the event back."""
        ctx.finished = True
        self.step = None
        self.roll_back()
        ctx.door.queue.put_back(ctx._event, ctx.arrival)

    async def _abandon(self, ctx: Context, lane: Lane) -> str:
        """End a step that was interrupted (it runs again) or cancelled (it does not)."""
        reason, self._reason = self._reason, None
        ctx.effects = None
        self.roll_back()
        if reason == "interrupted":
            lane.resume = Work(ctx.door, ctx._event, ctx.attempt, ctx.records, ctx.arrival)
            self.counts.interrupted += 1
        else:
            ctx.door.queue.settle_cancelled(ctx._event)
            self.counts.cancelled += 1
            self._fail_request(ctx._event, "its scope was cancelled")
        if reason is not None and self._runner is not None:
            await absorb(self._runner)
        return reason or "cancelled"

    def roll_back(self) -> None:
        """Return to the committed state."""
        self.spec.snapshot.restore(self.instance.__dict__, self.committed)

    def _failed(self, ctx: Context, lane: Lane, error: Exception) -> None:
        self.counts.failed += 1
        event, records = ctx._event, ctx.records
        if records is not None:
            records.forget_failure(error, ctx._calls)
        delay = None
        if lane.rank and not isinstance(error, StateError | Diverged):
            delay = self.spec.retry.delay(ctx.attempt, self.services.random)
        if delay is None:
            self._give_up(ctx, error)
            return
        log.warning(
            "%s: attempt %d at %s failed: %s: %s", self.name, ctx.attempt, event, type(error).__name__, error
        )
        work = Work(ctx.door, event, ctx.attempt + 1, records, ctx.arrival)
        lane.held, lane.resume = True, work
        self.services.timers.after(delay, lambda: self._retry(lane, work), self.name)

    def _retry(self, lane: Lane, work: Work) -> None:
        if lane.resume is work:
            lane.held = False
            self.wake()

    def _give_up(self, ctx: Context, error: Exception) -> None:
        event = ctx._event
        ctx.door.queue.settle(1)
        self.counts.given_up += 1
        text = f"{type(error).__name__}: {error}"
        log.error("%s gave up %s after attempt %d: %s", self.name, event, ctx.attempt, text, exc_info=error)
        self._fail_request(event, text)
        self.services.bury(self.name, event, "failed", text)
        self.life.failed(event, error)

    def _fail_request(self, event: Event, error: str) -> None:
        number = event._metadata.get(REPLY_TO) if event._metadata else None
        if number is not None:
            self.services.requests.fail(number, error)

    # --- from outside --------------------------------------------------------------------------------------------

    def interrupt(self, reason: str) -> bool:
        """Cancel the running step; ``interrupted`` runs it again, ``cancelled`` does not. False if none is running."""
        step = self.step
        if step is None or self._reason is not None:
            return False
        if self._runner is None or asyncio.current_task() is self._runner:
            step.doomed = step.doomed or reason == "cancelled"
            return step.doomed
        self._reason = reason
        self._runner.cancel()
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
                work.door.queue.settle_cancelled(work.event)
                self._fail_request(work.event, "its scope was cancelled")
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
        ctx = Context(self, Door(handler, Queue(name)), event)
        self.busy = True
        try:
            result = getattr(self.instance, name)(*(*arguments, ctx)[: self.spec.hooks[name]])
            waiting = commit(self, ctx, await result if hasattr(result, "__await__") else result)
            if waiting is not None:
                await waiting
            ctx.finished = True
            self.outbox.send(ctx)
        except BaseException:
            self.roll_back()
            raise
        finally:
            ctx.finished = True
            self._end_turn()

    @property
    def standing(self) -> list[tuple[Queue, Ticket]]:
        """The full queues this agent's output waits for, each with its ticket."""
        return self.outbox.standing
