"""What durable things weigh: a long conversation, a crash with a million events behind, sleeping agents, timers."""

import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks._harness import Ratio, bench
from benchmarks._timed import resident_bytes
from loom import Agent, Event, Loom, on
from loom.agent._schedule import every_schedule
from loom.agent._timer_book import TimerBook
from loom.journal.row import flat_event
from loom.store import Family, Put
from loom.store.families import number
from loom.store.sqlite import SqliteBackend
from loom.testing import FakeBackend

HERE = Path(__file__).parent
CALLS, TOKENS, LETTERS = 100, 2000, 4  # a token of English is about four letters
EVENTS = 1_000_000
KEYS = 100_000
TIMERS = 100_000


def text(chance: random.Random, letters: int) -> str:
    """Words that nothing compresses or finds twice."""
    return " ".join(chance.choices(WORDS, k=letters // 7))[:letters]


WORDS = ["".join(random.Random(i).choices("abcdefghijklmnopqrstuvwxyz", k=6)) for i in range(5000)]


class Tutor(Agent):
    """Keeps the whole conversation in its state, and asks a model with all of it at each turn."""

    said: list[str] = []

    @on("user.says")
    async def answer(self, event: Event, ctx: Any) -> None:
        self.said.append(event.payload["text"])
        reply = await ctx.ask("chat", "\n".join(self.said))
        self.said.append(reply)
        ctx.publish("tutor.says", {"text": reply})


async def converse(folder: str) -> int:
    """A conversation of 100 calls and 200,000 tokens; returns its new bytes."""
    chance = random.Random(7)
    new = 0
    replies = [text(chance, TOKENS * LETTERS // 2) for _ in range(CALLS)]
    async with Loom(data=folder) as loom:
        loom.add_model(FakeBackend("chat", replies))
        loom.journal("tutor.says", keep=True)
        loom.add(Tutor)
        for _ in range(CALLS):
            question = text(chance, TOKENS * LETTERS // 2)
            new += len(question)
            await loom.publish("user.says", {"text": question})
            await loom.idle()
        assert len(vars(loom.agent("Tutor").instance)["said"]) == 2 * CALLS
    return new + sum(map(len, replies))


@bench
def conversation() -> Iterator[Ratio]:
    folder = tempfile.mkdtemp(prefix=".bench-", dir=HERE)
    try:
        new = asyncio.run(converse(folder))
        backend = SqliteBackend(folder)
        backend.checkpoint()
        backend.close()
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
    finally:
        shutil.rmtree(folder)
    yield Ratio(
        "durable.conversation", size / new, 1.2, "lower",
        note=f"{size / 1e6:.2f} MB on disk for {new / 1e6:.2f} MB of new text in {CALLS} calls",
    )  # fmt: skip


class Counter(Agent):
    """Counts what it sees."""

    seen: int = 0

    @on("sensor.*")
    async def note(self, event: Event, ctx: Any) -> None:
        self.seen += 1


def fill(folder: str) -> None:
    """A store with a million journalled events, of which the last thousand were not handled when the process died."""
    backend = SqliteBackend(folder)
    for start in range(1, EVENTS + 1, 5000):
        puts: list[Put] = []
        for seq in range(start, min(start + 5000, EVENTS + 1)):
            event = Event("reading", {"value": seq, "unit": "C"}, topic=f"sensor.{seq % 100}")
            puts += (
                Put(Family.JOURNAL, number(seq), flat_event(event)),
                Put(Family.IDS, event.id.encode(), number(seq)),
            )
        backend.write(puts, sync=False)
    backend.write([Put(Family.POSITIONS, b"Counter.note", str(EVENTS - 1000).encode())])
    os._exit(9)  # no clean end


REOPEN = """
import asyncio, sys, time
from benchmarks.bench_endurance import Counter
from loom import Loom

async def main():
    began = time.perf_counter()
    async with Loom(data=sys.argv[1]) as loom:
        loom.add(Counter)
        print(time.perf_counter() - began)
        await loom.idle()
        print(time.perf_counter() - began)
        assert loom.agent("Counter").instance.seen == 1000
asyncio.run(main())
"""


def child(program: str, *arguments: str) -> list[float]:
    """The numbers that *program* prints in a process of its own."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


@bench
def reopen() -> Iterator[Ratio]:
    folder = tempfile.mkdtemp(prefix=".bench-", dir=HERE)
    try:
        fill_it = f"from benchmarks.bench_endurance import fill; fill({folder!r})"
        subprocess.run([sys.executable, "-c", fill_it], cwd=HERE.parent, check=False)
        opened, handled = child(REOPEN, folder)
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
    finally:
        shutil.rmtree(folder)
    yield Ratio(
        "durable.reopen", opened, 1.0, "lower", "s", slack=0.3,
        note=f"after a crash with {EVENTS:,} events ({size / 1e6:.0f} MB); 1,000 handled after {handled:.2f} s",
    )  # fmt: skip


SLEEPERS = """
import asyncio, sys
from benchmarks._timed import resident_bytes
from loom import Agent, Event, Loom, on

class Room(Agent, key="metadata.room", awake=500):
    n: int = 0
    last: str = ""

    @on("room.reading")
    async def note(self, event, ctx):
        self.n += 1
        self.last = event.metadata["room"]

async def main():
    keys = int(sys.argv[2])
    async with Loom(data=sys.argv[1], drain=600, watchdog=None) as loom:
        loom.add(Room)
        before = resident_bytes()
        for start in range(0, keys, 2000):
            events = [
                Event("r", i, topic="room.reading", metadata={"room": f"room-{i}"}) for i in range(start, start + 2000)
            ]
            await loom.bus.publish_many(events)
        await loom.idle()
        herd = loom.agent("Room")
        assert herd.queues()[0].delivered == keys and len(herd.awake) <= 500
        print(resident_bytes())
        print(resident_bytes() - before)
asyncio.run(main())
"""


@bench
def sleeping() -> Iterator[Ratio]:
    folder = tempfile.mkdtemp(prefix=".bench-", dir=HERE)
    try:
        resident, growth = child(SLEEPERS, folder, str(KEYS))
    finally:
        shutil.rmtree(folder)
    yield Ratio(
        "durable.sleeping_agents", resident / 1e6, 100.0, "lower", "MB", slack=8.0,
        note=f"{KEYS:,} keyed agents, 500 awake; {growth / 1e6:.0f} MB more than before the first",
    )  # fmt: skip


@bench
def timers() -> Iterator[Ratio]:
    """Setting a timer among 100,000 against setting one among 1,000, and what waiting costs."""
    folder = tempfile.mkdtemp(prefix=".bench-", dir=HERE)
    try:
        backend = SqliteBackend(folder)
        book = TimerBook(backend)
        schedule = every_schedule(60)

        def add(first: int, count: int) -> float:
            began = perf_counter()
            for block in range(first, first + count, 500):
                puts: list[Put] = []
                for i in range(block, block + 500):
                    puts += book.set_every("agent", f"timer-{i}", schedule, b"", "coalesce", i)
                backend.write(puts, sync=False)
                book.landed(puts)
            return (perf_counter() - began) / count * 1e6

        few = add(0, 5000)
        add(5000, TIMERS - 10_000)
        many = add(TIMERS - 5000, 5000)
        resident = resident_bytes()
        began = perf_counter()
        for _ in range(1000):
            book.next_due_ms()
        asked = (perf_counter() - began) / 1000 * 1e6
        backend.close()
    finally:
        shutil.rmtree(folder)
    note = f"{many:.0f} us each among {TIMERS:,}, {few:.0f} at first; asking for the next {asked:.1f} us"
    note += f", {resident / 1e6:.0f} MB"
    yield Ratio("durable.timers", many / few, 3.0, "lower", slack=0.5, note=note)
