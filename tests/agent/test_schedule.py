"""When timers fire: local times against zoneinfo, and what becomes of runs that were missed."""

import datetime as dt
import os
import time
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.agent import _zones
from loom.agent._calendar import Calendar
from loom.agent._schedule import (
    GRACE_MS,
    MOST_CAUGHT_UP,
    ONCE,
    POLICIES,
    Every,
    Schedule,
    at_schedule,
    check_missed,
    cron_schedule,
    due_runs,
    every_schedule,
    next_due,
    rebased,
    schedule_from,
    spec_of_schedule,
)
from loom.agent._zones import local_name, zone
from loom.errors import ConfigError, MissingExtra

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/St_Johns",
    "UTC",
]
HOUR = 3_600_000
DAY = 24 * HOUR


def ms(text: str, tz: str = "UTC", fold: int = 0) -> int:
    moment = dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz), fold=fold)
    return round(moment.timestamp() * 1000)


def local(moment_ms: int, tz: str) -> str:
    return dt.datetime.fromtimestamp(moment_ms / 1000, ZoneInfo(tz)).replace(tzinfo=None).isoformat()


def runs(schedule: Schedule, after: int, until: int) -> list[int]:
    found = []
    moment = next_due(schedule, after)
    while moment is not None and moment <= until:
        found.append(moment)
        moment = next_due(schedule, moment)
    return found


# --- local times -----------------------------------------------------------------------------------------------------


def test_a_time_that_clocks_skip_fires_once_right_after_the_gap() -> None:
    daily = at_schedule("02:30", "Europe/Berlin")
    found = [local(r, "Europe/Berlin") for r in runs(daily, ms("2026-03-28"), ms("2026-03-31"))]
    assert found == ["2026-03-28T02:30:00", "2026-03-29T03:00:00", "2026-03-30T02:30:00"]


def test_a_time_that_clocks_show_twice_fires_at_the_first() -> None:
    daily = at_schedule("02:30", "Europe/Berlin")
    found = runs(daily, ms("2026-10-24T12:00"), ms("2026-10-27"))
    assert found == [
        ms("2026-10-25T02:30", "Europe/Berlin"),
        ms("2026-10-26T02:30", "Europe/Berlin"),
    ]


def test_half_an_hour_of_daylight_saving() -> None:
    tz = "Australia/Lord_Howe"
    daily = at_schedule("02:15", tz)  # 2026-10-04: clocks go from 02:00 to 02:30
    assert (
        local(runs(daily, ms("2026-10-03T12:00", tz), ms("2026-10-05", tz))[0], tz) == "2026-10-04T02:30:00"
    )
    daily = at_schedule("01:45", tz)  # 2026-04-05: from 02:00 back to 01:30
    assert runs(daily, ms("2026-04-04T12:00", tz), ms("2026-04-05T12:00", tz)) == [ms("2026-04-05T01:45", tz)]


def test_a_date_that_a_zone_skipped_fires_at_the_first_moment_after_it() -> None:
    tz = "Pacific/Apia"  # there was no 30 December 2011
    daily = at_schedule("06:00", tz)
    found = [local(r, tz) for r in runs(daily, ms("2011-12-28T12:00", tz), ms("2012-01-01T12:00", tz))]
    assert found == [
        "2011-12-29T06:00:00",
        "2011-12-31T00:00:00",
        "2011-12-31T06:00:00",
        "2012-01-01T06:00:00",
    ]
    midnight = at_schedule("00:00", tz)
    found = [local(r, tz) for r in runs(midnight, ms("2011-12-28T12:00", tz), ms("2012-01-01T12:00", tz))]
    assert found == ["2011-12-29T00:00:00", "2011-12-31T00:00:00", "2012-01-01T00:00:00"]
    assert midnight.count(ms("2011-12-29", tz), ms("2012-01-01", tz)) == 3


