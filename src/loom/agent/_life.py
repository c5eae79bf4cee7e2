"""The life of an agent: started, restarted after failures, parked when that does not help."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from loom.agent._supervision import Health
from loom.agent.agent import offers
from loom.event import Event

if TYPE_CHECKING:
    from loom.agent._cell import Cell

log = logging.getLogger("loom.agent")
_ERRORS = 64
_STOP_SECONDS = 10.0


class Life:
    """Decides by its agent's policies, tells on ``loom.agent.<name>.>``, and never lets two restarts overlap."""

    __slots__ = ("_cell", "_errors", "_health")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._health: Health | None = None
        self._errors: deque[tuple[Event, Exception]] | None = None

    @property
    def telling(self) -> bool:
        """Whether ``on_error`` has still to hear of something."""
        return self._errors is not None

    async def start(self) -> None:
        """Call ``on_start`` and serve events; a failure goes the way of restarts."""
        cell = self._cell
        try:
            await cell.hook("on_start")
        except Exception as error:  # noqa: BLE001 - a stranger's on_start: told, and tried again with back-off
            log.error("%s could not start: %s: %s", cell.name, type(error).__name__, error)
            cell.services.spawn(self.restart(began=False))
            return
        if cell.status == "new":
            self.run()
            cell.services.announce(cell.name, "started", offers(cell.spec))

    def run(self) -> None:
        """Serve events, and begin the beats of ``@every`` and ``@at``."""
        cell = self._cell
        cell.status = "paused" if cell.name in cell.services.paused else "running"
        cell.beats.start(cell.spec.handlers)
        cell.wake()

    async def stop(self, timeout: float) -> None:
        """Call ``on_stop`` within *timeout* seconds."""
        cell = self._cell
        cell.beats.clear()
        if cell.status in ("running", "paused"):
            await self.say_stop(timeout)

    async def say_stop(self, timeout: float = _STOP_SECONDS) -> None:
        """Call ``on_stop``; an error is told and goes no further."""
        cell = self._cell
        try:
            async with asyncio.timeout(timeout):
                await cell.hook("on_stop")
        except Exception as error:  # noqa: BLE001 - a stranger's on_stop must not keep the others from stopping
            log.error("%s could not stop cleanly: %s: %s", cell.name, type(error).__name__, error)

    def failed(self, event: Event, error: Exception) -> None:
        """An event was given up: call ``on_error``, and restart if it happens too often."""
        cell = self._cell
        if "on_error" in cell.spec.hooks:
            if self._errors is None:
                self._errors = deque(maxlen=_ERRORS)
                cell.services.spawn(self._tell_errors())
            self._errors.append((event, error))
        self._health = self._health or Health(cell.spec.restart)
        if self._health.failed(cell.services.clock.monotonic()) and cell.status == "running":
            cell.status = "restarting"
            cell.services.spawn(self.restart())

    async def restart(self, began: bool = True) -> None:
        """Make the agent anew after a back-off, from its committed state; park it when that happens too often.

        ``on_stop`` is called before, if it *began*: it may hold something open.
        """
        cell = self._cell
        cell.status = "restarting"
        if began:
            await self.say_stop()
        health = self._health = self._health or Health(cell.spec.restart)
        while (delay := health.restart(cell.services.clock.monotonic(), cell.services.random)) is not None:
            cell.services.announce(cell.name, "restarting", {"delay": delay})
            await asyncio.sleep(delay)
            if cell.status != "restarting":
                return
            try:
                await self.revive()
            except Exception as error:  # noqa: BLE001 - a stranger's on_start: told, and tried again with back-off
                log.error("%s could not start: %s: %s", cell.name, type(error).__name__, error)
                continue
            cell.services.announce(cell.name, "restarted", offers(cell.spec))
            return
        cell.status = "parked"
        cell.services.announce(cell.name, "parked", {"queued": sum(len(q) for q in cell.queues())})
        advice = "its events wait; loom.unpark(...) tries again"
        log.error("%s is parked after too many restarts; %s", cell.name, advice)
        cell.services.scheduler.on_idle()

    async def unpark(self) -> None:
        """Start again with a clean record; raises what ``on_start`` raises, and stays parked then."""
        if self._health is not None:
            self._health.forgive()
        await self.revive()
        self._cell.services.announce(self._cell.name, "restarted", {})

    async def revive(self) -> None:
        """Make the instance anew from the committed state, call ``on_start`` and serve events."""
        cell = self._cell
        await cell.free()
        if cell.initial is None:
            instance = cell.spec.cls()
        else:
            instance = object.__new__(type(cell.instance))
            instance.__dict__.update(cell.initial)
        cell.instance = instance
        cell.bind()
        cell.roll_back()
        await cell.hook("on_start")
        self.run()

    async def _tell_errors(self) -> None:
        errors, cell = self._errors, self._cell
        while errors:
            event, error = errors.popleft()
            try:
                await cell.hook("on_error", event, error, cause=event)
            except Exception as failure:  # noqa: BLE001 - a stranger's on_error: told, never felt
                log.error("%s: on_error failed: %s: %s", cell.name, type(failure).__name__, failure)
        self._errors = None
        cell.services.scheduler.on_idle()
