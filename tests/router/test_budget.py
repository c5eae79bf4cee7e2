"""Budgets: what is reserved, counted, given back and refused, and what the refusal says."""

import asyncio
import math

import pytest

from loom.errors import BudgetExceeded
from loom.models.price import FREE, Price, Usage
from loom.router.budget import UNLIMITED, Budgets, Limit, Payer, Remaining, Spend

NOON = 1_700_000_000_000 // 86_400_000 * 86_400_000 + 43_200_000
HOME, DESK = Payer("home.light", "t"), Payer("desk", "u")


async def spent(budgets: Budgets, payer: Payer, spend: Spend, now_ms: int = NOON) -> None:
    """Reserve it and commit as much."""
    await (await budgets.reserve(payer, spend, now_ms)).commit(spend)


async def refused(budgets: Budgets, payer: Payer, spend: Spend, now_ms: int = NOON) -> BudgetExceeded:
    """What the budget says to it."""
    with pytest.raises(BudgetExceeded) as told:
        await budgets.reserve(payer, spend, now_ms)
    return told.value


def test_without_limits_nothing_is_refused_and_nothing_is_counted() -> None:
    budgets = Budgets()
    asyncio.run(spent(budgets, HOME, Spend(1e9, 10**9, 1, 1e9)))
    assert budgets.remaining(HOME, NOON) == UNLIMITED == Remaining(None, None, None, None, "")
    assert budgets.report(NOON) == []


def test_what_is_reserved_is_gone_until_it_is_committed_or_released() -> None:
    async def main() -> None:
        budgets = Budgets({"all": {"money": 1.0, "tokens": 100, "calls": 3, "seconds": 10}})
        first = await budgets.reserve(HOME, Spend(0.6, 10, 1, 2.5), NOON)
        assert budgets.remaining(HOME, NOON) == Remaining(0.4, 90, 2, 7.5, "all")
        assert (await refused(budgets, DESK, Spend(0.5))).kind == "money"
        second = await budgets.reserve(DESK, Spend(0.4), NOON)
        await first.commit(Spend(0.1, 5, 1, 1))
        await second.release()
        assert budgets.remaining(HOME, NOON) == Remaining(0.9, 95, 2, 9, "all")
        assert not first.open
        assert not second.open

    asyncio.run(main())


@pytest.mark.parametrize(
    ("kind", "spend"),
    [
        ("money", Spend(1.01)),
        ("tokens", Spend(0, 101)),
        ("calls", Spend(0, 0, 4)),
        ("seconds", Spend(0, 0, 1, 10.1)),
    ],
)
def test_each_kind_is_refused_by_its_name(kind: str, spend: Spend) -> None:
    budgets = Budgets({"all": {"money": 1.0, "tokens": 100, "calls": 3, "seconds": 10}})
    error = asyncio.run(refused(budgets, HOME, spend))
    assert (error.budget, error.kind, error.resets_ms) == ("all", kind, None)
    assert f"raise router.budgets.all.{kind}" in str(error)


def test_a_cost_above_what_was_reserved_is_counted_and_the_next_sees_it() -> None:
    async def main() -> None:
        budgets = Budgets({"all": {"money": 1.0}})
        reservation = await budgets.reserve(HOME, Spend(0.1), NOON)
        await reservation.commit(Spend(3.0))
        assert budgets.remaining(HOME, NOON).money == 0
        assert budgets.report(NOON)[0]["used"] == 3.0
        assert budgets.statistics()["overrun"] == 1
        assert "0 of 1 money left" in str(await refused(budgets, HOME, Spend(0.001)))

    asyncio.run(main())


def test_a_cost_where_none_was_expected_is_counted_too() -> None:
    async def main() -> None:
        budgets = Budgets({"all": {"money": 1.0}, "home": {"agents": "home.*", "tokens": 50}})
        reservation = await budgets.reserve(HOME, Spend(0.0), NOON)
        await reservation.commit(Spend(0.5, 20))
        assert budgets.remaining(HOME, NOON) == Remaining(0.5, 30, None, None, "all")

    asyncio.run(main())


def test_a_commit_told_twice_counts_once_and_what_is_more_counts() -> None:
    async def main() -> None:
        budgets = Budgets({"all": {"money": 10, "tokens": 100}})
        reservation = await budgets.reserve(HOME, Spend(1, 10), NOON)
        await reservation.commit(Spend(1, 10))
        await reservation.commit(Spend(1, 10))
        await reservation.release()
        assert budgets.remaining(HOME, NOON)[:2] == (9, 90)
        await reservation.commit(Spend(1.5, 4))
        assert budgets.remaining(HOME, NOON)[:2] == (8.5, 90)

    asyncio.run(main())


