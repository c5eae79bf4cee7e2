"""Whom the router works with: what it needs of privacy, budgets, cache and learning, each of them optional."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from loom.clock import Clock
from loom.event import Label
from loom.models import Decision, ModelReply, ModelRequest
from loom.router.budget import Payer, Remaining, Spend
from loom.router.facts import Facts

Tell = Callable[[str, Mapping[str, Any], ModelRequest], object]
"""Publishes a topic and a payload about a request."""


class Restoring(Protocol):
    """Puts back what was redacted, in text that comes in pieces."""

    def feed(self, text: str) -> str: ...

    def flush(self) -> str: ...


class Outbound(Protocol):
    """A request as it may leave this device, and the way back."""

    @property
    def request(self) -> ModelRequest: ...

    @property
    def sent(self) -> Any: ...

    def restore(self, output: Any) -> Any: ...

    def restoring(self) -> Restoring: ...


class Guard(Protocol):
    """Keeps what threads hold in mind, and redacts; `know` tells it of texts that never leave."""

    def know(self, secrets: Iterable[str]) -> None: ...

    def label(self, thread: str | None, label: Label) -> Label: ...

    def redactable(self, input: object, options: Mapping[str, object]) -> bool: ...

    def holds_secret(self, input: object, options: Mapping[str, object]) -> bool: ...

    def outbound(self, request: ModelRequest) -> Outbound: ...

    async def saved(self) -> None: ...


class Reservation(Protocol):
    """What a budget holds for one try."""

    async def commit(self, spend: Spend) -> object: ...

    async def release(self) -> object: ...


class Budgets(Protocol):
    """What may be spent, and by whom."""

    def remaining(self, payer: Payer, now_ms: int) -> Remaining: ...

    async def reserve(self, payer: Payer, spend: Spend, now_ms: int) -> Reservation: ...

    async def close(self) -> None: ...


class Cache(Protocol):
    """Answers that were given before."""

    async def find(self, request: ModelRequest) -> ModelReply | None: ...

    async def keep(self, request: ModelRequest, reply: ModelReply) -> object: ...

    def forget(self) -> object: ...


class Expected(Protocol):
    """The quality to expect, and how unsure that is."""

    @property
    def mean(self) -> float: ...

    @property
    def deviation(self) -> float: ...


class Learner(Protocol):
    """Learns what to expect of each backend; `meet` tells it of one before it is asked."""

    def meet(self, facts: Facts) -> object: ...

    async def expect(self, request: ModelRequest, names: Sequence[str]) -> Mapping[str, Any]: ...

    def reward(self, decision_id: str, value: float) -> object: ...

    def seen(self, decision: Decision, reply_signals: Mapping[str, Any]) -> object: ...


Signals = Callable[[ModelRequest], Awaitable[Mapping[str, Any]]]
"""Finds signals of a request, by name."""


class Parties(NamedTuple):
    """The ones of one router; None: it does without."""

    clock: Clock
    tell: Tell | None = None
    budgets: Budgets | None = None
    cache: Cache | None = None
    guard: Guard | None = None
    learner: Learner | None = None
    signals: Signals | None = None
