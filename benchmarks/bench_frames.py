"""1080p frames from a process of their own onto the bus, against memcpy alone; and what the runtime process weighs.

Loom's side: a source worker copies 6.2 MB into a slot of shared memory for each frame, the runtime publishes the frame
and a subscriber reads both ends of it, which hold its number: a torn or missing frame fails the run. The other side
copies the same bytes into the same kind of memory, in one process, and does nothing else.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

from benchmarks._frame_worker import ends
from benchmarks._harness import Ratio, Stopwatch, bench, interleave
from loom import Loom
from loom.worker import Arena, Worker

SHAPE = (1080, 1920, 3)
SIZE = SHAPE[0] * SHAPE[1] * SHAPE[2]
SLOTS = 6
FRAMES = 1500
WARM = 60
SPEC = "benchmarks._frame_worker:factory"
BODY = {"shape": SHAPE, "size": SIZE}


async def through_the_bus() -> float:
    """Frames a second from the source worker through the bus to a subscriber in the runtime process."""
    arena = Arena("frames", slots=SLOTS, slot_bytes=SIZE)
    async with Loom() as loom, Worker("source", SPEC, produces=[arena]) as source:
        with loom.subscribe("camera.frame", capacity=SLOTS) as subscription:
            await _produce(loom, source, WARM, subscription)
            with Stopwatch() as watch:
                await _produce(loom, source, FRAMES, subscription)
    arena.close()
    return watch.rate(FRAMES)


async def to_a_second_worker() -> float:
    """Frames a second from the source worker through the runtime to a reading worker, one call a frame."""
    arena = Arena("frames", slots=SLOTS, slot_bytes=SIZE)
    async with (
        Worker("source", SPEC, produces=[arena]) as source,
        Worker("reader", SPEC, arenas=[arena]) as reader,
    ):
        await _relay(source, reader, WARM)
        with Stopwatch() as watch:
            await _relay(source, reader, FRAMES)
    arena.close()
    return watch.rate(FRAMES)


def memcpy() -> float:
    """Copies a second of a frame's bytes into slots of shared memory, in this process."""
    with Arena("frames", slots=SLOTS, slot_bytes=SIZE) as arena:
        picture = memoryview(bytes(SIZE))
        slots = [arena._memory.view(slot, SIZE) for slot in range(SLOTS)]
        for slot in slots:
            slot[:] = picture
        with Stopwatch() as watch:
            for number in range(FRAMES):
                slots[number % SLOTS][:] = picture
        for slot in slots:
            slot.release()
        return watch.rate(FRAMES)


async def _produce(loom: Loom, source: Worker, count: int, subscription: object) -> None:
    async def publish() -> None:
        async with aclosing(source.stream("produce", {**BODY, "count": count}, window=SLOTS)) as items:
            async for item in items:
                await loom.publish("camera.frame", item["frame"])

    publishing = asyncio.create_task(publish())
    for number in range(count):
        event = await subscription.take()  # type: ignore[attr-defined]
        assert ends(event.payload.view()) == number
        del event
    await publishing


async def _relay(source: Worker, reader: Worker, count: int) -> None:
    async with aclosing(source.stream("produce", {**BODY, "count": count}, window=SLOTS)) as items:
        async for item in items:
            assert await reader.call("check", item["frame"]) == item["number"]


def memory() -> dict[str, int]:
    """Anonymous, file and shared bytes of a runtime process after 300 frames on the bus (Linux)."""
    script = "import asyncio, json; from benchmarks.bench_frames import weigh; print(json.dumps(asyncio.run(weigh())))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    measured: dict[str, int] = json.loads(done.stdout)
    return measured


async def weigh() -> dict[str, int]:
    """What /proc says of this process while frames flow."""
    arena = Arena("frames", slots=SLOTS, slot_bytes=SIZE)
    async with Loom() as loom, Worker("source", SPEC, produces=[arena]) as source:
        with loom.subscribe("camera.frame", capacity=SLOTS) as subscription:
            await _produce(loom, source, 300, subscription)
            status = await asyncio.to_thread(Path("/proc/self/status").read_text)
    arena.close()
    rows = dict(line.split(":", 1) for line in status.splitlines())
    return {name: int(rows[name].split()[0]) * 1024 for name in ("RssAnon", "RssFile", "RssShmem")}


@bench
def frames() -> Iterator[Ratio]:
    got = interleave(5, bus=through_the_bus, relay=to_a_second_worker, memcpy=memcpy)
    yield Ratio("frames.1080p", got.ratio("bus", "memcpy"), 0.65, note=got.note("bus", "memcpy", "frames/s"))
    yield Ratio(
        "frames.1080p_relayed", got.ratio("relay", "memcpy"), note=got.note("relay", "memcpy", "frames/s")
    )


@bench
def runtime_memory() -> Iterator[Ratio]:
    if not Path("/proc/self/status").exists():
        return
    got = memory()
    note = ", ".join(f"{name} {value / 1e6:.1f} MB" for name, value in got.items())
    yield Ratio("frames.runtime_mb", (got["RssAnon"] + got["RssFile"]) / 1e6, 40.0, "lower", "MB", 2.0, note)
