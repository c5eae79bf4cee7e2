"""`loom why` on a journal of a million events: the store is opened, asked one thing, closed. The worst of several asks.

The store is made once and stays in the temporary folder: LOOM_BENCH_STORE names another place.
"""

import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks._harness import Ratio, bench, interleave
from loom.event import PUBLIC, Event
from loom.journal._why_facts import StoreFacts
from loom.journal.row import flat_event
from loom.journal.steps import StepRow, step_row
from loom.journal.why import explain
from loom.store import Family, Put
from loom.store.families import join, number
from loom.store.sqlite import SqliteBackend

EVENTS = 1_000_000
LINKS = 5  # events of an ordinary chain: a source, then what each step made of it
CHUNK = 2000
WIDE, LONG = 50_000, 2000  # effects of one event; events of one chain, as of a timer that sets itself again
ASKS = 20


def folder() -> Path:
    """Where the store is, or is to be."""
    given = os.environ.get("LOOM_BENCH_STORE")
    return Path(given) if given else Path(tempfile.gettempdir(), f"loom-bench-why-1-{EVENTS}")


def cause_of(n: int) -> int | None:
    """The event that led to event *n*: chains of LINKS, then one wide, then one long."""
    ordinary = EVENTS - WIDE - LONG
    if n <= ordinary:
        return n - 1 if n % LINKS != 1 else None
    if n <= ordinary + WIDE:
        return ordinary + 1 if n > ordinary + 1 else None
    return n - 1 if n > ordinary + WIDE + 1 else None


def name(n: int) -> str:
    """An id as events have them: it begins with the time."""
    return f"{1_767_225_600_000 + n:012x}-0123456789abcdef-{n:010x}"


def rows(n: int) -> Iterator[Put]:
    """What a durable runtime keeps of one event: itself, its id, its cause, the step that handled it."""
    cause, id, key = cause_of(n), name(n), number(n)
    event = Event(
        "heard", {"text": f"word {n}"}, topic=f"room{n % 200}.heard", source="ear", id=id,
        timestamp_ms=1_767_225_600_000 + n, cause=None if cause is None else name(cause),
    )  # fmt: skip
    yield Put(Family.JOURNAL, key, flat_event(event))
    yield Put(Family.IDS, id.encode(), key)
    if cause is not None:
        yield Put(Family.CAUSES, join(name(cause), "event", id), key)
    step = StepRow(n, "", "ear", id, 1, 1_767_225_600_001.0 + n, "", PUBLIC, b'{"heard":["=",7]}')
    yield Put(Family.STEPS, join(key, "ear.listen"), step_row(step))


def make_store(path: Path) -> None:
    """Write the million events, unless they are there."""
    backend = SqliteBackend(path)
    try:
        last = backend.last(Family.JOURNAL)
        first = 1 if last is None else int.from_bytes(last, "big") + 1
        for start in range(first, EVENTS + 1, CHUNK):
            puts = [put for n in range(start, min(start + CHUNK, EVENTS + 1)) for put in rows(n)]
            backend.write(puts, sync=False)
        backend.checkpoint()
    finally:
        backend.close()


def ask(path: Path, n: int) -> float:
    """Milliseconds from a closed store to an answer, the better of two: another process may take the processor."""
    return min(_ask(path, n) for _ in range(2))


def _ask(path: Path, n: int) -> float:
    began = time.perf_counter()
    backend = SqliteBackend(path, read_only=True)
    why = explain(StoreFacts(backend), name(n))
    backend.close()
    assert why.found
    return (time.perf_counter() - began) * 1e3


@bench
def why_on_a_million_events() -> Iterator[Ratio]:
    path = folder()
    make_store(path)
    ordinary, chance = EVENTS - WIDE - LONG, random.Random(7)

    def plain() -> float:
        return max(ask(path, chance.randrange(1, ordinary)) for _ in range(ASKS))

    def wide() -> float:
        return ask(path, ordinary + 1)

    def long() -> float:
        return ask(path, EVENTS)

    got = interleave(5, plain=plain, wide=wide, long=long)
    for side in ("plain", "wide", "long"):
        yield Ratio(f"why.{side}_ms", got.median(side), bar=100.0, better="lower", unit="ms", slack=20.0)
