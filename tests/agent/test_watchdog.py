"""Who blocks the loop is named, with its stack: the pure decision, and one real handler that blocks."""

import asyncio
import sys
import threading
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom import Agent, Event, Loom, on
from loom.agent._watchdog import Beat, blame
from loom.testing import Probe


def test_silence_over_the_limit_is_told_once() -> None:
    beat = Beat(1.0)
    beat.ask(10.0)
    assert beat.open
    assert beat.overdue(10.9) is None
    assert beat.overdue(11.5) == 1.5
    assert beat.overdue(20.0) is None, "told once"
    beat.answered()
    assert not beat.open
    assert beat.overdue(99.0) is None
    beat.ask(100.0)
    assert beat.overdue(102.0) == 2.0, "and again the next time"


def test_asking_again_does_not_forgive() -> None:
    beat = Beat(1.0)
    beat.ask(10.0)
    beat.ask(10.9)
    assert beat.overdue(11.0) == 1.0


@given(st.lists(st.tuples(st.sampled_from(["ask", "answered", "overdue"]), st.floats(0, 3)), max_size=40))
def test_it_never_complains_of_less_than_the_limit(steps: list[tuple[str, float]]) -> None:
    beat, now, asked, told = Beat(2.0), 0.0, None, False
    for what, passes in steps:
        now += passes
        if what == "ask":
            asked, told = (now, False) if asked is None else (asked, told)
            beat.ask(now)
        elif what == "answered":
            asked = None
            beat.answered()
        else:
            silent = beat.overdue(now)
            due = asked is not None and not told and now - asked >= 2.0
            assert (silent is not None) == due
            told = told or due


def innermost() -> FrameType:
    return sys._getframe()


def handler() -> FrameType:
    return innermost()


def test_blame_names_the_handler_on_the_stack_and_otherwise_the_loop() -> None:
    frame = handler()
    assert blame(frame, {handler.__code__: "Agent.handler"}) == "Agent.handler"
    assert blame(frame, {}) == "the loop"
    assert blame(None, {}) == "the loop"


@pytest.mark.blocks("a handler that blocks is what this is about")
async def test_a_handler_that_blocks_is_named_while_it_still_does() -> None:
    told = threading.Event()

    class Blocker(Agent):
        @on("go")
        async def block(self, event: Event) -> None:
            told.wait(30)  # ends when the watchdog has seen it, however long that takes here

    loom = Loom(watchdog=0.05)
    loom.add(Blocker)
    probe = Probe(loom.bus, "loom.agent.Blocker.blocked")
    async with loom:
        watchdog = loom._watchdog
        assert watchdog is not None
        real = watchdog._tell

        def tell(silent: float) -> None:
            real(silent)
            told.set()

        watchdog._tell = tell  # type: ignore[method-assign]
        await loom.publish("go")
        (event,) = await probe.wait(1, timeout=60)
        assert event.payload["handler"] == "Blocker.block"
        assert event.payload["seconds"] >= 0.05
        assert "told.wait(30)" in event.payload["stack"]
    watchdog._thread.join(60)
    assert not watchdog._thread.is_alive()


async def test_a_runtime_without_a_watchdog_starts_no_thread() -> None:
    before = threading.active_count()
    async with Loom(watchdog=None):
        await asyncio.sleep(0)
        assert threading.active_count() == before
