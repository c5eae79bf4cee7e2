"""`loom demo camera`: frames, a face detector, a stateful greeter, and a flood of background work beside them."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from typing import Any

from loom.cli._extras import missing
from loom.cli._output import columns, complain, field, is_terminal, say
from loom.cli._signals import on_first_signal
from loom.errors import ConfigError, LoomError, MissingExtra


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom demo camera` takes."""
    parser.description = (
        "A camera (30 frames a second), a face detector in a worker process, an agent\n"
        "that greets - and, in turns, a flood of background work beside them that must\n"
        "not make the greeting late. Exit code 0 when everything was seen to hold."
    )
    parser.add_argument("--seconds", type=_positive, default=20.0, help="how long (20)")
    parser.add_argument("--fps", type=_rate, default=30.0, metavar="RATE", help="frames a second (30)")
    parser.add_argument("--frames", metavar="DIR", help="your own pictures instead of the packaged ones")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other scenes (0)")
    parser.add_argument("--plain", action="store_true", help="plain lines, no live view")
    parser.add_argument("--json", action="store_true", help="only a summary, as JSON")


def run(options: argparse.Namespace) -> int:
    """Run the demo; 0 when everything that it claims was seen to hold."""
    for package in missing("vision"):
        raise MissingExtra("vision", package)
    from loom.cli._camera_run import Plan

    if options.frames is not None:
        from loom.adapters._camera_pictures import list_pictures

        list_pictures(options.frames)
    return asyncio.run(_run(Plan(options.seconds, options.fps, options.frames, options.seed), options))


async def _run(plan: Any, options: argparse.Namespace) -> int:
    from loom.cli._camera_run import CameraRun
    from loom.cli._verdict import verdict

    quiet = options.json
    watch = None if quiet else _watcher(options.plain)
    camera = CameraRun(
        plan, (lambda text: None) if quiet or watch is not _plain else lambda text: say(f"  “{text}”")
    )
    on_first_signal(camera.stop)
    try:
        if not quiet:
            say("Starting the camera and the face detector ...")
        await camera.prepare()
        last = await _watched(camera, watch)
    finally:
        await camera.finish()
    if isinstance(camera.failure, ConfigError | MissingExtra):
        raise camera.failure
    checks = verdict(last)
    _tell(last, checks, quiet)
    if camera.failure is not None:
        raise LoomError(f"the camera stopped: {camera.failure}")
    return 0 if all(check.ok for check in checks) else 1


async def _watched(camera: Any, watch: Callable[..., Any] | None) -> Any:
    if watch is None:
        return await camera.perform()
    viewer = asyncio.get_running_loop().create_task(watch(camera))
    try:
        return await camera.perform()
    finally:
        viewer.cancel()
        await asyncio.wait({viewer})


def _watcher(plain: bool) -> Callable[..., Any]:
    """The live view where somebody can see it, else plain lines."""
    if plain or not is_terminal():
        return _plain
    try:
        from loom.cli._live import watch
    except MissingExtra as missing:
        complain(f"plain lines, because {missing}")
        return _plain
    return watch


async def _plain(camera: Any) -> None:
    """A line every other second."""
    from loom.cli._rate import Speedometer
    from loom.cli._screen import line

    speed = Speedometer()
    while True:
        await asyncio.sleep(2.0)
        now = camera.reading()
        for part in field("", line(now, speed(now)), columns(), 0):
            say(part)


def _tell(last: Any, checks: Any, as_json: bool) -> None:
    from loom.cli._screen import summary

    if as_json:
        say(json.dumps(_document(last, checks), indent=2))
        return
    for text in summary(last, checks, columns()):
        say(text)


def _document(last: Any, checks: Any) -> dict[str, Any]:
    """The summary for programs; durations in milliseconds, memory in bytes."""
    meter = last.meter
    times = {
        "realtime_quiet": meter.realtime["quiet"],
        "realtime_flood": meter.realtime["flood"],
        "background": meter.background,
    }
    quantiles = {name: _quantiles(each) for name, each in times.items()}
    queues = {q.name: {**q._asdict(), "balanced": q.balanced()} for q in last.queues}
    return {
        "ok": all(check.ok for check in checks),
        "seconds": round(last.seconds, 3),
        "frames": {"made": meter.frames + last.shed, "shed": last.shed, "looked_at": meter.looked_at},
        "faces": {
            "found": meter.found,
            "expected": meter.expected if meter.judged else None,
            "false": meter.false,
        },
        "pictures": {name: seen.most_common(1)[0][0] for name, seen in meter.pictures.items()},
        "unreadable": {"count": last.unreadable_count, "last": last.unreadable},
        "greetings": last.said_count,
        "flood_pages": meter.pages,
        "milliseconds": quantiles,
        "queues": queues,
        "left": last.left,
        "dead_letters": last.dead_letters,
        "memory": last.memory,
        "checks": [check._asdict() for check in checks],
    }


def _quantiles(times: Any) -> dict[str, float]:
    at = {"p50": times.quantile(0.5), "p99": times.quantile(0.99), "max": times.maximum}
    return {"count": times.count, **{name: round(seconds * 1000, 2) for name, seconds in at.items()}}


def _positive(text: str) -> float:
    value = _number(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return value


def _rate(text: str) -> float:
    value = _number(text)
    if not 1 <= value <= 240:
        raise argparse.ArgumentTypeError(f"{text} frames a second; use 1 to 240")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
