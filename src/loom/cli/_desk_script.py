"""What `loom demo desk` does by itself: it drops papers, asks what it knows, is killed once, and notes what it saw."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loom import Event
from loom.cli._camera_agents import library
from loom.cli._desk_papers import BROKEN, KNOWN, KNOWN_LATER, LATER, PAPERS, UNKNOWN, Known
from loom.cli._desk_run import DeskRun, Plan
from loom.desk.topics import FILED, TROUBLE
from loom.errors import LoomError

BALLAST = 12  # pages of Python's manual that are read while a question waits
WORDED = 3  # of the answers, by the chat model too: it is slow
KILLED_AFTER = 3  # files that the first life has filed when it is killed
LIMIT = 120.0


@dataclass(slots=True)
class Seen:
    """What a run of the script has seen, for the verdict."""

    before: list[str] = field(default_factory=list)
    """Files that were filed before the kill."""
    filed: list[str] = field(default_factory=list)
    """Files that were filed after it, in order."""
    troubled: dict[str, str] = field(default_factory=dict)
    papers: list[str] = field(default_factory=list)
    """What lay on the shelf at the end."""
    expected: list[str] = field(default_factory=list)
    answers: list[tuple[Known, dict[str, Any]]] = field(default_factory=list)
    waiting: int = 0
    """Files that were not yet read when the first question was answered."""
    left: int = 0
    dead: int = 0
    unsettled: int = 0


class Script:
    """Plays the script in *home*, a folder of its own; *say* gets the events and *answered* the answers."""

    def __init__(
        self,
        home: Path,
        chat: bool,
        say: Callable[[DeskRun, Event], None] = lambda run, event: None,
        answered: Callable[[dict[str, Any]], None] = lambda answer: None,
    ) -> None:
        self.seen = Seen()
        self._folder, self._data = home / "papers", home / "data"
        self._folder.mkdir()
        self._chat = chat
        self._answered = answered
        self._say = say
        self._run: DeskRun

    async def play(self) -> Seen:
        """The whole of it; what was seen."""
        names = list(PAPERS)
        for name in names[:6]:
            self._drop(name, PAPERS[name])
        self.seen.before = await self._first_life()
        self._run = DeskRun(Plan(self._folder, self._data, self._chat), self._note)
        try:
            await self._run.start()
            await self._second_life(names)
        finally:
            await self._run.stop()
        self.seen.left, self.seen.dead = self._run.left, self._run.dead
        return self.seen

    async def _second_life(self, names: list[str]) -> None:
        for name in names[6:]:
            self._drop(name, PAPERS[name])
        for name, data in BROKEN.items():
            (self._folder / name).write_bytes(data)
        await self._settle()
        for number, page in enumerate(library()[:BALLAST]):
            self._drop(f"manual-{number:02}.txt", page)
        await self._begun()
        await self._ask(KNOWN[0], chat=False)
        done, of = self._run.progress()
        self.seen.waiting = of - done
        for name, text in LATER.items():
            self._drop(name, text)
        for known in KNOWN[1:]:
            await self._ask(known)
        await self._settle()
        for known in (*KNOWN_LATER, *UNKNOWN):
            await self._ask(known)
        await self._change()
        self.seen.papers = list(self._run.papers())
        pages = [f"manual-{number:02}.txt" for number in range(len(library()[:BALLAST]))]
        self.seen.expected = [*(name for name in PAPERS if name != "packing-list.txt"), *LATER, *pages]

    async def _change(self) -> None:
        """One paper says something else, another one goes."""
        self._drop("meeting-2026-03-09.md", PAPERS["meeting-2026-03-09.md"].replace("27th", "29th"))
        (self._folder / "packing-list.txt").unlink()
        await self._settle()
        await self._ask(Known("When is the release now?", "meeting-2026-03-09.md", "29th"))
        await self._ask(Known("Where is the key of the hut?", ""))

    async def _first_life(self) -> list[str]:
        """A process of its own reads the folder, and is killed in the middle of it; what it had filed by then."""
        command = (
            sys.executable, "-m", "loom.cli", "demo", "desk", "--folder", str(self._folder),
            "--data", str(self._data), "--events", "--no-chat",
        )  # fmt: skip
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        filed: list[str] = []
        try:
            async with asyncio.timeout(LIMIT / 2):
                while len(filed) < KILLED_AFTER and (line := await child.stdout.readline()):
                    told = json.loads(line)
                    filed += [told["name"]] if told["topic"] == FILED else []
        except TimeoutError:
            raise LoomError(
                f"the first life of the desk filed {len(filed)} files in {LIMIT / 2:.0f} s"
            ) from None
        finally:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
            code = await child.wait()
        if len(filed) < KILLED_AFTER:
            raise LoomError(f"the first life of the desk ended by itself, with code {code}")
        return filed

    async def _begun(self) -> None:
        """Return when the first page of the manual has been read: the others wait."""
        try:
            async with asyncio.timeout(LIMIT):
                while not any(name.startswith("manual-") for name in self.seen.filed):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise LoomError(f"nothing that was dropped was read within {LIMIT:.0f} s") from None

    async def _ask(self, known: Known, chat: bool = True) -> None:
        chat = chat and self._chat and len(self.seen.answers) <= WORDED
        answer = await self._run.ask(known.question, chat)
        self.seen.answers.append((known, answer))
        self._answered(answer)

    async def _settle(self) -> None:
        self.seen.unsettled += not await self._run.settled(LIMIT)

    def _note(self, event: Event) -> None:
        if event.topic == FILED:
            self.seen.filed.append(event.payload["name"])
        elif event.topic == TROUBLE:
            self.seen.troubled[event.payload["name"]] = event.payload["reason"]
        self._say(self._run, event)

    def _drop(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, encoding="utf-8")
