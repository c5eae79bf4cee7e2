"""eclipse-zenoh and NATS over loopback, a table of their own: their events leave the process and Loom's here do not.

Each carries the same 64 bytes from one connection to another in one process, NATS through a server that was started for
it. The bare loop is an asyncio socket pair with length-prefixed frames: what leaving the process costs at least.
"""

import asyncio
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import bench_bus
from benchmarks._harness import Ratio, Samples, bench, interleave, quantile
from benchmarks._timed import pace
from benchmarks.peer_in_process import urgent_loom

COUNT = 20_000
PAYLOAD = b"x" * 64
SUBJECT = "bench.reading"
Publish = Callable[[bytes], None]
Receive = Callable[[bytes], None]
Connect = Callable[[Receive], Any]


@asynccontextmanager
async def bare_socket(receive: Receive) -> AsyncIterator[Publish]:
    """Length-prefixed frames over a connected pair of sockets."""
    left, right = socket.socketpair()
    reader, other = await asyncio.open_unix_connection(sock=left)
    _, writer = await asyncio.open_unix_connection(sock=right)

    async def read() -> None:
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            receive(await reader.readexactly(size))

    task = asyncio.create_task(read())
    yield lambda data: writer.write(len(data).to_bytes(4, "big") + data)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    writer.close()
    other.close()


@asynccontextmanager
async def nats_line(receive: Receive) -> AsyncIterator[Publish]:
    """Two connections of nats-py to a server of our own."""
    import nats

    name = f"loom-{secrets.token_hex(8)}"
    command = [str(Path(sys.executable).parent / "nats-server"), "-a", "127.0.0.1", "-p", "-1", "-n", name]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:  # noqa: ASYNC220 - before the clock runs
        try:
            address = await asyncio.to_thread(_address, server)
            publisher, subscriber = await nats.connect(address), await nats.connect(address)
            assert publisher._server_info["server_name"] == name, "another server answers"

            async def hear(message: Any) -> None:
                receive(message.data)

            await subscriber.subscribe(SUBJECT, cb=hear, pending_msgs_limit=-1, pending_bytes_limit=-1)
            await subscriber.flush()
            sending: set[asyncio.Task[None]] = set()

            def publish(data: bytes) -> None:
                task = asyncio.get_running_loop().create_task(publisher.publish(SUBJECT, data))
                sending.add(task)
                task.add_done_callback(sending.discard)

            yield publish
            await asyncio.gather(*sending)
            await publisher.close()
            await subscriber.close()
        finally:
            server.terminate()


def _address(server: "subprocess.Popen[str]") -> str:
    for line in server.stderr or ():
        found = re.search(r"Listening for client connections on (127\.0\.0\.1:\d+)", line)
        if found:
            return f"nats://{found[1]}"
    raise RuntimeError("nats-server did not start")


@asynccontextmanager
async def zenoh_line(receive: Receive) -> AsyncIterator[Publish]:
    """Two zenoh sessions joined by TCP, without scouting. Samples arrive on a thread of zenoh's."""
    import zenoh

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f'["tcp/127.0.0.1:{probe.getsockname()[1]}"]'
    loop = asyncio.get_running_loop()
    heard = asyncio.Event()

    def hear(data: bytes) -> None:
        if data:
            receive(data)
        else:
            heard.set()

    with _session(zenoh, "listen", endpoint) as one, _session(zenoh, "connect", endpoint) as other:
        key = SUBJECT.replace(".", "/")
        subscriber = one.declare_subscriber(
            key, lambda sample: loop.call_soon_threadsafe(hear, bytes(sample.payload))
        )
        publisher = other.declare_publisher(key, congestion_control=zenoh.CongestionControl.BLOCK)
        for _ in range(500):  # what is put before the sessions know of each other is lost
            publisher.put(b"")
            await asyncio.sleep(0.02)
            if heard.is_set():
                break
        await asyncio.sleep(0.5)
        yield publisher.put
        subscriber.undeclare()


def _session(zenoh: Any, how: str, endpoint: str) -> Any:
    config = zenoh.Config()
    config.insert_json5("mode", '"peer"')
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5("listen/endpoints", endpoint if how == "listen" else "[]")
    config.insert_json5("connect/endpoints", endpoint if how == "connect" else "[]")
    return zenoh.open(config)


class Rate:
    """Events per second of wall time that arrive, with all threads and processes on the way; counts what was lost."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self.lost = 0

    async def run(self) -> float:
        came, last = 0, 0.0

        def receive(data: bytes) -> None:
            nonlocal came, last
            came += 1
            last = perf_counter()

        async with self._connect(receive) as publish:
            began = perf_counter()
            for n in range(COUNT):
                publish(PAYLOAD)
                if not n % 64:
                    await asyncio.sleep(0)
            while came < COUNT and perf_counter() - max(last, began) < 2.0:
                await asyncio.sleep(0.05)
        self.lost += COUNT - came
        return came / (last - began)


async def loom_rate() -> float:
    """Events per second of wall time through Loom's bus, in process."""
    began = perf_counter()
    await bench_bus.batched()
    return bench_bus.COUNT / (perf_counter() - began)


class Paced:
    """Microseconds from publishing to arrival at 1,000 events a second; returns the median, keeps the p99."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self.p99: list[float] = []

    async def run(self) -> float:
        latencies: list[float] = []

        def receive(data: bytes) -> None:
            latencies.append(perf_counter() - float(data))

        async with self._connect(receive) as publish:
            await pace(1000.0, 1.5, lambda due: publish(str(perf_counter()).encode()))
            await asyncio.sleep(0.3)
        self.p99.append(quantile(latencies, 0.99) * 1e6)
        return quantile(latencies, 0.5) * 1e6


@asynccontextmanager
async def loom_line(receive: Receive) -> AsyncIterator[Publish]:
    """An agent of Loom's on REALTIME, in process."""
    line = urgent_loom()

    async def handle(data: Any) -> None:
        receive(data)

    await line.start([handle])
    yield lambda data: line.post(0, data)
    await line.stop()


@bench
def network_rate() -> Iterator[Ratio]:
    sides = {"bare": Rate(bare_socket), "nats": Rate(nats_line), "zenoh": Rate(zenoh_line)}
    got = interleave(3, 0, loom=loom_rate, **{name: side.run for name, side in sides.items()})
    for name, side in sides.items():
        note = f"{got.note('loom', name, 'k/s', 1e-3)}, {side.lost} of {3 * COUNT} lost"
        yield Ratio(f"network.one_to_one.{name}", got.ratio("loom", name), note=note)


@bench
def network_latency() -> Iterator[Ratio]:
    makers = {"loom": loom_line, "bare": bare_socket, "nats": nats_line, "zenoh": zenoh_line}
    sides = {name: Paced(connect) for name, connect in makers.items()}
    halves = interleave(3, 0, **{name: side.run for name, side in sides.items()})
    tails = Samples({name: side.p99 for name, side in sides.items()})
    for got, part in ((halves, "p50"), (tails, "p99")):
        for name in ("bare", "nats", "zenoh"):
            note = got.note(name, "loom", "us of Loom")
            yield Ratio(f"network.paced.{part}.{name}", got.ratio(name, "loom"), note=note)
