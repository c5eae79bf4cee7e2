"""One run of `loom demo desk`: the runtime with the folder, the three agents and the models in it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loom import Event, Loom, local_model, on
from loom.adapters import Source
from loom.adapters._folder_view import View
from loom.adapters.folder import Folder, folder
from loom.cli._extras import missing
from loom.desk import PRIVATE, Clerk, Private, Reader, Shelf
from loom.desk.topics import ANSWER, CENSUS, FILE, FILED, FOLDER, FOUND, GONE, PAGE, QUESTION, TROUBLE
from loom.errors import DeviceLost, LoomError

PATIENCE = 120.0  # seconds for one answer, the models' start included
LOOK = 0.1  # seconds between looks whether everything is filed
RECOUNT = 60.0
HOUR = 3600.0
DEVICE = "loom.adapter.folder.*"
DRAIN = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What the user asked for: which folder, where its state is kept, and whether a chat model words the answers."""

    folder: Path
    data: Path
    chat: bool = True
    recursive: bool = False
    model: str | None = None
    settle: float = 0.3


def behind(there: Mapping[str, int], seen: Mapping[str, int], refused: Collection[str]) -> list[str]:
    """The paths whose last change, Unix milliseconds by path, the desk has not caught up with yet."""
    changed = [path for path, mtime_ms in there.items() if seen.get(path) != mtime_ms and path not in refused]
    return changed + [path for path in seen if path not in there]


class DeskRun:
    """Runs a Plan; *tell* gets every event that is worth a line."""

    def __init__(self, plan: Plan, tell: Callable[[Event], None] = lambda event: None) -> None:
        self.plan = plan
        self.told: list[Event] = []
        self.left = 0
        self.dead = 0
        self._tell = tell
        self._waiting: dict[str, asyncio.Future[Event]] = {}
        self._loom = Loom("desk", data=plan.data, drain=DRAIN)
        self._view = View(plan.folder, recursive=plan.recursive)
        self._folder: Folder = folder(
            "folder", Path(), str(plan.folder), FOLDER,
            existing=True, recursive=plan.recursive, settle=plan.settle, rescan=10.0,
        )  # fmt: skip

    async def start(self) -> None:
        """Start everything and wait until the embedder works; raises what is missing."""
        loom = self._loom
        self._view.open()
        loom.add_model(local_model("minilm", idle=None))
        if self.plan.chat:
            settings: dict[str, Any] = {"file": self.plan.model} if self.plan.model else {}
            loom.add_model(local_model("llama", idle=None, **settings))
        if not missing("vision"):
            loom.add_model(local_model("faces"))
        for topic in (f"{FOLDER}.*", FILE, PAGE, GONE):
            loom.journal(topic, age=HOUR)  # what is forgotten shall not stay there
        loom.add(Reader, Shelf, Clerk, self._witness(), self._postman())
        loom.add(Private(self._folder), Source("census", self._census, (CENSUS,)))
        await loom.ask("embed", ["hello"], timeout=PATIENCE)
        await loom.start()

    async def stop(self) -> None:
        """Drain and close; what was accepted and is not done goes on in the next life."""
        self.left = await self._loom.stop()
        self.dead = self._loom.statistics().dead_letters

    async def ask(self, question: str, chat: bool = True) -> dict[str, Any]:
        """The answer to a question, with ``seconds``; ``chat`` false: without what a model makes of it."""
        event = Event("question", {"text": question, "chat": chat}, topic=QUESTION, label=PRIVATE)
        waiting = self._waiting[event.id] = asyncio.get_running_loop().create_future()
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._loom.publish(event)
                answer = await waiting
        except TimeoutError:
            raise LoomError(f"no answer to {question!r} after {PATIENCE:.0f} s") from None
        finally:
            del self._waiting[event.id]
        label, seconds = str(answer.label), round(time.monotonic() - began, 3)
        return {**answer.payload, "seconds": seconds, "label": label}

    def progress(self) -> tuple[int, int]:
        """How many files of the folder were looked at as they are now, and how many there are."""
        there = self._there() or {}
        return len(there) - len(behind(there, self._seen(), self._refused())), len(there)

    async def settled(self, limit: float = 600.0) -> bool:
        """Whether every file that is in the folder now, and none that is not, was looked at within *limit* seconds."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            there = await asyncio.to_thread(self._there)
            if there is None:
                return False
            if not behind(there, self._seen(), self._refused()) and await self._quiet():
                return True
            await asyncio.sleep(LOOK)
        return False

    def papers(self) -> dict[str, Any]:
        """What lies on the shelf, by file name."""
        shelf: Any = self._loom.agent("shelf").instance
        return {paper.name: paper for paper in shelf.papers.values()}

    # --- inside ---------------------------------------------------------------------------------------------------

    def _seen(self) -> dict[str, int]:
        reader: Any = self._loom.agent("reader").instance
        there = self._there() or {}
        seen = {path: each.mtime_ms for path, each in reader.seen.items()}
        return {
            p: at for p, at in seen.items() if p in there or not os.path.isfile(p)
        }  # not of other folders

    def _refused(self) -> set[str]:
        return {event.payload["path"] for event in self.told if event.topic == TROUBLE}

    def _there(self) -> dict[str, int] | None:
        """The last change of every file by path; None while the folder itself is away."""
        try:
            found = self._view.scan()
        except DeviceLost:
            with suppress(DeviceLost):
                self._view.open()  # another one may stand there by now
            return None
        stamps = {path: stamp.mtime_ns // 1_000_000 for path, stamp in found.items() if stamp is not None}
        return {str(self.plan.folder / path): mtime_ms for path, mtime_ms in stamps.items()}

    async def _quiet(self) -> bool:
        """Whether nothing is on its way between the folder and the shelf."""
        if self._folder.statistics()["pending"]:
            return False
        try:
            async with asyncio.timeout(LOOK):
                await self._loom.idle()
        except TimeoutError:
            return False
        return True

    def _witness(self) -> Any:
        @on(FILED, durable=False)
        @on(TROUBLE, durable=False)
        @on(GONE, durable=False)
        @on(FOUND, durable=False)
        @on(DEVICE, durable=False)
        async def witness(event: Event) -> None:
            self.told = [*self.told[-4999:], event]
            self._tell(event)

        return witness

    def _postman(self) -> Any:
        @on(ANSWER, durable=False)
        async def postman(event: Event) -> None:
            waiting = self._waiting.get(event.cause or "")
            if waiting is not None and not waiting.done():
                waiting.set_result(event)

        return postman

    async def _census(self, out: Any) -> None:
        while True:
            await out(CENSUS, {"root": str(self.plan.folder)}, label=PRIVATE)
            await asyncio.sleep(RECOUNT)
