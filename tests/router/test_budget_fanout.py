"""Many requests at once: however they interleave, no budget is passed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from loom.errors import BudgetExceeded, LoomError
from loom.router.budget import Budgets, Payer, Reservation, Spend
from loom.router.keep import ForgetfulKeep
from loom.testing import virtual_time

NOW = 1_700_000_000_000
DAY = 86_400_000
Held = tuple[Reservation | None, str, str, int, int, int, int]


@virtual_time(seeds=3)
async def test_a_thousand_requests_at_once_overspend_nothing() -> None:
    await fan_out(None)


@virtual_time(seeds=3)
async def test_a_thousand_requests_at_once_overspend_nothing_that_is_kept() -> None:
    await fan_out(ForgetfulKeep())


async def fan_out(keep: ForgetfulKeep | None) -> None:
    """Costs are below, at and above an even share, some fail, some are cancelled, some cost less than reserved."""
    chance = random.Random(7)
    budgets = Budgets(
        {
            "day": {"per": ["agent", "day"], "money": 0.15},
            "talk": {"per": "thread", "calls": 30},
        },
        keep,
    )
    by_agent: Counter[str] = Counter()
    by_thread: Counter[str] = Counter()
    most: Counter[str] = Counter()
    refused = 0

    async def one(n: int) -> None:
        nonlocal refused
        agent, root = f"a{n % 3}", f"t{n % 7}"
        asked = chance.choice([0.0005, 0.001, 0.002, 0.003])
        try:
            reservation = await budgets.reserve(Payer(agent, f"{root}/child{n}"), Spend(asked), NOW)
        except BudgetExceeded:
            refused += 1
            return
        most[agent] += round(asked * 100_000)
        most[root] += 1
        assert most[agent] <= 15_000  # under way and spent together
        assert most[root] <= 30
        try:
            await asyncio.sleep(chance.random())
            if n % 11 == 0:
                raise ConnectionError
        except (ConnectionError, asyncio.CancelledError):
            most[agent] -= round(asked * 100_000)
            most[root] -= 1
            await reservation.release()
            return
        true = chance.choice([asked, asked / 2])
        most[agent] -= round((asked - true) * 100_000)
        by_agent[agent] += round(true * 100_000)
        by_thread[root] += 1
        await reservation.commit(Spend(true))

    tasks = [asyncio.ensure_future(one(n)) for n in range(1000)]
    asyncio.get_running_loop().call_later(0.5, lambda: [task.cancel() for task in tasks[::13]])
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each for each in results if not isinstance(each, asyncio.CancelledError | None)] == []
    assert refused > 0
    assert max(by_agent.values()) <= 15_000
    assert max(by_thread.values()) <= 30
    for agent, used in by_agent.items():
        lines = [each for each in budgets.report(NOW) if each["whose"] == f"agent {agent!r}"]
        assert [(round(each["used"] * 100_000), each["reserved"]) for each in lines] == [(used, 0)]
    if keep is not None:
        again = Budgets(budgets.limits, keep)
        assert sorted(map(str, again.report(NOW))) == sorted(map(str, budgets.report(NOW)))


class Interleavings(RuleBasedStateMachine):
    """Reservations, commits, releases and restarts in any order, against a plain account of what was truly spent."""

    LIMITS: ClassVar[dict[str, dict[str, Any]]] = {
        "total": {"money": 10},
        "day": {"per": ["agent", "day"], "money": 4, "tokens": 40},
        "talk": {"per": "thread", "calls": 6},
    }
    open: Bundle[Held] = Bundle("open")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.keep = ForgetfulKeep()
        self.budgets = Budgets(self.LIMITS, self.keep, retention=10_000)
        self.life = 0
        self.now = NOW
        self.spent: Counter[tuple[str, ...]] = Counter()  # as it truly was
        self.counted: Counter[tuple[str, ...]] = (
            Counter()
        )  # with what is reserved, and what a crash left behind

    def teardown(self) -> None:
        self.loop.close()

    def accounts(self, agent: str, root: str, day: int, money: int, tokens: int) -> Counter[tuple[str, ...]]:
        told: Counter[tuple[str, ...]] = Counter()
        told["total", "money"] = money
        told["day", agent, str(day), "money"] = money
        told["day", agent, str(day), "tokens"] = tokens
        told["talk", root, "calls"] = 1
        return told

    @rule(
        target=open, agent=st.sampled_from("ab"), thread=st.sampled_from(["t", "t/x", "u/y/z"]),
        money=st.integers(0, 5), tokens=st.integers(0, 50),
    )  # fmt: skip
    def reserve(self, agent: str, thread: str, money: int, tokens: int) -> Held:
        root, day = thread.partition("/")[0], self.now // DAY
        asked = self.accounts(agent, root, day, money, tokens)
        fits = all(not amount or self.counted[key] + amount <= self.cap(key) for key, amount in asked.items())
        try:
            reservation = self.loop.run_until_complete(
                self.budgets.reserve(Payer(agent, thread), Spend(money, tokens), self.now)
            )
        except BudgetExceeded:
            assert not fits
            return (None, agent, root, day, money, tokens, self.life)
        assert fits
        self.counted += asked
        return (reservation, agent, root, day, money, tokens, self.life)

    def cap(self, key: tuple[str, ...]) -> float:
        return float(self.LIMITS[key[0]][key[-1]])

    @rule(held=consumes(open), more=st.integers(-3, 3))
    def commit(self, held: Held, more: int) -> None:
        reservation, agent, root, day, money, tokens, life = held
        if reservation is None or life != self.life:
            return
        true = max(money + more, 0)
        self.loop.run_until_complete(reservation.commit(Spend(true, tokens)))
        self.spent += self.accounts(agent, root, day, true, tokens)
        self.counted -= self.accounts(agent, root, day, money, tokens)
        self.counted += self.accounts(agent, root, day, true, tokens)

    @rule(held=consumes(open))
    def release(self, held: Held) -> None:
        reservation, agent, root, day, money, tokens, life = held
        if reservation is None or life != self.life:
            return
        self.loop.run_until_complete(reservation.release())
        self.counted -= self.accounts(agent, root, day, money, tokens)

    @rule()
    def restart(self) -> None:
        """As after a kill: nothing is told to the old one, and what it held counts as spent."""
        self.budgets = Budgets(self.LIMITS, self.keep, retention=10_000)
        self.life += 1

    @rule()
    def a_day_passes(self) -> None:
        self.now += DAY

    @invariant()
    def what_is_left_is_what_was_neither_spent_nor_reserved(self) -> None:
        for agent in "ab":
            for thread in ("t", "u/y"):
                left = self.budgets.remaining(Payer(agent, thread), self.now)
                day = str(self.now // DAY)
                money = min(10 - self.counted["total", "money"], 4 - self.counted["day", agent, day, "money"])
                assert left.money == max(money, 0)
                assert left.tokens == max(40 - self.counted["day", agent, day, "tokens"], 0)
                assert left.calls == max(6 - self.counted["talk", thread.partition("/")[0], "calls"], 0)

    @invariant()
    def nothing_that_was_spent_is_forgotten(self) -> None:
        assert all(self.counted[key] >= amount for key, amount in self.spent.items())


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


class Slow(ForgetfulKeep):
    """A Keep that takes a second for each write, or fails."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.begun = 0

    async def write(self, name: str, value: bytes | None) -> None:
        self.begun += 1
        await asyncio.sleep(1)
        if self.broken:
            raise LoomError("no space left")
        await super().write(name, value)


