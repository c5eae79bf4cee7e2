"""Cron lines: what they mean, against a naive reading of them, and what is wrong with those that are refused."""

import builtins
import datetime as dt
import sys
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import loom
from loom.agent import Agent, cron, every, spec_of
from loom.agent._schedule import cron_schedule
from loom.errors import ConfigError, MissingExtra


def first(line: str, count: int, after: str = "2026-01-01", tz: str = "UTC") -> list[str]:
    calendar = cron_schedule(line, tz)
    info = ZoneInfo(tz)
    moment: int | None = round(dt.datetime.fromisoformat(after).replace(tzinfo=info).timestamp() * 1000)
    found = []
    for _ in range(count):
        assert moment is not None
        moment = calendar.next(moment)
        assert moment is not None
        found.append(dt.datetime.fromtimestamp(moment / 1000, info).strftime("%Y-%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("30 7 * * MON-FRI", ["2026-01-01 07:30", "2026-01-02 07:30", "2026-01-05 07:30"]),
        ("*/30 8-9 * * *", ["2026-01-01 08:00", "2026-01-01 08:30", "2026-01-01 09:00"]),
        ("0 0 L * *", ["2026-01-31 00:00", "2026-02-28 00:00", "2026-03-31 00:00"]),
        ("0 12 * * MON#2", ["2026-01-12 12:00", "2026-02-09 12:00", "2026-03-09 12:00"]),
        ("0 12 * * 5L", ["2026-01-30 12:00", "2026-02-27 12:00", "2026-03-27 12:00"]),
        ("0 0 LW * *", ["2026-01-30 00:00", "2026-02-27 00:00", "2026-03-31 00:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"]),
        ("0 0 13 * fri", ["2026-01-02 00:00", "2026-01-09 00:00", "2026-01-13 00:00"]),
        ("0 0 * feb mon#5", ["2044-02-29 00:00", "2072-02-29 00:00"]),
    ],
)
def test_lines_mean_what_cron_means(line: str, wanted: list[str]) -> None:
    assert first(line, len(wanted)) == wanted


def test_a_rhythm_keeps_real_time_when_clocks_are_set() -> None:
    spring = first("0 * * * *", 4, "2026-03-29 00:30", "Europe/Berlin")
    assert spring == ["2026-03-29 01:00", "2026-03-29 03:00", "2026-03-29 04:00", "2026-03-29 05:00"]
    autumn = first("0 * * * *", 4, "2026-10-25 00:30", "Europe/Berlin")
    assert autumn == ["2026-10-25 01:00", "2026-10-25 02:00", "2026-10-25 02:00", "2026-10-25 03:00"]
    island = first("*/30 2 * * *", 3, "2026-10-04 00:00", "Australia/Lord_Howe")  # from 02:00 to 02:30
    assert island == ["2026-10-04 02:30", "2026-10-05 02:00", "2026-10-05 02:30"]


def test_times_of_day_fire_once_each_day_when_clocks_are_set() -> None:
    spring = first("15,45 2 * * *", 3, "2026-03-28 12:00", "Europe/Berlin")
    assert spring == ["2026-03-29 03:00", "2026-03-30 02:15", "2026-03-30 02:45"]
    autumn = first("15,45 2 * * *", 3, "2026-10-25 00:00", "Europe/Berlin")
    assert autumn == ["2026-10-25 02:15", "2026-10-25 02:45", "2026-10-26 02:15"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("61 * * * *", "minute '61'"),
        ("* 24 * * *", "hour '24'"),
        ("* * 0 * *", "day of the month '0'"),
        ("* * * 13 *", "month '13'"),
        ("* * * FEBR *", "month 'FEBR'"),
        ("* * * * MON#6", "day of the week 'MON#6'"),
        ("* * * * 5L/2", "day of the week '5L/2'"),
        ("*/0 * * * *", "minute"),
        ("9-5 * * * *", "minute '9-5'"),
        (f"{'9' * 100} * * * *", "minute"),
        ("5 5", "five fields"),
        ("0 0 0 1 1 *", "five fields"),
        ("@daily", "five fields"),
        ("", "five fields"),
        ("* " * 9999, "five fields"),
        (None, "five fields"),
        ("0 0 31 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("0 0 */31 * MON#5", "never fires"),  # on the first, if that is a fifth Monday
        ("0 0 */40 * *", "day of the month|never|five"),
    ],
)
def test_a_wrong_line_names_what_is_wrong_with_it(line: Any, told: str) -> None:
    if line == "0 0 */40 * *":  # each 40th day from the first: the first alone
        assert first(line, 1, "2026-01-02") == ["2026-02-01 00:00"]
        return
    with pytest.raises(ConfigError, match=told):
        cron(line)


