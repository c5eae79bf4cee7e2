"""1080p frames between two processes: Loom's arena beside Zenoh's shared memory, memcpy as the measure of both.

Zenoh as in its own examples: a publisher process allocates from a shared-memory provider, copies the picture in and
puts it, blocking on congestion; the subscriber reads both ends of each frame, which hold its number.
"""

import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

from benchmarks import bench_frames
from benchmarks._frame_worker import STAMP
from benchmarks._harness import Ratio, Stopwatch, bench, interleave

KEY = "loom/bench/frame"
FRAMES = 600
SIZE, SLOTS = bench_frames.SIZE, bench_frames.SLOTS
PORT = 17447


@bench
def frames_beside_zenoh() -> Iterator[Ratio]:
    if importlib.util.find_spec("zenoh") is None:
        return
    got = interleave(
        3,
        bus=bench_frames.through_the_bus,
        zenoh=through_zenoh,
        unread=lambda: through_zenoh(read=False),
        memcpy=bench_frames.memcpy,
    )
    note = got.note("bus", "zenoh", "frames/s")
    yield Ratio("peer.frames.zenoh_shm", got.ratio("bus", "zenoh"), 2.0, note=note)
    note = got.note("bus", "unread", "frames/s, counted by Zenoh's subscriber but not read")
    yield Ratio("peer.frames.zenoh_shm_unread", got.ratio("bus", "unread"), note=note)


def through_zenoh(read: bool = True) -> float:
    """Frames a second from a publisher process to a subscriber callback here, which reads them or only counts."""
    import zenoh

    arrived, done = Arrivals(read=read), threading.Event()

    def take(sample: Any) -> None:
        if arrived.take(sample.payload) >= FRAMES:
            done.set()

    with zenoh.open(configured("listen")) as session, session.declare_subscriber(KEY, take) as _:
        publisher = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peer_frames"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert publisher.stdin is not None
        assert publisher.stdout is not None
        publisher.stdout.readline()
        with Stopwatch() as watch:
            publisher.stdin.write(b"go\n")
            publisher.stdin.flush()
            assert done.wait(60), f"{arrived.count} of {FRAMES} frames"
        publisher.communicate()
    assert arrived.torn == arrived.copied == 0
    return watch.rate(FRAMES)


class Arrivals:
    """Counts frames, and those whose two ends disagree or whose content did not come through shared memory."""

    def __init__(self, *, read: bool) -> None:
        self.count = self.torn = self.copied = 0
        self._read = read

    def take(self, payload: Any) -> int:
        """One more; a ZShm has no view, so reading it is a copy."""
        content = payload.as_shm()
        if content is None:
            self.copied += 1
        elif self._read:
            data = bytes(content)
            self.torn += data[:STAMP] != data[SIZE - STAMP : SIZE]
        self.count += 1
        return self.count


def configured(role: str) -> Any:
    """A Zenoh peer that uses shared memory and finds the other one on loopback only."""
    import zenoh

    config = zenoh.Config()
    config.insert_json5("transport/shared_memory/enabled", "true")
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5(f"{role}/endpoints", json.dumps([f"tcp/127.0.0.1:{PORT}"]))
    return config


def publish() -> None:
    """The publisher process: ready, wait for the word, FRAMES frames."""
    import zenoh
    from zenoh import shm

    picture = bytes(SIZE)
    with zenoh.open(configured("connect")) as session:
        provider = shm.ShmProvider.default_backend(SLOTS * SIZE + (1 << 20))
        publisher = session.declare_publisher(KEY, congestion_control=zenoh.CongestionControl.BLOCK)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        for number in range(FRAMES):
            slot = provider.alloc(SIZE, shm.BlockOn(shm.GarbageCollect()))
            slot[:SIZE] = picture
            slot[:STAMP] = slot[SIZE - STAMP : SIZE] = number.to_bytes(STAMP, "little")
            publisher.put(slot)


if __name__ == "__main__":
    publish()
