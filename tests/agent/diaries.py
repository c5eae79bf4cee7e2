"""An agent that writes down what it is told, and what tests of durable agents do with it."""

import asyncio
from typing import Any

from loom import Agent, Context, Event, Loom, on
from tests.journal.disks import Disk, of_steps, until


class Diary(Agent):
    """Writes down what it is told and says so."""

    seen: list[Any] = []

    @on("n")
    async def take(self, event: Event, ctx: Context) -> None:
        self.seen.append(event.payload)
        ctx.publish("said", event.payload)


def seen(loom: Loom, name: str = "Diary") -> list[Any]:
    found: list[Any] = loom.agent(name).instance.seen  # type: ignore[attr-defined]
    return found


def publish(loom: Loom, *payloads: Any, topic: str = "n", **fields: Any) -> list["asyncio.Task[Event]"]:
    return [asyncio.ensure_future(loom.publish(topic, p, **fields)) for p in payloads]


async def held(loom: Loom, disk: Disk, *payloads: Any) -> None:
    """Have *payloads* journalled and handled, and the commits of their steps held before the disk."""
    await loom.idle()
    handled = len(seen(loom)) + len(payloads)
    disk.hold(of_steps)
    await asyncio.gather(*publish(loom, *payloads))
    await until(lambda: len(seen(loom)) == handled)
