"""A directory: who is there, what they listen to and what they can do."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from loom.agent import Agent, Context, on
from loom.event import Event
from loom.event.topic import matches

_STATUS = {"started": "running", "restarted": "running", "restarting": "restarting", "parked": "parked"}
_MOST = 4096


@dataclass
class Entry:
    """What is known of one agent. ``status``: running, restarting, parked, or unknown since the directory began."""

    name: str
    status: str = "unknown"
    topics: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)


class Directory(Agent):
    """Keeps an entry for each agent from what is announced on ``loom.agent.>``; answers requests on ``loom.directory``.

    An agent adds to its entry by publishing ``loom.agent.<its name>.offers`` with lists of ``topics`` and ``actions``.
    A request may name an ``agent``, a ``topic`` (who listens to it?) or an ``action`` (who has it?); the answer is a
    list of entries as dicts, by name. At most 4096 agents are kept.
    """

    entries: dict[str, Entry] = {}

    async def on_start(self, ctx: Context) -> None:
        """What was known in an earlier life is a memory until the agents speak again."""
        for entry in self.entries.values():
            entry.status = "unknown"

    @on("loom.agent.*.*", durable=False)  # told anew in each life: not worth a journal
    async def hear(self, event: Event, ctx: Context) -> None:
        """Enter what an agent, or the runtime about it, has announced."""
        name, what = event.topic.split(".")[2:]
        if (what not in _STATUS and what != "offers") or (
            name not in self.entries and len(self.entries) >= _MOST
        ):
            return
        entry = self.entries.setdefault(name, Entry(name))
        if what != "offers":
            entry.status = _STATUS[what]
        said = event.payload if isinstance(event.payload, dict) else {}
        for known, more in ((entry.topics, "topics"), (entry.actions, "actions")):
            known += [word for word in said.get(more, ()) if word not in known]

    @on("loom.directory")
    async def find(self, event: Event, ctx: Context) -> list[dict[str, Any]]:
        """The entries that were asked for."""
        asked = event.payload if isinstance(event.payload, dict) else {}
        found = [entry for entry in self.entries.values() if _fits(entry, asked)]
        return [asdict(entry) for entry in sorted(found, key=lambda entry: entry.name)]


def _fits(entry: Entry, asked: dict[str, Any]) -> bool:
    """Whether an entry has everything that was asked for."""
    topic = str(asked["topic"]).split(".") if "topic" in asked else None
    return (
        asked.get("agent", entry.name) == entry.name
        and ("action" not in asked or asked["action"] in entry.actions)
        and (topic is None or any(matches(tuple(p.split(".")), topic) for p in entry.topics))
    )
