"""Running sources: each a task of its own, started again with back-off when it fails, and silent when told to be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from loom.adapters import Source
from loom.agent._supervision import Restart, backoff
from loom.bus import Bus
from loom.clock import Chance
from loom.errors import ConfigError, DeviceLost, MissingExtra, NoDevice, UnreadableAudio, UnreadablePicture
from loom.event import Event
from loom.runtime._outlet import Outlet

log = logging.getLogger("loom.source")
GRACE = 0.06
"""Seconds that ``silence`` waits for a source to give its device back; it cannot publish from the first moment on."""
_ENDING = 5.0  # seconds that the end of a stream waits for room after a failure
_LEAVING = 10.0  # seconds that a source has to clean up when the runtime ends
_LASTING = (ConfigError, MissingExtra, UnreadableAudio, UnreadablePicture)  # trying again changes nothing


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    """One source: what it does, what it published, what it shed because somebody had no room, what it may not use."""

    name: str
    status: str
    published: int
    shed: int
    refused: int
    failures: int


class SourceRunner:
    """Keeps one source going while it is neither muted nor waits for consent. ``failures`` counts what it raised."""

    def __init__(
        self,
        source: Source,
        bus: Bus,
        chance: Chance,
        name: str | None = None,
        granted: Iterable[str] | None = None,
        consent: str = "given",
    ) -> None:
        self.source = source
        self.name = name or source.name
        self.out = Outlet(self.name, bus, source.topics, granted)
        self.consent = consent
        self.failures = 0
        self.muted = False
        self.allowed = consent != "ask"
        self._chance = chance
        self._bus = bus
        self._begun = False
        self._task: asyncio.Task[None] | None = None

    @property
    def published(self) -> int:
        """How many events it has sent."""
        return self.out.published

    @property
    def silent(self) -> bool:
        """Whether it may not publish: muted, or nobody has allowed it yet."""
        return self.muted or not self.allowed

    @property
    def running(self) -> bool:
        """Whether it may still publish."""
        return self._task is not None and not self._task.done() and not self.silent

    @property
    def status(self) -> str:
        """``muted``, ``not allowed``, ``running``, ``lost`` (its device), ``stopped``: not begun, ended or failed."""
        if self.silent:
            return "muted" if self.muted else "not allowed"
        if not self.running:
            return "stopped"
        return "running" if self.out.gone is None else "lost"

    def start(self) -> None:
        """Begin, now or as soon as it is no longer silent."""
        self._begun = True
        if not self.silent:
            before = None if self._task is None or self._task.done() else self._task
            run = self._run(before)
            self._task = asyncio.get_running_loop().create_task(run, name=f"source {self.name}")

    async def silence(self) -> None:
        """Publish nothing from now on, and give the device back."""
        tasks = self._cut()
        if tasks:
            _, slow = await asyncio.wait(tasks, timeout=GRACE)
            if slow:
                log.warning("source %s is silent, but has not given its device back yet", self.name)
        await self.out.finish(GRACE / 4)

    def go_on(self) -> None:
        """Begin again after ``silence``, if it had begun."""
        if self._begun:
            self.start()

    async def stop(self) -> None:
        """End it for good and wait until it has cleaned up, ten seconds at most."""
        self._begun = False
        own = self._task
        if own is not None:
            own.cancel()
            await asyncio.wait({own}, timeout=_LEAVING)
            if not own.done():
                log.warning("source %s does not end; it is cut off", self.name)
        self._cut()
        await self.out.finish(GRACE / 4)
        if self.source.close is not None:
            try:
                await self.source.close()
            except Exception:  # a stranger's source; everything else still has to be closed
                log.exception("source %s could not be closed", self.name)

    def statistics(self) -> SourceStatistics:
        """A snapshot of what is counted."""
        out = self.out
        return SourceStatistics(self.name, self.status, out.published, out.shed, out.refused, self.failures)

    def _cut(self) -> set[asyncio.Task[None]]:
        """Close the way out and cancel what is on it; the tasks that are not over yet."""
        self.out.open = False
        tasks = {*self.out.waiting, *([self._task] if self._task is not None else [])}
        tasks = {task for task in tasks if not task.done() and task is not asyncio.current_task()}
        for task in tasks:
            task.cancel()
        return tasks

    async def _run(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:  # it holds the device, and would publish beside this one
            await asyncio.wait({before})
        policy, loop = Restart(), asyncio.get_running_loop()
        self.out.open, in_a_row = True, 0
        while self.out.open:
            began = loop.time()
            try:
                await self.source.function(self.out)
                return
            except Exception as error:  # noqa: BLE001 - a stranger's source: told, counted, tried again
                if not self.out.open:
                    return  # it was cut off: that is no failure
                self.failures += 1
                await self.out.finish(_ENDING)
                in_a_row = 1 if loop.time() - began > policy.window else in_a_row + 1
                chance = self._chance.random
                pause = backoff(policy.base, policy.factor, policy.limit, policy.jitter, in_a_row, chance)
                if isinstance(error, _LASTING):
                    self._failed(error, None)
                    return
                if isinstance(error, DeviceLost | NoDevice):
                    self._lost(error)
                else:
                    self._failed(error, pause)
                await asyncio.sleep(pause)

    def _lost(self, error: Exception) -> None:
        if self.out.gone is None:
            log.error("source %s: %s", self.name, error)
            self.out.lost(str(error))

    def _failed(self, error: Exception, pause: float | None) -> None:
        then = "it has ended" if pause is None else f"again in {pause:.1f} s"
        log.error("source %s failed (%s: %s); %s", self.name, type(error).__name__, error, then)
        report = {"error": f"{type(error).__name__}: {error}", "again_in": pause}
        self._bus.offer(Event("failed", report, topic=f"loom.source.{self.name}.failed", source="loom"))