def oracle(calendar: Calendar, tz: str, first: dt.date, days: int) -> list[int]:
    """Minute by minute of real time: what clocks show, and what they skip."""
    info = ZoneInfo(tz)
    found: list[int] = []
    shown: set[dt.datetime] = set()
    begin = int(dt.datetime.combine(first, dt.time(), info).timestamp()) // 60
    before = dt.datetime.fromtimestamp((begin - 1) * 60, info).replace(tzinfo=None)
    for minute in range(begin, begin + days * 1440):
        wall = dt.datetime.fromtimestamp(minute * 60, info).replace(tzinfo=None, fold=0)
        skipped = [
            before + dt.timedelta(minutes=n) for n in range(1, round((wall - before).total_seconds() / 60))
        ]
        candidates = [wall] if not calendar.by_day else [*skipped, *([wall] if wall not in shown else [])]
        for each in candidates:
            day = (each.date() - dt.date(1970, 1, 1)).days
            if (each.hour * 60 + each.minute) * 60_000 in calendar.times and calendar.matches(day):
                found.append(minute * 60_000)
                break
        shown.add(wall)
        before = wall
    return found


DAYS = {
    "Europe/Berlin": ["2026-03-28", "2026-10-24"],
    "America/New_York": ["2026-03-07", "2026-10-31"],
    "Australia/Lord_Howe": ["2026-10-03", "2026-04-04"],
    "Pacific/Apia": ["2011-12-29", "2011-09-23"],
    "America/St_Johns": ["2010-03-13", "2010-11-06"],  # clocks were set a minute after midnight
    "UTC": ["2026-03-28"],
}
LINES = [
    "@00:00",
    "@02:15",
    "@23:45",
    "@00:01",
    "0 * * * *",
    "*/20 1-3 * * *",
    "0,30 0-3 * * *",
    "30 2 * * SUN",
    "5 0,23 * * *",
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("tz", ZONES)
def test_runs_are_those_that_a_clock_on_the_wall_would_show(tz: str, line: str) -> None:
    calendar = at_schedule(line[1:], tz) if line[0] == "@" else cron_schedule(line, tz)
    for day in DAYS[tz]:
        first = dt.date.fromisoformat(day)
        wanted = oracle(calendar, tz, first, 3)
        begin = ms(day, tz)
        until = begin + 3 * DAY - 60_000
        assert runs(calendar, begin - 1, until) == wanted
        assert calendar.count(begin, until) == len(wanted)
        assert calendar.last(until, begin) == (wanted[-1] if wanted else None)


MOMENTS = st.integers(ms("2000-01-01"), ms("2037-12-31"))
CALENDARS = st.builds(
    lambda tz, times, by_day: Calendar("at", "", zone(tz), sorted(times), None, by_day),
    st.sampled_from(ZONES),
    st.sets(st.integers(0, 1439).map(lambda m: m * 60_000), min_size=1, max_size=4),
    st.booleans(),
)


@settings(deadline=None)
@given(CALENDARS, MOMENTS)
def test_the_next_run_is_later_and_nothing_lies_between(calendar: Calendar, after: int) -> None:
    found = calendar.next(after)
    assert found is not None
    assert after < found <= after + 2 * DAY + HOUR
    assert calendar.next(found - 1) == found, "asking from just before it gives the same"
    assert calendar.last(found, after) == found
    assert calendar.last(found - 1, after + 1) is None
    assert calendar.count(after + 1, found) == 1


@settings(deadline=None)
@given(CALENDARS, MOMENTS, st.integers(0, 10 * DAY))
def test_counting_is_stepping(calendar: Calendar, first: int, span: int) -> None:
    found = runs(calendar, first - 1, first + span)
    assert calendar.count(first, first + span) == len(found)
    assert calendar.last(first + span, first) == (found[-1] if found else None)


def test_calendars_end() -> None:
    assert at_schedule("07:30", "UTC").next(2**62) is None


# --- missed runs -----------------------------------------------------------------------------------------------------

NIGHTLY = at_schedule("03:00", "UTC")
DUE = ms("2026-05-01T03:00")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_run_in_time_fires_under_every_policy(policy: str) -> None:
    for late in (0, GRACE_MS):
        found = due_runs(NIGHTLY, policy, DUE, DUE + late)
        assert found.fire == ((DUE, {}),)
        assert found.next_due_ms == DUE + DAY
        assert found.last_ms == DUE
        assert found.missed == found.left_out == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_not_due_does_not_fire(policy: str) -> None:
    assert due_runs(NIGHTLY, policy, DUE, DUE - 1) == ((), DUE, None, 0, 0)


def test_three_missed_runs_by_each_policy() -> None:
    now = DUE + 2 * DAY + HOUR
    last = DUE + 2 * DAY
    found = {p: due_runs(NIGHTLY, p, DUE, now) for p in POLICIES}
    assert found["skip"].fire == ()
    assert found["once"].fire == ((last, {"due_ms": str(last)}),)
    assert found["catch_up"].fire == tuple((d, {"due_ms": str(d)}) for d in (DUE, DUE + DAY, last))
    told = {"due_ms": str(last), "missed": "3", "first_ms": str(DUE), "last_ms": str(last)}
    assert found["coalesce"].fire == ((last, told),)
    assert {(r.next_due_ms, r.missed, r.last_ms) for r in found.values()} == {(last + DAY, 3, last)}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_single_moment_fires_once_however_late_unless_it_is_skipped(policy: str) -> None:
    found = due_runs(ONCE, policy, DUE, DUE + 400 * DAY)
    assert len(found.fire) == (policy != "skip")
    assert found.next_due_ms is None


def test_catching_up_is_bounded_and_what_is_left_out_is_counted() -> None:
    schedule = Every(1000)
    found = due_runs(schedule, "catch_up", DUE, DUE + 5000 * 1000)
    assert len(found.fire) == MOST_CAUGHT_UP
    assert found.left_out == 5001 - MOST_CAUGHT_UP
    assert found.fire[0].metadata["left_out"] == str(found.left_out)
    assert found.fire[-1].due_ms == DUE + 5000 * 1000
    assert found.next_due_ms == DUE + 5001 * 1000
    decades = due_runs(Every(1), "catch_up", 0, 2**62)
    assert len(decades.fire) == MOST_CAUGHT_UP


SCHEDULES: st.SearchStrategy[Schedule] = st.one_of(
    CALENDARS, st.integers(1, 3 * DAY).map(Every), st.just(ONCE)
)


@settings(deadline=None)
@given(SCHEDULES, st.sampled_from(POLICIES), MOMENTS, st.integers(0, 20 * DAY))
def test_what_fires_now_is_due_in_order_and_the_next_is_later(
    schedule: Schedule, policy: str, due: int, late: int
) -> None:
    found = due_runs(schedule, policy, due, due + late)
    dues = [run.due_ms for run in found.fire]
    assert dues == sorted(set(dues))
    assert all(due <= d <= due + late for d in dues)
    assert found.last_ms is not None
    assert found.next_due_ms is None or found.next_due_ms > due + late
    assert all(type(v) is str for run in found.fire for v in run.metadata.values())
    if found.next_due_ms is not None:
        again = due_runs(schedule, policy, found.next_due_ms, due + late)
        assert again.fire == (), "what has fired does not fire again"
    if policy == "catch_up" and not isinstance(schedule, Every) and len(dues) < MOST_CAUGHT_UP:
        assert dues == [due, *runs(schedule, due, due + late)]
    if policy in ("once", "coalesce"):
        assert len(dues) == 1


def test_runs_told_in_the_time_of_another_clock() -> None:
    found = due_runs(Every(1000), "coalesce", DUE, DUE + 5000).moved(700)
    assert found.fire[0].due_ms == DUE + 5700
    assert found.fire[0].metadata["first_ms"] == str(DUE + 700)
    assert found.fire[0].metadata["missed"] == "6"
    assert found.next_due_ms == DUE + 6000


# --- clocks that go back ---------------------------------------------------------------------------------------------


def test_after_a_small_step_back_nothing_fires_twice() -> None:
    assert rebased(NIGHTLY, DUE + DAY, DUE, DUE - HOUR) == DUE + DAY


def test_a_clock_that_was_wrong_by_a_year_does_not_silence_a_timer() -> None:
    fired = DUE + 365 * DAY
    assert rebased(NIGHTLY, fired + DAY, fired, DUE - HOUR) == DUE
    assert rebased(NIGHTLY, fired + DAY, None, DUE - HOUR) == DUE
    assert rebased(Every(1000), fired, None, DUE) == fired, "steady ones have no calendar"
    assert rebased(NIGHTLY, 5, None, DUE) == 5


# --- what it is made from --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule",
    [ONCE, Every(250), at_schedule("07:30:15.250", "Europe/Berlin"), cron_schedule("5 4 * * mon#2", None)],
)
def test_a_schedule_survives_as_json(schedule: Schedule) -> None:
    spec = spec_of_schedule(schedule)
    again = schedule_from(spec)
    assert type(again) is type(schedule)
    assert spec_of_schedule(again) == spec
    assert next_due(again, DUE) == next_due(schedule, DUE)


