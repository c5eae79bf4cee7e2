"""The context: an agent's whole world during one step. What is buffered leaves when the step commits."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from loom.actions import Invocation
from loom.actions.registry import granted
from loom.agent._asking import ask_agents
from loom.agent._effects import Effects
from loom.agent._records import Record, Records, fingerprint
from loom.errors import ActionDenied, ConfigError, Diverged, Overloaded, ScopeCancelled
from loom.event import Event, Label, Origin, QoS
from loom.event.topic import check_topic

if TYPE_CHECKING:
    import datetime as dt
    from random import Random

    from loom.agent._cell import Cell
    from loom.agent._lane import Door

log = logging.getLogger("loom.agent")


class Context:
    """What a handler may do. Buffered until commit: ``publish``, ``act``, ``after``, ``every``, ``at``, ``reply``.

    At once, and recorded so that a retry of the step reuses the result: ``await call``, ``ask``, ``request``,
    ``gather``, ``run``. ``emit`` goes out at once and is not taken back.
    """

    __slots__ = (
        "_calls",
        "_cell",
        "_event",
        "_label",
        "_origin",
        "_under_way",
        "arrival",
        "attempt",
        "doomed",
        "door",
        "effects",
        "finished",
        "records",
    )  # fmt: skip

    def __init__(
        self,
        cell: Cell,
        door: Door,
        event: Event,
        attempt: int = 1,
        records: Records | None = None,
        arrival: int = 0,
    ) -> None:
        self._cell = cell
        self._event = event
        self._label: Label | None = None
        self._origin: Origin | None = None
        self._calls = 0
        self._under_way = 0
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
        effects = self.effects or self._open_effects()
        acts = effects.acts
        if len(acts) >= self._cell.spec.outbox:
            raise Overloaded(self.agent, "outbox", len(acts), "of one step is full")
        invocation = self._invocation(capability, arguments, str(effects.keys + 1))
        durable = self._cell.durable
        if durable is not None:
            durable.ledger.enter(self, invocation)
        effects.keys += 1
        acts.append(invocation)
        return invocation.key

    def after(
        self, seconds: float, topic: str, payload: Any = None, *, missed: str | None = None, **fields: Any
    ) -> str:
        """Publish on *topic* once, *seconds* after the commit; returns the timer's id for ``cancel_timer``.

        *missed*, here and below: what becomes of runs that fell due while nobody was there to fire them: ``"once"``,
        ``"skip"``, ``"catch_up"`` or ``"coalesce"``; a single moment fires late, a rhythm goes on, unless said.
        """
        if not seconds >= 0:
            raise ConfigError(f"after() needs 0 seconds or more, not {seconds!r}")
        return self._timer("after", seconds, self._later(topic, payload, fields, seconds > 0), missed)

    def every(
        self, seconds: float, topic: str, payload: Any = None, *, missed: str | None = None, **fields: Any
    ) -> str:
        """Publish on *topic* each *seconds* until cancelled; returns the timer's id."""
        if not seconds > 0:
            raise ConfigError(f"every() needs more than 0 seconds, not {seconds!r}")
        return self._timer("every", seconds, self._later(topic, payload, fields), missed)

    def at(
        self,
        when: dt.datetime | int,
        topic: str,
        payload: Any = None,
        *,
        missed: str | None = None,
        **fields: Any,
    ) -> str:
        """Publish on *topic* at a moment: an aware datetime, or Unix milliseconds; returns the timer's id."""
        if not isinstance(when, int | float) and when.tzinfo is None:
            raise ConfigError("at() needs a datetime with a time zone, or Unix milliseconds")
        seconds = when / 1000 if isinstance(when, int | float) else when.timestamp()
        return self._timer("at", seconds, self._later(topic, payload, fields), missed)

    def cancel_timer(self, timer: str) -> bool:
        """Cancel a timer of this agent when the step commits; False if it is not waiting."""
        effects = self.effects or self._open_effects()
        fresh = [t for t in effects.timers if t[2].id == timer]
        for each in fresh:
            effects.timers.remove(each)
        if not fresh and self._cell.beats.waits(timer) and timer not in effects.ended:
            effects.ended.append(timer)
            return True
        return bool(fresh)

    def reply(self, payload: Any) -> None:
        """Answer the request being handled when the step commits; returning a value from the handler does the same."""
        (self.effects or self._open_effects()).reply = payload

    # --- at once -------------------------------------------------------------------------------------------------

    def emit(self, topic: str, payload: Any = None, **fields: Any) -> Event:
        """Publish at once to whoever can take it now, for tokens and audio; not taken back if the step fails."""
        self._check_open()
        event = self._derive(check_topic(topic), payload, fields)
        services = self._cell.services
        if event.scope not in services.cancelled and not self._cell.outbox.too_far(event):
            services.bus.offer(event)
        return event

    async def call(self, capability: str, /, **arguments: Any) -> Any:
        """Run an action now and return its result; raises UnknownAction, ActionDenied, ActionTimeout, ActionFailed."""
        what = ("call", capability, arguments)
        mark = fingerprint(what)
        services, durable = self._cell.services, self._cell.durable
        number = self._called(mark if durable is None else durable.ledger.sign(mark))
        invocation = self._invocation(capability, arguments, number)
        if durable is None:
            return await self._recorded(what, lambda: services.executor.call(invocation), mark)
        ledger = durable.ledger
        return await self._recorded(what, lambda: ledger.call(self, invocation), mark)

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
        """Publish a request and wait for the first reply.

        Raises RequestTimeout, NoResponders, RequestFailed, and Deadlock if the answer would wait for this agent.
        """
        replies = await self._recorded(
            ("request", topic, payload), lambda: ask_agents(self, topic, payload, 1, timeout, fields)
        )
        return self._take_in(replies)[0]

    async def gather(
        self, topic: str, payload: Any = None, *, k: int | None = None, timeout: float = 5.0, **fields: Any
    ) -> list[Event]:
        """Ask every agent that listens to *topic*; return the first *k* replies in order of arrival.

        None: of everybody who answers; a handler that returns nothing does not. Raises like ``request``.
        """
        replies = await self._recorded(
            ("gather", topic, payload, k), lambda: ask_agents(self, topic, payload, k, timeout, fields)
        )
        return self._take_in(replies)

    async def run(
        self,
        function: Callable[..., Any],
        /,
        *arguments: Any,
        where: str = "process",
        timeout: float | None = None,
    ) -> Any:
        """Run a function that would block the loop in a worker ``process``, or in a ``thread`` if it frees the GIL."""
        name = f"{function.__module__}:{function.__qualname__}"
        return await self._recorded(
            ("run", name, arguments),
            lambda: self._cell.services.run(function, arguments, where=where, timeout=timeout),
        )

    def cancel(self, scope: str | None = None) -> int:
        """Take down *scope* (the event's own if not said): queued events, running steps and actions in it."""
        target = scope or self._event.scope
        if target is None:
            raise ConfigError("cancel() needs a scope: the event being handled has none")
        return self._cell.services.cancel(target)

    def log(self, message: str, *arguments: object, level: int = logging.INFO) -> None:
        """Write a line to the logger ``loom.agent`` with the agent's name and the event's id."""
        text = message % arguments if arguments else message
        log.log(level, "[%s] %s (event %s)", self.agent, text, self._event.id)

    # --- inside --------------------------------------------------------------------------------------------------

    def _derive(self, topic: str, payload: Any, fields: dict[str, Any]) -> Event:
        event = self._event
        origin = self._origin
        if event._metadata is not None and "subject" in event._metadata:  # whose data it is goes along
            metadata = {"subject": event._metadata["subject"], **fields.get("metadata", {})}
            fields = {**fields, "metadata": metadata}
        if origin is None or self._label is not None:
            parent = event._origin
            label = self.label
            trail = (*parent.trail, (event._topic, event.id))
            origin = self._origin = Origin(
                label, parent.thread, parent.scope, event.id, parent.hop + 1, parent.trace, trail
            )
        if not fields:
            return Event(
                topic[topic.rfind(".") + 1 :], payload, topic=topic, source=self._cell.name, origin=origin
            )
        fields = {"type": topic[topic.rfind(".") + 1 :], "source": self.agent, **fields}
        if "label" in fields:
            fields["label"] = origin.label.join(fields["label"])
        return Event(payload=payload, topic=topic, origin=origin, **fields)

    def _later(self, topic: str, payload: Any, fields: dict[str, Any], later: bool = True) -> Event:
        """The event of a timer. Time ends a cascade: what happens *later* begins a chain of its own."""
        event = self._derive(check_topic(topic), payload, {"scope": None, **self._cell.address(fields)})
        if later:
            event._origin = event._origin._replace(hop=0, trail=())
        return event

    def _timer(self, kind: str, seconds: float, event: Event, missed: str | None) -> str:
        if missed is not None:
            from loom.agent._schedule import check_missed

            check_missed(missed)
        timers = (self.effects or self._open_effects()).timers
        if len(timers) >= self._cell.spec.outbox:
            raise Overloaded(self.agent, "outbox", len(timers), "of one step is full of timers")
        timers.append((kind, seconds, event, missed))
        return event.id

    def _called(self, mark: str) -> str:
        """What tells a call from the others of its step, in whatever order those that overlap begin next time."""
        effects = self.effects or self._open_effects()
        if effects.called is None:
            effects.called = {}
        times = effects.called[mark] = effects.called.get(mark, 0) + 1
        return mark if times == 1 else f"{mark}.{times}"

    def _invocation(self, capability: str, arguments: dict[str, Any], number: str) -> Invocation:
        cell = self._cell
        if not granted(capability, cell.grants):
            cell.services.observers.tell("denied", cell.name, capability, "not granted")
            raise ActionDenied(
                f"{cell.name!r} is not granted {capability!r}; its grants are {', '.join(cell.grants or ())}"
            )
        action = cell.services.executor.registry.find(capability)
        handler = self.door.handler.name.rpartition(".")[2]  # a class may move
        key = f"{cell.name}/{handler}/{self._event.id}/{number}"
        return Invocation(action, arguments, key, cell.name, self._event.scope)

    async def _recorded(
        self, what: tuple[Any, ...], make: Callable[[], Awaitable[Any]], mark: str | None = None
    ) -> Any:
        """The result of *make*, or the one recorded when an earlier attempt of this step asked for the same."""
        self._check_open()
        if self.doomed:
            raise ScopeCancelled(f"{self.agent!r} has cancelled the scope it works in, {self._event.scope!r}")
        mark = mark or fingerprint(what)
        if self.records is None:
            durable = self._cell.durable
            self.records = Records() if durable is None else durable.ledger.records(self)
        elif not self._calls:
            self.records.rewind()
        records, number = self.records, self._calls
        self._calls += 1
        try:
            known = records.find(number, mark)
        except LookupError:
            raise Diverged(
                f"{self.agent!r} ran again for event {self._event.id} and its call {number + 1} is now "
                f"{what[:2]!r:.120}; make what the step asks for depend on the event, the state and ctx alone"
            ) from None
        if known is not None and known.error is not None:
            raise known.error
        return known.result if known is not None else await self._record(number, mark, make)

    async def _record(self, number: int, mark: str, make: Callable[[], Awaitable[Any]]) -> Any:
        alone = not self._under_way
        self._under_way += 1
        try:
            result, error = await make(), None
        except Exception as failure:  # noqa: BLE001 - recorded, then raised
            result, error = None, failure
        finally:
            self._under_way -= 1
        alone = alone and self._calls == number + 1
        if self.records is not None:
            label = self.label if type(result) is not list else self._label_of(result)
            self.records.keep(number, Record(mark, result, error, self._calls, alone), label)
        if error is not None:
            raise error
        return result

    def _label_of(self, result: list[Any]) -> Label:
        """The label of what came back: replies bring theirs."""
        label = self.label
        for reply in result:
            if type(reply) is Event:
                label = label.join(reply.label)
        return label

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


__all__ = ["Context", "Effects", "QoS"]
