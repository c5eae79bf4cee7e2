"""What the tests of agents share: a runtime whose law is checked at every instant, and a diary."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from loom import Loom, Observer
from loom.bus import Queue
from loom.testing import new_loom


class Law(Observer):
    """Checks promise 1 for every queue whenever anything is told, and writes down how steps ended."""

    def __init__(self, loom: Loom) -> None:
        self.loom = loom
        self.broken: list[str] = []
        self.checks = 0
        self.steps: list[tuple[str, str, str]] = []
        self.began: list[tuple[str, str, int]] = []
        self.buried: list[tuple[str, str, str]] = []
        self.queues: dict[int, Queue] = {}

    def check(self) -> None:
        self.checks += 1
        for queue in self.loom.bus.queues():
            self.queues[id(queue)] = queue
        for queue in self.queues.values():
            now = queue.statistics()
            if not now.balanced() or now.in_flight < 0 or now.queued > now.capacity:
                self.broken.append(str(now))

    def routed(self, event: Any, queues: int) -> None:
        self.check()

    def accepted(self, queue: str, event: Any) -> None:
        self.check()

    def dropped(self, queue: str, event: Any, reason: str) -> None:
        self.check()

    def step_began(self, agent: str, event: Any, attempt: int) -> None:
        self.began.append((agent, event.topic, attempt))
        self.check()

    def step_ended(self, agent: str, event: Any, outcome: str, seconds: float) -> None:
        self.steps.append((agent, event.topic, outcome))
        self.check()

    def dead_letter(self, agent: str, event: Any, reason: str) -> None:
        self.buried.append((agent, event.topic, reason))
        self.check()


@asynccontextmanager
async def lawful(*things: Any, **options: Any) -> AsyncIterator[tuple[Loom, Law]]:
    """A running runtime; at the end every queue's law must have held at every instant."""
    loom = new_loom(*things, **options)
    law = Law(loom)
    loom.observers.attach(law)
    async with loom:
        yield loom, law
    law.check()
    assert law.broken == []
    assert law.checks > 1
    assert loom.observers.errors == 0


def state(loom: Loom, name: str) -> Any:
    """The instance behind an agent."""
    return loom.agent(name).instance
