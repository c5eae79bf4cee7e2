"""A thousand stateful agents in memory, against a loop that calls their handlers in turn with the same rollback.

Both sides build the same events, one topic for each agent, and keep a copy of the state after every call that a failure
would return to. The bare loop makes it with Loom's own snapshot; a second one with ``dict(vars(agent))``, which
checks no types and would do for scalar state only.
"""

import asyncio
import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks._harness import Ratio, Stopwatch, bench, interleave, quantile
from benchmarks._timed import resident_bytes
from loom import Agent, Event, Loom, on
from loom.agent._state import Snapshot, fields_of

AGENTS = 1000
ROUNDS = 20
Copy = Callable[[dict[str, Any]], Any]
PutBack = Callable[[dict[str, Any], Any], None]


class Room(Agent):
    """Three fields of state, as much as a small agent has."""

    readings: int = 0
    total: float = 0.0
    last: str = ""

    async def note(self, event: Event, ctx: Any) -> None:
        self.readings += 1
        self.total += event.payload
        self.last = event.source


class Idler(Agent):
    """The same agent on a pattern that all instances share."""

    readings: int = 0
    total: float = 0.0
    last: str = ""

    @on("everyone.reading")
    async def note(self, event: Event, ctx: Any) -> None:
        self.readings += 1
        self.total += event.payload
        self.last = event.source


def room(number: int) -> type[Room]:
    """A Room that listens to a topic of its own."""
    pattern = f"room{number}.reading"

    class Numbered(Room, name=f"room{number}"):
        @on(pattern)
        async def note(self, event: Event, ctx: Any) -> None:
            self.readings += 1
            self.total += event.payload
            self.last = event.source

    return Numbered


TOPICS = [f"room{n}.reading" for n in range(AGENTS)]
ROOMS: list[type[Room]] = []


def rooms() -> list[type[Room]]:
    """A class for each topic, made once."""
    if not ROOMS:
        ROOMS.extend(room(n) for n in range(AGENTS))
    return ROOMS


def make(topic: str, n: int) -> Event:
    return Event("reading", n, topic=topic, source="bench")


async def with_loom() -> float:
    """Steps per second of CPU time."""
    loom = Loom()
    loom.add(*rooms())
    async with loom:
        await loom.idle()
        bus = loom.bus
        with Stopwatch() as watch:
            for n in range(ROUNDS):
                for topic in TOPICS:
                    await bus.publish(make(topic, n))
            await loom.idle()
        committed = sum(agent.committed for agent in loom.statistics().agents.values())
    assert committed >= ROUNDS * AGENTS, committed
    return ROUNDS * AGENTS / watch.cpu


async def by_hand(copy: Copy, put_back: PutBack) -> float:
    """Calls per second of CPU time, each followed by a copy of the state."""
    agents = [Room() for _ in TOPICS]
    kept = [copy(one.__dict__) for one in agents]
    with Stopwatch() as watch:
        for n in range(ROUNDS):
            for number, (topic, one) in enumerate(zip(TOPICS, agents, strict=True)):
                try:
                    await one.note(make(topic, n), None)
                    kept[number] = copy(one.__dict__)
                except Exception:
                    put_back(one.__dict__, kept[number])
                    raise
    assert all(one.readings == ROUNDS for one in agents)
    return ROUNDS * AGENTS / watch.cpu


async def with_snapshot() -> float:
    snapshot = Snapshot(fields_of(Room, Agent))
    return await by_hand(snapshot.capture, snapshot.restore)


async def with_dict() -> float:
    return await by_hand(dict, dict.update)


async def crowd(loom: Loom, first: int = 1, count: int = AGENTS) -> None:
    """Adds *count* idle agents to a running runtime; each has handled one event."""
    for number in range(first, first + count):
        loom.add(Idler, name=f"idler{number}")
    await loom.idle()
    await loom.publish("everyone.reading", 1.0)
    await loom.idle()
    gc.collect()


async def traced_bytes() -> float:
    """Bytes that Python allocated for each idle agent."""
    async with Loom() as loom:
        await crowd(loom, 0, 1)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        await crowd(loom)
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    return (after - before) / AGENTS


async def resident_growth() -> float:
    """Bytes of resident memory for each idle agent; only true in a fresh process."""
    async with Loom() as loom:
        await crowd(loom, 0, 1)  # what the first agent of a process costs is not the price of another
        before = resident_bytes()
        await crowd(loom)
        return (resident_bytes() - before) / AGENTS


def resident_in_a_fresh_process() -> float:
    code = "import asyncio; from benchmarks.bench_agents import *; print(asyncio.run(resident_growth()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


@bench
def throughput() -> Iterator[Ratio]:
    got = interleave(7, loom=with_loom, snapshot=with_snapshot, dict=with_dict)
    note = got.note("loom", "snapshot", "k steps/s", 1e-3)
    yield Ratio("agents.steps", got.ratio("loom", "snapshot"), 0.35, note=note)
    note = got.note("loom", "dict", "k steps/s", 1e-3)
    yield Ratio("agents.steps.against_dict_copy", got.ratio("loom", "dict"), note=note)


@bench
def memory() -> Iterator[Ratio]:
    traced = quantile([asyncio.run(traced_bytes()) for _ in range(3)], 0.5)
    resident = quantile([resident_in_a_fresh_process() for _ in range(3)], 0.5)
    yield Ratio("agents.idle.allocated", traced / 1024, 4.0, "lower", "KB", slack=0.2)
    yield Ratio("agents.idle.resident", resident / 1024, 4.0, "lower", "KB", slack=0.5)
