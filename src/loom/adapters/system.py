"""This machine as a source: how busy it is, and which processes come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from loom.adapters._texts import texts
from loom.adapters.source import Out
from loom.errors import ConfigError, MissingExtra


class Readings(Protocol):
    """What reads the machine: the module beside this one, or a test's."""

    def metrics(self, disks: Sequence[str]) -> dict[str, Any]:
        """Everything but the network."""

    def traffic(self) -> tuple[int, int]:
        """Bytes sent and received so far."""

    def running(self, patterns: Sequence[str]) -> Iterable[Any]:
        """The processes whose names match."""


class System:
    """Publishes readings on TOPIC.metrics every *every* seconds, and TOPIC.started and .ended for *processes*.

    A reading that nobody has room for is shed. Command lines are not read: they may hold secrets.
    """

    def __init__(
        self,
        name: str,
        readings: Readings,
        topic: str = "system",
        every: float = 10.0,
        disks: Sequence[str] = ("/",),
        processes: Sequence[str] = (),
    ) -> None:
        if not 0.1 <= every <= 86_400:
            raise ConfigError(f"{name}: every is {every} seconds; use 0.1 to 86400")
        self.name = name
        self.topic = topic
        self.topics = (f"{topic}.*",)
        self._every = every
        self._readings = readings
        self._disks = disks
        self._processes = processes
        self._running: frozenset[Any] | None = None
        self._traffic = (0, 0)
        self._shed = 0

    async def run(self, out: Out) -> None:
        """Publish until cancelled; the first reading comes after one interval, as its figures are for an interval."""
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._look)
        began = loop.time()
        while True:
            await asyncio.sleep(self._every)
            before = self._running
            metrics = await asyncio.to_thread(self._look, loop.time() - began)
            began = loop.time()
            if not out.offer(f"{self.topic}.metrics", metrics):
                self._shed += 1
            for kind, process in changes(before or frozenset(), self._running or frozenset()):
                await out(f"{self.topic}.{kind}", process._asdict())

    def statistics(self) -> Mapping[str, object]:
        """Readings that were shed, and how many of the named processes run."""
        return {"shed": self._shed, "running": len(self._running or ())}

    def _look(self, seconds: float = 0.0) -> dict[str, Any]:
        metrics = self._readings.metrics(self._disks)
        before, self._traffic = self._traffic, self._readings.traffic()
        sent, received = (max(0, b - a) for a, b in zip(before, self._traffic, strict=True))
        rate = {"sent": round(sent / seconds), "received": round(received / seconds)} if seconds > 0 else None
        if self._processes:
            self._running = frozenset(self._readings.running(self._processes))
        return {**metrics, "network": rate}


def changes(before: frozenset[Any], after: frozenset[Any]) -> list[tuple[str, Any]]:
    """What ended and what started between two looks, in the order of their numbers; those that ended come first."""
    return [
        *(("ended", each) for each in sorted(before - after)),
        *(("started", each) for each in sorted(after - before)),
    ]


def system(
    name: str,
    topic: str = "system",
    every: float = 10.0,
    disks: list[str] | None = None,
    processes: list[str] | None = None,
) -> System:
    """Readings of this machine; *processes* are patterns of names (["chrom*"]). Raises ConfigError, MissingExtra."""
    try:
        from loom.adapters import _system_readings
    except ImportError as error:
        raise MissingExtra("desktop", error.name or "psutil") from error
    named = texts("processes", processes)
    return System(name, _system_readings, topic, every, texts("disks", disks, ("/",)), named)
