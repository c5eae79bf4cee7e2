"""The heap of timers: each moment once and in order, missed beats skipped, nothing kept of what was cancelled."""

import asyncio
import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom.agent import Timers
from loom.agent._schedule import at_schedule
from loom.testing import VirtualClock, run, virtual_time
from loom.testing._virtual_loop import VirtualLoop


def make() -> tuple[Timers, VirtualClock]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return Timers(loop.clock), loop.clock


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 5000), st.booleans()), max_size=30))
def test_each_timer_that_is_not_cancelled_fires_once_at_its_moment_in_order(
    plan: list[tuple[int, bool]],
) -> None:
    async def main() -> None:
        timers, clock = make()
        fired: list[tuple[float, int]] = []
        for number, (tenths, cancelled) in enumerate(plan):
            timer = timers.after(tenths / 10, lambda n=number: fired.append((clock.monotonic(), n)))  # type: ignore[misc]
            if cancelled:
                timers.cancel(timer)
                timers.cancel(timer)
        assert len(timers) == sum(not c for _, c in plan)
        await asyncio.sleep(501)
        wanted = sorted((t, n) for n, (t, c) in enumerate(plan) if not c)
        assert [n for _, n in fired] == [n for _, n in wanted]
        assert [at for at, _ in fired] == pytest.approx([t / 10 for t, _ in wanted])
        assert len(timers) == 0

    run(main())


@virtual_time
async def test_beats_keep_their_rhythm_and_those_missed_are_skipped() -> None:
    timers, clock = make()
    beats: list[float] = []
    timer = timers.every(2, lambda: beats.append(clock.monotonic()))
    await asyncio.sleep(4.5)
    clock.advance(7)  # the loop was blocked: 6, 8 and 10 are late
    await asyncio.sleep(3)
    assert beats == pytest.approx([2, 4, 11.5, 12, 14])
    timers.cancel(timer)
    await asyncio.sleep(9)
    assert len(beats) == 5


@virtual_time
async def test_a_timer_may_cancel_itself_and_set_others() -> None:
    timers, clock = make()
    fired: list[float] = []

    def fire() -> None:
        fired.append(clock.monotonic())
        if len(fired) == 2:
            timers.cancel(timer)
            timers.after(5, fire)

    timer = timers.every(1, fire)
    await asyncio.sleep(20)
    assert fired == pytest.approx([1, 2, 7])


@virtual_time
async def test_moments_of_the_calendar_and_of_the_day() -> None:
    timers, clock = make()
    fired: list[tuple[str, float]] = []
    now = clock.now_ms() / 1000
    timers.at(now + 90_000, lambda: fired.append(("at", clock.now_ms() / 1000)))
    daily = timers.daily(dt.time(7, 30), lambda: fired.append(("daily", clock.now_ms() / 1000)))
    await asyncio.sleep(3 * 86_400)
    timers.cancel(daily)
    moments = [moment for what, moment in fired if what == "daily"]
    assert len(moments) == 3
    assert {dt.datetime.fromtimestamp(m).time() for m in moments} == {dt.time(7, 30)}  # noqa: DTZ006
    assert [m for what, m in fired if what == "at"] == pytest.approx([now + 90_000])


def test_the_next_time_of_day_is_later_than_now() -> None:
    moment = dt.datetime(2026, 3, 1, 7, 30).timestamp()  # noqa: DTZ001
    daily = at_schedule("07:30:00", None)
    assert daily.next(int(moment * 1000) - 1) == moment * 1000
    later = daily.next(int(moment * 1000))
    assert later is not None
    assert later > moment * 1000


@virtual_time
async def test_a_million_cancelled_timers_leave_nothing() -> None:
    timers, _ = make()
    for _ in range(20_000):
        timers.cancel(timers.after(1e6, lambda: None))
    assert len(timers) == 0
    assert len(timers._steady) <= 65


@virtual_time
async def test_a_timer_that_raises_does_not_stop_the_others() -> None:
    timers, _ = make()
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: told.append(str(context["exception"]))
    )
    fired: list[int] = []

    def bad() -> None:
        raise ValueError("oh")

    timers.after(1, bad)
    timers.after(1, lambda: fired.append(1))
    timers.after(2, lambda: fired.append(2))
    await asyncio.sleep(3)
    assert fired == [1, 2]
    assert told == ["oh"]


@virtual_time
async def test_there_is_a_bound() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    timers = Timers(loop.clock, capacity=2)
    one = timers.after(1, lambda: None)
    timers.after(1, lambda: None)
    with pytest.raises(OverflowError):
        timers.after(1, lambda: None)
    timers.cancel(one)
    timers.after(1, lambda: None)
    timers.close()
    assert len(timers) == 0
