"""1,000 events a second, from publish to the first line of a handler, against a bare `call_at` loop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter
from typing import Any

from benchmarks._harness import Ratio, Samples, bench, interleave, quantile
from benchmarks._timed import pace
from loom import Agent, Event, Loom, QoS, on

RATE = 1000.0
SECONDS = 2.0
Latencies = tuple[list[float], list[float]]


class Listener(Agent):
    """Notes when each event was due, when it was published, and when it came."""

    seen: int = 0
    _due: list[float] = []
    _sent: list[float] = []

    @on("tick", qos=QoS.REALTIME)
    async def hear(self, event: Event, ctx: Any) -> None:
        now = perf_counter()
        due, sent = event.payload
        self._due.append(now - due)
        self._sent.append(now - sent)
        self.seen += 1


async def through_an_agent() -> Latencies:
    """Seconds from due to handler, and from publish to handler."""
    listener = Listener()
    listener._due, listener._sent = [], []
    async with Loom() as loom:
        loom.add(listener)
        await loom.idle()

        def tick(due: float) -> None:
            loom.publish_nowait("tick", (due, perf_counter()))

        count = await pace(RATE, SECONDS, tick)
        await loom.idle()
    assert listener.seen == count, (listener.seen, count)
    return listener._due, listener._sent


async def through_call_at() -> Latencies:
    """The same where each tick has the loop call the handler by ``call_at``, now."""
    lateness: Latencies = ([], [])
    loop = asyncio.get_running_loop()

    def hear(due: float, sent: float) -> None:
        now = perf_counter()
        lateness[0].append(now - due)
        lateness[1].append(now - sent)

    def tick(due: float) -> None:
        loop.call_at(loop.time(), hear, due, perf_counter())

    count = await pace(RATE, SECONDS, tick)
    await asyncio.sleep(0.01)
    assert len(lateness[0]) == count
    return lateness


def measure(rounds: int) -> dict[str, Samples]:
    """Both sides in turn; samples in microseconds of each figure."""
    figures = ("due_to_handler.p50", "due_to_handler.p99", "publish_to_handler.p50", "publish_to_handler.p99")
    samples: dict[str, dict[str, list[float]]] = {f: {"loom": [], "bare": []} for f in figures}

    def keep(side: str, run: Callable[[], Awaitable[Latencies]]) -> Callable[[], Awaitable[float]]:
        async def kept() -> float:
            for name, lateness in zip(("due", "publish"), await run(), strict=True):
                for part in (0.5, 0.99):
                    figure = f"{name}_to_handler.p{part * 100:.0f}"
                    samples[figure][side].append(quantile(lateness, part) * 1e6)
            return 0.0

        return kept

    interleave(rounds, warm=0, loom=keep("loom", through_an_agent), bare=keep("bare", through_call_at))
    return {figure: Samples(sides) for figure, sides in samples.items()}


@bench
def paced() -> Iterator[Ratio]:
    for figure, got in measure(5).items():
        note = got.note("loom", "bare", "us")
        yield Ratio(f"paced.{figure}", got.ratio("loom", "bare"), 3.0, "lower", slack=1.0, note=note)
