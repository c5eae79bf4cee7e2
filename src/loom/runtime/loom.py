"""The Loom: one runtime with its bus, agents, actions, sources and models."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Any

from loom.actions import Action, Approval, Executor, Invocation, Registry
from loom.adapters import ActionSink, HostAdapter, Source
from loom.agent import Agent, AgentSpec, Cell, Scheduler, Services
from loom.agent._turn import serve
from loom.agent._watchdog import Blocked, Watchdog
from loom.agent.agent import check_name
from loom.bus import Bus
from loom.clock import Chance, Clock, SystemClock
from loom.errors import Closed, ConfigError, StateError
from loom.event import Event
from loom.runtime._approvals import Approvals
from loom.runtime._assembly import check_uses, make_cell, spread, with_companions
from loom.runtime._backends import load
from loom.runtime._durability import open_durable, tidy
from loom.runtime._inference import Inference
from loom.runtime._models import Models
from loom.runtime._operations import Operations, note_causes
from loom.runtime._senses import Senses, Sensing
from loom.runtime._switches import StoredSwitches
from loom.store import MemoryStore, Store

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from loom.runtime._sources import SourceRunner
    from loom.runtime.statistics import Statistics

log = logging.getLogger("loom")


class Loom(Operations, Inference, Sensing):
    """A runtime. ``async with Loom() as loom`` starts it and drains it at the end.

    *drain* is how many seconds ``stop`` waits for accepted work, *watchdog* after how many seconds of a blocked loop
    the handler is named (None: never), *concurrency* how many handlers may wait for something at once, *approvals* maps
    action names to allow, deny or ask, *seed* fixes chance. *clock* and *store* replace the defaults. *data* is the
    folder of a durable store: what agents have accepted, know and have yet to do outlives the process there. *key* says
    where the key is that seals what is private ("env", "keyring", a file), *backend* is sqlite or rocksdb. *causes*
    notes losses, denials and retries in memory, for ``why``; with *data* they are on disk. *router* says where requests
    of models go, as the table [router] of a project file does.
    """

    def __init__(
        self,
        name: str = "loom",
        *,
        clock: Clock | None = None,
        store: Store | None = None,
        data: str | Path | None = None,
        key: str | None = None,
        backend: str | None = None,
        causes: bool = False,
        router: Mapping[str, Any] | None = None,
        seed: int | None = None,
        drain: float = 10.0,
        watchdog: float | None = 0.25,
        concurrency: int = 1024,
        approvals: Mapping[str, Approval | str] | None = None,
        approval_timeout: float = 300.0,
    ) -> None:
        self.name = check_name(name)
        self.clock = clock or SystemClock()
        self._chance = Chance(seed)
        self.bus = Bus(self.clock)
        self.registry = Registry()
        self.approvals = Approvals(self.bus, approval_timeout)
        self.left: int = 0
        self._drain = drain
        self._watch = watchdog
        self._state = "new"
        self._open = True
        self._stopping = asyncio.Lock()
        self._codes: dict[CodeType, str] = {}
        self._senses = Senses()
        self._stirred: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watchdog: Watchdog | None = None
        self.models = Models()
        policy = {n: Approval(a) for n, a in (approvals or {}).items()}
        executor = Executor(
            self.registry, self.bus.observers, self.approvals.ask, chance=self._chance, policy=policy
        )
        self._durable = None if data is None else open_durable(data, self.bus, key, backend)
        self._services = Services(
            self.bus, self.clock, self._chance, store or self._durable or MemoryStore(), executor,
            Scheduler(serve, concurrency), self.models.ask, self.models.stream, self.models.run, self._spawn,
            self._durable,
        )  # fmt: skip
        self.models.services = self._services
        if router is not None:
            self.models.settings = load("settings")(
                router, lambda path: f"{'.'.join(path)} in Loom(router=...)"
            )
        self._services.feedback = self.models.feedback
        if self._durable is not None:
            self._durable.attach(self._services)
            self._durable.journal.on_idle = self._stir
            self.approvals.say = self._durable.ledger.say
            self._senses.remember(StoredSwitches(self._durable))
        if causes and self._durable is None:
            note_causes(self._services)
        self._cells = self._services.cells
        executor.on_idle = self._services.scheduler.on_idle = self._stir

    # --- building ------------------------------------------------------------------------------------------------

    def add(
        self,
        *things: Any,
        name: str | None = None,
        grants: Iterable[str] | None = None,
        consent: str = "given",
    ) -> Loom:
        """Add agents (classes, instances, functions marked ``@on``), actions, sources, sinks and hosts; returns this.

        *name* renames a single agent or source, *grants* limits the actions an agent may use (``["tts.*"]``; None: all)
        and the topics a source may publish on. With *consent* ``"ask"`` a source is silent until ``allow``. Raises
        StateError, SignatureError, UnknownAction, ConfigError, and then nothing of this call is added.
        """
        parts = list(spread(things))
        if name is not None and len(things) != 1:
            raise ConfigError("add(..., name=) takes one thing at a time")
        actions = [part for _, part in parts if isinstance(part, Action)]
        known = self.registry.with_actions(actions)
        cells: list[Cell] = []
        runners: dict[str, SourceRunner] = {}
        for thing, part in parts:
            if isinstance(part, AgentSpec):
                check_uses(part, known)
                for spec, what, called, may in with_companions(part, thing, name, grants):
                    self._check_free(called, [*self._cells, *(c.name for c in cells)])
                    cells.append(self._make_cell(spec, what, called, may))
            elif isinstance(part, Source):
                called = name or part.name
                self._check_free(called, [*self._senses.runners, *runners])
                from loom.runtime._sources import SourceRunner

                runners[called] = SourceRunner(part, self.bus, self._chance, called, grants, consent)
        self._connect(cells)
        for action in actions:
            self.registry.add(action)
        hosts = [part for _, part in parts if isinstance(part, HostAdapter)]
        sinks = [part for _, part in parts if isinstance(part, ActionSink)]
        self._senses.add(runners.values(), sinks, hosts)
        if self._state == "running":
            for cell in cells:
                self._spawn(cell.life.start())
            if self._durable is not None:
                self._durable.journal.wake()
                self._durable.ledger.wake()
            self._senses.join(hosts, runners.values(), self._spawn)
        return self

    def _check_free(self, name: str, taken: Iterable[str]) -> None:
        check_name(name)
        if name in taken:
            raise ConfigError(f"there is already one called {name!r}; add(..., name=...) renames this one")
        if self._state in ("draining", "stopped"):
            raise Closed(f"cannot add {name!r}: the runtime is {self._state}")

    def _make_cell(self, spec: AgentSpec, thing: Any, name: str, grants: Iterable[str] | None) -> Cell:
        instance = thing if isinstance(thing, Agent) else spec.cls()
        if any(cell.instance is instance for cell in self._cells.values()):
            raise ConfigError(f"{name!r}: this instance is an agent already; make another one")
        if strange := spec.snapshot.strangers(instance.__dict__):
            raise StateError(
                f"{name}.{strange[0]} is not declared; annotate it in the class, or call it _{strange[0]}"
            )
        cell = make_cell(spec, instance, self._services, name, grants)
        if instance is thing:
            cell.initial = dict(instance.__dict__)
        if self._durable is not None:
            spec.codec.encode(cell.committed)  # a default that cannot be kept is an error now
        if spec.key is None:
            cell.recall()
        return cell

    def _connect(self, cells: list[Cell]) -> None:
        try:
            for cell in cells:
                cell.connect()
        except BaseException:  # a queue that cannot be: none of them is added
            for cell in cells:
                cell.disconnect()
            raise
        for cell in cells:
            self._cells[cell.name] = cell
            for handler in cell.spec.handlers:
                code = getattr(handler.function, "__code__", None)
                if code is not None:
                    self._codes[code] = f"{cell.name}.{handler.name.rpartition('.')[2]}"

    # --- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> Loom:
        """Start agents, then sources. Events published before are waiting for the agents already."""
        if self._state != "new":
            raise Closed(f"the runtime is {self._state}; make a new Loom() to start again")
        self._state = "running"
        if self._watch is not None:
            self._watchdog = Watchdog(self._watch, self._codes, self._blocked, self.clock.monotonic)
        if self._durable is not None:
            self._durable.ledger.recover()
        await self.models.open()
        for cell in list(self._cells.values()):
            await cell.life.start()
        if self._durable is not None:
            self._durable.begin()
            self._durable.causes.revival.begin()
            self._spawn(tidy(self._durable, self.clock))
        await self._senses.start()
        return self

    async def stop(self, timeout: float | None = None) -> int:
        """Drain and stop: sources first, then accepted work within *timeout* seconds, then the agents' ``on_stop``.

        Returns how many accepted events and actions were left undone (0 unless the time ran out or an agent is parked).
        """
        async with self._stopping:
            if self._state != "stopped":
                await self._drain_all(self._drain if timeout is None else timeout)
        return self.left

    async def _drain_all(self, seconds: float) -> None:
        if self._state == "new":
            seconds = 0.0  # nobody serves the events that wait
        self._state, self._open = "draining", False
        if self._durable is not None:
            self._durable.ringing.stop()  # what falls due from now on rings in the next life
        await self._senses.stop()
        await self._idle_within(seconds)
        cells = list(self._cells.values())
        for cell in cells:
            await cell.life.stop(self._drain)
        await self._idle_within(min(seconds, 1.0))
        queued = sum(len(q) + q.in_flight for cell in cells for q in cell.queues())
        self.left = queued + sum(len(cell.outbox) for cell in cells) + self._services.executor.pending
        if self.left and self._durable is not None:
            log.info("stopped; %d accepted events and actions go on with the next start", self.left)
        elif self.left:
            log.warning(
                "stopped with %d accepted events and actions undone; give stop() more time", self.left
            )
        await self._close()

    async def _close(self) -> None:
        self._state = "stopped"
        services = self._services
        await services.executor.close()
        await self._senses.close()
        await services.scheduler.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        services.timers.close()
        for cell in self._cells.values():
            cell.disconnect()
        self.bus.close()
        await self.models.close()
        if self._durable is not None:
            await self._durable.shut()
        services.store.close()
        if self._watchdog is not None:
            self._watchdog.close()

    async def __aenter__(self) -> Loom:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A task of its own: where this one is being cancelled, asyncio.timeout of Python before 3.11.4 takes its own
        # cancellation for that one, and draining would end before anything is closed.
        await asyncio.get_running_loop().create_task(self.stop(0.0 if kind is not None else None))

    # --- using ---------------------------------------------------------------------------------------------------

    def publish(
        self, topic: str | Event, payload: Any = None, *, timeout: float | None = None, **fields: Any
    ) -> Coroutine[Any, Any, Event]:
        """Publish an event (type: the topic's last token, unless said); await it: it waits for room as ``bus.publish``.

        The event is made, and a draining runtime refuses it with Closed, when this is called; awaiting returns it.
        """
        if type(topic) is str and not fields and self._open:
            return self.bus.publish(
                topic, Event(topic[topic.rfind(".") + 1 :], payload, topic=topic), timeout
            )
        return self.bus.publish(self._event(topic, payload, fields), None, timeout)

    def publish_nowait(self, topic: str | Event, payload: Any = None, **fields: Any) -> Event:
        """Publish at once or raise WouldBlock."""
        return self.bus.publish_nowait(self._event(topic, payload, fields))

    def offer(self, topic: str | Event, payload: Any = None, **fields: Any) -> int:
        """Publish to those who have room; returns how many queues took it."""
        return self.bus.offer(self._event(topic, payload, fields))

    def publish_threadsafe(self, topic: str | Event, payload: Any = None, **fields: Any) -> bool:
        """Publish from another thread without waiting; False when refused."""
        return self.bus.publish_threadsafe(self._event(topic, payload, fields))

    def cancel(self, scope: str) -> int:
        """Take down a scope: queued events, running steps, actions; returns how many ended."""
        return self._services.cancel(scope)

    async def call(self, capability: str, /, **arguments: Any) -> Any:
        """Run an action now; raises UnknownAction, ActionDenied, ActionTimeout, ActionFailed."""
        action = self.registry.find(capability)
        return await self._services.executor.call(Invocation(action, arguments, Event("call").id))

    async def idle(self) -> None:
        """Return when every accepted event is handled and every action has ended; timers that wait do not count."""
        while not self._quiet():
            if self.bus.inbox_length:  # events of other threads: on their way to the loop already
                await asyncio.sleep(0)
                continue
            if self._stirred is None or self._stirred.done():
                self._stirred = asyncio.get_running_loop().create_future()
            await self._stirred

    @property
    def random(self) -> Random:
        """The runtime's source of chance, made from *seed*."""
        return self._chance.random

    def statistics(self) -> Statistics:
        """A snapshot of everything that is counted."""
        from loom.runtime.statistics import snapshot

        return snapshot(self._state, self._services, self._senses.runners)

    # --- inside --------------------------------------------------------------------------------------------------

    def _event(self, topic: str | Event, payload: Any, fields: dict[str, Any]) -> Event:
        if not self._open:
            raise Closed(f"the runtime is {self._state}; nothing is accepted from outside any more")
        if isinstance(topic, Event):
            return topic
        if "type" in fields:
            return Event(payload=payload, topic=topic, **fields)
        return Event(topic[topic.rfind(".") + 1 :], payload, topic=topic, **fields)

    async def _idle_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.idle()
        except TimeoutError:
            return

    def _quiet(self) -> bool:
        services = self._services
        if services.executor.busy or self.bus.inbox_length or not services.scheduler.idle():
            return False
        if self._durable is not None and not self._durable.quiet():
            return False
        return all(cell.quiet() for cell in self._cells.values())

    def _stir(self) -> None:
        if self._stirred is not None and not self._stirred.done():
            self._stirred.set_result(None)

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s failed", task.get_name(), exc_info=task.exception())
        self._stir()

    def _blocked(self, blocked: Blocked) -> None:
        agent = blocked.handler.partition(".")[0]
        if agent in self._cells:
            self._services.announce(agent, "blocked", blocked._asdict())
