"""Running sources: each a task of its own, started again with back-off when it fails."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from loom.adapters import Source
from loom.agent._supervision import Restart, backoff
from loom.bus import Bus
from loom.clock import Chance
from loom.event import Event

log = logging.getLogger("loom.source")


class SourceRunner:
    """Keeps one source going. ``published`` counts what it sent, ``failures`` how often it raised."""

    def __init__(self, source: Source, bus: Bus, chance: Chance) -> None:
        self.source = source
        self.published = 0
        self.failures = 0
        self._bus = bus
        self._chance = chance
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"source {self.source.name}")

    async def stop(self) -> None:
        """End it and wait until it has cleaned up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def running(self) -> bool:
        """Whether it may still publish."""
        return self._task is not None and not self._task.done()

    async def out(
        self, topic: str | Event, payload: Any = None, *, timeout: float | None = None, **fields: Any
    ) -> Event:
        """Publish one event of this source; waits for room like ``publish``."""
        if isinstance(topic, Event):
            event = topic
        else:
            fields = {"source": self.source.name, "type": topic.rpartition(".")[2], **fields}
            event = Event(payload=payload, topic=topic, **fields)
        await self._bus.publish(event, None, timeout)
        self.published += 1
        return event

    async def _run(self) -> None:
        policy, loop = Restart(), asyncio.get_running_loop()
        in_a_row = 0
        while True:
            began = loop.time()
            try:
                await self.source.function(self.out)
                return
            except Exception as error:  # noqa: BLE001 - a stranger's source: told, counted, tried again
                self.failures += 1
                in_a_row = 1 if loop.time() - began > policy.window else in_a_row + 1
                delay = backoff(
                    policy.base,
                    policy.factor,
                    policy.limit,
                    policy.jitter,
                    in_a_row,
                    self._chance.random,
                )
                log.error(
                    "source %s failed (%s: %s); again in %.1f s",
                    self.source.name,
                    type(error).__name__,
                    error,
                    delay,
                )
                report = {"error": f"{type(error).__name__}: {error}", "again_in": delay}
                self._bus.offer(
                    Event("failed", report, topic=f"loom.source.{self.source.name}.failed", source="loom")
                )
                await asyncio.sleep(delay)
