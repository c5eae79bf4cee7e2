"""One place where inference can run, seen from the host: requests in, replies out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from loom.event import PUBLIC, Label, QoS


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """*input* for *task*, with the label of what went into it; *timeout* in seconds."""

    task: str
    input: object = None
    label: Label = PUBLIC
    timeout: float | None = None
    qos: QoS = QoS.BATCHED
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelReply:
    """What a backend answered: *queue_ms* it waited, *total_ms* it took with the wait, milliseconds."""

    output: object
    backend: str
    queue_ms: float
    total_ms: float


@runtime_checkable
class Model(Protocol):
    """A backend: which tasks it can do, where it runs ("local" or the name of a place), and how to ask it.

    `infer` and `stream` raise ModelError for what the model did, WorkerError for what became of its process. `stream`
    gives the output in pieces, for a task that has pieces; closing it ends the model's work on it. Two more methods are
    used where a backend has them: `streams`, the tasks that `stream` can do (all of them, unless said), and
    `async warm()`, which loads what the first request would have to wait for.
    """

    @property
    def name(self) -> str: ...

    @property
    def tasks(self) -> frozenset[str]: ...

    @property
    def location(self) -> str: ...

    async def infer(self, request: ModelRequest) -> ModelReply: ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]: ...

    async def close(self) -> None: ...

    def statistics(self) -> Mapping[str, object]: ...