def test_what_is_released_twice_is_given_back_once_and_may_still_be_told_to_have_cost() -> None:
    async def main() -> None:
        budgets = Budgets({"all": {"money": 10}})
        other = await budgets.reserve(HOME, Spend(4), NOON)
        reservation = await budgets.reserve(HOME, Spend(4), NOON)
        await reservation.release()
        await reservation.release()
        assert budgets.remaining(HOME, NOON).money == 6
        await reservation.commit(Spend(1))  # a loser that was billed after all
        assert budgets.remaining(HOME, NOON).money == 5
        await other.release()
        assert budgets.remaining(HOME, NOON).money == 9

    asyncio.run(main())


@pytest.mark.parametrize("money", [math.nan, -5.0, None], ids=["nan", "negative", "unknown"])
def test_a_backend_that_claims_nonsense_pays_what_was_reserved(money: float | None) -> None:
    async def main() -> None:
        budgets = Budgets({"all": {"money": 10, "tokens": 100}})
        await (await budgets.reserve(HOME, Spend(2, 20), NOON)).commit(Spend(money, -1000))
        assert budgets.remaining(HOME, NOON)[:2] == (8, 80)

    asyncio.run(main())


def test_what_nobody_knows_counts_as_reserved() -> None:
    async def main() -> None:
        budgets = Budgets({"all": {"money": 10, "tokens": 100}})
        await (await budgets.reserve(HOME, Spend(2, 20), NOON)).commit(Spend(1, None))
        assert budgets.remaining(HOME, NOON)[:2] == (9, 80)
        with pytest.raises(ValueError, match="must be a number"):
            await budgets.reserve(HOME, Spend(1, None), NOON)

    asyncio.run(main())


def test_an_endless_cost_is_counted_as_more_than_any_limit() -> None:
    async def main() -> None:
        budgets = Budgets({"all": {"money": 10}})
        await (await budgets.reserve(HOME, Spend(2), NOON)).commit(Spend(math.inf, math.inf))
        assert budgets.remaining(HOME, NOON).money == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    "spend", [Spend(-1), Spend(math.nan), Spend(math.inf), Spend(0, -1), Spend(0, 0, 1, -0.1)]
)
def test_no_amount_is_no_reservation(spend: Spend) -> None:
    budgets = Budgets({"all": {"money": 10}})
    with pytest.raises(ValueError, match="must be a number from 0"):
        asyncio.run(budgets.reserve(HOME, spend, NOON))
    assert budgets.remaining(HOME, NOON).money == 10


def test_a_backend_without_a_price_may_not_be_asked_where_money_is_limited() -> None:
    async def main() -> None:
        budgets = Budgets({"home": {"agents": "home.*", "money": 1}, "all": {"calls": 5}})
        error = await refused(budgets, HOME, Spend.at(None, Usage(10, 10)))
        assert (error.budget, error.kind) == ("home", "money")
        assert "give the backend a price" in str(error)
        await budgets.reserve(DESK, Spend.at(None, Usage(10, 10)), NOON)
        await budgets.reserve(HOME, Spend.at(FREE, Usage(10, 10)), NOON)
        assert budgets.remaining(HOME, NOON) == Remaining(1, None, 3, None, "all")

    asyncio.run(main())


def test_who_takes_no_money_goes_on_when_the_money_is_spent() -> None:
    async def main() -> None:
        budgets = Budgets({"all": {"money": 1}})
        await spent(budgets, HOME, Spend(1))
        await spent(budgets, HOME, Spend.at(FREE, Usage(1000, 1000), 5.0))
        await refused(budgets, HOME, Spend(1e-9))

    asyncio.run(main())


def test_the_price_of_whom_bills_is_what_is_checked() -> None:
    price, usage = Price(million_in=1, million_out=4, call=0.01), Usage(1000, 500)
    assert Spend.at(price, usage, 2.0) == Spend(price.cost(usage), 1500, 1, 2.0)
    assert price.cost(usage) == pytest.approx(0.013)


def test_the_sum_of_many_small_amounts_is_exact() -> None:
    async def main() -> None:
        budgets = Budgets({"all": {"money": 1.0, "seconds": 1.0}})
        for _ in range(1000):
            await spent(budgets, HOME, Spend(0.001, 0, 1, 0.001))
        assert budgets.remaining(HOME, NOON)[:4:3] == (0, 0)
        await refused(budgets, HOME, Spend(1e-12))

    asyncio.run(main())


def test_an_amount_too_small_to_count_counts_as_the_smallest() -> None:
    async def main() -> None:
        budgets = Budgets({"all": {"money": 2e-12}})
        await spent(budgets, HOME, Spend(1e-15))
        await spent(budgets, HOME, Spend(1e-15))
        await refused(budgets, HOME, Spend(1e-15))

    asyncio.run(main())


# --- for whom ---------------------------------------------------------------------------------------------------------


def test_children_pay_from_the_budget_of_their_thread() -> None:
    async def main() -> None:
        budgets = Budgets({"talk": {"per": "thread", "calls": 3}})
        for thread in ("t/child", "t/child/grandchild", "t/other"):
            await spent(budgets, Payer("a", thread), Spend())
        for thread in ("t", "t/child", "t/new", "/t/x"):
            error = await refused(budgets, Payer("b", thread), Spend())
            assert "thread 't'" in str(error)
        await spent(budgets, Payer("a", "tt"), Spend())

    asyncio.run(main())


