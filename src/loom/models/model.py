"""One place where inference can run, seen from the host: requests in, replies out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from loom.errors import ConfigError
from loom.event import PUBLIC, Label, QoS
from loom.models.decision import Decision
from loom.models.price import NOTHING, Usage

ROUTING = ("max_cost", "min_quality", "route", "profile", "cache")
"""Options of ``ask`` and ``stream`` that are the router's; the others are the model's."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """*input* for *task*, with the label of what went into it; *timeout* in seconds.

    *max_cost* (money, in the unit of the backends' prices) and *min_quality* (0..1) bound the router's choice; *route*
    is ``auto``, ``local``, ``cloud`` or the name of a backend, *profile* one of the router's policies, *cache* False
    for an answer that is not to be remembered. *thread*, *scope*, *agent*, *user* and *event* (an event's id) say for
    whom and because of what; *stream*: it is asked in pieces.
    """

    task: str
    input: object = None
    label: Label = PUBLIC
    timeout: float | None = None
    qos: QoS = QoS.BATCHED
    options: Mapping[str, object] = field(default_factory=dict)
    max_cost: float | None = None
    min_quality: float | None = None
    route: str = "auto"
    profile: str = ""
    cache: bool = True
    thread: str | None = None
    scope: str | None = None
    agent: str = ""
    user: str = ""
    event: str = ""
    stream: bool = False

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The JSON schema that the answer follows, None without one."""
        return self.options.get("schema")  # type: ignore[return-value]  # checked by whoever uses it

    def sorted_out(self) -> ModelRequest:
        """The same with the router's own options moved from *options* to its fields.

        Raises ConfigError for a label that is no Label, options that are no mapping, and names that are no text.
        """
        for name, (kind, words) in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind) and not (value is None and name == "thread"):
                raise ConfigError(f"{name}={value!r:.60}: it must be {words}")
        if self.qos not in _CLASSES:
            raise ConfigError(f"qos={self.qos!r:.60}: it must be one of {', '.join(_CLASSES)}")
        mine = {name: self.options[name] for name in ROUTING if self.options.get(name) is not None}
        if not mine and not any(name in self.options for name in ROUTING):
            return self
        rest = {name: value for name, value in self.options.items() if name not in ROUTING}
        made = replace(self, options=rest, **mine)  # type: ignore[arg-type]  # checked by the next line, and the policy
        return made.sorted_out()


@dataclass(frozen=True, slots=True)
class ModelReply:
    """What a backend answered: *queue_ms* it waited, *total_ms* it took with the wait, milliseconds.

    *first_ms* is the time to the first token where there is one. *usage* and *cost* are what it took, *decision* is
    why this backend was asked; *model* the name that the backend gives its model.
    """

    output: object
    backend: str
    queue_ms: float
    total_ms: float
    first_ms: float | None = None
    usage: Usage = NOTHING
    cost: float = 0.0
    decision: Decision | None = None
    model: str = ""


_CLASSES = tuple(QoS)
_KINDS: Mapping[str, tuple[type, str]] = {
    "label": (Label, "a Label, such as Label.parse('private')"),
    "options": (Mapping, "a mapping of names to values"),
    **dict.fromkeys(("task", "route", "profile", "thread", "agent", "user"), (str, "text")),
}
"""What a request is wrong without: privacy, budgets and caches go by it."""


@runtime_checkable
class Model(Protocol):
    """A backend: which tasks it can do, where it runs ("local", "edge" or "cloud"), and how to ask it.

    `infer` and `stream` raise ModelError for what the model did, WorkerError for what became of its process. `stream`
    gives the output in pieces, for a task that has pieces; closing it ends the model's work on it. More is used where
    a backend has it: `streams`, the tasks that `stream` can do (all of them, unless said); `async warm()`, which loads
    what the first request would have to wait for; and the facts of `loom.router.facts.facts_of`: `clearance` (a
    Confidentiality; local-only for local backends, public for others), `price` (a Price; free for local ones, None:
    unknown), `context` (tokens), `quality` (0..1), `concurrency` (requests at once), `features` ("tools", "schema").
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
