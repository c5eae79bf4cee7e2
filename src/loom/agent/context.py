"""The context: an agent's whole world during one step. What is buffered leaves when the step commits."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from loom.actions import Invocation
from loom.actions.registry import granted
from loom.agent._requests import REPLY_TO
from loom.agent._waits import path_between
from loom.errors import ActionDenied, ConfigError, Deadlock, Diverged, NoResponders, Overloaded, RequestTimeout
from loom.event import Event, Label, Origin, QoS
from loom.event.topic import check_topic

if TYPE_CHECKING:
    from loom.agent._cell import Cell
    from loom.agent._lane import Door

log = logging.getLogger("loom.agent")


class Effects:
    """What a step has buffered: it leaves when the step commits, or never."""

    __slots__ = ("acts", "keys", "outputs", "reply", "timers")

    def __init__(self) -> None:
        self.outputs: list[Event] = []
        self.acts: list[Invocation] = []
        self.timers: list[tuple[str, float, Event]] = []
        self.reply: Any = None
        self.keys = 0


class Context:
    """What a handler may do. Buffered until commit: ``publish``, ``act``, ``after``, ``every``, ``at``, ``reply``.

    At once, and recorded so that a retry of the step reuses the result: ``await call``, ``ask``, ``request``,
    ``gather``, ``run``. ``emit`` goes out at once and is not taken back.
    """

    __slots__ = (
        "_calls", "_cell", "_event", "_label", "_origin", "arrival", "attempt", "door", "doomed", "effects", "finished",
        "records",
    )  # fmt: skip

    def __init__(
        self, cell: Cell, door: Door, event: Event, attempt: int = 1, records: list[Any] | None = None, arrival: int = 0
    ) -> None:
        self._cell = cell
        self._event = event
        self._label: Label | None = None
        self._origin: Origin | None = None
        self._calls = 0
        self.door = door
        self.attempt = attempt
        """1 for the first attempt at this event, 2 for the first retry."""
        self.records = records
        self.arrival = arrival
        self.effects: Effects | None = None
        self.doomed = False
        self.finished = False

    # --- what is -------------------------------------------------------------------------------------------------

    @property
    def agent(self) -> str:
        """The agent's name."""
        return self._cell.name

    @property
    def event(self) -> Event:
        """The event being handled."""
        return self._event

    @property
    def recent(self) -> Sequence[Event]:
        """The events this agent handled lately, oldest first; as many as its class keyword ``window`` says."""
        return tuple(self._cell.recent or ())

    @property
    def random(self) -> Random:
        """The runtime's source of chance."""
        return self._cell.services.random

    def now_ms(self) -> int:
        """The runtime's time, Unix milliseconds."""
        return self._cell.services.clock.now_ms()

    @property
    def label(self) -> Label:
        """The label of what this step derives: of the event, the state, and the results awaited so far."""
        base = self._event._origin[0].join(self._cell.label)
        return base if self._label is None else base.join(self._label)

    # --- buffered ------------------------------------------------------------------------------------------------

    def publish(self, topic: str, payload: Any = None, **fields: Any) -> Event:
        """Publish an event when the step commits. It inherits thread and scope, its cause is the event being handled.

        *fields* are those of Event; a ``label`` can only add to what the step inherits.
        """
        event = self._derive(check_topic(topic), payload, fields)
        outputs = (self.effects or self._open_effects()).outputs
        if len(outputs) >= self._cell.spec.outbox:
            raise Overloaded(self.agent, "outbox", len(outputs), "of one step is full")
        outputs.append(event)
        return event

    def act(self, capability: str, /, **arguments: Any) -> str:
        """Run an action when the step commits; returns its idempotency key. Raises UnknownAction, ActionDenied."""
        invocation = self._invocation(capability, arguments)
        acts = (self.effects or self._open_effects()).acts
        if len(acts) >= self._cell.spec.outbox:
            raise Overloaded(self.agent, "outbox", len(acts), "of one step is full")
        acts.append(invocation)
        return invocation.key

    def after(self, seconds: float, topic: str, payload: Any = None, **fields: Any) -> str:
        """Publish on *topic* once, *seconds* after the commit; returns the timer's id for ``cancel_timer``."""
        return self._timer("after", seconds, topic, payload, fields)

    def every(self, seconds: float, topic: str, payload: Any = None, **fields: Any) -> str:
        """Publish on *topic* each *seconds* until cancelled; returns the timer's id."""
        if not seconds > 0:
            raise ConfigError(f"every() needs more than 0 seconds, not {seconds!r}")
        return self._timer("every", seconds, topic, payload, fields)

    def at(self, when: dt.datetime | int, topic: str, payload: Any = None, **fields: Any) -> str:
        """Publish on *topic* at a moment: an aware datetime, or Unix milliseconds; returns the timer's id."""
        if isinstance(when, dt.datetime) and when.tzinfo is None:
            raise ConfigError("at() needs a datetime with a time zone, or Unix milliseconds")
        seconds = when.timestamp() if isinstance(when, dt.datetime) else when / 1000
        return self._timer("at", seconds, topic, payload, fields)

    def cancel_timer(self, timer: str) -> bool:
        """Cancel a timer of this agent at once; False if it is not waiting any more."""
        return self._cell.beats.cancel(timer)

    def reply(self, payload: Any) -> None:
        """Answer the request being handled when the step commits; returning a value from the handler does the same."""
        (self.effects or self._open_effects()).reply = payload

    # --- at once -------------------------------------------------------------------------------------------------

    def emit(self, topic: str, payload: Any = None, **fields: Any) -> Event:
        """Publish at once to whoever can take it now, for tokens and audio; not taken back if the step fails."""
        event = self._derive(topic, payload, fields)
        self._cell.services.bus.offer(event)
        return event

    async def call(self, capability: str, /, **arguments: Any) -> Any:
        """Run an action now and return its result; raises UnknownAction, ActionDenied, ActionTimeout, ActionFailed."""
        invocation = self._invocation(capability, arguments)
        return await self._recorded(
            ("call", capability, arguments), lambda: self._cell.services.executor.call(invocation)
        )

    async def ask(self, task: str, input: Any = None, *, timeout: float | None = None, **options: Any) -> Any:
        """Let a model do *task* (``"detect"``) on *input* and return its output; raises NoBackend, ModelError.

        The request inherits the label and the QoS of the event being handled.
        """
        services, qos = self._cell.services, self.door.queue.qos
        return await self._recorded(
            ("ask", task, input, options),
            lambda: services.ask(task, input, label=self.label, timeout=timeout, qos=qos, options=options),
        )

    async def request(self, topic: str, payload: Any = None, *, timeout: float = 5.0, **fields: Any) -> Event:
        """Publish a request and wait for the first reply; raises RequestTimeout, NoResponders, RequestFailed, Deadlock."""
        replies = await self._recorded(("request", topic, payload), lambda: self._ask_agents(topic, payload, 1, timeout, fields))
        return self._take_in(replies)[0]

    async def gather(
        self, topic: str, payload: Any = None, *, k: int | None = None, timeout: float = 5.0, **fields: Any
    ) -> list[Event]:
        """Ask every agent that listens to *topic* and return the first *k* replies (None: all), in order of arrival."""
        replies = await self._recorded(
            ("gather", topic, payload, k), lambda: self._ask_agents(topic, payload, k, timeout, fields)
        )
        return self._take_in(replies)

    async def run(self, function: Callable[..., Any], /, *arguments: Any, where: str = "process", timeout: float | None = None) -> Any:
        """Run a function where it does not block the loop: in a worker ``process``, or a ``thread`` if it frees the GIL."""
        name = f"{function.__module__}:{function.__qualname__}"
        return await self._recorded(
            ("run", name, arguments), lambda: self._cell.services.run(function, arguments, where=where, timeout=timeout)
        )

    def cancel(self, scope: str | None = None) -> int:
        """Take down *scope* (the event's own if not said): queued events, running steps and actions in it."""
        target = scope or self._event.scope
        if target is None:
            raise ConfigError("cancel() needs a scope: the event being handled has none")
        return self._cell.services.cancel(target)

    def log(self, message: str, *arguments: object, level: int = logging.INFO) -> None:
        """Write a line to the logger ``loom.agent`` with the agent's name and the event's id."""
        log.log(level, f"[{self.agent}] {message} (event %s)", *arguments, self._event.id)

    # --- inside --------------------------------------------------------------------------------------------------

    def _derive(self, topic: str, payload: Any, fields: dict[str, Any]) -> Event:
        event = self._event
        origin = self._origin
        if origin is None or self._label is not None:
            parent = event._origin
            label = self.label
            trail = (*parent.trail, (event._topic, event.id))
            origin = self._origin = Origin(label, parent.thread, parent.scope, event.id, parent.hop + 1, parent.trace, trail)
        if not fields:
            return Event(topic[topic.rfind(".") + 1 :], payload, topic=topic, source=self._cell.name, origin=origin)
        fields = {"type": topic[topic.rfind(".") + 1 :], "source": self.agent, **fields}
        if "label" in fields:
            fields["label"] = origin.label.join(fields["label"])
        return Event(payload=payload, topic=topic, origin=origin, **fields)

    def _timer(self, kind: str, seconds: float, topic: str, payload: Any, fields: dict[str, Any]) -> str:
        event = self._derive(check_topic(topic), payload, {"scope": None, **fields})
        timers = (self.effects or self._open_effects()).timers
        if len(timers) >= self._cell.spec.outbox:
            raise Overloaded(self.agent, "outbox", len(timers), "of one step is full of timers")
        timers.append((kind, seconds, event))
        return event.id

    def _invocation(self, capability: str, arguments: dict[str, Any]) -> Invocation:
        cell = self._cell
        if not granted(capability, cell.grants):
            cell.services.observers.tell("denied", cell.name, capability, "not granted")
            raise ActionDenied(f"{cell.name!r} is not granted {capability!r}; its grants are {', '.join(cell.grants or ())}")
        action = cell.services.executor.registry.find(capability)
        effects = self.effects or self._open_effects()
        effects.keys += 1
        key = f"{cell.name}/{self.door.handler.name}/{self._event.id}/{effects.keys}"
        return Invocation(action, arguments, key, cell.name, self._event.scope)

    async def _recorded(self, what: tuple[Any, ...], make: Callable[[], Awaitable[Any]]) -> Any:
        """The result of *make*, or the one recorded when an earlier attempt of this step asked for the same."""
        self._check_open()
        index = self._calls
        self._calls += 1
        mark = fingerprint(what)
        records = self.records
        if records is None:
            records = self.records = []
        if index < len(records):
            recorded, result, error = records[index]
            if recorded != mark:
                raise Diverged(
                    f"{self.agent!r} ran again for event {self._event.id} and its call {index + 1} is now {what[:2]!r:.120}; "
                    "make what the step asks for depend on the event, the state and ctx alone"
                )
            if error is not None:
                raise error
            return result
        try:
            result = await make()
        except Exception as error:
            records.append((mark, None, error))
            raise
        records.append((mark, result, None))
        return result

    async def _ask_agents(self, topic: str, payload: Any, k: int | None, timeout: float, fields: dict[str, Any]) -> list[Event]:
        cell, services = self._cell, self._cell.services
        queues = services.bus.receivers(self._derive(check_topic(topic), payload, fields))
        owners = tuple(q.owner for q in queues if q.owner is not None)
        if not owners:
            raise NoResponders(f"no agent listens to {topic!r}")
        ways = [path_between(o, cell, waits_for) for o in owners]
        if all(way is not None for way in ways):
            names = " -> ".join(c.name for c in (cell, *(ways[0] or ())))
            raise Deadlock(f"a request on {topic!r} would wait for itself: {names}")
        number, pending = services.requests.open(len(owners) if k is None else k, len(owners), owners)
        metadata = {**fields.pop("metadata", {}), REPLY_TO: number}
        event = self._derive(topic, payload, {**fields, "metadata": metadata})
        cell.asking.append(pending)
        try:
            async with asyncio.timeout(timeout):
                await services.bus.publish(event)
            return await services.requests.wait(number, topic, timeout)
        except RequestTimeout:
            raise
        except TimeoutError:
            raise RequestTimeout(f"request on {topic!r}: no room in the queue of {owners[0].name!r} for {timeout} s") from None
        finally:
            services.requests.forget(number)
            cell.asking.remove(pending)

    def _take_in(self, replies: list[Event]) -> list[Event]:
        for reply in replies:
            if reply.label != self._event.label:
                self._label = reply.label if self._label is None else self._label.join(reply.label)
        return replies

    def _open_effects(self) -> Effects:
        self._check_open()
        self.effects = Effects()
        return self.effects

    def _check_open(self) -> None:
        if self.finished:
            raise RuntimeError(f"ctx of {self.agent!r} was used after its step had ended; do not keep it")


def fingerprint(what: object) -> str:
    """A stable hash of what a step asked for; payloads without a stable text count by their type."""
    return hashlib.blake2b(_canonical(what).encode("utf-8", "replace"), digest_size=12).hexdigest()


def _canonical(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{_canonical(k)}:{_canonical(v)}" for k, v in value.items())) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_canonical(v) for v in value) + "]"
    if isinstance(value, Event):
        return f"event {value.topic} {_canonical(value.payload)}"
    if isinstance(value, str | int | float | bool | bytes | dt.date | dt.time | dt.timedelta | None):
        return f"{type(value).__name__} {value!r}"
    return f"object {type(value).__module__}.{type(value).__qualname__}"


def waits_for(cell: Any) -> list[Any]:
    """The agents that *cell* cannot go on without: owners of full queues it stands before, and those it asked."""
    owners = [queue.owner for queue, _ in cell.standing if queue.owner is not None]
    return owners + [owner for pending in cell.asking for owner in pending.owners]


__all__ = ["Context", "QoS"]
