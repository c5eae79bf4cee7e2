"""Days of budgets on clocks that are set forward, back, and wrong; what is forgotten, and when."""

import asyncio
import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import BudgetExceeded, ConfigError, StoreCorrupt
from loom.router._account import PREFIX, Account, Key, account_of, row_name, row_of
from loom.router._amounts import Amounts
from loom.router._calendar import Calendar
from loom.router.budget import Budgets, Payer, Spend, clocks
from loom.router.keep import ForgetfulKeep

DAY = 86_400_000
NOON = 19_676 * DAY + DAY // 2
ONE = {"day": {"per": "day", "calls": 1}}
ME = Payer("a", "t", "u")


def at(text: str, zone: str) -> int:
    return round(dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def fits(budgets: Budgets, now_ms: int, payer: Payer = ME) -> bool:
    """Whether one more call was let through, and was made."""
    try:
        reservation = asyncio.run(budgets.reserve(payer, Spend(0), now_ms))
    except BudgetExceeded:
        return False
    asyncio.run(reservation.commit(Spend(0)))
    return True


def test_a_day_begins_at_midnight_of_its_zone_not_of_utc() -> None:
    budgets = Budgets(ONE, offset=clocks("Asia/Tokyo"))
    assert fits(budgets, at("2026-05-01T23:59:59", "Asia/Tokyo"))
    assert not fits(budgets, at("2026-05-01T00:00:00", "Asia/Tokyo"))
    assert fits(budgets, at("2026-05-02T00:00:00", "Asia/Tokyo"))
    assert not fits(budgets, at("2026-05-02T23:59:59", "Asia/Tokyo"))


@pytest.mark.parametrize("order", [("day", "ever"), ("ever", "day")])
def test_a_refusal_says_when_there_is_more_unless_another_budget_is_spent_for_good(
    order: tuple[str, ...],
) -> None:
    ask = Spend(calls=1)
    tables = {**ONE, "ever": {"per": "total", "calls": 1}}
    for names, resets_ms in ((("day",), NOON + DAY // 2), (("ever",), None), (order, None)):
        budgets = Budgets({name: tables[name] for name in names})
        assert budgets.short(ME, ask, NOON) is None
        assert fits(budgets, NOON)
        short = budgets.short(ME, ask, NOON)
        assert short is not None
        assert short.resets_ms == resets_ms


@pytest.mark.parametrize(
    ("zone", "date", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23), ("Europe/Berlin", "2026-10-25", 25), ("Europe/Berlin", "2026-06-01", 24),
        ("Australia/Lord_Howe", "2026-04-05", 24.5), ("America/Santiago", "2026-09-06", 23), ("UTC", "2026-01-01", 24),
    ],
)  # fmt: skip
def test_a_day_on_which_clocks_are_set_is_one_day(zone: str, date: str, hours: float) -> None:
    calendar = Calendar(clocks(zone))
    next_day = dt.date.fromisoformat(date) + dt.timedelta(days=1)
    end = at(f"{next_day}T00:00:00", zone)
    begin = end - round(hours * 3_600_000)
    budgets = Budgets(ONE, offset=clocks(zone))
    assert fits(budgets, begin)
    assert [fits(budgets, begin + minutes * 60_000) for minutes in range(30, round(hours * 60), 30)].count(
        True
    ) == 0
    assert {calendar.ends_ms(begin), calendar.ends_ms(end - 1)} == {end}
    assert fits(budgets, end)


@given(
    st.integers(0, 2**33),
    st.integers(0, 40 * 3600),
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"]),
)
def test_a_day_ends_when_the_next_begins(second: int, later: int, zone: str) -> None:
    calendar = Calendar(clocks(zone))
    now, end = second * 1000, calendar.ends_ms(second * 1000)
    assert now < end <= now + 26 * 3_600_000
    assert calendar.day(end - 1) == calendar.day(now) < calendar.day(end)
    assert (calendar.day(now + later * 1000) > calendar.day(now)) == (now + later * 1000 >= end)


@pytest.mark.parametrize("zone", ["Europe/Berlni", "", "../etc/passwd", "Europe", 17, -16.5, True, None])
def test_a_zone_that_nobody_knows_is_refused(zone: object) -> None:
    with pytest.raises(ConfigError, match="time zone"):
        clocks(zone)  # type: ignore[arg-type]


def test_a_zone_may_be_hours_ahead_of_utc() -> None:
    assert (clocks(5.75)(0), clocks("UTC")(0), clocks(-3)(10**9), clocks("Asia/Kathmandu")(10**9)) == (
        20700,
        0,
        -10800,
        20700,
    )


def test_the_refusal_tells_the_local_time_of_the_reset() -> None:
    budgets = Budgets(ONE, offset=clocks("Europe/Berlin"))
    assert fits(budgets, at("2026-10-24T12:00", "Europe/Berlin"))
    with pytest.raises(BudgetExceeded, match=r"it resets at 2026-10-25 00:00\+02:00"):
        asyncio.run(budgets.reserve(ME, Spend(), at("2026-10-24T13:00", "Europe/Berlin")))


def test_who_reserves_before_midnight_pays_from_that_day() -> None:
    async def main() -> None:
        budgets = Budgets({"day": {"per": "day", "money": 1}})
        reservation = await budgets.reserve(ME, Spend(1), NOON)
        assert budgets.remaining(ME, NOON + DAY).money == 1
        await reservation.commit(Spend(0.5))
        assert budgets.remaining(ME, NOON + DAY).money == 1
        assert budgets.remaining(ME, NOON).money == 0.5

    asyncio.run(main())


@pytest.mark.parametrize("keep", [None, ForgetfulKeep()], ids=["memory", "kept"])
def test_a_clock_that_is_set_back_gives_no_budget_anew(keep: ForgetfulKeep | None) -> None:
    budgets = Budgets(ONE, keep)
    assert fits(budgets, NOON)
    assert fits(budgets, NOON + DAY)
    assert not fits(budgets, NOON)
    assert fits(budgets, NOON + 400 * DAY)  # wrong by a year
    for now in (NOON, NOON + DAY, NOON + 400 * DAY):
        assert not fits(budgets, now)
        assert keep is None or not fits(Budgets(ONE, keep), now)


def test_old_days_and_idle_threads_are_forgotten_and_totals_are_not() -> None:
    keep = ForgetfulKeep()
    table = {
        "day": {"per": "day", "calls": 100},
        "talk": {"per": "thread", "calls": 100},
        "user": {"per": "user", "calls": 100},
    }
    budgets = Budgets(table, keep)
    for day in range(30):
        assert fits(budgets, NOON + day * DAY, Payer("a", f"t{day}", "u"))
    assert len(keep.names(PREFIX)) == 8 + 8 + 1
    assert budgets.remaining(ME, NOON + 30 * DAY).calls == 70
    again = Budgets(table, keep)
    assert fits(again, NOON + 36 * DAY)
    assert len(keep.names(PREFIX)) == 2 + 2 + 1


def test_after_a_long_time_off_what_is_old_goes_a_day_later() -> None:
    keep = ForgetfulKeep()
    assert fits(Budgets(ONE, keep), NOON)
    budgets = Budgets(ONE, keep)
    assert fits(budgets, NOON + 100 * DAY)
    assert len(keep.names(PREFIX)) == 2
    assert fits(budgets, NOON + 101 * DAY)
    assert len(keep.names(PREFIX)) == 2


def test_an_idle_thread_is_not_forgotten_on_the_day_it_spent_its_budget() -> None:
    budgets = Budgets({"talk": {"per": "thread", "calls": 1}}, capacity=10)
    assert fits(budgets, NOON, Payer("a", "first"))
    others = [fits(budgets, NOON + n, Payer("a", f"t{n}")) for n in range(1000)]
    assert others.count(True) == 9
    assert not fits(budgets, NOON + 2000, Payer("a", "first"))
    with pytest.raises(BudgetExceeded, match="give the budgets a store") as told:
        asyncio.run(budgets.reserve(Payer("a", "more"), Spend(), NOON))
    assert told.value.kind == "accounts"
    assert fits(budgets, NOON + DAY, Payer("a", "tomorrow"))


def test_with_a_keep_any_number_of_threads_is_counted_in_bounded_memory() -> None:
    keep = ForgetfulKeep()
    budgets = Budgets({"talk": {"per": "thread", "calls": 1}}, keep, capacity=10)
    assert all(fits(budgets, NOON + n, Payer("a", f"t{n}")) for n in range(200))
    assert not any(fits(budgets, NOON + n, Payer("a", f"t{n}")) for n in range(200))
    assert int(str(budgets.statistics()["accounts"])) <= 10
    again = Budgets(budgets.limits, keep, capacity=10)
    assert not any(fits(again, NOON + n, Payer("a", f"t{n}")) for n in range(200))
    for day in range(1, 10):
        assert fits(again, NOON + day * DAY, Payer("a", f"of day {day}"))
    assert len(keep.names(PREFIX)) == 8


def test_what_a_dead_process_held_counts_as_spent_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    keep = ForgetfulKeep()
    table = {"day": {"per": ["agent", "day"], "money": 1}}
    asyncio.run(Budgets(table, keep).reserve(ME, Spend(0.4, 7), NOON))
    budgets = Budgets(table, keep)
    assert budgets.remaining(ME, NOON).money == 0.6
    assert budgets.unsettled() == [
        {"budget": "day", "whose": "agent 'a'", "money": 0.4, "tokens": 7, "calls": 1, "seconds": 0.0}
    ]
    assert budgets.statistics()["unsettled"] == 1
    assert "count as spent" in caplog.text
    asyncio.run(budgets.close())
    again = Budgets(table, keep)
    assert again.unsettled() == []
    assert again.remaining(ME, NOON).money == 0.6


@pytest.mark.parametrize(
    "row", [b"", b"{", b"[]", b"\xff", b'{"key": ["day"], "used": [1, 1, 1], "held": [0, 0, 0, 0], "at": 0}',
            b'{"key": ["day"], "used": [-1, 1, 1, 1], "held": [0, 0, 0, 0], "at": 0}',
            b'{"key": ["day"], "used": [0.5, 1, 1, 1], "held": [0, 0, 0, 0], "at": 0}',
            b'{"key": ["other"], "used": [1, 1, 1, 1], "held": [0, 0, 0, 0], "at": 0}', b'{"key": [1, 2, 3, 4, 5, 6]}'],
)  # fmt: skip
def test_a_damaged_row_is_not_taken_for_an_unspent_budget(row: bytes) -> None:
    keep = ForgetfulKeep()
    asyncio.run(keep.write(row_name(Key("day")), row))
    with pytest.raises(StoreCorrupt, match="cannot be read"):
        Budgets(ONE, keep)


names = st.none() | st.text()
amounts = st.tuples(*[st.integers(0, 10**30)] * 4)


@given(st.builds(Key, st.text(), names, names, names, st.none() | st.integers()), amounts, amounts)
def test_a_row_gives_the_account_back(key: Key, used: Amounts, held: Amounts) -> None:
    at = sum(used) % 2**50
    account = Account(key, used, held, at)
    again = account_of(row_name(key), row_of(account))
    assert (again.key, again.used, again.held, again.touched_ms) == (key, used, held, at)
