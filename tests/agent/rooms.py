"""A keyed agent for rooms, and what tests of keyed agents do with it."""

from collections.abc import Iterable
from typing import Any

from loom import Agent, Context, Event, Loom, on
from loom.errors import StoreError
from tests.journal.disks import Disk, life, turns


class Room(Agent, key="metadata.room", awake=3):
    """Writes down what happens in one room."""

    seen: list[Any] = []

    @on("n")
    async def take(self, event: Event, ctx: Context) -> None:
        self.seen.append(event.payload)
        ctx.publish("said", event.payload, metadata={"room": event.metadata["room"]})


async def say(loom: Loom, room: Any, payload: Any, topic: str = "n", **fields: Any) -> None:
    """Publish for a room, again if that could not be kept."""
    while True:
        try:
            await loom.publish(topic, payload, metadata={} if room is None else {"room": room}, **fields)
        except StoreError:
            continue
        return


def awake(loom: Loom, name: str = "Room") -> list[str]:
    return list(loom._cells[name].awake)  # type: ignore[attr-defined]


def lawful(loom: Loom) -> None:
    for queue in loom.bus.queues():
        now = queue.statistics()
        assert now.balanced(), now
        assert now.in_flight >= 0


async def states(
    store: Disk | None, cls: type[Agent], keys: Iterable[str], **options: Any
) -> dict[str, list[Any]]:
    """What each room has seen, as another life of the process finds it."""
    found = {}
    assert store is not None
    async with life(store, cls, **options) as loom:
        await loom.idle()
        herd: Any = loom._cells[cls.__name__]
        for key in keys:
            cell = herd.awake.get(key) or herd._rouse(key)
            found[key] = list(cell.instance.seen) if cell is not None else []
            await turns(3)
    return found