def test_what_the_parent_spends_its_children_no_longer_have() -> None:
    async def main() -> None:
        budgets = Budgets({"talk": {"per": "thread", "money": 1.0}})
        await spent(budgets, Payer("a", "t"), Spend(0.75))
        assert budgets.remaining(Payer("a", "t/child"), NOON).money == 0.25

    asyncio.run(main())


def test_a_request_of_no_thread_is_a_thread_of_its_own() -> None:
    async def main() -> None:
        budgets = Budgets({"talk": {"per": "thread", "money": 1.0}})
        for _ in range(3):
            await spent(budgets, Payer("a"), Spend(0.9))
        await refused(budgets, Payer("a"), Spend(1.1))

    asyncio.run(main())


def test_agents_have_each_their_own_or_share_one_by_pattern() -> None:
    async def main() -> None:
        budgets = Budgets(
            {"each": {"per": "agent", "calls": 2}, "home": {"agents": ["home.*", "hall"], "calls": 3}}
        )
        await spent(budgets, Payer("home.a"), Spend())
        await spent(budgets, Payer("home.a"), Spend())
        assert (await refused(budgets, Payer("home.a"), Spend())).budget == "each"
        await spent(budgets, Payer("hall"), Spend())
        assert (await refused(budgets, Payer("home.b"), Spend())).budget == "home"
        await spent(budgets, Payer("desk"), Spend())

    asyncio.run(main())


def test_users_are_told_apart_and_nobody_is_one_of_them() -> None:
    async def main() -> None:
        budgets = Budgets({"user": {"per": ["user", "day"], "calls": 1}})
        for user in ("ada", "grace", ""):
            await spent(budgets, Payer("a", "t", user), Spend())
            await refused(budgets, Payer("a", "t", user), Spend())

    asyncio.run(main())


def test_names_of_any_length_and_kind_are_told_apart_in_little_space() -> None:
    async def main() -> None:
        budgets = Budgets({"talk": {"per": ["agent", "thread", "user"], "calls": 1}})
        names = ["x" * 100_000, "x" * 100_000 + "y", "\0", "\ud800", "ä" * 300, ""]
        for name in names:
            await spent(budgets, Payer(name, name or "t", name), Spend())
            await refused(budgets, Payer(name, name or "t", name), Spend())
        assert max(len(str(line["whose"])) for line in budgets.report(NOON)) < 1000

    asyncio.run(main())


def test_a_refusal_holds_nothing_in_the_budgets_that_would_have_had_room() -> None:
    async def main() -> None:
        budgets = Budgets({"wide": {"money": 10}, "narrow": {"per": "agent", "money": 1}})
        await refused(budgets, HOME, Spend(2))
        assert [each["reserved"] for each in budgets.report(NOON)] == [0, 0]

    asyncio.run(main())


# --- what is told -----------------------------------------------------------------------------------------------------


def test_a_refusal_says_what_is_left_asked_and_reserved_and_when_it_resets() -> None:
    async def main() -> None:
        budgets = Budgets({"day": {"per": ["agent", "day"], "money": 1.0}})
        await spent(budgets, HOME, Spend(0.25))
        await budgets.reserve(HOME, Spend(0.5), NOON)
        error = await refused(budgets, HOME, Spend(0.3))
        assert str(error) == (
            "budget 'day' of agent 'home.light': 0.25 of 1 money left (0.5 of it reserved by requests under way), "
            "0.3 asked; it resets at 2023-11-15 00:00+00:00"
        )
        assert error.resets_ms == NOON + 43_200_000

    asyncio.run(main())


def test_the_report_has_a_line_for_each_account_and_kind_of_today() -> None:
    async def main() -> None:
        budgets = Budgets({"day": {"per": ["agent", "day"], "money": 1.0, "calls": 5}, "all": {"tokens": 10}})
        await spent(budgets, HOME, Spend(0.5), NOON - 86_400_000)
        await spent(budgets, HOME, Spend(0.25))
        await budgets.reserve(HOME, Spend(0.5), NOON)
        lines = [
            (each["budget"], each["whose"], each["kind"], each["used"], each["reserved"], each["left"])
            for each in budgets.report(NOON)
        ]
        assert lines == [
            ("day", "agent 'home.light'", "money", 0.25, 0.5, 0.25),
            ("day", "agent 'home.light'", "calls", 1, 1, 3),
            ("all", "", "tokens", 0, 0, 10),
        ]
        assert budgets.report(NOON)[0]["resets_ms"] == NOON + 43_200_000
        assert budgets.statistics()["reserved"] == 3

    asyncio.run(main())


def test_limits_may_be_given_as_objects() -> None:
    budgets = Budgets([Limit("all", calls=1)])
    asyncio.run(spent(budgets, HOME, Spend()))
    assert budgets.remaining(HOME, NOON).calls == 0
