"""An hour of camera as fast as it goes: real frames through the real workers, memory watched in all of them.

    python -m benchmarks.soak_frames [--frames 108000] [--seed 0]

Camera worker -> shared memory -> runtime (a bus event for each result) -> detector worker. Memory is read from /proc
for the runtime and both workers; the slope is a least-squares line over the samples after the first tenth, times the
whole run. Fails above 5 MB (anonymous memory), or when a process died or a slot was lost. Counts of faces are held
against what the scenes contain.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from loom import Loom
from loom.adapters.camera import Camera, CameraOptions, Shot
from loom.models import ModelRequest, WorkerModel, face
from loom.router import Router
from loom.worker import Worker

BAR = 5.0
SAMPLES = 100
KINDS = ("Pss", "Anonymous")


@dataclass
class Soak:
    """What was seen: memory over frames, and how many pictures were judged wrongly."""

    frames: list[int] = field(default_factory=list)
    megabytes: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    judged: Counter[str] = field(default_factory=Counter)

    def sample(self, frame: int, pids: list[int]) -> None:
        """Read the memory of all processes together."""
        self.frames.append(frame)
        for kind in KINDS:
            self.megabytes[kind].append(sum(megabytes(pid, kind) for pid in pids))

    def slope(self, kind: str) -> float:
        """Growth over the whole run, MB, by least squares over all but the first tenth."""
        first = len(self.frames) // 10
        xs, ys = self.frames[first:], self.megabytes[kind][first:]
        x0, y0 = sum(xs) / len(xs), sum(ys) / len(ys)
        spread = sum((x - x0) ** 2 for x in xs)
        return sum((x - x0) * (y - y0) for x, y in zip(xs, ys, strict=True)) / spread * self.frames[-1]


def megabytes(pid: int, kind: str) -> float:
    """Private or proportional memory of a process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(kind)


async def soak(count: int, seed: int) -> Soak:
    """The run; raises when a slot was lost or a process died."""
    import os

    seen = Soak()
    async with Loom() as loom, Camera(CameraOptions(seed=seed)) as camera:
        detector = Worker("faces", face.SPEC, arenas=[camera.arena])
        router = Router([WorkerModel("faces", detector, {face.TASK: "detect"})])
        try:
            async with aclosing(camera.shots(count=count, paced=False)) as shots:
                async for shot in shots:
                    await judge(loom, router, shot, seen)
                    if shot.number % max(1, count // SAMPLES) == 0:
                        pids = [int(str(w.statistics()["pid"])) for w in (camera.worker, detector)]
                        await asyncio.to_thread(seen.sample, shot.number, [os.getpid(), *pids])
            for worker in (camera.worker, detector):
                assert worker.statistics()["deaths"] == 0, worker.statistics()
            assert camera.arena.statistics()["frames"] == count
        finally:
            await router.close()
    return seen


async def judge(loom: Loom, router: Router, shot: Shot, seen: Soak) -> None:
    """Count the faces of one shot, tell the bus, compare."""
    reply = await router.ask(ModelRequest(face.TASK, shot.frame, timeout=60))
    assert isinstance(reply.output, list)
    await loom.publish("camera.faces", {"number": shot.number, "faces": len(reply.output)})
    missed, extra = (
        max(0, a - b) for a, b in ((shot.faces or 0, len(reply.output)), (len(reply.output), shot.faces or 0))
    )
    seen.judged.update(
        frames=1, faces=shot.faces or 0, missed=missed, extra=extra, wrong=int(bool(missed or extra))
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=108_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.perf_counter()
    seen = asyncio.run(soak(options.frames, options.seed))
    rate = options.frames / (time.perf_counter() - began)
    print(f"{options.frames} frames at {rate:.1f}/s: {dict(seen.judged)}")
    for kind in KINDS:
        first, *_, last = seen.megabytes[kind]
        print(
            f"{kind}: {first:.1f} MB at first, {last:.1f} at last, slope {seen.slope(kind):+.2f} MB over the run"
        )
    grew = seen.slope("Anonymous")
    print(f"{'pass' if grew < BAR else 'FAIL'}: {grew:+.2f} MB of anonymous memory, bar {BAR} MB")
    return int(grew >= BAR)


if __name__ == "__main__":
    sys.exit(main())
