"""A folder whose files are events: what appears, changes, moves or goes, told once it has been left alone."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
import os
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from loom.adapters._folder_hints import Hints
from loom.adapters._folder_settling import Change, Settling, Stamp
from loom.adapters._folder_view import IGNORED, View
from loom.adapters._texts import texts
from loom.adapters.source import Out
from loom.errors import ConfigError, DeviceLost, MissingExtra

log = logging.getLogger("loom.adapters.folder")
CHECK = 2.0
"""Seconds between two looks whether the folder itself is still there."""
GATHER = 0.05
"""At most so many seconds what was touched gathers before it is looked at."""


class Watching(Protocol):
    """What says that something changes; without one the folder is looked at now and then."""

    @property
    def alive(self) -> bool:
        """Whether it still does."""

    def close(self) -> None:
        """End it."""


Watcher = Callable[[str, bool, Hints, Callable[[str], "str | None"]], Watching]


@dataclass(frozen=True, slots=True)
class FolderOptions:
    """The folder at *path*, told on *topic*.created, .changed, .moved, .deleted and .refused.

    A change is told when the file was left alone for *settle* seconds. *existing*: files that are there at the start
    are told as created. *rescan*: seconds between two looks at everything, whatever the system said. Files over
    *max_size* bytes are refused, and no more than *most* files are watched. *poll*: do without watchdog.
    """

    path: Path
    topic: str
    patterns: Sequence[str] = ("*",)
    ignore: Sequence[str] = IGNORED
    existing: bool = False
    recursive: bool = False
    settle: float = 0.5
    rescan: float = 30.0
    max_size: int = 100_000_000
    most: int = 10_000
    poll: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.settle <= 3600 or not 0.05 <= self.rescan <= 86_400:
            raise ConfigError(
                f"folder {str(self.path)!r}: settle is {self.settle}, rescan {self.rescan} seconds; "
                "use 0 to 3600 and 0.05 to 86400"
            )
        if self.max_size < 0 or not 1 <= self.most <= 1_000_000:
            raise ConfigError(
                f"folder {str(self.path)!r}: max_size is {self.max_size}, most {self.most}; "
                "use 0 bytes or more and 1 to 1000000 files"
            )


class Folder:
    """The source of one folder. What it knows outlives `run`: a folder that comes back is compared with what it was."""

    def __init__(self, name: str, options: FolderOptions, watcher: Watcher | None = None) -> None:
        self.name = name
        self.options = o = options
        self.topics = (f"{o.topic}.*",)
        self.view = View(o.path, o.patterns, o.ignore, o.recursive, o.most)
        self.settling = Settling(o.settle, o.most)
        self._watcher = watcher
        self._untold: deque[Change] = deque()  # at most as many as there are files
        self._counts = {"told": 0, "refused": 0, "scans": 0, "overflows": 0}
        self._begun = o.existing
        self._polling = watcher is None

    async def run(self, out: Out) -> None:
        """Tell of changes until cancelled; raises DeviceLost when the folder is not there: call it again later."""
        hints = Hints()
        try:
            await asyncio.to_thread(self.view.open)
        except DeviceLost:
            self._begun = True  # all that is in it when it appears will be new
            raise
        watch = await _finished(asyncio.to_thread(self._watch, hints))
        try:
            out.found()
            await self._follow(out, hints, watch)
        finally:
            self._counts["overflows"] += hints.overflows
            if watch is not None:
                await asyncio.to_thread(watch.close)

    def statistics(self) -> Mapping[str, object]:
        """Files known and pending, changes told and refused, looks at everything, files left out, and why."""
        view, settling = self.view, self.settling
        return {
            "known": len(settling.known),
            "pending": len(settling.pending),
            **self._counts,
            "left_out": settling.left_out,
            "outside": view.outside,
            "unnamed": view.unnamed,
            "polling": self._polling,
        }

    # --- inside ---------------------------------------------------------------------------------------------------

    def _watch(self, hints: Hints) -> Watching | None:
        if self._watcher is None:
            return None
        try:
            watch = self._watcher(str(self.options.path), self.options.recursive, hints, self.view.below)
        except OSError as error:  # no watches left, or a file system that has none
            self._polling = True
            log.warning(
                "folder %s cannot be watched (%s); it is looked at every %s s instead",
                self.options.path,
                error.strerror or error,
                self.options.rescan,
            )
            return None
        self._polling = False
        return watch

    async def _follow(self, out: Out, hints: Hints, watch: Watching | None) -> None:
        now = asyncio.get_running_loop().time
        looked = checked = float("-inf")
        while True:
            said = hints.take()
            if said.all or now() - looked >= self.options.rescan:
                await self._scan(now)
                looked = checked = now()
            elif said.paths or now() - checked >= CHECK:
                await self._look(said.paths, now, hinted=True)
                checked = now()
            await self._settle(out, now)
            if watch is not None and not watch.alive:
                raise DeviceLost(f"folder {str(self.options.path)!r}: the system stopped watching it")
            due = self.settling.due()
            until = min(looked + self.options.rescan, checked + CHECK, now() + CHECK if due is None else due)
            await hints.wait(max(until - now(), 0.001))
            if not self._polling:
                await asyncio.sleep(min(GATHER, self.options.settle / 4))

    async def _scan(self, now: Callable[[], float]) -> None:
        known = (*self.settling.known, *self.settling.pending)
        found = await asyncio.to_thread(self.view.scan, known)
        self._counts["scans"] += 1
        for path, stamp in found.items():
            if self._begun:
                self.settling.observe(path, stamp, now())
            elif stamp is not None:
                self.settling.adopt(path, stamp)
        self._begun = True
        self._say_left_out()

    async def _look(self, paths: Sequence[str], now: Callable[[], float], *, hinted: bool = False) -> None:
        stamps = await asyncio.to_thread(self._stamps, paths)
        for path, stamp in stamps.items():  # the time after the look: what was written before it is seen
            self.settling.observe(path, stamp, now(), hinted=hinted)

    def _stamps(self, paths: Sequence[str]) -> Mapping[str, Stamp | None]:
        stamps = self.view.look(paths)
        self.view.check()  # after the looks: files are not gone because their folder is
        return stamps

    async def _settle(self, out: Out, now: Callable[[], float]) -> None:
        moment = now()
        paths = self.settling.ready(moment)
        if paths:
            await self._look(paths, now)
            self._untold.extend(self.settling.take(moment, paths))
        while self._untold:
            await self._tell(out, self._untold[0])
            self._untold.popleft()

    async def _tell(self, out: Out, change: Change) -> None:
        size = change.stamp.size
        kind, payload = change.kind, self._payload(change)
        if kind != "deleted" and size > self.options.max_size:
            self._counts["refused"] += 1
            kind = "refused"
            payload["reason"] = f"{size:,} bytes, over max_size = {self.options.max_size:,}"
        await out(f"{self.options.topic}.{kind}", payload)
        self._counts["told"] += 1

    def _payload(self, change: Change) -> dict[str, Any]:
        path = self.options.path / change.path
        payload = {
            "path": str(path),
            "name": path.name,
            "size": change.stamp.size,
            "kind": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
            "mtime_ms": change.stamp.mtime_ns // 1_000_000,
            "change": change.kind,
        }
        if change.before:
            payload["before"] = str(self.options.path / change.before)
        return payload

    def _say_left_out(self) -> None:
        if self.settling.left_out and "left_out" not in self._counts:
            self._counts["left_out"] = 0
            log.warning(
                "folder %s has more than %d files; the others are left out: raise most, or name patterns",
                self.options.path,
                self.options.most,
            )


async def _finished(work: Coroutine[Any, Any, Watching | None]) -> Watching | None:
    """What *work* opens; when we are cancelled meanwhile it is closed as soon as it is open."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        watch = await task
        if watch is not None:
            watch.close()
        raise


def folder(
    name: str,
    home: Path,
    path: str,
    topic: str = "",
    patterns: list[str] | None = None,
    ignore: list[str] | None = None,
    existing: bool = False,
    recursive: bool = False,
    settle: float = 0.5,
    rescan: float = 30.0,
    max_size: int = 100_000_000,
    most: int = 10_000,
    poll: bool = False,
) -> Folder:
    """The files of the folder *path* (below *home*, the project's, if it is relative) as events.

    Raises ConfigError, and MissingExtra without watchdog unless it is to *poll*.
    """
    where = Path(os.path.normpath(home / Path(path).expanduser()))
    options = FolderOptions(
        where,
        topic or f"folder.{name}",
        texts("patterns", patterns, ("*",)),
        texts("ignore", ignore, IGNORED),
        existing,
        recursive,
        settle,
        rescan,
        max_size,
        most,
        poll,
    )
    return Folder(name, options, None if poll else _watchdog())


def _watchdog() -> Watcher:
    try:
        from loom.adapters._folder_watch import Watch
    except ImportError as error:
        raise MissingExtra("desktop", error.name or "watchdog") from error
    return Watch
