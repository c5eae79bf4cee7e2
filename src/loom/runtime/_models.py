"""Models as the runtime sees them: a router that is made when the first one is added or asked."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from loom.errors import Closed, ConfigError, NoBackend
from loom.event import Label, QoS
from loom.runtime._backends import load

log = logging.getLogger("loom")


class Models:
    """Adds models, asks the router, runs functions elsewhere."""

    def __init__(self) -> None:
        self._models: list[Any] = []
        self._router: Any = None
        self._processes: Any = None
        self._closed = False

    def add(self, model: Any) -> None:
        """Add a backend."""
        self._models.append(model)
        self._router = None

    def __iter__(self) -> Any:
        return iter(self._models)

    async def ask(
        self,
        task: str,
        input: Any,
        *,
        label: Label | None = None,
        timeout: float | None = None,
        qos: QoS = QoS.BATCHED,
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        """The output of whichever backend the router picks."""
        from loom.models import ModelRequest

        request = ModelRequest(task, input, label or Label(), timeout, qos, options or {})
        reply = await self._chosen(task).ask(request)
        return reply.output

    async def stream(
        self,
        task: str,
        input: Any,
        *,
        label: Label | None = None,
        timeout: float | None = None,
        qos: QoS = QoS.BATCHED,
        options: Mapping[str, Any] | None = None,
    ) -> AsyncGenerator[Any, None]:
        """The pieces of the output of whichever backend the router picks."""
        from loom.models import ModelRequest

        request = ModelRequest(task, input, label or Label(), timeout, qos, options or {})
        async with aclosing(self._chosen(task).stream(request)) as items:
            async for item in items:
                yield item

    async def warm(self, task: str) -> None:
        """Have the backend that would be asked for *task* get ready."""
        await self._chosen(task).warm(task)

    def _chosen(self, task: str) -> Any:
        """The router; raises NoBackend when there is nothing to choose from."""
        if not self._models:
            from loom.models.catalog import advice

            raise NoBackend(f"no model can do {task!r}: none is added{advice(task)}")
        if self._router is None:
            self._router = load("router")(self._models)
        return self._router

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
        for each in (*self._models, *([self._processes] if self._processes is not None else [])):
            try:
                closed = each.close()
                if inspect.isawaitable(closed):
                    await closed
            except Exception:  # a model is a stranger's code; the others are to be closed too
                log.exception("%s could not be closed", getattr(each, "name", type(each).__name__))
