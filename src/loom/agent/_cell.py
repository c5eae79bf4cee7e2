"""A cell: one running agent with its lanes, its committed state, and the loop that turns events into steps."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING, Any

from loom.agent._commit import Outbox, commit
from loom.agent._handlers import Handler, Trigger
from loom.agent._lane import Lane, Work
from loom.agent._requests import REPLY_TO, Pending
from loom.agent._services import Services
from loom.agent._supervision import Health
from loom.agent._timers import Timer
from loom.agent.agent import Agent, AgentSpec
from loom.agent.context import Context
from loom.bus import Entry, Queue
from loom.errors import StateError
from loom.event import PUBLIC, Event, Label, QoS

if TYPE_CHECKING:
    from loom.agent._scheduler import Scheduler

log = logging.getLogger("loom.agent")
STATUSES = ("new", "running", "restarting", "parked", "stopped")


class Cell:
    """Runs one agent: takes its events by lane, calls the handlers one at a time, commits or rolls back each step."""

    __slots__ = (
        "_entries", "_marked", "_reason", "_runner", "_timers", "acting", "asking", "busy", "committed", "counts", "grants",
        "health", "initial", "instance", "label", "lanes", "name", "outbox", "recent", "services", "spec", "status",
        "step",
    )  # fmt: skip

    def __init__(self, spec: AgentSpec, instance: Agent, services: Services, name: str, grants: Iterable[str] | None) -> None:
        self.spec = spec
        self.instance = instance
        self.services = services
        self.name = name
        self.grants = None if grants is None else tuple(grants)
        self.status = "new"
        self.lanes: tuple[Lane | None, Lane | None, Lane | None] = (None, None, None)
        self.busy = False
        self.step: Context | None = None
        self.label: Label = PUBLIC
        self.initial = dict(instance.__dict__)
        self.committed = spec.snapshot.capture(instance.__dict__)
        self.outbox = Outbox(self)
        self.asking: list[Pending] = []
        self.recent: deque[Event] | tuple[()] = deque(maxlen=spec.window) if spec.window else ()
        self.health: Health | None = None
        self.counts = [0, 0, 0, 0, 0]
        self._entries: list[Entry] = []
        self._timers: dict[str, Timer] | None = None
        self._marked = 0
        self._reason: str | None = None
        self._runner: asyncio.Task[Any] | None = None

    # --- life ----------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Attach a queue for every handler to the bus; events are kept there until the cell runs."""
        lanes: dict[int, Lane] = {}
        for rank in range(3):
            mine = [h for h in self.spec.handlers if h.trigger.qos.rank == rank]
            arrivals = count(1).__next__ if len(mine) > 1 else None
            for handler in mine:
                lane = lanes.setdefault(rank, Lane(rank))
                trigger = handler.trigger
                overflow = "latest" if trigger.pattern == "" and trigger.qos is QoS.REALTIME else trigger.overflow
                queue = Queue(
                    f"{self.name}.{handler.name.rpartition('.')[2]}", trigger.qos, trigger.capacity, overflow,
                    sample=trigger.sample, aggregate=trigger.aggregate, shed_at=trigger.shed_at, arrivals=arrivals,
                )  # fmt: skip
                queue.owner = self
                queue.notify = _Notify(self, lane, handler.trigger.interrupts)
                lane.add(handler, queue)
                self._entries.append(
                    self.services.bus.attach(
                        trigger.pattern or timer_topic(self, handler), queue,
                        types=trigger.types, where=trigger.where, group=trigger.group,
                    )
                )  # fmt: skip
        self.lanes = (lanes.get(0), lanes.get(1), lanes.get(2))

    def run(self) -> None:
        """Begin to serve events, and to beat those of ``@every`` and ``@at``."""
        self.status = "running"
        for handler in self.spec.handlers:
            if handler.trigger.every is not None or handler.trigger.at is not None:
                self._set_beat(handler.name, handler.trigger, timer_topic(self, handler))
        self.wake()

    def disconnect(self) -> None:
        """Leave the bus: what is queued ends as cancelled."""
        self.status = "stopped"
        self.drop_timers()
        for entry in self._entries:
            self.services.bus.detach(entry)
            entry.queue.close()
        self._entries.clear()

    def queues(self) -> list[Queue]:
        """The queues of all handlers."""
        return [queue for lane in self.lanes if lane for _, queue in lane.doors]

    def quiet(self) -> bool:
        """Whether nothing is queued, running or on its way out, and no retry is due."""
        if self.busy or self.outbox:
            return False
        if self.status == "parked":
            return True
        return not any(queue.items or queue.in_flight for queue in self.queues())

    # --- scheduling ----------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Stand in the run queue for every lane that has something to do."""
        for lane in self.lanes:
            if lane is not None and (lane.rank == 0 or not self.outbox) and lane.waiting():
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
        try:
            while (lane := self._next_lane()) is not None:
                work = lane.take(self.services.clock.now_ms())
                if work is None:
                    lane.sleep()
                    continue
                await self._step(work, lane)
                scheduler.steps += 1
                if self.status != "running" or scheduler.must_yield(lane.rank):
                    break
        finally:
            self.busy = False
            self.wake()

    def _next_lane(self) -> Lane | None:
        for lane in self.lanes:
            if lane is not None and (lane.rank == 0 or not self.outbox) and lane.waiting():
                return lane
            if lane is not None and not lane.held and not lane.waiting():
                lane.sleep()
        return None

    # --- one step ------------------------------------------------------------------------------------------------

    async def _step(self, work: Work, lane: Lane) -> None:
        services, event, handler = self.services, work.event, work.handler
        if services.cancelled and event._origin.scope in services.cancelled:
            work.queue.settle_cancelled(event)
            return
        ctx = self.step = Context(self, work)
        observers = services.observers
        watched = observers.step_ended  # type: ignore[attr-defined]
        began = services.clock.monotonic() if watched else 0.0
        if observers.step_began:  # type: ignore[attr-defined]
            observers.tell("step_began", self.name, event, work.attempt)
        try:
            result = await self._call(handler, event, ctx)
            outcome = "committed" if self._reason is None and not ctx.doomed else "cancelled"
            if outcome == "committed":
                waiting = commit(self, ctx, result)
                if waiting is not None:
                    await waiting
            if self._reason is not None:
                await self._absorb()
        except asyncio.CancelledError:
            if self._reason is None:
                self._roll_back(ctx)
                work.queue.put_back(event, work.arrival)
                raise
            outcome = "cancelled"
            await self._absorb()
        except Exception as error:  # a stranger's handler: rolled back, retried or buried, always told
            outcome = "failed"
            self._roll_back(ctx)
            self._failed(work, lane, error)
        finally:
            ctx.finished = True
            self.step = None
        if outcome == "committed":
            work.queue.settle(1)
            self.counts[0] += 1
            self.outbox.send(ctx)
            if self.recent != ():
                self.recent.append(event)  # type: ignore[union-attr]
        elif outcome == "cancelled":
            outcome = self._abandoned(work, lane, ctx)
        if watched:
            observers.tell("step_ended", self.name, event, outcome, services.clock.monotonic() - began)

    async def _call(self, handler: Handler, event: Event, ctx: Context) -> Any:
        first = () if self.spec.cls is Agent else (self.instance,)
        arguments = (event, ctx)[: handler.arguments]
        result = handler.function(*first, *arguments)
        if not handler.is_async:
            return result
        self._runner = asyncio.current_task()
        if handler.trigger.timeout is None:
            return await result
        async with asyncio.timeout(handler.trigger.timeout):
            return await result

    async def _absorb(self) -> None:
        """After an interruption, take the cancellation that belongs to the step off the runner."""
        if self._runner is None:
            return
        self._runner.uncancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            if self._runner.cancelling():
                raise

    def _abandoned(self, work: Work, lane: Lane, ctx: Context) -> str:
        """End a step that was interrupted (it runs again) or cancelled (it does not)."""
        reason, self._reason = self._reason, None
        self._roll_back(ctx)
        if reason == "interrupted":
            lane.resume = work
            self.counts[3] += 1
            return "interrupted"
        work.queue.settle_cancelled(work.event)
        self.counts[2] += 1
        self._fail_request(work.event, "its scope was cancelled")
        return "cancelled"

    def _roll_back(self, ctx: Context) -> None:
        self.spec.snapshot.restore(self.instance.__dict__, self.committed)

    def _failed(self, work: Work, lane: Lane, error: Exception) -> None:
        self.counts[1] += 1
        records = work.records
        if records and records[-1][2] is error:
            records.pop()
        delay = None
        if work.queue.qos is not QoS.REALTIME and not isinstance(error, StateError):
            delay = self.spec.retry.delay(work.attempt, self.services.random)
        if delay is None:
            self._give_up(work, error)
            return
        log.warning("%s: attempt %d at %s failed: %s: %s", self.name, work.attempt, work.event, type(error).__name__, error)
        lane.held = True
        lane.resume = work._replace(attempt=work.attempt + 1)
        self.services.timers.after(delay, lambda: self._retry(lane), self.name)

    def _retry(self, lane: Lane) -> None:
        lane.held = False
        self.wake()

    def _give_up(self, work: Work, error: Exception) -> None:
        work.queue.settle(1)
        self.counts[4] += 1
        text = f"{type(error).__name__}: {error}"
        log.error("%s gave up %s after %d attempts: %s", self.name, work.event, work.attempt, text, exc_info=error)
        self._fail_request(work.event, text)
        self.services.bury(self.name, work.event, "failed", text)
        if "on_error" in self.spec.hooks:
            self.services.spawn(self.hook("on_error", work.event, error))
        self.health = self.health or Health(self.spec.restart)
        if self.health.failed(self.services.clock.monotonic()):
            self.services.spawn(self.restart())

    def _fail_request(self, event: Event, error: str) -> None:
        number = event._metadata.get(REPLY_TO) if event._metadata else None
        if number is not None:
            self.services.requests.fail(number, error)

    # --- from outside --------------------------------------------------------------------------------------------

    def interrupt(self, reason: str) -> bool:
        """Cancel the running step; ``interrupted`` runs it again, ``cancelled`` does not. False if none is running."""
        step = self.step
        if step is None or self._reason is not None or step.finished:
            return False
        if self._runner is None or asyncio.current_task() is self._runner:
            step.doomed = reason == "cancelled"
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
            if lane is not None and lane.resume is not None and lane.resume.event.scope in cancelled:
                lane.resume.queue.settle_cancelled(lane.resume.event)
                self._fail_request(lane.resume.event, "its scope was cancelled")
                lane.resume, lane.held = None, False
                ended += 1
        self.outbox.forget(cancelled)
        self.wake()
        return ended

    async def hook(self, name: str, *arguments: Any) -> None:
        """Run ``on_start``, ``on_stop`` or ``on_error`` as a step of its own; an error is raised after the rollback."""
        if name not in self.spec.hooks:
            return
        event = Event(name, topic=f"loom.agent.{self.name}.{name}", source="loom")
        handler = Handler(name, getattr(self.spec.cls, name), Trigger(), 1, True)
        ctx = Context(self, Work(handler, Queue(name), event, 1, []))
        while self.busy:
            await asyncio.sleep(0)
        self.busy = True
        try:
            result = getattr(self.instance, name)(*arguments, ctx)
            waiting = commit(self, ctx, await result if hasattr(result, "__await__") else result)
            if waiting is not None:
                await waiting
            self.outbox.send(ctx)
        except BaseException:
            self._roll_back(ctx)
            raise
        finally:
            ctx.finished = True
            self.busy = False
            if self.status == "running":
                self.wake()

    async def restart(self) -> None:
        """Make the agent anew after a back-off, from its committed state; park it when that happens too often."""
        if self.status not in ("running", "new"):
            return
        self.status = "restarting"
        self.health = self.health or Health(self.spec.restart)
        while (delay := self.health.restart(self.services.clock.monotonic(), self.services.random)) is not None:
            self.services.announce(self.name, "restarting", {"delay": delay})
            await asyncio.sleep(delay)
            if self.status != "restarting":
                return
            try:
                await self.revive()
            except Exception as error:  # on_start of a stranger: told, and tried again
                log.error("%s could not start: %s: %s", self.name, type(error).__name__, error)
                continue
            self.services.announce(self.name, "restarted", {})
            return
        self.status = "parked"
        self.services.announce(self.name, "parked", {"queued": sum(len(q) for q in self.queues())})
        log.error("%s is parked after too many restarts; its events wait; loom.unpark(%r) tries again", self.name, self.name)

    async def revive(self) -> None:
        """Make the instance anew from the committed state, call ``on_start`` and serve events."""
        self.instance = object.__new__(type(self.instance))
        self.instance.__dict__.update(self.initial)
        self.spec.snapshot.restore(self.instance.__dict__, self.committed)
        await self.hook("on_start")
        self.drop_timers(beats_only=True)
        self.run()

    # --- timers --------------------------------------------------------------------------------------------------

    def add_timer(self, kind: str, seconds: float, event: Event) -> None:
        """Set a timer that publishes *event*; an ``every`` timer publishes a copy each time."""
        timers = self.services.timers
        fire = lambda: self._fire(event, kind)  # noqa: E731 - the closure is the timer's whole content
        make = {"after": timers.after, "every": timers.every, "at": timers.at}[kind]
        self._timers = self._timers or {}
        self._timers[event.id] = make(seconds, fire, self.name)

    def cancel_timer(self, number: str) -> bool:
        """Cancel the timer whose event has this id."""
        timer = (self._timers or {}).pop(number, None)
        if timer is None or timer.dead:
            return False
        self.services.timers.cancel(timer)
        return True

    def drop_timers(self, beats_only: bool = False) -> None:
        """Cancel every timer of the agent, or only those of ``@every`` and ``@at``."""
        for number in list(self._timers or ()):
            if not beats_only or number.startswith("@"):
                self.cancel_timer(number)

    def _fire(self, event: Event, kind: str) -> None:
        if kind != "every" and self._timers is not None:
            self._timers.pop(event.id, None)
        now = self.services.clock.now_ms()
        copy = event.replace(timestamp_ms=now) if kind == "every" else event
        self.outbox.push(copy)

    def _set_beat(self, name: str, trigger: Trigger, topic: str) -> None:
        def fire() -> None:
            services = self.services
            services.bus.offer(Event("timer", topic=topic, source="loom", timestamp_ms=services.clock.now_ms()))

        timers = self.services.timers
        self._timers = self._timers or {}
        self._timers[f"@{name}"] = (
            timers.every(trigger.every, fire, self.name)
            if trigger.every is not None
            else timers.daily(trigger.at, fire, self.name)  # type: ignore[arg-type]
        )

    @property
    def standing(self) -> list[tuple[Queue, Any]]:
        """The full queues this agent's output waits for, each with its ticket."""
        return self.outbox.standing


class _Notify:
    """What a queue of the cell calls when an event comes while the lane sleeps."""

    __slots__ = ("_cell", "_interrupts", "_lane")

    def __init__(self, cell: Cell, lane: Lane, interrupts: bool) -> None:
        self._cell = cell
        self._lane = lane
        self._interrupts = interrupts

    def __call__(self) -> None:
        for _, queue in self._lane.doors:
            queue.idle = False
        cell = self._cell
        if self._interrupts and cell.step is not None and cell.step.work.queue.qos is not QoS.REALTIME:
            cell.interrupt("interrupted")
        if not cell.busy:
            cell.mark(self._lane)


def timer_topic(cell: Cell, handler: Handler) -> str:
    """The topic on which the beats of ``@every`` and ``@at`` arrive."""
    return f"loom.timer.{cell.name}.{handler.name.rpartition('.')[2]}"
