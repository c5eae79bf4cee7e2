"""The senses and limbs of one runtime: its sources, its sinks and the platforms that bring them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from loom.errors import ConfigError
from loom.runtime._switches import FiledSwitches, ForgottenSwitches, Switch, Switches

if TYPE_CHECKING:
    from pathlib import Path

    from loom.adapters import ActionSink, HostAdapter
    from loom.runtime._sources import SourceRunner

log = logging.getLogger("loom.adapter")


class Senses:
    """Every source by the name it has here, every sink, every host."""

    def __init__(self) -> None:
        self.runners: dict[str, SourceRunner] = {}
        self._switches: Switches = ForgottenSwitches()
        self._on: set[Switch] = set()
        self._sinks: list[ActionSink] = []
        self._hosts: list[HostAdapter] = []
        self._turning = asyncio.Lock()

    def remember(self, switches: Switches) -> None:
        """Let *switches* say from now on what is muted and allowed."""
        self._switches = switches
        self._on = switches.on()
        for runner in self.runners.values():
            self._set(runner)

    def add(
        self, runners: Iterable[SourceRunner], sinks: Iterable[ActionSink], hosts: Iterable[HostAdapter]
    ) -> None:
        """Let them belong to the runtime."""
        for runner in runners:
            self.runners[runner.name] = runner
            self._set(runner)
        self._sinks += sinks
        self._hosts += hosts

    async def start(self) -> None:
        """Start hosts, then sources. Raises what a host's ``start`` raises."""
        await _start(list(self._hosts), list(self.runners.values()))

    def join(
        self, hosts: list[HostAdapter], runners: Iterable[SourceRunner], spawn: Callable[[Any], None]
    ) -> None:
        """Start these in a runtime that runs; sources wait for the hosts."""
        if hosts:
            spawn(_start(hosts, list(runners)))
        else:
            for runner in runners:
                runner.start()

    async def stop(self) -> None:
        """End every source for good."""
        await asyncio.gather(*(runner.stop() for runner in self.runners.values()))

    async def close(self) -> None:
        """Close sinks, then hosts, the newest first."""
        things: list[ActionSink | HostAdapter] = [*self._hosts, *self._sinks]
        for thing in reversed(things):
            await closed(thing.name, thing.close)
        self._sinks.clear()
        self._hosts.clear()

    def find(self, name: str) -> SourceRunner:
        """The source called *name*; raises ConfigError."""
        if name not in self.runners:
            known = ", ".join(sorted(self.runners)) or "none"
            raise ConfigError(f"no source {name!r}; there are {known}")
        return self.runners[name]

    async def mute(self, name: str) -> None:
        """Silence a source until ``unmute``, also after a restart."""
        runner = self.find(name)
        heard, runner.muted = not runner.muted, True
        await runner.silence()  # at once: whoever is about to switch it on again does not hold this up
        async with self._turning:
            if not runner.muted:  # somebody has switched it on meanwhile
                runner.muted = True
                await runner.silence()
            if heard:
                runner.out.tell("muted")
            await self._turn("muted", name, True)

    async def unmute(self, name: str) -> None:
        """Let a source go on, if it is muted and allowed."""
        runner = self.find(name)
        async with self._turning:
            await self._turn("muted", name, False)  # first: what cannot be remembered stays shut
            if runner.muted:
                runner.muted = False
                runner.out.tell("unmuted")
                runner.go_on()

    async def allow(self, name: str) -> None:
        """Let a source that asks for consent begin, now and after each restart."""
        runner = self.find(name)
        async with self._turning:
            await self._turn("allowed", name, True)
            if not runner.allowed:
                runner.allowed = True
                runner.out.tell("allowed")
                runner.go_on()

    def _set(self, runner: SourceRunner) -> None:
        runner.muted = ("muted", runner.name) in self._on
        runner.allowed = runner.consent != "ask" or ("allowed", runner.name) in self._on

    async def _turn(self, kind: str, name: str, on: bool) -> None:
        await self._switches.turn((kind, name), on)
        self._on = self._on | {(kind, name)} if on else self._on - {(kind, name)}


class Sensing:
    """The part of a Loom that switches its sources."""

    _senses: Senses

    def source(self, name: str) -> SourceRunner:
        """The source called *name*: its status, whether it is muted, what is counted. Raises ConfigError."""
        return self._senses.find(name)

    def remember_switches(self, file: str | Path) -> None:
        """Keep in *file* which sources are muted and allowed: for a runtime without a store, before it starts.

        Raises ConfigError for a file that is there and cannot be read.
        """
        from pathlib import Path

        self._senses.remember(FiledSwitches(Path(file)))

    async def mute(self, name: str) -> None:
        """Silence the source *name* until ``unmute``, also after a restart.

        It publishes nothing from the moment this is called on, and has given its device back when this returns, within
        100 ms (a source that takes longer to clean up is named in the log). Raises ConfigError for a name that is none,
        StoreError or LoomError when it is muted but that cannot be remembered.
        """
        await self._senses.mute(name)

    async def unmute(self, name: str) -> None:
        """Let the source *name* go on after ``mute``. Raises ConfigError, LoomError: then it stays muted."""
        await self._senses.unmute(name)

    async def allow(self, name: str) -> None:
        """Say yes, once and for all, to a source that asks for consent. Raises ConfigError, StoreError, LoomError."""
        await self._senses.allow(name)


async def _start(hosts: list[HostAdapter], runners: list[SourceRunner]) -> None:
    for host in hosts:
        await host.start()
    for runner in runners:
        runner.start()


async def closed(name: str, close: Callable[[], Awaitable[Any]]) -> None:
    """Await *close*, and only log what a stranger's adapter raises: everything else still has to be closed."""
    try:
        await close()
    except Exception:  # a stranger's adapter
        log.exception("%s could not be closed", name)
