"""Whether a demo truly worked: what must hold, each with its numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from loom.cli._camera_run import Reading
from loom.cli._output import count, milliseconds

RIGHT = 0.9  # of the frames whose faces are known
TYPICAL = 0.95  # decides; a busy machine stalls now and then, with a flood or without
NOTICEABLE = 0.1  # seconds: what a person begins to feel as a delay
SHARE = 0.5  # of the wait of a page: whoever stood in line with the pages would be late by all of it


class Check(NamedTuple):
    """One thing that must hold."""

    ok: bool
    text: str


def verdict(last: Reading) -> list[Check]:
    """Every check of a finished run."""
    return [*_work(last), *_latency(last), *_books(last)]


def _work(last: Reading) -> Iterator[Check]:
    meter = last.meter
    yield Check(meter.looked_at > 0, f"frames went through the detector: {count(meter.looked_at)}")
    if meter.judged:
        share = meter.right / meter.judged
        yield Check(
            share >= RIGHT,
            f"the right number of faces in {share:.1%} of {count(meter.judged)} frames (at least {RIGHT:.0%})",
        )
    if meter.expected or not meter.judged:
        done = last.actions.get("done", 0)
        greeted = done == last.said_count and (done > 0 or not meter.found)
        yield Check(greeted, f"every greeting was spoken: {count(last.said_count)}")


def _latency(last: Reading) -> Iterator[Check]:
    quiet, flood = last.meter.realtime["quiet"], last.meter.realtime["flood"]
    pages = last.meter.pages
    yield Check(
        pages > 0, f"the flood was handled: {count(pages)} pages" if pages else "it ended before the flood"
    )
    if quiet.count and flood.count:
        before, during = quiet.quantile(TYPICAL), flood.quantile(TYPICAL)
        line = last.meter.background.quantile(0.5)
        times = f"{milliseconds(during)} ms with it, {milliseconds(before)} ms without"
        text = f"the flood did not make it late: {TYPICAL:.0%} of greetings within {times}"
        allowed = before + max(
            NOTICEABLE, SHARE * line
        )  # grows with the line, as a busy machine makes both slower
        yield Check(during <= allowed, f"{text}, beside a line of {milliseconds(line)} ms")


def _books(last: Reading) -> Iterator[Check]:
    unbalanced = [queue.name for queue in last.queues if not queue.balanced()]
    text = f"the books balance for all {len(last.queues)} queues"
    yield Check(
        not unbalanced, text if not unbalanced else f"the books do not balance: {', '.join(unbalanced)}"
    )
    yield Check(last.left == 0, f"accepted events left undone: {last.left}")
    failed, dead = last.meter.failed, last.dead_letters
    yield Check(not failed and not dead, f"steps that failed: {failed}, dead letters: {dead}")
