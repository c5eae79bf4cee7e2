"""A runtime with two queries, to be killed: publishes the events from a number on and says which ones are accepted.

`python victim.py FOLDER FIRST LAST` prints the number of each event whose `publish` has returned, then what was found.
"""

import asyncio
import json
import sys
from random import Random

from loom import Agent, Context, Event, Loom
from loom.queries import sequence, threshold, when

PAIRS = sequence("a", "b", within=0.02, by="key")
MANY = threshold("b", 4, window=0.018)


def made(number: int) -> Event:
    """The event of this number: always the same one."""
    topic = Random(number).choice("ab")
    stamp = 1_700_000_000_000 + number * 3 - (number * 5 % 9)  # out of order
    return Event(topic, number, topic=topic, id=f"e{number}", key=str(number % 3), timestamp_ms=stamp)


class Listener(Agent):
    pairs: list[list[str]] = []
    many: list[list[str]] = []

    @when(PAIRS)
    async def pair(self, event: Event, ctx: Context) -> None:
        self.pairs.append([e["id"] for e in event.payload["events"]])

    @when(MANY)
    async def crowd(self, event: Event, ctx: Context) -> None:
        self.many.append([e["id"] for e in event.payload["events"]])


async def main(folder: str, first: int, last: int) -> None:
    async with Loom(data=folder) as loom:
        loom.add(Listener)
        for number in range(first, last):
            await loom.publish(made(number))
            print(number, flush=True)
        await loom.idle()
        found = loom.agent("Listener").instance
        print(json.dumps([found.pairs, found.many]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