@virtual_time
async def test_what_is_reserved_is_kept_before_anybody_is_asked_and_in_few_writes() -> None:
    keep = Slow()
    budgets = Budgets({"all": {"money": 1000}, "day": {"per": ["agent", "day"], "money": 1000}}, keep)
    first = asyncio.ensure_future(budgets.reserve(Payer("a"), Spend(1), NOW))
    await asyncio.sleep(0.5)
    assert not first.done()  # its write is under way
    others = [asyncio.ensure_future(budgets.reserve(Payer("a"), Spend(1), NOW)) for _ in range(200)]
    await first
    assert Budgets(budgets.limits, keep).remaining(Payer("a"), NOW).money == 999
    await asyncio.sleep(0)
    assert not any(each.done() for each in others)
    await asyncio.gather(*others)
    assert Budgets(budgets.limits, keep).remaining(Payer("a"), NOW).money == 799
    assert keep.begun == 2 + 1 + 2  # two accounts, the day once, then two accounts for all the others


@virtual_time
async def test_a_reservation_that_cannot_be_kept_is_none() -> None:
    keep = Slow()
    budgets = Budgets({"all": {"money": 10}}, keep)
    await budgets.reserve(Payer("a"), Spend(1), NOW)
    keep.broken = True
    results = await asyncio.gather(
        *(budgets.reserve(Payer("a"), Spend(1), NOW) for _ in range(3)), return_exceptions=True
    )
    assert [str(each) for each in results] == ["no space left"] * 3
    assert budgets.remaining(Payer("a"), NOW).money == 9
    keep.broken = False
    await budgets.reserve(Payer("a"), Spend(2), NOW)
    assert Budgets(budgets.limits, keep).remaining(Payer("a"), NOW).money == 7
    assert budgets.statistics()["failures"] == 1


@virtual_time
async def test_who_is_cancelled_while_it_is_kept_holds_nothing() -> None:
    keep = Slow()
    budgets = Budgets({"all": {"money": 10}}, keep)
    task = asyncio.ensure_future(budgets.reserve(Payer("a"), Spend(4), NOW))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert budgets.remaining(Payer("a"), NOW).money == 10
    await budgets.close()
    assert Budgets(budgets.limits, keep).remaining(Payer("a"), NOW).money == 10


@virtual_time
async def test_a_cost_that_cannot_be_kept_is_not_forgotten_and_the_answer_is_not_lost() -> None:
    keep = Slow()
    budgets = Budgets({"all": {"money": 10}}, keep)
    reservation = await budgets.reserve(Payer("a"), Spend(1), NOW)
    keep.broken = True
    await reservation.commit(Spend(3))
    assert budgets.remaining(Payer("a"), NOW).money == 7
    keep.broken = False
    await budgets.close()
    assert Budgets(budgets.limits, keep).remaining(Payer("a"), NOW).money == 7


@virtual_time
async def test_a_free_request_writes_nothing() -> None:
    keep = Slow()
    budgets = Budgets({"all": {"money": 10}, "home": {"agents": "home.*", "calls": 1}}, keep)
    await (await budgets.reserve(Payer("desk"), Spend(0, 100, 1, 9.0), NOW)).commit(Spend(0, 90, 1, 5.0))
    await (await budgets.reserve(Payer("desk"), Spend(0), NOW)).release()
    assert (keep.begun, keep.names()) == (0, [])