@pytest.mark.parametrize(
    "spec",
    [
        {"every_ms": 0},
        {"every_ms": True},
        {"every_ms": 1e300},
        {"at": 7},
        {"cron": None},
        {"x": 1},
        {"at": "7", "tz": []},
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(spec: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        schedule_from(spec)


def test_wrong_times_intervals_and_policies_are_refused() -> None:
    for wrong in ("7.30", "25:00", "", 7, "07:30+02:00"):
        with pytest.raises(ConfigError):
            at_schedule(wrong, None)  # type: ignore[arg-type]
    for seconds in (0, -1, float("nan"), float("inf"), 1e12):
        with pytest.raises(ConfigError):
            every_schedule(seconds)
    assert every_schedule(0.0001).interval_ms == 1
    with pytest.raises(ConfigError, match="once, skip, catch_up or coalesce"):
        check_missed("maybe")


def test_an_unknown_zone_is_told_with_near_names() -> None:
    with pytest.raises(ConfigError, match="did you mean Europe/Berlin"):
        zone("Europe/Berln")
    with pytest.raises(ConfigError, match="Europe/Berlin"):
        zone("berlin")
    for wrong in ("Europe", "../../etc/passwd", "", "\0", 7, "x" * 5000):
        with pytest.raises(ConfigError):
            zone(wrong)  # type: ignore[arg-type]


def test_without_a_table_of_zones_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    with pytest.raises(MissingExtra, match="tzdata"):
        zone("Mars/Phobos")


@pytest.fixture
def machine() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch
        _zones._zone.cache_clear()
    time.tzset()


def test_the_machines_zone_is_found_by_name(machine: pytest.MonkeyPatch) -> None:
    machine.setenv("TZ", "America/New_York")
    _zones._zone.cache_clear()
    assert zone(None).name == "America/New_York"
    assert runs(at_schedule("07:30", None), DUE, DUE + DAY) == [ms("2026-05-01T07:30", "America/New_York")]
    machine.delenv("TZ")
    machine.setattr(os, "readlink", lambda path: "/usr/share/zoneinfo/posix/Pacific/Apia")
    assert local_name() == "Pacific/Apia"
    machine.setattr(os, "readlink", lambda path: "/somewhere/else")
    assert local_name() is None


@pytest.mark.parametrize("told", ["EST5EDT,M3.2.0,M11.1.0", "Mars/Phobos"])
def test_a_zone_without_a_name_is_asked_of_the_machine(machine: pytest.MonkeyPatch, told: str) -> None:
    machine.setenv("TZ", told)
    time.tzset()
    _zones._zone.cache_clear()
    assert zone(None).name == "local"
    assert schedule_from(spec_of_schedule(at_schedule("07:30", None))).zone.name == "local"  # type: ignore[union-attr]
    if told.startswith("EST"):
        found = runs(at_schedule("02:30", None), ms("2026-03-08"), ms("2026-03-09"))
        assert [local(r, "America/New_York") for r in found] == ["2026-03-08T03:00:00"]
