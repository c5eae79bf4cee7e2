"""The demo as lines of text for any width from 40 columns. Pure: a reading in, lines out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from loom.bus import QueueStatistics
from loom.cli._camera_run import Reading
from loom.cli._output import count, megabytes, milliseconds
from loom.cli._verdict import Check
from loom.telemetry import Histogram

LABEL = 11
MOST_PICTURES = 20


def live(now: Reading, width: int, pages_per_second: float) -> list[str]:
    """The whole view of a running demo."""
    phase = "quiet" if now.phase == "quiet" else "background flood"
    head = f"loom demo camera · {min(now.seconds, now.of_seconds):.1f} of {now.of_seconds:g} s · {phase}"
    flood = f"{count(now.meter.pages)} pages, {count(pages_per_second)}/s"
    lines = [head[:width], "", *counts(now, width), *latencies(now), "", *field("flood", flood, width)]
    return [*lines, "", *queues(now.queues, width), "", *field("memory", memory(now), width), *_said(now, width)]


def line(now: Reading, pages_per_second: float) -> str:
    """A running demo in one line."""
    meter = now.meter
    times = meter.realtime[now.phase]
    latency = f"p50 {milliseconds(times.quantile(0.5))} p99 {milliseconds(times.quantile(0.99))} ms" if times.count else "no face yet"
    flood = "" if now.phase == "quiet" else f" · flood {count(meter.pages)} pages ({count(pages_per_second)}/s)"
    rate = meter.frames / now.seconds if now.seconds else 0.0
    return f"{now.seconds:5.1f} s · {count(meter.frames)} frames ({rate:.0f}/s) · {count(meter.found)} faces · REALTIME {latency}{flood}"


def summary(last: Reading, checks: Iterable[Check], width: int) -> list[str]:
    """What a finished demo has shown, with the numbers that prove it."""
    lines = ["", *counts(last, width), *_pictures(last, width), *latencies(last), "", *queues(last.queues, width), ""]
    lines += field("memory", memory(last), width)
    if last.unreadable_count:
        lines += field("unreadable", f"{last.unreadable_count} pictures, the others were used:", width)
        lines += [part for each in last.unreadable for part in field("", each, width)]
    return [*lines, "", *(part for check in checks for part in field("yes" if check.ok else "NO", check.text, width, 5))]


def counts(now: Reading, width: int) -> list[str]:
    """Frames, faces and greetings."""
    meter = now.meter
    lost = sum(q.merged + q.dropped + q.expired + q.cancelled for q in now.queues if q.name.startswith("Detector"))
    frames = f"{count(meter.frames + now.shed)} made, {count(now.shed)} shed by the camera, {count(lost)} superseded by newer ones, "
    faces = f"{count(meter.found)} found"
    if meter.judged:
        faces += f", {count(meter.expected)} expected, {count(meter.false)} where there is none"
    lines = field("frames", frames + f"{count(meter.looked_at)} looked at", width) + field("faces", faces, width)
    return lines + field("greetings", f"{count(now.said_count)}", width)


def latencies(now: Reading) -> list[str]:
    """The table of durations, 40 columns wide."""
    meter = now.meter
    rows = [("frame to greeting", meter.realtime["quiet"]), ("… with flood", meter.realtime["flood"]), ("page to index", meter.background)]
    return ["", f"{'milliseconds':18}{'p50':>7}{'p99':>7}{'max':>8}", *(_row(name, times) for name, times in rows if times.count)]


def queues(each: Iterable[QueueStatistics], width: int) -> list[str]:
    """One row for each queue: how full, how much came, what was lost and why."""
    lines = [f"{'queue':17}{'waiting':>11}{'handled':>11}"]
    for queue in each:
        depth = f"{count(queue.queued)}/{count(queue.capacity)}"
        row = f"{queue.name[:16]:17}{depth:>11}{count(queue.delivered):>11}"
        lost = ", ".join(f"{count(number)} {why}" for why, number in losses(queue).items())
        lines += [row] if not lost else [f"{row}  {lost}"] if len(row) + 2 + len(lost) <= width else [row, f"  {lost}"[:width]]
    return lines


def losses(queue: QueueStatistics) -> dict[str, int]:
    """What a queue lost, by reason."""
    others = {"merged": queue.merged, "expired": queue.expired, "cancelled": queue.cancelled, "refused": queue.refused}
    return {why: number for why, number in {**queue.dropped_by, **others}.items() if number}


def memory(now: Reading) -> str:
    """The memory of each process, shared memory apart."""
    return ", ".join(f"{name} {megabytes(size)}" for name, size in now.memory.items())


def field(label: str, text: str, width: int, indent: int = LABEL) -> list[str]:
    """A label and its text, wrapped under itself."""
    return textwrap.wrap(text, width, initial_indent=f"{label:{indent}}", subsequent_indent=" " * indent) or [label]


def _row(name: str, times: Histogram) -> str:
    p50, p99 = milliseconds(times.quantile(0.5)), milliseconds(times.quantile(0.99))
    return f"{name:18}{p50:>7}{p99:>7}{milliseconds(times.maximum):>8}"


def _said(now: Reading, width: int) -> list[str]:
    return [part for text in now.said[-1:] for part in field("says", f"“{text}”", width)]


def _pictures(last: Reading, width: int) -> list[str]:
    """For the user's own pictures: how many faces each has, as most of its frames say."""
    if last.meter.judged:
        return []
    lines: list[str] = []
    for name, seen in sorted(last.meter.pictures.items())[:MOST_PICTURES]:
        faces = seen.most_common(1)[0][0]
        lines += field("", f"{name}: {faces or 'no'} face{'' if faces == 1 else 's'}", width)
    rest = len(last.meter.pictures) - MOST_PICTURES
    return lines + ([f"{'':{LABEL}}and {rest} more"] if rest > 0 else [])
