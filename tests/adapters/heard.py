"""What a source says, written down: stands where the runtime's way out stands."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from loom.adapters import EventSource
from loom.event import Event


class Heard:
    """Records ``told`` (topic, payload) and ``links`` (found, or lost with its reason)."""

    name = "heard"

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.fields: list[dict[str, Any]] = []
        self.links: list[str] = []
        self.room = asyncio.Event()
        self.room.set()

    @property
    def payloads(self) -> list[Any]:
        return [payload for _, payload in self.told]

    async def __call__(
        self, topic: str | Event, payload: Any = None, *, timeout: float | None = None, **fields: Any
    ) -> Event:
        await self.room.wait()
        assert isinstance(topic, str)
        self.told.append((topic, payload))
        self.fields.append(fields)
        return Event("told", payload, topic=topic)

    def offer(self, topic: str | Event, payload: Any = None, **fields: Any) -> bool:
        assert isinstance(topic, str)
        self.told.append((topic, payload))
        self.fields.append(fields)
        return True

    def lost(self, reason: str) -> None:
        self.links.append(f"lost: {reason}")

    def found(self) -> None:
        self.links.append("found")

    async def until(self, condition: Callable[["Heard"], object], seconds: float = 20.0) -> None:
        """Return when *condition* holds."""
        async with asyncio.timeout(seconds):
            while not condition(self):
                await asyncio.sleep(0.005)


@asynccontextmanager
async def hearing(source: EventSource) -> AsyncIterator[Heard]:
    """Runs *source* while it is entered; what it raised is raised at the end."""
    heard = Heard()
    task = asyncio.create_task(source.run(heard))
    try:
        yield heard
    finally:
        task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result
