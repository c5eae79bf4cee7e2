"""The calendar clock jumps - corrected, set by somebody, or a night's sleep - and timers do what was meant."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom import Agent, at, cron, every, on
from loom.agent import Timers
from loom.agent._clock_watch import LEAST_JUMP_MS, ClockWatch
from loom.agent._schedule import Run, cron_schedule
from loom.testing import Probe, VirtualClock, new_loom, run

HOUR = 3_600_000
DAY = 24 * HOUR
NOW = 1_767_225_600_000  # midnight


class Jumping(VirtualClock):
    """A virtual clock whose calendar can be set."""

    __slots__ = ()

    def jump(self, by_ms: int) -> None:
        self._began_ms += by_ms


def jumping(test: Callable[[Jumping], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def wrapper() -> None:
        clock = Jumping(NOW)
        run(test(clock), clock=clock)

    wrapper.__name__ = test.__name__
    return wrapper


# --- the watch -------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(-(10**8), 10**8)), max_size=20))
def test_each_jump_over_two_seconds_is_told_once_with_its_size(steps: list[tuple[int, int]]) -> None:
    now, monotonic = NOW, 5.0
    watch = ClockWatch(now, monotonic)
    for passed_ms, jump in steps:
        now += passed_ms + jump
        monotonic += passed_ms / 1000
        told = watch.look(now, monotonic)
        assert told == pytest.approx(jump if abs(jump) > LEAST_JUMP_MS + 1 else told, abs=1)
        if abs(jump) < LEAST_JUMP_MS - 1:
            assert told == 0
        assert watch.look(now, monotonic) == 0


def test_a_clock_that_is_slewed_is_no_jump() -> None:
    watch = ClockWatch(NOW, 0.0)
    assert all(watch.look(NOW + n * 60_030, n * 60.0) == 0 for n in range(1, 1000))


# --- the timers of a runtime -----------------------------------------------------------------------------------------


@jumping
async def test_an_alarm_rings_within_a_minute_after_the_machine_slept_over_it(clock: Jumping) -> None:
    timers = Timers(clock)
    fired: list[float] = []
    jumps: list[int] = []
    timers.on_jump = jumps.append
    timers.at((NOW + 8 * HOUR) / 1000, lambda: fired.append(clock.monotonic()))
    await asyncio.sleep(100)
    clock.jump(9 * HOUR)
    await asyncio.sleep(100)
    assert fired == [pytest.approx(120)]
    assert jumps == [9 * HOUR]


@jumping
async def test_after_and_every_follow_the_steady_clock(clock: Jumping) -> None:
    timers = Timers(clock)
    fired: list[tuple[str, float]] = []
    timers.after(100, lambda: fired.append(("after", clock.monotonic())))
    timers.every(60, lambda: fired.append(("every", clock.monotonic())))
    await asyncio.sleep(10)
    clock.jump(DAY)
    await asyncio.sleep(60)
    clock.jump(-30 * DAY)
    await asyncio.sleep(55)
    assert fired == [
        ("every", pytest.approx(60)),
        ("after", pytest.approx(100)),
        ("every", pytest.approx(120)),
    ]


@pytest.mark.parametrize("policy", ["once", "skip", "catch_up", "coalesce"])
def test_runs_that_a_jump_went_over_fire_by_their_policy(policy: str) -> None:
    clock = Jumping(NOW)

    async def main() -> list[Run]:
        timers = Timers(clock)
        fired: list[Run] = []
        timers.scheduled(cron_schedule("0 * * * *", "UTC"), policy, fired.append)
        await asyncio.sleep(60)
        clock.jump(3 * HOUR)
        await asyncio.sleep(120)
        late, fired[:] = list(fired), []
        await asyncio.sleep(3600)
        assert [r.due_ms for r in fired] == [NOW + 4 * HOUR], "the rhythm goes on"
        return late

    late = run(main(), clock=clock)
    wanted = {"once": [3], "skip": [], "catch_up": [1, 2, 3], "coalesce": [3]}[policy]
    assert [r.due_ms for r in late] == [NOW + n * HOUR for n in wanted]
    if policy == "coalesce":
        assert late[0].metadata["missed"] == "3"


@jumping
async def test_a_run_that_was_fired_does_not_fire_again_when_the_clock_goes_back(clock: Jumping) -> None:
    timers = Timers(clock)
    fired: list[int] = []
    timers.scheduled(cron_schedule("0 * * * *", "UTC"), "once", lambda r: fired.append(r.due_ms))
    await asyncio.sleep(3700)
    clock.jump(-HOUR // 2)
    await asyncio.sleep(2 * 3600)
    assert fired == [NOW + HOUR, NOW + 2 * HOUR]


@jumping
async def test_a_clock_that_was_wrong_by_a_year_silences_nothing(clock: Jumping) -> None:
    timers = Timers(clock)
    fired: list[int] = []
    clock.jump(365 * DAY)
    timers.scheduled(cron_schedule("0 * * * *", "UTC"), "once", lambda r: fired.append(r.due_ms))
    await asyncio.sleep(3700)
    clock.jump(-365 * DAY)
    await asyncio.sleep(3600)
    assert fired == [NOW + 365 * DAY + HOUR, NOW + 2 * HOUR]


@jumping
async def test_nothing_is_looked_at_while_nothing_waits_for_the_calendar(clock: Jumping) -> None:
    timers = Timers(clock)
    looks: list[float] = []
    timers.look = lambda: looks.append(clock.monotonic())  # type: ignore[method-assign]
    timers.after(10 * 3600, lambda: None)
    await asyncio.sleep(10 * 3600 + 1)
    assert len(looks) <= 11


def test_a_schedule_that_is_over_waits_for_nothing() -> None:
    async def main() -> None:
        timers = Timers(VirtualClock(2**48))  # far behind the end of calendars
        timer = timers.scheduled(cron_schedule("0 * * * *", "UTC"), "once", lambda run: None)
        assert timer.dead
        assert len(timers) == 0

    run(main())


# --- agents ----------------------------------------------------------------------------------------------------------


class Diary(Agent):
    lines: list[str] = []

    @at("07:30", tz="UTC", missed="coalesce")
    async def wake(self, event: Any) -> None:
        self.lines.append(f"wake {event.metadata.get('missed', '')}")

    @cron("0 12 * * *", tz="UTC")
    async def lunch(self, event: Any) -> None:
        self.lines.append("lunch" + (" late" if "due_ms" in event.metadata else ""))

    @every(HOUR / 1000 * 5, missed="catch_up")
    async def tick(self, event: Any) -> None:
        self.lines.append("tick")

    @on("set")
    async def set(self, event: Any, ctx: Any) -> None:
        ctx.at(NOW + 6 * HOUR, "rang", 1)


@jumping
async def test_beats_of_agents_after_a_night_of_sleep(clock: Jumping) -> None:
    async with new_loom(Diary) as loom:
        probe = Probe(loom.bus, "rang")
        await loom.publish("set")
        await asyncio.sleep(8 * 3600)
        assert loom.agent("Diary").instance.lines == ["tick", "wake "]
        clock.jump(2 * DAY)
        await asyncio.sleep(120)
        assert loom.agent("Diary").instance.lines[2:] == ["lunch late", "wake 2"], (
            "in the order in which they were due"
        )
        assert probe.count == 1


@jumping
async def test_a_moment_that_was_missed_is_skipped_when_asked_for(clock: Jumping) -> None:
    async with new_loom(Diary) as loom:
        beats = loom._services.cells["Diary"].beats
        probe = Probe(loom.bus, "moment.*")
        from loom import Event

        for missed in ("skip", "once"):
            beats.add("at", NOW / 1000 + 3600, Event("moment", topic=f"moment.{missed}"), missed)
        beats.add("every", 1800, Event("moment", topic="moment.again", metadata={"a": "b"}), "coalesce")
        clock.jump(2 * HOUR)
        await asyncio.sleep(120)
        assert probe.topics == ["moment.once"]
        clock.advance(2 * 3600)  # the loop was blocked
        await asyncio.sleep(60)
        assert probe.topics[1:] == ["moment.again"]
        assert dict(probe.events[-1].metadata)["missed"] == "4"
        assert probe.events[-1].metadata["a"] == "b"
