"""Loom beside autogen-core, aiopubsub, pyee, pykka and the bare loop, in one process."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

from benchmarks import _peers, bench_bus
from benchmarks._harness import Ratio, Samples, Stopwatch, bench, interleave, quantile
from benchmarks._peers import Line
from benchmarks._timed import pace, resident_bytes
from loom import QoS

AGENTS = 1000
LINES: dict[str, tuple[Callable[[], Line], int]] = {
    "bare": (_peers.BareLine, 50_000),
    "loom": (_peers.LoomLine, 50_000),
    "pyee": (_peers.PyeeLine, 10_000),
    "pykka": (_peers.PykkaLine, 10_000),
    "aiopubsub": (_peers.AiopubsubLine, 10_000),
    "autogen": (_peers.AutogenLine, 1_000),
}
BARS = {"aiopubsub": 15.0, "autogen": 100.0}


class Countdown:
    """An async handler that sets a future after *count* calls, whatever thread it is called on."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._loop = asyncio.get_running_loop()
        self.done = self._loop.create_future()

    async def __call__(self, n: object) -> None:
        self._left -= 1
        if not self._left:
            self._loop.call_soon_threadsafe(self.done.set_result, None)


def passing(make: Callable[[], Line], count: int, topics: int = 1) -> Callable[[], Any]:
    """A side: events per second of CPU time from a publisher to *topics* handlers in turn."""

    async def side() -> float:
        line, counter = make(), Countdown(count)

        async def handle(n: object) -> None:
            await counter(n)

        handlers = [_own(handle) for _ in range(topics)]
        await line.start(handlers)
        with Stopwatch() as watch:
            for n in range(count):
                await line.send(n % topics, float(n))
            await counter.done
        await line.stop()
        return count / watch.cpu

    return side


def _own(handle: _peers.Handler) -> _peers.Handler:
    """A handler that is an object of its own, so that each agent is of a class of its own where that is needed."""

    async def own(n: object) -> None:
        await handle(n)

    return own


@bench
def one_to_one() -> Iterator[Ratio]:
    """The bus itself (take_batch) against each peer's nearest thing, and an agent with a handler against the same."""
    sides = {name: passing(make, count) for name, (make, count) in LINES.items()}
    got = interleave(5, 1, bus=bench_bus.batched, deque=bench_bus.bare, **sides)
    yield Ratio(
        "peers.one_to_one.bare", got.ratio("bus", "deque"), 0.8, note=got.note("bus", "deque", "k/s", 1e-3)
    )
    for name in ("pyee", "pykka", "aiopubsub", "autogen"):
        note = got.note("bus", name, "k/s", 1e-3)
        yield Ratio(f"peers.one_to_one.{name}", got.ratio("bus", name), BARS.get(name), note=note)
    for name in ("bare", "pyee", "pykka", "aiopubsub", "autogen"):
        note = got.note("loom", name, "k/s", 1e-3)
        yield Ratio(f"peers.one_agent.{name}", got.ratio("loom", name), note=note)


@bench
def thousand_agents() -> Iterator[Ratio]:
    sides = {
        name: passing(LINES[name][0], count, AGENTS)
        for name, count in (("loom", 20_000), ("pykka", 5_000), ("autogen", 2_000))
    }
    got = interleave(3, 0, **sides)
    for name in ("pykka", "autogen"):
        note = got.note("loom", name, "k/s", 1e-3)
        yield Ratio(f"peers.thousand_agents.{name}", got.ratio("loom", name), note=note)


class Paced:
    """Microseconds from publishing to the handler, at 1,000 events a second; returns the median, keeps the p99."""

    def __init__(self, make: Callable[[], Line]) -> None:
        self._make = make
        self.p99: list[float] = []

    async def run(self) -> float:
        latencies: list[float] = []

        async def handle(sent: Any) -> None:
            latencies.append(perf_counter() - sent)

        line = self._make()
        await line.start([handle])
        count = await pace(1000.0, 1.5, lambda due: line.post(0, perf_counter()))
        await asyncio.sleep(0.2)
        await line.stop()
        assert len(latencies) == count, (len(latencies), count)
        self.p99.append(quantile(latencies, 0.99) * 1e6)
        return quantile(latencies, 0.5) * 1e6


@bench
def paced_latency() -> Iterator[Ratio]:
    makers: dict[str, Callable[[], Line]] = {name: make for name, (make, _) in LINES.items()}
    sides = {name: Paced(make) for name, make in (makers | {"loom": urgent_loom}).items()}
    halves = interleave(3, 0, **{name: side.run for name, side in sides.items()})
    tails = Samples({name: side.p99 for name, side in sides.items()})
    for got, part in ((halves, "p50"), (tails, "p99")):
        for name in ("bare", "pyee", "pykka", "aiopubsub", "autogen"):
            note = got.note(name, "loom", "us of Loom")
            yield Ratio(f"peers.paced.{part}.{name}", got.ratio(name, "loom"), note=note)


def urgent_loom() -> Line:
    return _peers.LoomLine(QoS.REALTIME, QoS.BACKGROUND)


async def overload(make: Callable[[], Line], burn: bool) -> dict[str, float]:
    """A flood to handlers that take 1 ms, and 200 urgent events a second: how late, how many came, how memory grew."""
    late: list[float] = []

    async def urgent(due: Any) -> None:
        late.append(perf_counter() - due)

    async def slow(n: object) -> None:
        if burn:
            end = perf_counter() + 0.001
            while perf_counter() < end:
                pass
        else:
            await asyncio.sleep(0.001)

    async def send_all() -> None:
        n = 0
        while True:
            await line.send(1 + n % 4, float(n))
            n += 1
            if not n % 64:
                await asyncio.sleep(0)

    line = make()
    await line.start([urgent, *(_own(slow) for _ in range(4))])
    flood = asyncio.create_task(send_all())
    await asyncio.sleep(0.3)
    before, began = resident_bytes(), perf_counter()
    count = await pace(200.0, 1.0, lambda due: line.post(0, due))
    await asyncio.sleep(0.5)
    growth = (resident_bytes() - before) / 1e6 / (perf_counter() - began)
    flood.cancel()
    return {"p99": quantile(late or [9.999], 0.99) * 1e3, "part": len(late) / count, "growth": growth}


def overload_in_a_fresh_process(name: str, burn: bool) -> dict[str, float]:
    """Memory that one side gave back would hide what the next one takes, and not every side stops when told to."""
    code = (
        "import asyncio, json, os; from benchmarks import peer_in_process as peer; "
        f"make = peer.urgent_loom if {name!r} == 'loom' else peer.LINES[{name!r}][0]; "
        "loop = asyncio.new_event_loop(); "
        f"print(json.dumps(loop.run_until_complete(peer.overload(make, {burn}))), flush=True); os._exit(0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    outcome: dict[str, float] = json.loads(done.stdout)
    return outcome


@bench
def overloaded() -> Iterator[Ratio]:
    for burn, kind in ((False, "waiting"), (True, "burning")):
        for name in ("loom", "pyee", "aiopubsub", "autogen"):
            got = overload_in_a_fresh_process(name, burn)
            note = f"{got['part']:.0%} came, memory grew by {got['growth']:.3g} MB/s"
            yield Ratio(
                f"peers.overload.{kind}.p99.{name}", got["p99"], None, "lower", "ms", slack=1e9, note=note
            )
