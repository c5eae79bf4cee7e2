"""An agent whose class has another state from version to version."""

from __future__ import annotations

from typing import Any

from loom import Agent, Event, on


def mover(number: int, version: int) -> type[Agent]:
    """The class at *version* (1 or more): each one renames a field of the one before."""

    class Mover(Agent, name=f"mover-{number}"):
        count: int = 0
        total: int = 0
        seen: list[str] = []

        @on(f"work.mover.{number}")
        async def take(self, event: Event) -> None:
            self.count += 1
            self.total += event.payload["value"]
            self.seen.append(event.payload["mark"])

    return Mover


def _unused(_: Any) -> None: ...
