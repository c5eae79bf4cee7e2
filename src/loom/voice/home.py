"""Agents that know something of the home, for the mind to ask: who is at the door, what arrived in the folder."""

from __future__ import annotations

from typing import Any

from loom.agent import Agent, Context, on
from loom.event import Event, QoS
from loom.voice.durations import spoken

LOOKED = 5.0
"""Seconds for which what was seen counts as the present."""
NAMES = 50


class Door(Agent, name="door"):
    """Watches ``camera.*.frame`` with the task ``detect`` and answers ``home.door``."""

    faces: int = 0
    seen_ms: int = 0
    looked_ms: int = 0
    broken: bool = False

    @on("camera.*.frame", qos=QoS.REALTIME, overflow="latest")
    async def look(self, event: Event, ctx: Context) -> None:
        """One picture; the newest only, when they come faster than they are looked at."""
        found: Any = await ctx.ask("faces.detect", event.payload.frame, timeout=5.0)
        self.looked_ms = ctx.now_ms()
        if found:
            self.faces, self.seen_ms = len(found), self.looked_ms

    @on("home.door")
    async def who(self, event: Event, ctx: Context) -> str:
        """Who is at the door, in words."""
        now = ctx.now_ms()
        if now - self.looked_ms > LOOKED * 1000:
            return "I cannot see the door: there is no picture of it."
        if now - self.seen_ms <= LOOKED * 1000 and self.faces:
            return "Somebody is at the door." if self.faces == 1 else f"{self.faces} people are at the door."
        if self.seen_ms:
            return f"Nobody is there now. I saw somebody {spoken((now - self.seen_ms) / 1000)} ago."
        return "Nobody is at the door."


class Inbox(Agent, name="inbox"):
    """Remembers what appeared on ``folder.>`` and answers ``home.folder``."""

    names: list[str] = []
    told: int = 0
    arrived: int = 0

    @on("folder.>")
    async def file(self, event: Event) -> None:
        """A file appeared, or went away again."""
        name = str(event.payload.get("name") or event.payload["path"])
        if event.type == "created":
            self.names = [*self.names, name][-NAMES:]
            self.arrived += 1
        elif event.type == "deleted" and name in self.names:
            self.names = [each for each in self.names if each != name]

    @on("home.folder")
    async def what(self, event: Event) -> str:
        """What arrived since somebody asked the last time, in words."""
        new, self.told = self.arrived - self.told, self.arrived
        names = self.names[-new:] if new else []
        if not names:
            return (
                f"Nothing new. The last one was {_plain(self.names[-1])}."
                if self.names
                else "Nothing has arrived."
            )
        listed = ", ".join(_plain(name) for name in names[-3:])
        return f"{len(names)} new file{'s' if len(names) > 1 else ''}: {listed}."


def _plain(name: str) -> str:
    """A file's name so that a voice can say it."""
    return name.rsplit(".", 1)[0].replace("_", " ").replace("-", " ")[:60]
