"""Power loss: a program under the log, then many crash images of its folder, each opened and judged."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from torture import _bare
from torture._disk import FLAVOURS, Disk, differences, read_log, write_image
from torture._powerlog import environment

ROOT = Path(__file__).parent.parent
SECONDS = 300.0


@dataclass
class Verdict:
    """How the images of one run were judged."""

    images: int = 0
    points: int = 0
    flavours: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Opener:
    """A process that opens one image after the other: a line in, a line of JSON out."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", *arguments]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def look(self, folder: Path, **said: object) -> dict[str, object]:
        """What is in *folder*, as the process tells it."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write((json.dumps({"folder": str(folder), **said}) if said else str(folder)) + "\n")
        stdin.flush()
        return _answer(stdout)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def _answer(stdout: IO[str]) -> dict[str, object]:
    line = stdout.readline()
    if not line:
        return {"error": "the process that opens images died"}
    found: dict[str, object] = json.loads(line)
    return found


def recorded(place: Path, arguments: list[str]) -> Disk:
    """Run ``python -m`` *arguments* under the log, its data in ``place/data``; the history of that folder."""
    data, log = place / "data", place / "log"
    data.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment(data, log, ack=1),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr[-2000:]}")
    disk = Disk(data, read_log(log))
    missed = differences(data, disk.image(disk.length, "everything", random.Random(0)))
    if missed:
        raise RuntimeError(f"the log does not explain the folder: {missed[:5]}")
    return disk


def moments(disk: Disk, count: int, chance: random.Random) -> Iterator[tuple[int, str]]:
    """*count* pairs of a record before which the power fails and what the disk makes of it."""
    acked = [at + 1 for at, _ in disk.acks]
    for number in range(count):
        after_ack = acked and chance.random() < 0.3
        at = chance.choice(acked) if after_ack else chance.choice(disk.points) + chance.randint(0, 1)
        yield at, FLAVOURS[number % len(FLAVOURS)]


def bare(place: Path, backend: str, seed: int, images: int, writes: int = 120) -> Verdict:
    """Crash images of the bare store under its script of writes."""
    disk = recorded(place, ["torture._bare", "write", backend, str(place / "data"), str(seed), str(writes)])
    digests = {held: number for number, held in enumerate(_bare.expected(seed, writes))}
    verdict = Verdict(points=len(disk.points))
    chance = random.Random(seed)
    opener = Opener("torture._bare", "check", backend)
    try:
        for at, flavour in moments(disk, images, chance):
            folder = place / f"image-{verdict.images}"
            write_image(folder, disk.image(at, flavour, chance))
            acked = max((int(data) for when, data in disk.acks if when < at), default=0)
            problem = _judge(opener.look(folder), digests, acked)
            _note(verdict, problem, f"seed {seed}, power lost before record {at}, {flavour}", folder, flavour)
    finally:
        opener.close()
    return verdict


def _judge(found: dict[str, object], digests: dict[str, int], acked: int) -> str | None:
    if "error" in found:
        return str(found["error"])
    number = digests.get(str(found["digest"]))
    if number is None:
        return f"holds what no number of whole writes leaves (acknowledged: {acked})"
    return f"{acked} writes were acknowledged, {number} are there" if number < acked else None


def _note(verdict: Verdict, problem: str | None, where: str, folder: Path, flavour: str) -> None:
    verdict.images += 1
    verdict.flavours[flavour] += 1
    if problem is None:
        shutil.rmtree(folder)
    else:
        verdict.problems.append(f"{where}: {problem} ({folder})")
