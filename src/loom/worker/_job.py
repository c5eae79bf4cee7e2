"""A call on its way: waiting, running, answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from loom.event import QoS

COUNTED = (
    "calls", "answered", "failures", "timeouts", "cancelled", "refused", "items", "starts", "sleeps", "deaths",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a call and how long it took, milliseconds: *queue_ms* before the worker began it."""

    value: object
    queue_ms: float
    total_ms: float


@dataclass(slots=True, eq=False)
class Job:
    """One call. *body* keeps its frames alive until the call is over, *value* is their wire form."""

    id: int
    method: str
    body: object
    value: Any
    qos: QoS
    nbytes: int
    enqueued: float
    deadline: float | None
    answer: asyncio.Future[object]
    items: Items | None = None
    started: float | None = None
    timer: asyncio.TimerHandle | None = None

    def finish(self, result: object = None, error: Exception | None = None) -> None:
        """Give the caller its answer, unless it has one or has gone."""
        if self.timer is not None:
            self.timer.cancel()
        if not self.answer.done():
            if error is not None:
                self.answer.set_exception(error)
                self.answer.exception()  # seen: a stream may be dropped before it asks
            else:
                self.answer.set_result(result)
        if self.items is not None:
            self.items.wake()

    def timed(self, value: object, now: float) -> Answer:
        """Its *value* that came at *now*, with how long it waited and took."""
        started = self.started if self.started is not None else now
        return Answer(value, (started - self.enqueued) * 1000, (now - self.enqueued) * 1000)

    def passed(self, now: float) -> str:
        """What has become of its time."""
        where = "in its queue" if self.started is None else "while it ran"
        return f"{now - self.enqueued:.3g} s passed {where}"

    def stranger_to(self, methods: Sequence[str]) -> str:
        """What to say of a worker that has other *methods*."""
        near = get_close_matches(self.method, methods, 1) or methods
        return f"has no method {self.method!r}; it has {', '.join(near)}"

    def message(self, now: float) -> dict[str, Any]:
        """The Call that the worker gets at *now*; a deadline leaves at least a millisecond."""
        return {
            "id": self.id,
            "method": self.method,
            "body": self.value,
            "timeout_ms": None if self.deadline is None else max(1, int((self.deadline - now) * 1000)),
            "qos": f"QOS_{self.qos.name}",
            "stream": self.items is not None,
            "credit": self.items.window if self.items else 0,
        }


@dataclass(slots=True)
class Items:
    """What a streaming call has brought and its reader not taken yet: at most *window* items."""

    window: int
    ready: deque[object] = field(default_factory=deque)
    credit: int = 0
    owed: int = 0
    waiter: asyncio.Future[None] | None = None

    def __post_init__(self) -> None:
        self.credit = self.window

    def put(self, item: object) -> bool:
        """Add one; False when the worker had no credit for it."""
        if self.credit <= 0:
            return False
        self.credit -= 1
        self.ready.append(item)
        self.wake()
        return True

    def take(self) -> object:
        """The oldest item; its credit is owed to the worker."""
        self.owed += 1
        return self.ready.popleft()

    def settle(self) -> int:
        """Credits to give back now: gathered, to send fewer messages, but never so late that the flow stops."""
        if self.owed * 2 < self.window:
            return 0
        count, self.owed = self.owed, 0
        self.credit += count
        return count

    def wake(self) -> None:
        """Something happened that the reader waits for."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)
