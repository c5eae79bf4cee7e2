"""Models as the runtime sees them: a router that is made when the first one is added or asked."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from loom.errors import Closed, ConfigError, NoBackend
from loom.event import Label
from loom.runtime._backends import load

if TYPE_CHECKING:
    from loom.agent import Services
    from loom.models import ModelReply, ModelRequest
    from loom.router.budget import Limit
    from loom.router.settings import Settings

log = logging.getLogger("loom")


class Models:
    """Adds models, asks the router, runs functions elsewhere."""

    def __init__(self) -> None:
        self._models: list[Any] = []
        self._routing: Any = None
        self._opened = False
        self.settings: Settings | None = None
        self.services: Services = None  # type: ignore[assignment]  # set by the runtime
        self._processes: Any = None
        self._closed = False

    def add(self, model: Any) -> None:
        """Add a backend."""
        if self._routing is not None:
            self._routing.router.add(model)
        self._models.append(model)

    def limit(self, limits: Iterable[Limit], instead: Collection[str] = ()) -> None:
        """Hold to *limits* too, *instead* of those of these names.

        Raises ConfigError when somebody was asked before this was called for the first time.
        """
        from dataclasses import replace

        from loom.router.settings import Settings

        settings = self.settings or Settings()
        if self._routing is None:
            kept = (each for each in settings.limits if each.name not in instead)
            self.settings = replace(settings, limits=(*kept, *limits), counted=True)
        elif settings.counted:
            self._routing.budgets.limit(limits, instead)
        else:
            raise ConfigError(
                "the router counts no more budgets; say that there are some before anybody is asked"
            )

    def __iter__(self) -> Any:
        return iter(self._models)

    async def ask(self, task: str, input: Any, **asked: Any) -> Any:
        """The output of whichever backend the router picks; *asked* are fields of a ModelRequest."""
        return (await self.infer(request_of(task, input, asked))).output

    async def infer(self, request: ModelRequest) -> ModelReply:
        """The reply of whichever backend the router picks."""
        reply: ModelReply = await (await self._chosen(request.task)).ask(request.sorted_out())
        return reply

    async def stream(self, task: str, input: Any, **asked: Any) -> AsyncGenerator[Any, None]:
        """The pieces of the output of whichever backend the router picks; *asked* are fields of a ModelRequest."""
        request = request_of(task, input, {**asked, "stream": True})
        async with aclosing((await self._chosen(task)).pieces(request)) as items:
            async for item in items:
                yield item

    def feedback(self, decision: str, reward: float) -> None:
        """How good the answer was that came of a decision."""
        self.router.feedback(decision, reward)

    async def warm(self, task: str) -> None:
        """Have the backend that would be asked for *task* get ready."""
        await (await self._chosen(task)).warm(task)

    @property
    def router(self) -> Any:
        """The router, made when it is first needed: it remembers what it decided and how its backends did."""
        if self._routing is None:
            self._make(surroundings(self.services, self.settings))
        return self._routing.router

    def _make(self, around: Any) -> None:
        self._routing = load("router")(self._models, around, *([self.settings] if self.settings else ()))
        load("listen")(self.services.bus, self._routing.router)

    async def open(self) -> None:
        """Make the router, if a project or program says how it is to be; without that it waits until it is asked."""
        if self.settings is not None and not self._opened:
            await self._open()

    async def _open(self) -> None:
        settings = self.settings  # imports and a file, for which the loop has no time
        await asyncio.to_thread(load, "router")
        around = await asyncio.to_thread(surroundings, self.services, settings)
        if self._routing is None and self.settings is settings:
            self._make(around)
        self.router  # noqa: B018 - made here, by whoever is first
        self._opened = True
        await self._routing.open()

    async def _chosen(self, task: str) -> Any:
        """The router; raises NoBackend when there is nothing to choose from."""
        if not self._models:
            from loom.models.catalog import advice

            raise NoBackend(f"no model can do {task!r}: none is added{advice(task)}")
        if not self._opened:
            await self._open()
        return self.router

    async def run(
        self, function: Callable[..., Any], arguments: Sequence[Any], *, where: str, timeout: float | None
    ) -> Any:
        """Run *function* in a worker process or a thread."""
        if where == "process":
            return await (await self._pool()).run(function, *arguments, timeout=timeout)
        if where == "thread":
            async with asyncio.timeout(timeout):
                return await asyncio.to_thread(function, *arguments)
        raise ConfigError(f"run(..., where={where!r}): use 'process' or 'thread'")

    async def _pool(self) -> Any:
        if self._processes is None and not self._closed:
            # 0.1 s of imports, which the loop does not have
            made = await asyncio.to_thread(load, "processes")
            if self._processes is None and not self._closed:
                self._processes = made()
        if self._closed:
            raise Closed("the runtime has ended; its processes with it")
        return self._processes

    async def close(self) -> None:
        """Close every backend, and the processes that functions ran in. What cannot be closed is logged."""
        self._closed = True
        for each in (self._routing, *self._models, self._processes):
            if each is None:
                continue
            try:
                closed = each.close()
                if inspect.isawaitable(closed):
                    await closed
            except Exception:  # a model is a stranger's code; the others are to be closed too
                log.exception("%s could not be closed", getattr(each, "name", type(each).__name__))


def request_of(task: str, input: Any, asked: Mapping[str, Any]) -> ModelRequest:
    """The request for *task* on *input* with the fields of *asked*; the router's options are sorted out of its own."""
    from loom.models import ModelRequest

    fields = {**asked, "label": asked.get("label") or Label(), "options": asked.get("options") or {}}
    return ModelRequest(task, input, **fields).sorted_out()


def surroundings(services: Any, settings: Any) -> Any:
    """What the router of a runtime works with: its clock and chance, who hears of it, and what outlives it."""
    durable = services.durable
    keep: Any = None
    if durable is not None:
        from loom.runtime._router_store import StoredKeep

        keep = StoredKeep(durable)
    elif settings is not None and settings.file is not None:
        from loom.router.filed_keep import FiledKeep

        keep = FiledKeep(settings.file)
    tell = load("telling")(
        services.tell, services.observers, services.decided, services.origins.get, services.bus.route
    )
    return load("surroundings")(services.clock, services.chance, tell, keep)
