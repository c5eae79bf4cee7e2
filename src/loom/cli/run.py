"""`loom run loom.toml`: a project, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from time import monotonic
from typing import TYPE_CHECKING, Any

from loom.cli._memory import memory_of
from loom.cli._output import complain, count, say
from loom.cli._signals import on_first_signal
from loom.telemetry import Observer

if TYPE_CHECKING:
    from loom.runtime import Loom
    from loom.runtime.config import Project


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom run` takes."""
    parser.description = (
        "Runs a project until Ctrl-C or SIGTERM, then drains: sources stop, accepted work\n"
        "is finished within [loom] drain seconds (10). A second signal ends it at once.\n"
        "Exit code 1 when something was left undone."
    )
    parser.add_argument("file", nargs="?", default="loom.toml", help="project file or folder (loom.toml)")
    parser.add_argument("--check", action="store_true", help="only say whether it could run")
    parser.add_argument("--quiet", action="store_true", help="say nothing but warnings")


def run(options: argparse.Namespace) -> int:
    """Run or check the project; 0 when nothing was left undone."""
    from loom.runtime._config_build import build, check, notes
    from loom.runtime.config import read_project

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    project = read_project(options.file)
    loom = None if options.check else build(project)
    for note in check(project) if loom is None else notes(project, loom):
        complain(f"note: {note}")
    if loom is None:
        say(f"{project.file} is fine: {_parts(project)}")
        return 0
    return asyncio.run(_run(loom, _parts(project), options.quiet))


async def _run(loom: Loom, parts: str, quiet: bool) -> int:
    from loom.cli import _control, _socket

    told = asyncio.Event()
    on_first_signal(told.set)
    began = monotonic()
    looking = _socket.serving(loom.name, lambda: document(loom, monotonic() - began))
    async with looking, loom, _control.obeying(loom):
        if not quiet:
            say(f"{loom.name} runs: {parts}; process {os.getpid()}; Ctrl-C drains and stops")
        await told.wait()
        return await _drain(loom, quiet)


async def _drain(loom: Loom, quiet: bool) -> int:
    """Stop in order and say what was left."""
    if not quiet:
        say("draining ...")
    began, lost = monotonic(), Undone()
    with _attached(loom, lost):
        left = await loom.stop()
    statistics = loom.statistics()
    if not quiet:
        numbers = f"{count(statistics.steps)} steps, {count(statistics.dead_letters)} dead letters"
        say(
            f"stopped after {monotonic() - began:.1f} s: {numbers}, {count(left)} accepted events left undone"
        )
    for queue, number in lost.counts.items() if left else ():
        complain(f"left undone: {count(number)} in {queue}")
    return 1 if left else 0


class Undone(Observer):
    """Counts what ends as cancelled, by queue: when a runtime closes, that is what it could not finish."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def dropped(self, queue: str, event: Any, reason: str) -> None:
        self.counts[queue] += reason == "cancelled"


def document(loom: Loom, seconds: float) -> dict[str, Any]:
    """What `loom top` is told."""
    statistics = asdict(loom.statistics())
    statistics["queues"] = [queue._asdict() for queue in loom.bus.statistics()]
    models = {model.name: dict(model.statistics()) for model in loom.models}
    own = {"name": loom.name, "pid": os.getpid(), "seconds": seconds, "memory": memory_of(os.getpid())}
    return {**own, **statistics, "models": models}


@contextmanager
def _attached(loom: Loom, observer: Observer) -> Iterator[None]:
    loom.observers.attach(observer)
    try:
        yield
    finally:
        loom.observers.detach(observer)


def _parts(project: Project) -> str:
    kinds = ("sources", "agents", "actions", "models")
    numbers = [(len(project.of(kind)), kind) for kind in kinds]
    words = [f"{n} {kind if n != 1 else kind.removesuffix('s')}" for n, kind in numbers if n]
    if project.gateway is not None:
        words.append(f"a gateway on port {project.gateway.get('port', 8420) or 'of its own'}")
    return ", ".join(words) or "nothing in it"