@settings(deadline=None)
@given(st.text(alphabet="0123456789*/-,L#WMONFRIJAN \u00b2\u0663", max_size=40))
def test_any_text_is_a_line_or_a_config_error(text: str) -> None:
    try:
        calendar = cron_schedule(text, "UTC")
    except ConfigError:
        return
    assert calendar.next(1_767_225_600_000) is not None


FIELD = st.sampled_from(["*", "*/7", "0", "5-10", "1,2,3", "3"])


@settings(deadline=None)
@given(FIELD, FIELD, FIELD, FIELD, FIELD, st.integers(0, 40 * 365))
def test_lines_are_read_as_a_naive_reader_does(m: str, h: str, d: str, mo: str, w: str, day: int) -> None:
    d, mo = d if d != "0" else "1", mo if mo != "0" else "1"
    line = f"{m} {h} {d} {mo} {w}"

    def among(field: str, value: int, lowest: int, highest: int) -> bool:
        if field.startswith("*"):
            return value in range(lowest, highest + 1)[:: int(field[2:] or 1)]
        if "-" in field:
            low, high = field.split("-")
            return int(low) <= value <= int(high)
        return value in map(int, field.split(","))

    try:
        calendar = cron_schedule(line, "UTC")
    except ConfigError as error:
        assert "5-10" in (mo, w), error  # noqa: PT017 - days of the week end at 7
        return
    date = dt.date(2000, 1, 1) + dt.timedelta(days=day)
    in_month = among(d, date.day, 1, 31)
    in_week = any(among(w, n, 0, 7) for n in ({0, 7} if date.isoweekday() == 7 else {date.isoweekday()}))
    on_day = (in_month and in_week) if d.startswith("*") or w.startswith("*") else (in_month or in_week)
    begin = round(dt.datetime.combine(date, dt.time(), dt.UTC).timestamp() * 1000)
    wanted = 0
    if on_day and among(mo, date.month, 1, 12):
        minutes = sum(among(m, n, 0, 59) for n in range(60))
        wanted = minutes * sum(among(h, n, 0, 23) for n in range(24))
    assert calendar.count(begin, begin + 86_399_999) == wanted


def test_without_cronsim_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [m for m in sys.modules if m.partition(".")[0] == "cronsim"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(sys.modules, "loom.agent._cron", raising=False)
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "cronsim":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"cronsim.*\[cron\]"):
        cron("0 7 * * *")


def test_cron_marks_a_handler() -> None:
    class Morning(Agent):
        @loom.cron("30 7 * * MON-FRI", tz="Europe/Berlin")
        async def wake(self, event: Any) -> None: ...

        @every(60, missed="catch_up")
        async def tick(self, event: Any) -> None: ...

    wake, tick = (h.trigger for h in spec_of(Morning).handlers)
    assert wake.schedule is not None
    assert (wake.missed, wake.capacity, wake.pattern) == ("once", 1, "")
    assert tick.capacity == 1000, "room for all that is caught up"
    with pytest.raises(ConfigError, match="missed='maybe'"):
        cron("30 7 * * *", missed="maybe")
