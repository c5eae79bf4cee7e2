"""One place where inference can run, seen from the host: requests in, replies out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

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

    `infer` raises ModelError for what the model did, WorkerError for what became of its process.
    """

    @property
    def name(self) -> str: ...

    @property
    def tasks(self) -> frozenset[str]: ...

    @property
    def location(self) -> str: ...

    async def infer(self, request: ModelRequest) -> ModelReply: ...

    async def close(self) -> None: ...

    def statistics(self) -> Mapping[str, object]: ...
