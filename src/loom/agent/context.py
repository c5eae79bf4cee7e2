"""The context: an agent's whole world during one step. What is buffered leaves when the step commits."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from loom.actions import Approval, Invocation
from loom.actions.registry import granted
from loom.agent._asking import ask_agents
from loom.agent._effects import Effects
from loom.agent._records import fingerprint
from loom.agent._step import Step
from loom.errors import ActionDenied, ConfigError, Overloaded
from loom.event import Event, Label, QoS
from loom.event.topic import check_topic

if TYPE_CHECKING:
    import datetime as dt
    from random import Random

    from loom.models import Stream

log = logging.getLogger("loom.agent")
_WISHES = frozenset({"actions", "schema", "max_steps", "context_tokens", "compact"})


class Context(Step):
    """What a handler may do. Buffered until commit: ``publish``, ``act``, ``after``, ``every``, ``at``, ``reply``.

    At once, and recorded so that a retry of the step reuses the result: ``await call``, ``ask``, ``request``,
    ``gather``, ``run``, ``stream``. ``emit`` goes out at once and is not taken back.
    """

    __slots__ = ()

    # --- what is -------------------------------------------------------------------------------------------------

    @property
    def recent(self) -> Sequence[Event]:
        """The events this agent handled lately, oldest first; as many as its class keyword ``window`` says."""
        return tuple(self._cell.recent or ())

    @property
    def random(self) -> Random:
        """The runtime's source of chance."""
        return self._cell.services.random

    @property
    def decision(self) -> str:
        """The id of the router's last decision because of this event, for ``feedback``; empty if none is noted."""
        return self._cell.services.decisions.get(self._event.id, "")

    def now_ms(self) -> int:
        """The runtime's time, Unix milliseconds."""
        return self._cell.services.clock.now_ms()

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
        return await self._call(capability, arguments)

    async def ask(self, task: str, input: Any = None, *, timeout: float | None = None, **options: Any) -> Any:
        """Let a model do *task* (``"detect"``) on *input* and return its output; raises NoBackend, ModelError.

        A prompt (``await ctx.ask("Make it warm", actions=["light.*"], max_steps=5)``) goes to a chat model, which may
        use the granted actions that *actions* names; with *schema* (a dataclass, ``list[...]``, a JSON schema) the
        answer is of that type. Raises ToolLoop, SchemaMismatch; see docs/how-to/tools.md. Requests inherit the
        label and the QoS of the event.
        """
        if _wishes(task, input, options):
            from loom.agent import _tool_loop  # late: most agents use no tools

            return await _tool_loop.ask(self, task, input, timeout, options)
        return await self._ask(task, input, timeout, options)

    def stream(self, task: str, input: Any = None, *, timeout: float | None = None, **options: Any) -> Stream:
        """Let a model do *task* (``"chat"``) and get its output in pieces: ``async with ctx.stream(...) as items``.

        Leaving the ``async with`` cancels the model's work. What had arrived whole is given again when the step is
        retried; see docs/how-to/models.md. Inherits and raises like ``ask``.
        """
        from loom.agent._stream import open_stream

        return open_stream(self, task, input, timeout, options)

    def feedback(self, decision: str, reward: float) -> None:
        """Say how good the answer was that came of *decision*, 0 (useless) to 1: at once, and once for each decision.

        Raises UnknownDecision, ValueError.
        """
        self._cell.services.feedback(decision, reward)

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

    async def _call(
        self, capability: str, arguments: dict[str, Any], approval: Approval | None = None, said: Any = None
    ) -> Any:
        """Run an action now; *approval* is asked for instead of its own, *said* are plain *arguments*."""
        what = ("call", capability, said or arguments)
        mark = fingerprint(what)
        services, durable = self._cell.services, self._cell.durable
        number = self._called(mark if durable is None else durable.ledger.sign(mark))
        invocation = self._invocation(capability, arguments, number)
        if approval is not None and invocation.action.approval is not Approval.DENY:
            invocation.action = invocation.action._replace(approval=approval)
        run: Callable[[], Awaitable[Any]] = partial(services.executor.call, invocation)
        if durable is not None:
            run = partial(durable.ledger.call, self, invocation)
        try:
            return await self._recorded(what, run, mark)
        finally:
            if invocation.action.untrusted:  # what it failed with is a stranger's, too
                self._label = self.label.join(Label(untrusted=True))

    async def _ask(self, task: str, input: Any, timeout: float | None, options: dict[str, Any]) -> Any:
        return await self._recorded(
            ("ask", task, input, options),
            lambda: self._cell.services.ask(task, input, timeout=timeout, options=options, **self.asking()),
        )

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


def _wishes(task: object, input: object, options: dict[str, Any]) -> bool:
    """Whether more is asked for than a task on an input: a prompt has spaces, or is a list of messages."""
    more = bool(options) and not _WISHES.isdisjoint(options)
    if input is None:
        return more or not isinstance(task, str) or any(each.isspace() for each in task)
    typed = not isinstance(options.get("schema"), dict | None)
    return more and (task == "chat" or "actions" in options or typed)


__all__ = ["Context", "Effects", "QoS"]
