"""Who blocks the loop is named while it still does, again and again, and the loop hears of it when it turns."""

from __future__ import annotations

import asyncio
import logging
import selectors
import socket
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom import Agent, Loom, on
from loom.agent._watchdog import Beat, blame, is_waiting

LONG = 20.0


def test_a_beat_that_was_answered_is_never_overdue() -> None:
    beat = Beat(1.0)
    assert beat.overdue(100) is None
    beat.ask(0)
    assert beat.open
    assert beat.answered(0.5) == 0.5
    assert not beat.open
    assert beat.overdue(100) is None


def test_the_second_asking_does_not_make_an_open_beat_younger() -> None:
    beat = Beat(1.0)
    beat.ask(0)
    beat.ask(0.9)
    assert beat.overdue(1.0) == 1.0


def test_a_silent_loop_is_told_at_growing_intervals() -> None:
    beat = Beat(1.0)
    beat.ask(0)
    assert [now for now in range(70) if beat.overdue(now) is not None] == [1, 2, 4, 8, 16, 32, 64]


def test_each_silence_is_told_from_the_beginning() -> None:
    beat = Beat(1.0)
    beat.ask(0)
    assert beat.overdue(50) == 50
    beat.answered(51)
    beat.ask(60)
    assert beat.overdue(60.9) is None
    assert beat.overdue(61) == 1


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=200))
def test_complaints_about_one_silence_are_as_many_as_its_doublings(steps: list[float]) -> None:
    beat, now, told = Beat(1.0), 0.0, []
    beat.ask(now)
    for step in steps:
        now += step
        silent = beat.overdue(now)
        if silent is not None:
            told.append(silent)
    assert all(later >= 2 * earlier for earlier, later in pairwise(told))
    assert bool(told) == (now >= 1.0)


@given(st.lists(st.tuples(st.sampled_from(["ask", "answered", "overdue"]), st.floats(0, 3)), max_size=40))
def test_it_complains_at_the_limit_and_at_each_doubling_and_never_else(
    steps: list[tuple[str, float]],
) -> None:
    beat, now, asked, due = Beat(2.0), 0.0, None, 2.0
    for what, passes in steps:
        now += passes
        if what == "ask":
            asked, due = (now, 2.0) if asked is None else (asked, due)
            beat.ask(now)
        elif what == "answered":
            assert beat.answered(now) == (0.0 if asked is None else now - asked)
            asked = None
        else:
            silent = beat.overdue(now)
            assert (silent is not None) == (asked is not None and now - asked >= due)
            due = due if silent is None else 2 * silent


def test_the_innermost_handler_is_blamed() -> None:
    def outer() -> str:
        return inner()

    def inner() -> str:
        return blame(sys._getframe(), {outer.__code__: "outer", inner.__code__: "inner"})

    assert outer() == "inner"
    assert blame(sys._getframe(), {}) == "the loop"
    assert blame(None, {}) == "the loop"


class Complaints(logging.Handler):
    """What the watchdog logged, with the thread that did; `seen` is set at the *enough*-th complaint."""

    def __init__(self, enough: int) -> None:
        super().__init__()
        self.enough = enough
        self.seen = threading.Event()
        self.lines: list[str] = []
        self.threads: set[str | None] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if ".hang has blocked" not in record.getMessage():
            return  # a busy machine held the loop itself up
        self.lines.append(record.getMessage())
        self.threads.add(record.threadName)
        if len(self.lines) >= self.enough:
            self.seen.set()


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    handler, log = Complaints(3), logging.getLogger("loom.watchdog")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


@pytest.mark.blocks("the handler returns only when the watchdog has complained")
async def test_a_handler_that_blocks_for_ever_is_named_while_it_blocks(complaints: Complaints) -> None:
    class Sleeper(Agent):
        named: bool = False

        @on("go")
        async def hang(self, event: object) -> None:
            self.named = complaints.seen.wait(LONG)

    async with Loom(watchdog=0.01) as loom:
        watchdog = loom._watchdog
        assert watchdog is not None
        loom.add(Sleeper)
        with loom.subscribe("loom.agent.*.blocked") as blocked:
            await loom.publish("go")
            await loom.idle()
            event = await blocked.take()
        name = next(iter(loom.statistics().agents))
        assert loom.agent(name).instance.named  # type: ignore[attr-defined]
    assert len(complaints.lines) >= 3
    for line in complaints.lines:
        assert line.startswith(f"{name}.hang has blocked the loop for ")
        assert "complaints.seen.wait" in line  # where it stands
    assert complaints.threads == {"loom-watchdog"}
    assert event.topic == f"loom.agent.{name}.blocked"
    assert event.payload["handler"] == f"{name}.hang"
    assert event.payload["seconds"] >= 4 * 0.01  # the whole silence, not that of the first complaint
    watchdog._thread.join(LONG)
    assert not watchdog._thread.is_alive()


@pytest.mark.blocks("the handler returns only when the watchdog has complained")
async def test_one_silence_is_one_event(complaints: Complaints) -> None:
    @on("go")
    async def hang(event: object) -> None:
        complaints.seen.wait(LONG)

    async with Loom(watchdog=0.01) as loom:
        loom.add(hang)
        with loom.subscribe("loom.agent.hang.blocked") as blocked:
            await loom.publish("go")
            await loom.idle()
            first = await blocked.take()
            assert first.payload["handler"].startswith("hang")
            assert len(blocked.queue) == 0


async def test_a_runtime_without_a_watchdog_starts_no_thread() -> None:
    before = threading.active_count()
    async with Loom(watchdog=None):
        await asyncio.sleep(0)
        assert threading.active_count() == before


def test_a_loop_that_waits_for_input_blocks_nobody() -> None:
    near, far = socket.socketpair()
    selector = selectors.DefaultSelector()
    selector.register(far, selectors.EVENT_READ)
    waiter = threading.Thread(target=selector.select)
    waiter.start()
    while not is_waiting(sys._current_frames()[waiter.ident or 0]):
        pass
    assert not is_waiting(sys._getframe())
    near.send(b".")
    waiter.join()
    for thing in (near, far, selector):
        thing.close()
