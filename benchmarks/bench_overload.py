"""REALTIME at 200 Hz through an agent while handlers of 1 ms saturate BACKGROUND, against a bare timer loop alone.

Lateness counts from the moment a tick was due to the first line of the handler, so a publisher that was held up counts.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from benchmarks._harness import Ratio, bench, interleave, quantile
from benchmarks._timed import bare_lateness, pace, resident_bytes
from loom import Agent, Event, Loom, QoS, on

RATE = 200.0
SECONDS = 2.5
SETTLE = 0.7  # until every BACKGROUND queue is full
FLOODS = 4


class Pulse(Agent):
    """Notes how late each tick reaches it."""

    beats: int = 0
    _late: list[float] = []

    @on("pulse", qos=QoS.REALTIME)
    async def beat(self, event: Event, ctx: Any) -> None:
        self._late.append(perf_counter() - event.payload)
        self.beats += 1


class Waiter(Agent):
    """A handler that waits 1 ms for each event."""

    done: int = 0

    @on("bulk", qos=QoS.BACKGROUND)
    async def work(self, event: Event, ctx: Any) -> None:
        await asyncio.sleep(0.001)
        self.done += 1


class Burner(Agent):
    """A handler that keeps the processor busy for 1 ms for each event."""

    done: int = 0

    @on("bulk", qos=QoS.BACKGROUND)
    async def work(self, event: Event, ctx: Any) -> None:
        end = perf_counter() + 0.001
        while perf_counter() < end:
            pass
        self.done += 1


@dataclass
class Outcome:
    """What the runs of one side lost, how much they grew, how much background work got done."""

    lost: int = 0
    growth: list[int] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    median: list[float] = field(default_factory=list)


async def flood(loom: Loom) -> None:
    while True:
        await loom.publish("bulk", {"n": 1})


async def overload(worker: type[Agent], outcome: Outcome, data: str | None = None) -> float:
    """The 99th percentile of the lateness in milliseconds; the flood is durable when there is a folder for it."""
    loom = Loom(drain=0.0, data=data)
    pulse = Pulse()
    pulse._late = []
    loom.add(pulse)
    for number in range(FLOODS):
        loom.add(worker, name=f"worker{number}")
    await loom.start()
    floods = [asyncio.create_task(flood(loom)) for _ in range(FLOODS)]
    await asyncio.sleep(SETTLE)
    before, steps, began = resident_bytes(), loom.statistics().steps, perf_counter()
    count = await pace(RATE, SECONDS, lambda due: pulse_at(loom, due))
    await asyncio.sleep(0.05)
    outcome.growth.append(resident_bytes() - before)
    outcome.done.append((loom.statistics().steps - steps - count) / (perf_counter() - began))
    outcome.lost += count - pulse.beats
    outcome.median.append(quantile(pulse._late, 0.5) * 1e3)
    for task in floods:
        task.cancel()
    await asyncio.gather(*floods, return_exceptions=True)
    await loom.stop(0.0)
    return quantile(pulse._late, 0.99) * 1e3


def pulse_at(loom: Loom, due: float) -> None:
    loom.publish_nowait("pulse", due)


async def bare() -> float:
    return quantile(await bare_lateness(RATE, SECONDS), 0.99) * 1e3


@bench
def overloaded() -> Iterator[Ratio]:
    waiting, burning = Outcome(), Outcome()

    async def wait() -> float:
        return await overload(Waiter, waiting)

    async def burn() -> float:
        return await overload(Burner, burning)

    got = interleave(5, warm=0, bare=bare, waiting=wait, burning=burn)
    for side, outcome, bar in (("waiting", waiting, 2.0), ("burning", burning, 3.5)):
        name = f"overload.{side}"
        note = f"{got.note(side, 'bare', 'ms')}, p50 {max(outcome.median):.3g}, {min(outcome.done):.0f} background/s"
        yield Ratio(
            f"{name}.p99_above_bare", got.above(side, "bare"), bar, "lower", "ms", slack=2.5, note=note
        )
        yield Ratio(f"{name}.lost", outcome.lost, 0.0, "lower", "events")
        growth = max(outcome.growth) / 1e6
        yield Ratio(f"{name}.growth", growth, 3.0, "lower", "MB", slack=2.0, note="largest of the runs")
