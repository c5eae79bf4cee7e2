"""A model that lives in a worker process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

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

    async def close(self) -> None: ...

    def statistics(self) -> Mapping[str, object]: ...


class WorkerModel:
    """Runs each task as a method of *worker*: `tasks={"faces.detect": "detect"}`.

    The method gets {"input": ..., "options": {...}}. The model owns the worker: `close` ends it.
    """

    location = "local"

    def __init__(self, name: str, worker: Process, tasks: Mapping[str, str]) -> None:
        self.name = name
        self.tasks = frozenset(tasks)
        self._methods = dict(tasks)
        self._worker = worker

    async def infer(self, request: ModelRequest) -> ModelReply:
        """The model's answer. Raises NoBackend for a task that is not its own, Worker errors as they are.

        What the method raised comes as ModelFailed, unless it is an error of Loom with a meaning of its own.
        """
        method = self._methods.get(request.task)
        if method is None:
            raise NoBackend(f"model {self.name!r} does {', '.join(sorted(self.tasks))}, not {request.task!r}")
        body = {"input": request.input, "options": dict(request.options)}
        try:
            answer = await self._worker.timed_call(method, body, timeout=request.timeout, qos=request.qos)
        except WorkerError as error:
            if type(error) is WorkerError:
                raise ModelFailed(f"model {self.name!r}: {error}") from error
            raise
        return ModelReply(answer.value, self.name, answer.queue_ms, answer.total_ms)

    async def close(self) -> None:
        """End the worker."""
        await self._worker.close()

    def statistics(self) -> Mapping[str, object]:
        """The worker's snapshot."""
        return self._worker.statistics()
