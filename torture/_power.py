"""Power loss: a program under the log, then many crash images of its folder, each opened and judged."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from torture import _bare
from torture._disk import FLAVOURS, Disk, differences, read_log, write_image
from torture._oracle import Act, Book, Report, judge
from torture._plan import Item, items
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

    def look(self, folder: Path) -> dict[str, Any]:
        """What is in *folder*, as the process tells it."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{folder}\n")
        stdin.flush()
        return _answer(stdout)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def _answer(stdout: IO[str]) -> dict[str, Any]:
    line = stdout.readline()
    if not line:
        return {"error": "the process that opens images died"}
    found: dict[str, Any] = json.loads(line)
    return found


def recorded(place: Path, arguments: list[str]) -> Disk:
    """Run ``python -m`` *arguments* under the log, its data in a folder it makes; the history of ``place/disk``."""
    disk_, log = place / "disk", place / "log"
    disk_.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | environment(disk_, log, ack=1),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr[-2000:]}")
    disk = Disk(disk_, read_log(log))
    missed = differences(disk_, disk.image(disk.length, "everything", random.Random(0)))
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
    disk = recorded(
        place, ["torture._bare", "write", backend, str(place / "disk" / "data"), str(seed), str(writes)]
    )
    digests = {held: number for number, held in enumerate(_bare.expected(seed, writes))}

    def judge_(found: dict[str, Any], at: int) -> list[str]:
        acked = max((int(data) for when, data in disk.acks if when < at), default=0)
        problem = _judge(found, digests, acked)
        return [] if problem is None else [problem]

    return _look_at(place, disk, ["torture._bare", "check", backend], (seed, images), judge_)


def todo(seed: int, count: int) -> list[list[Item]]:
    """What the publishers of ``torture._whole`` publish; the same there, without importing Loom here."""
    return [items(seed, publisher, count, few=True) for publisher in range(4)]


def whole(place: Path, backend: str, seed: int, images: int, count: int = 25) -> Verdict:
    """Crash images of a runtime with all kinds of agents; each is opened and drained before it is judged."""
    disk = recorded(
        place, ["torture._whole", "write", backend, str(place / "disk" / "data"), str(seed), str(count)]
    )
    tried = {item.id: item for mine in todo(seed, count) for item in mine}
    told = [(at, json.loads(line)) for at, data in disk.acks for line in data.splitlines()]

    def judge_(found: dict[str, Any], at: int) -> list[str]:
        if "error" in found:
            return [str(found["error"])]
        before = [message for when, message in told if when < at]
        acked = {message["ack"] for message in before if "ack" in message}
        acts = [Act(*message["act"]) for message in before if "act" in message]
        acts += [Act(*act) for act in found["acts"]]
        report = found["report"]
        dead = [(agent, event) for agent, event in report["dead"]]
        return judge(Book(tried, acked, acts=acts), Report(report["agents"], dead))

    return _look_at(place, disk, ["torture._whole", "check", backend], (seed, images), judge_)


def _look_at(
    place: Path,
    disk: Disk,
    opener_: list[str],
    chosen: tuple[int, int],
    judge_: Callable[[dict[str, Any], int], list[str]],
) -> Verdict:
    """Make images (*chosen*: from which seed, how many), have each opened, and judge what is told of it."""
    seed, images = chosen
    verdict = Verdict(points=len(disk.points))
    chance = random.Random(seed)
    opener = Opener(*opener_)
    try:
        for at, flavour in moments(disk, images, chance):
            folder = place / f"image-{verdict.images}"
            write_image(folder, disk.image(at, flavour, chance))
            shutil.copytree(folder, place / "opened")
            problems = judge_(opener.look(place / "opened" / "data"), at)
            shutil.rmtree(place / "opened")
            _note(
                verdict, problems, f"seed {seed}, power lost before record {at}, {flavour}", folder, flavour
            )
    finally:
        opener.close()
    return verdict


def _judge(found: dict[str, Any], digests: dict[str, int], acked: int) -> str | None:
    if "error" in found:
        return str(found["error"])
    number = digests.get(str(found["digest"]))
    if number is None:
        return f"holds what no number of whole writes leaves (acknowledged: {acked})"
    return f"{acked} writes were acknowledged, {number} are there" if number < acked else None


def _note(verdict: Verdict, problems: list[str], where: str, folder: Path, flavour: str) -> None:
    verdict.images += 1
    verdict.flavours[flavour] += 1
    if problems:
        verdict.problems.append(f"{where}: {'; '.join(problems[:4])} ({folder})")
    else:
        shutil.rmtree(folder)
