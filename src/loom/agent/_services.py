"""What every agent of one runtime shares."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from loom.actions import Executor
from loom.agent._requests import Requests
from loom.agent._scheduler import Scheduler
from loom.agent._timers import Timers
from loom.bus import Bus
from loom.clock import Chance, Clock
from loom.event import Event, Origin
from loom.event.scope import CancelledScopes
from loom.store import Store
from loom.telemetry import Observers

if TYPE_CHECKING:
    from random import Random

    from loom.agent._cell import Cell
    from loom.agent._durable import Durable
    from loom.journal.notes import Notes


class DeadLetter(NamedTuple):
    """An event nobody could handle: who gave it up, why, and the chain of (topic, id) that led to it."""

    agent: str
    event: Event
    reason: str
    error: str
    chain: tuple[tuple[str, str], ...]
    timestamp_ms: int


class Services:
    """Bus, scheduler, executor, timers and the rest, handed to each agent.

    ``ask``, ``stream`` and ``run`` reach models and workers, ``spawn`` keeps a task of the runtime until it ends.
    """

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        chance: Chance,
        store: Store,
        executor: Executor,
        scheduler: Scheduler,
        ask: Callable[..., Awaitable[Any]],
        stream: Callable[..., AsyncGenerator[Any, None]],
        run: Callable[..., Awaitable[Any]],
        spawn: Callable[[Any], None],
        durable: Durable | None = None,
    ) -> None:
        self.bus = bus
        self.clock = clock
        self.chance = chance
        self.store = store
        self.durable = durable
        self.executor = executor
        self.scheduler = scheduler
        self.timers = Timers(clock)
        self.timers.on_jump = self._jumped
        self.requests = Requests()
        self.observers: Observers = bus.observers
        self.ask = ask
        self.stream = stream
        self.run = run
        self.spawn = spawn
        self.cancelled = CancelledScopes()
        self.cells: dict[str, Cell] = {}
        self.dead_letters: deque[DeadLetter] = deque(maxlen=1000)
        self.dead = 0
        self.notes: Notes | None = None
        # of the events that models were asked for, lately: where they came from, and the last decision
        self.origins: OrderedDict[str, Origin] = OrderedDict()
        self.decisions: OrderedDict[str, str] = OrderedDict()
        self.feedback: Callable[[str, float], None] = lambda decision, reward: None
        self.paused: set[str] = set()
        if durable is not None:
            durable.services = self
            durable.causes.attach(self)

    @property
    def random(self) -> Random:
        """The runtime's source of chance."""
        return self.chance.random

    def _jumped(self, by_ms: int) -> None:
        """Tell that the calendar clock was set, by *by_ms* against the steady one."""
        if not self.bus.closed:
            self.bus.offer(Event("jumped", {"by_ms": by_ms}, topic="loom.clock.jumped", source="loom"))

    def announce(self, agent: str, what: str, payload: dict[str, Any], cause: Event | None = None) -> None:
        """Publish ``loom.agent.<agent>.<what>`` to whoever can take it now."""
        if self.notes is not None:
            self.notes.announced(agent, what, payload)
        if self.bus.closed:
            return
        agent, slash, key = agent.partition("/")
        if slash:
            payload = {**payload, "key": key}
        topic = f"loom.agent.{agent}.{what}"
        origin = {} if cause is None else {"origin": cause.origin._replace(cause=cause.id, hop=cause.hop + 1)}
        self.tell(Event(what, payload, topic=topic, source="loom", **origin))  # type: ignore[arg-type]  # an Origin

    def tell(self, event: Event) -> None:
        """Publish *event* to whoever can take it now; whoever listens durably hears of it, however far behind."""
        if self.bus.closed:
            return
        if self.durable is not None and self.bus.spooled(event.topic):
            self.durable.journal.append(event)
        else:
            self.bus.offer(event)

    def asking(self, event: Event) -> None:
        """Remember where *event* came from: a model is about to be asked because of it."""
        self.origins[event.id] = event.origin
        if len(self.origins) > 1024:
            self.origins.popitem(last=False)

    def decided(self, facts: Mapping[str, Any], event: str) -> None:
        """The router has decided because of *event*."""
        self.decisions[event] = facts["id"]
        if len(self.decisions) > 1024:
            self.decisions.popitem(last=False)
        if self.notes is not None:
            self.notes.decision(facts, event)

    def bury(self, agent: str, event: Event, reason: str, error: str = "", kept: bool = False) -> None:
        """Keep *event* as a dead letter, count it and announce it; *kept*: the store has it already."""
        self.dead += 1
        if self.durable is not None and not kept:
            self.durable.causes.bury(agent, event, reason, error)
        chain = (*event.origin.trail, (event.topic, event.id))
        self.dead_letters.append(DeadLetter(agent, event, reason, error, chain, self.clock.now_ms()))
        self.observers.tell("dead_letter", agent, event, reason)
        if event.hop < 64:  # whoever listens to dead letters and fails must not dig for ever
            report = {"topic": event.topic, "id": event.id, "reason": reason, "error": error}
            self.announce(agent, "dead_letter", report, event)

    def cancel(self, scope: str) -> int:
        """Take down everything inside *scope* that exists now; returns how many events, steps and actions ended."""
        self.cancelled.add(scope)
        ended = self.bus.cancel(lambda event: event.origin.scope in self.cancelled)
        for cell in list(self.cells.values()):
            ended += cell.cancel()
        ended += self.executor.cancel(lambda s: s in self.cancelled)
        self.scheduler.on_idle()
        return ended
