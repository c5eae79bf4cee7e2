"""Durable agents against the bare store under them: the same group commit with journal entry, position and outbox.

The bare side has as many writers as there are publishers; each makes a journal entry, a position and an outgoing event
from scratch, hands them to the group commit and waits for the disk, as fast as it can. The durable side publishes,
waits for the disk, and an agent with state handles the event and publishes one of its own: two commits for each event.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks._harness import Ratio, bench, interleave
from benchmarks.bench_overload import Outcome, Waiter, overload
from loom import Agent, Event, Loom, on
from loom.journal import Commit, Committer
from loom.journal.row import flat_event
from loom.store import Family, Put
from loom.store.families import number
from loom.store.sqlite import SqliteBackend

PUBLISHERS = 256
EACH = 40
PAYLOAD = {"order": 7, "lines": [{"sku": "A-1", "n": 2}, {"sku": "B-9", "n": 1}], "note": "x" * 60}


def desk(index: int) -> type[Agent]:
    """An agent with a little state and a topic of its own, that answers each event with another."""

    class Desk(Agent, name=f"desk{index}"):
        orders: int = 0
        total: int = 0
        last: str = ""

        @on(f"orders.{index}")
        async def take(self, event: Event, ctx: Any) -> None:
            self.orders += 1
            self.total += event.payload["order"]
            self.last = event.id
            ctx.publish(f"done.{index}", {"order": event.payload["order"]})

    return Desk


def in_folder(run: Callable[[str], Any]) -> Callable[[], Any]:
    """*run* in a fresh folder on the disk of this checkout, which is taken away afterwards."""

    async def side() -> float:
        folder = tempfile.mkdtemp(prefix=".bench-", dir=Path(__file__).parent)
        try:
            result: float = await run(folder)
            return result
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return side


async def durable(folder: str, publishers: int = PUBLISHERS, each: int = EACH) -> float:
    """Events handled by durable agents, a second."""
    async with Loom(data=folder, watchdog=None) as loom:
        loom.journal("done.>", keep=True)
        loom.add(*(desk(i) for i in range(publishers)))
        await loom.idle()

        async def publish(index: int) -> None:
            for _ in range(each):
                await loom.publish(f"orders.{index}", PAYLOAD)

        began = perf_counter()
        await asyncio.gather(*(publish(i) for i in range(publishers)))
        await loom.idle()
        seconds = perf_counter() - began
        handled = sum(loom.agent(f"desk{i}").committed_steps for i in range(publishers))
    assert handled == publishers * each
    return handled / seconds


async def store(folder: str, writers: int = PUBLISHERS, each: int = EACH) -> float:
    """Commits of the bare store, a second."""
    backend = SqliteBackend(folder)
    committer = Committer(backend)
    seq = 0

    async def write(index: int) -> None:
        nonlocal seq
        loop = asyncio.get_running_loop()
        for _ in range(each):
            done = loop.create_future()
            entry = Event("order", PAYLOAD, topic=f"orders.{index}")
            out = Event("done", {"order": 7}, topic=f"done.{index}", cause=entry.id)
            puts = []
            for event in (entry, out):
                seq += 1
                puts.append(Put(Family.JOURNAL, number(seq), flat_event(event)))
            puts.append(Put(Family.POSITIONS, f"desk{index}".encode(), str(seq).encode()))
            committer.add(Commit(puts, done.set_result))
            if (error := await done) is not None:
                raise error

    began = perf_counter()
    await asyncio.gather(*(write(i) for i in range(writers)))
    seconds = perf_counter() - began
    committer.close()
    backend.close()
    return writers * each / seconds


async def syncs(folder: str) -> float:
    """Appends of 4 KB with fdatasync, a second: what the disk allows."""
    file = os.open(os.path.join(folder, "probe"), os.O_CREAT | os.O_WRONLY)
    began = perf_counter()
    for _ in range(400):
        os.write(file, b"x" * 4096)
        os.fdatasync(file)
    seconds = perf_counter() - began
    os.close(file)
    return 400 / seconds


@bench
def group_commit() -> Iterator[Ratio]:
    got = interleave(5, loom=in_folder(durable), store=in_folder(store), disk=in_folder(syncs))
    sync = f"one fdatasync {1e6 / got.median('disk'):.0f} us"
    yield Ratio(
        "durable.group_commit", got.ratio("loom", "store"), 0.6,
        note=f"{got.note('loom', 'store', 'events/s')}, {sync}",
    )  # fmt: skip


@bench
def lone_agent() -> Iterator[Ratio]:
    """One publisher, one agent: an event needs two syncs, one after the other."""

    async def alone(folder: str) -> float:
        return await durable(folder, 1, 300)

    async def bare(folder: str) -> float:
        return await store(folder, 1, 300)

    got = interleave(5, loom=in_folder(alone), store=in_folder(bare), disk=in_folder(syncs))
    note = f"{got.note('loom', 'store', 'events/s')}, the disk syncs {got.median('disk'):.0f} times a second"
    yield Ratio("durable.lone_agent", got.ratio("loom", "store"), note=note)


@bench
def overload_with_a_durable_flood() -> Iterator[Ratio]:
    """The overload bench with agents whose flood is journalled, against the same in memory."""
    memory, disk = Outcome(), Outcome()

    async def flooded(folder: str) -> float:
        return await overload(Waiter, disk, folder)

    async def in_memory() -> float:
        return await overload(Waiter, memory)

    got = interleave(5, warm=0, memory=in_memory, durable=in_folder(flooded))
    note = f"{got.note('durable', 'memory', 'ms')}, {min(disk.done):.0f} durable steps/s beside it"
    yield Ratio(
        "durable.realtime_p99_above_memory",
        got.above("durable", "memory"),
        1.0,
        "lower",
        "ms",
        slack=1.0,
        note=note,
    )
    yield Ratio("durable.realtime_lost", disk.lost, 0.0, "lower", "events")
