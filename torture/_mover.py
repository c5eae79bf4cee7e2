"""An agent whose class has another state from version to version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loom import Agent, Event, on


def mover(number: int, version: int) -> type[Agent]:
    """The class at *version* (1 or more; from 3 on it stays as it is)."""
    return _CLASSES[min(version, 3)](number, version)


def known(agent: Agent) -> dict[str, Any]:
    """What a mover of any version has noted."""
    return _notes(vars(agent))


def _notes(state: dict[str, Any]) -> dict[str, Any]:
    if "saw" in state:
        marks = [mark for mark, times in state["saw"].items() for _ in range(times)]
        return {"count": len(marks), "total": state["sum"], "seen": marks}
    if "text" in state:
        return {"count": state["times"], "total": state["sum"], "seen": state["text"].split()}
    return {name: state[name] for name in ("count", "total", "seen")}


def _first(number: int, version: int) -> type[Agent]:
    class Mover(Agent, name=f"mover-{number}", version=version):
        count: int = 0
        total: int = 0
        seen: list[str] = []

        @on(f"work.mover.{number}")
        async def take(self, event: Event) -> None:
            self.count += 1
            self.total += event.payload["value"]
            self.seen.append(event.payload["mark"])

    return Mover


def _second(number: int, version: int) -> type[Agent]:
    class Mover(Agent, name=f"mover-{number}", version=version):
        sum: int = 0
        saw: dict[str, int] = {}

        @classmethod
        def migrate(cls, state: dict[str, Any], version: int) -> dict[str, Any]:
            if version < 2 and state:
                notes = _notes(state)
                return {"sum": notes["total"], "saw": dict.fromkeys(notes["seen"], 1)}
            return state

        @on(f"work.mover.{number}")
        async def take(self, event: Event) -> None:
            mark = event.payload["mark"]
            self.sum += event.payload["value"]
            self.saw[mark] = self.saw.get(mark, 0) + 1

    return Mover


def _third(number: int, version: int) -> type[Agent]:
    class Mover(Agent, name=f"mover-{number}", version=version):
        sum: int = 0
        times: int = 0
        text: str = ""

        @classmethod
        def migrate(cls, state: dict[str, Any], version: int) -> dict[str, Any]:
            if version < 3 and state:
                notes = _notes(state)
                return {"sum": notes["total"], "times": notes["count"], "text": " ".join(notes["seen"])}
            return state

        @on(f"work.mover.{number}")
        async def take(self, event: Event) -> None:
            self.sum += event.payload["value"]
            self.times += 1
            self.text += f" {event.payload['mark']}"

    return Mover


_CLASSES: dict[int, Callable[[int, int], type[Agent]]] = {1: _first, 2: _second, 3: _third}
