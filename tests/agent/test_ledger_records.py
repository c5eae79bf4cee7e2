"""Records over a crash: a step that runs again gets what it got before, and may not ask for something else."""

import asyncio
from typing import Any

from loom import Agent, Context, Event, Loom, Retry, action, on
from loom.errors import ActionFailed
from loom.event import Confidentiality, Label
from loom.store import Family
from loom.testing import Probe
from tests.agent.ledgers import Lives, lives
from tests.agent.shops import Shop, SlowShop, crash, idle, paid, pay

__all__ = ["lives"]


def test_asking_for_something_else_after_a_crash_is_a_divergence(lives: Lives) -> None:
    lives.live(pay(lives), SlowShop, story=crash(lives))

    async def listen(loom: Loom) -> list[str]:
        await loom.idle()
        return [letter.error for letter in loom.dead_letters]

    class Changed(Agent, name="Shop"):
        receipts: list[int] = []

        @on("order")
        async def order(self, event: Event, ctx: Context) -> None:
            await ctx.call("pay", amount=event.payload + 1)

    (error,) = lives.live(pay(lives), Changed, story=listen)
    assert error.startswith("Diverged")
    assert paid(lives) == [1]
    assert lives.rows(Family.RECORDS) == {}, "they go with the dead letter"


def test_results_of_all_kinds_come_back_and_those_without_a_form_are_asked_for_again(lives: Lives) -> None:
    asked: list[Any] = []

    class Oracle(Agent):
        @on("question")
        async def question(self, event: Event) -> Any:
            asked.append(event.payload)
            return {"to": event.payload, "when": 1.5}

        @on("shape")
        async def shape(self, event: Event) -> Any:
            asked.append(event.payload)
            return {object()}

    class Asker(Agent):
        heard: list[str] = []

        @on("begin")
        async def begin(self, event: Event, ctx: Context) -> None:
            one = await ctx.request("question", "a")
            two = await ctx.gather("question", "b")
            three = await ctx.request("shape", "c")
            four = await ctx.run(_double, 21, where="thread")
            try:
                await ctx.request("nobody", 1)
            except Exception as error:
                five = f"{type(error).__name__}: {error}"
            self.heard = [str(one.payload), str(two[0].payload), str(type(three.payload)), str(four), five]
            await asyncio.sleep(self._pause)

        _pause = 0.0

    class Slow(Asker, name="Asker"):
        _pause = 1000.0

    async def first(loom: Loom) -> None:
        await loom.publish("begin", 1, label=Label(Confidentiality.SENSITIVE))
        await asyncio.sleep(5)
        lives.die()

    async def second(loom: Loom) -> Any:
        await loom.idle()
        return loom.agent("Asker").instance.heard

    lives.live(Slow, Oracle, story=first)
    assert asked == ["a", "b", "c"]
    assert len(lives.rows(Family.RECORDS)) == 4
    kept = list(lives.rows(Family.RECORDS).values())
    assert [row for row in kept if b'"l":[1,0]' not in row] == []
    heard = lives.live(Asker, Oracle, story=second)
    assert asked == ["a", "b", "c", "c"]
    assert heard[0] == "{'to': 'a', 'when': 1.5}"
    assert heard[3:] == ["42", "NoResponders: no agent listens to 'nobody'"]


def _double(n: int) -> int:
    return 2 * n


def test_a_failure_that_made_the_step_fail_is_asked_for_again(lives: Lives) -> None:
    outcomes = iter([True, False, False])

    @action("try", attempts=1)
    async def attempt(n: int) -> int:
        lives.do("tried", n)
        if next(outcomes):
            raise ActionFailed("not yet")
        return n

    class Trier(Agent, retry=Retry(attempts=3, base=0.01)):
        got: int = 0

        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            self.got = await ctx.call("try", n=5)

    async def story(loom: Loom) -> Any:
        await loom.publish("go")
        await loom.idle()
        return loom.agent("Trier").instance.got

    assert lives.live(attempt, Trier, story=story) == 5
    assert lives.done == [("tried", 5)] * 2
    (row,) = lives.rows().values()
    assert (row["status"], row["runs"]) == ("done", 2)
    assert len(lives.rows(Family.ENDED)) == 1
    assert lives.rows(Family.RECORDS) == {}


