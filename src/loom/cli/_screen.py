"""The demo as lines of text for any width from 40 columns. Pure: a reading in, lines out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from loom.bus import QueueStatistics
from loom.cli._camera_run import Reading
from loom.cli._output import count, field, megabytes, milliseconds
from loom.cli._rate import Speed
from loom.cli._verdict import Check
from loom.telemetry import Histogram

MOST_PICTURES = 12


def live(now: Reading, width: int, speed: Speed) -> list[str]:
    """The whole view of a running demo."""
    head = f"loom demo camera · {min(now.seconds, now.of_seconds):.1f} of {now.of_seconds:g} s · {now.phase}"
    flood = f"{count(now.meter.pages)} pages, {count(speed.pages)}/s"
    lines = [head[:width], "", *field("events", f"{count(speed.events)}/s", width), *counts(now, width)]
    lines += [*field("flood", flood, width), "", *latencies(now), "", *queues(now.queues, width), ""]
    return [
        *lines,
        *field("workers", workers(now), width),
        *field("memory", memory(now), width),
        *_said(now, width),
    ]


def line(now: Reading, speed: Speed) -> str:
    """A running demo in one line."""
    meter = now.meter
    times = meter.realtime[now.phase]
    p50, p99 = milliseconds(times.quantile(0.5)), milliseconds(times.quantile(0.99))
    parts = [
        f"{now.seconds:5.1f} s",
        f"{count(meter.frames)} frames ({count(speed.frames)}/s)",
        f"{count(meter.found)} faces",
        f"REALTIME p50 {p50} p99 {p99} ms" if times.count else "REALTIME: no face yet",
    ]
    if now.phase == "flood":
        parts.append(f"flood {count(meter.pages)} pages ({count(speed.pages)}/s)")
    return " · ".join(parts)


def summary(last: Reading, checks: Iterable[Check], width: int) -> list[str]:
    """What a finished demo has shown, with the numbers that prove it."""
    lines = ["", *counts(last, width)]
    lines += field("flood", f"{count(last.meter.pages)} pages indexed", width)
    lines += ["", *latencies(last), "", *queues(last.queues, width), ""]
    lines += [*field("workers", workers(last), width), *field("memory", memory(last), width)]
    if last.unreadable_count:
        lines += field("unreadable", f"{last.unreadable_count} pictures; the others were used", width)
        lines += [part for each in last.unreadable for part in field("", each, width)]
    lines.append("")
    for check in checks:
        lines += field("yes" if check.ok else "NO", check.text, width, 5)
    return lines


def counts(now: Reading, width: int) -> list[str]:
    """Frames, faces and greetings."""
    meter = now.meter
    lost = sum(sum(losses(queue).values()) for queue in now.queues if queue.name.startswith("Detector"))
    frames = [
        f"{count(meter.frames + now.shed)} made",
        f"{count(now.shed)} shed by the camera",
        f"{count(lost)} superseded by newer ones",
        f"{count(meter.looked_at)} looked at",
    ]
    faces = [f"{count(meter.found)} found"]
    if meter.judged:
        faces += [f"{count(meter.expected)} expected", f"{count(meter.false)} where there is none"]
    lines = field("frames", ", ".join(frames), width) + field("faces", ", ".join(faces), width)
    lines += _pictures(now, width)
    return lines + field("greetings", count(now.said_count), width)


def latencies(now: Reading) -> list[str]:
    """The table of durations by QoS, 40 columns wide."""
    meter = now.meter
    rows = [
        ("REALTIME greeting", meter.realtime["quiet"]),
        ("… with flood", meter.realtime["flood"]),
        ("BACKGROUND page", meter.background),
    ]
    head = f"{'milliseconds':18}{'p50':>7}{'p99':>7}{'max':>8}"
    return [head, *(_row(name, times) for name, times in rows if times.count)]


def queues(each: Iterable[QueueStatistics], width: int) -> list[str]:
    """One row for each queue: how full, how much came, what was lost and why."""
    lines = [f"{'queue':17}{'waiting':>11}{'handled':>11}"]
    for queue in each:
        depth = f"{count(queue.queued)}/{count(queue.capacity)}"
        row = f"{queue.name[:16]:17}{depth:>11}{count(queue.delivered):>11}"
        lost = ", ".join(f"{count(number)} {why}" for why, number in losses(queue).items())
        if lost and len(row) + 2 + len(lost) <= width:
            lines.append(f"{row}  {lost}")
        else:
            lines += [row, f"  {lost}"[:width]] if lost else [row]
    return lines


def losses(queue: QueueStatistics) -> dict[str, int]:
    """What a queue lost, by reason."""
    others = {
        "merged": queue.merged,
        "expired": queue.expired,
        "cancelled": queue.cancelled,
        "refused": queue.refused,
    }
    return {why: number for why, number in {**queue.dropped_by, **others}.items() if number}


def workers(now: Reading) -> str:
    """The state of each worker process."""
    return ", ".join(f"{name} {_state(worker)}" for name, worker in now.workers.items())


def memory(now: Reading) -> str:
    """The memory of each process, shared memory apart."""
    return ", ".join(f"{name} {megabytes(size)}" for name, size in now.memory.items())


def _row(name: str, times: Histogram) -> str:
    p50, p99 = milliseconds(times.quantile(0.5)), milliseconds(times.quantile(0.99))
    return f"{name:18}{p50:>7}{p99:>7}{milliseconds(times.maximum):>8}"


def _state(worker: Mapping[str, Any]) -> str:
    state = "busy" if worker["running"] else "ready" if worker["pid"] else "not running"
    return f"{state}, died {worker['deaths']} times" if worker["deaths"] else state


def _said(now: Reading, width: int) -> list[str]:
    return [part for text in now.said[-1:] for part in field("says", f"“{text}”", width)]


def _pictures(last: Reading, width: int) -> list[str]:
    """For the user's own pictures: how many faces each has, as most of its frames say."""
    if last.meter.judged:
        return []
    lines: list[str] = []
    for name, seen in sorted(last.meter.pictures.items())[:MOST_PICTURES]:
        faces = seen.most_common(1)[0][0]
        lines += field("", f"{name}: {faces or 'no'} face{'s' if faces > 1 else ''}", width)
    rest = len(last.meter.pictures) - MOST_PICTURES
    return lines + ([f"{'':11}and {rest} more"] if rest > 0 else [])
