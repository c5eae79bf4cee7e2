"""A model that lives in a worker process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Protocol

from loom.errors import ModelFailed, NoBackend, WorkerError
from loom.event import QoS
from loom.models.model import ModelReply, ModelRequest


class Answer(Protocol):
    """A value with the times of its call, milliseconds."""

    @property
    def value(self) -> object: ...

    @property
    def queue_ms(self) -> float: ...

    @property
    def total_ms(self) -> float: ...


class Process(Protocol):
    """What this model needs of a worker; loom.worker.Worker is one."""

    async def timed_call(self, method: str, body: object, *, timeout: float | None, qos: QoS) -> Answer: ...

    def stream(
        self, method: str, body: object, *, timeout: float | None, qos: QoS
    ) -> AsyncGenerator[Any, None]: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def statistics(self) -> Mapping[str, object]: ...


class WorkerModel:
    """Runs each task as a method of *worker*: `tasks={"faces.detect": "detect"}`; *streams* those that come in pieces.

    The method gets {"input": ..., "options": {...}}. The model owns the worker: `close` ends it. *features*: those
    of a chat model, "tools" and "schema".
    """

    location = "local"

    def __init__(
        self,
        name: str,
        worker: Process,
        tasks: Mapping[str, str],
        streams: Mapping[str, str] | None = None,
        features: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.tasks = frozenset(tasks)
        self.streams = frozenset(streams or ())
        self.features = frozenset(features)
        self._methods = dict(tasks)
        self._streams = dict(streams or {})
        self._worker = worker

    async def infer(self, request: ModelRequest) -> ModelReply:
        """The model's answer. Raises NoBackend for a task that is not its own, Worker errors as they are.

        What the method raised comes as ModelFailed, unless it is an error of Loom with a meaning of its own.
        """
        method = self._methods.get(request.task)
        if method is None:
            raise NoBackend(f"model {self.name!r} does {', '.join(sorted(self.tasks))}, not {request.task!r}")
        try:
            answer = await self._worker.timed_call(
                method, _body(request), timeout=request.timeout, qos=request.qos
            )
        except WorkerError as error:
            raise self._failed(error) from error
        return ModelReply(answer.value, self.name, answer.queue_ms, answer.total_ms)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        """The pieces of the model's answer, at most eight of them waiting here. Raises like ``infer``."""
        method = self._streams.get(request.task)
        if method is None:
            able = ", ".join(sorted(self.streams)) or "nothing"
            raise NoBackend(f"model {self.name!r} streams {able}, not {request.task!r}")
        items = self._worker.stream(method, _body(request), timeout=request.timeout, qos=request.qos)
        try:
            async with aclosing(items):
                async for item in items:
                    yield item
        except WorkerError as error:
            raise self._failed(error) from error

    async def warm(self) -> None:
        """Start the worker and load the model now; raises what that fails with."""
        try:
            await self._worker.start()
        except WorkerError as error:
            raise self._failed(error) from error

    async def close(self) -> None:
        """End the worker."""
        await self._worker.close()

    def statistics(self) -> Mapping[str, object]:
        """The worker's snapshot."""
        return self._worker.statistics()

    def _failed(self, error: WorkerError) -> Exception:
        """What *error* is to whoever asked: a stranger's exception is the model's failure."""
        return ModelFailed(f"model {self.name!r}: {error}") if type(error) is WorkerError else error


def _body(request: ModelRequest) -> dict[str, object]:
    return {"input": request.input, "options": dict(request.options)}