def test_calls_that_overlap_may_change_places_over_a_crash(lives: Lives) -> None:
    class Both(Agent):
        got: list[int] = []

        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            async def one(n: int) -> int:
                receipt: int = (await ctx.call("pay", amount=n))["receipt"]
                return receipt

            order = (1, 2) if lives.number == 1 else (2, 1)
            self.got = sorted(await asyncio.gather(*(one(n) for n in order)))

    @action("pay", timeout=5000, idempotent=True)
    async def slow(amount: int, idempotency_key: str) -> dict[str, Any]:
        lives.do("begun", amount, idempotency_key)
        await asyncio.sleep(1000 if lives.number == 1 and amount == 2 else 0)
        lives.do("paid", amount, idempotency_key)
        return {"receipt": amount}

    async def first(loom: Loom) -> None:
        await loom.publish("go")
        await asyncio.sleep(5)
        lives.die()

    async def second(loom: Loom) -> Any:
        await loom.idle()
        return loom.agent("Both").instance.got

    lives.live(slow, Both, story=first)
    assert lives.live(slow, Both, story=second) == [1, 2]
    assert sorted(paid(lives)) == [1, 2]
    assert len({what[2] for what in lives.done if what[1] == 2}) == 1


def test_records_go_with_a_step_that_is_cancelled(lives: Lives) -> None:
    async def story(loom: Loom) -> None:
        await loom.publish("order", 1, scope="turn")
        await asyncio.sleep(1)
        loom.cancel("turn")
        await loom.idle()

    lives.live(pay(lives), SlowShop, story=story)
    assert paid(lives) == [1]
    assert lives.rows(Family.RECORDS) == {}
    assert lives.live(pay(lives), Shop, story=idle) == []


def test_records_of_a_step_that_could_not_be_committed_are_used_when_it_runs_again(lives: Lives) -> None:
    asked: list[int] = []

    class Oracle(Agent):
        @on("question", durable=False)
        async def question(self, event: Event) -> object:
            asked.append(event.payload)
            return object()  # has no form that lasts: kept in memory only

    class Asker(Agent):
        @on("begin")
        async def begin(self, event: Event, ctx: Context) -> None:
            await ctx.request("question", event.payload)
            assert lives.faulty is not None
            if not lives.done:
                lives.do("step that fails")
                lives.faulty.at = lives.faulty.writes + 1  # the next write fails

    async def story(loom: Loom) -> None:
        await loom.publish("begin", 1)
        await loom.idle()
        await asyncio.sleep(10)
        await loom.idle()
        assert loom._durable is not None
        assert loom._durable.failures == 1

    lives.live(Oracle, Asker, story=story)
    assert asked == [1]


class Other(Agent, name="Shop", retry=Retry(attempts=2, base=0.01)):
    """Asks for something else than Shop does."""

    receipts: list[int] = []

    @on("order")
    async def order(self, event: Event, ctx: Context) -> None:
        await ctx.call("pay", amount=event.payload + 1)


def test_asking_for_something_else_than_what_was_begun_is_a_divergence_too(lives: Lives) -> None:
    async def listen(loom: Loom) -> Any:
        await loom.idle()
        await asyncio.sleep(5)
        return [letter.error for letter in loom.dead_letters]

    lives.live(pay(lives, seconds=1000), Shop, story=crash(lives))
    (error,) = lives.live(pay(lives), Other, story=listen)
    assert error.startswith("Diverged")
    assert [what[:2] for what in lives.done] == [("begun", 1)], "the other one was not begun"
    assert lives.statuses() == ["unknown"]
    assert lives.rows(Family.OPEN) == {}


def test_a_call_that_its_step_does_not_ask_for_again_is_unknown(lives: Lives) -> None:
    class Silent(Agent, name="Shop"):
        receipts: list[int] = []

        @on("order")
        async def order(self, event: Event) -> None:
            self.receipts.append(event.payload)

    async def listen(loom: Loom) -> Any:
        told = Probe(loom.bus, "loom.action.unknown")
        receipts = await idle(loom)
        return told.payloads, receipts

    lives.live(pay(lives, seconds=1000), Shop, story=crash(lives))
    told, receipts = lives.live(pay(lives), Silent, story=listen)
    assert receipts == [1]
    assert [t["why"] for t in told] == [
        "the runtime ended while it ran, and its step did not ask for it again"
    ]
    assert lives.statuses() == ["unknown"]
    assert lives.rows(Family.OPEN) == {}


def test_calls_that_overlap_are_asked_about_in_whatever_order_they_come_again(lives: Lives) -> None:
    class Both(Agent, name="Shop"):
        receipts: list[int] = []

        @on("order")
        async def order(self, event: Event, ctx: Context) -> None:
            amounts = (1, 2) if lives.number == 1 else (2, 1)
            found = await asyncio.gather(*(ctx.call("pay", amount=n) for n in amounts))
            self.receipts = sorted(each["receipt"] for each in found)

    async def allow(loom: Loom) -> Any:
        asked = Probe(loom.bus, "loom.approval.requested")
        await asked.wait(2)
        for question in asked.payloads:
            loom.approve(question["id"])
        return await idle(loom)

    lives.live(pay(lives, seconds=1000), Both, story=crash(lives))
    assert lives.statuses() == ["running", "running"]
    assert lives.live(pay(lives), Both, story=allow) == [1, 2]
    assert lives.statuses() == ["done", "done"]
