"""At-once calls over a crash: a step that runs again gets what it got before, and nothing is done twice unasked."""

import asyncio
import base64
from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, Retry, action, on
from loom.agent._records import fingerprint
from loom.errors import ActionFailed
from loom.event import Confidentiality, Label
from loom.store import Family
from loom.testing import Probe
from tests.agent.ledgers import Lives, lives

__all__ = ["lives"]


def pay(world: Lives, seconds: float = 0.0, **options: Any) -> Any:
    @action("pay", **{"timeout": 5000, **options})
    async def pay(amount: int, idempotency_key: str) -> dict[str, Any]:
        world.do("begun", amount, idempotency_key)
        await asyncio.sleep(seconds)
        world.do("paid", amount, idempotency_key)
        return {"receipt": amount, "lines": (1, 2)}

    return pay


def paid(world: Lives) -> list[int]:
    return [what[1] for what in world.done if what[0] == "paid"]


class Shop(Agent, retry=Retry(attempts=2, base=0.01)):
    receipts: list[int] = []

    @on("order")
    async def order(self, event: Event, ctx: Context) -> None:
        receipt = await ctx.call("pay", amount=event.payload)
        assert receipt["lines"] == (1, 2)
        self.receipts.append(receipt["receipt"])
        await self._wait(event.payload)

    async def _wait(self, amount: int) -> None:
        if amount in self._slow:
            await asyncio.sleep(1000)

    _slow: tuple[int, ...] = ()


class SlowShop(Shop, name="Shop"):
    _slow = (1,)


async def order(loom: Loom, *amounts: int) -> list[int]:
    for amount in amounts or (1,):
        await loom.publish("order", amount)
    await loom.idle()
    receipts: list[int] = loom.agent("Shop").instance.receipts
    return receipts


async def idle(loom: Loom) -> list[int]:
    await loom.idle()
    receipts: list[int] = loom.agent("Shop").instance.receipts
    return receipts


def crash(lives: Lives, *amounts: int, seconds: float = 10.0) -> Any:
    async def story(loom: Loom) -> None:
        for amount in amounts or (1,):
            await loom.publish("order", amount)
        await asyncio.sleep(seconds)
        lives.die()

    return story


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_result_is_reused_by_the_step_that_runs_again_after_a_crash(lives: Lives, idempotent: bool) -> None:
    lives.live(pay(lives, idempotent=idempotent), SlowShop, story=crash(lives))
    assert paid(lives) == [1]
    assert len(lives.rows(Family.RECORDS)) == 1
    assert lives.live(pay(lives, idempotent=idempotent), Shop, story=idle) == [1]
    assert paid(lives) == [1]
    assert lives.rows(Family.RECORDS) == {}
    (row,) = lives.rows().values()
    assert (row["kind"], row["status"], row["runs"]) == ("call", "done", 1)


def test_a_call_that_nobody_knows_the_outcome_of_is_made_again_with_its_key_when_it_may_be(
    lives: Lives,
) -> None:
    lives.live(pay(lives, seconds=1000, idempotent=True), Shop, story=crash(lives))
    assert lives.live(pay(lives, idempotent=True), Shop, story=idle) == [1]
    (_, _, first), (_, _, second), *_ = lives.done
    assert first == second


@pytest.mark.parametrize("allow", [True, False])
def test_a_call_that_may_not_be_repeated_asks(lives: Lives, allow: bool) -> None:
    lives.live(pay(lives, seconds=1000), Shop, story=crash(lives))
    ((key, row),) = lives.rows().items()
    assert row["status"] == "running"
    assert list(lives.rows(Family.OPEN)) == [key]

    async def answer(loom: Loom) -> Any:
        asked = Probe(loom.bus, "loom.approval.requested")
        await asyncio.sleep(1)
        (question,) = asked.payloads
        assert (question["why"], question["key"]) == ("outcome unknown: run again?", key)
        loom.approve(question["id"], allow, "eve")
        await asyncio.sleep(10)
        await loom.idle()
        return [letter.error for letter in loom.dead_letters], await idle(loom)

    letters, receipts = lives.live(pay(lives), Shop, story=answer)
    (row,) = lives.rows().values()
    assert lives.rows(Family.OPEN) == {}
    assert [(a["by"], a["allow"]) for a in row["answers"]] == [("eve", allow)]
    if allow:
        assert (letters, receipts, row["status"], row["runs"]) == ([], [1], "done", 2)
        assert [what[2] for what in lives.done] == [key] * 3
    else:
        assert (receipts, row["status"]) == ([], "unknown")
        assert len(letters) == 1
        assert "outcome unknown" in letters[0]
        assert paid(lives) == []


def test_a_call_that_may_run_at_most_once_fails_when_nobody_knows(lives: Lives) -> None:
    lives.live(pay(lives, seconds=1000, at_most_once=True), Shop, story=crash(lives))

    async def listen(loom: Loom) -> Any:
        told = Probe(loom.bus, "loom.action.unknown")
        await asyncio.sleep(10)
        await loom.idle()
        return told.payloads, [letter.error for letter in loom.dead_letters]

    told, (error,) = lives.live(pay(lives, at_most_once=True), Shop, story=listen)
    assert len(told) == 1
    assert error.startswith(f"{ActionFailed.__name__}: outcome unknown")
    assert [what[0] for what in lives.done] == ["begun"]
    (row,) = lives.rows().values()
    assert row["status"] == "unknown"


def test_a_call_that_may_not_be_repeated_waits_for_the_earlier_commits_of_its_agent(lives: Lives) -> None:
    class Two(Agent):
        @on("first")
        async def first(self, event: Event, ctx: Context) -> None:
            ctx.publish("noted", 1)

        @on("second")
        async def second(self, event: Event, ctx: Context) -> None:
            await ctx.call("pay", amount=2)

    async def story(loom: Loom) -> None:
        await asyncio.gather(loom.publish("first"), loom.publish("second"))
        while lives.done == [] and lives.alive:
            ahead = loom.agent("Two").ahead
            if ahead:
                assert paid(lives) == []
            await asyncio.sleep(0)
        assert not loom.agent("Two").ahead
        await loom.idle()

    lives.live(pay(lives), Two, story=story)
    assert paid(lives) == [2]
    # What was called is on disk before it is called: no process that dies anywhere leaves it done and unheard of.
    writes = lives.faulty.writes if lives.faulty else 0
    for at in range(1, writes + 1):
        lives.folder = lives.folder.parent / f"at{at}"
        lives.done.clear()
        lives.live(pay(lives), Two, story=story, at=at, dies="before")
        if any(what[0] == "begun" for what in lives.done):
            (row,) = lives.rows().values()
            assert row["status"] in ("running", "done"), at


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


def test_what_may_run_at_most_once_and_ran_out_of_time_is_unknown_and_not_tried_again(lives: Lives) -> None:
    async def story(loom: Loom) -> list[str]:
        await loom.publish("order", 1)
        await loom.idle()
        return [letter.error for letter in loom.dead_letters]

    (error,) = lives.live(pay(lives, seconds=1000, timeout=5, at_most_once=True), Shop, story=story)
    assert error.startswith("ActionFailed: outcome unknown")
    assert [what[0] for what in lives.done] == ["begun"]
    assert lives.statuses() == ["unknown"]


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


def test_where_rows_are_sealed_keys_tell_nothing_and_stay_the_same(
    lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptography")
    monkeypatch.setenv("LOOM_KEY", base64.b64encode(bytes(range(32))).decode())

    async def first(loom: Loom) -> None:
        await loom.publish("order", 1, label=Label(Confidentiality.PRIVATE))
        await asyncio.sleep(10)
        lives.die()

    lives.live(pay(lives), SlowShop, story=first)
    assert lives.live(pay(lives), Shop, story=idle) == [1]
    assert paid(lives) == [1]
    ((_, _, key), _) = lives.done
    assert fingerprint(("call", "pay", {"amount": 1})) not in key
    everything = b"".join(
        file.read_bytes() for file in lives.folder.iterdir() if file.name.startswith("loom.db")
    )
    assert key.encode() in everything
    assert b'"amount":1' not in everything
    assert b'"receipt":' not in everything


def test_a_call_of_a_step_that_went_with_the_runtime_ends_with_it(lives: Lives) -> None:
    class Fleeting(Agent, name="Shop"):
        receipts: list[int] = []

        @on("order", durable=False)
        async def order(self, event: Event, ctx: Context) -> None:
            await ctx.call("pay", amount=event.payload)

    lives.live(pay(lives, seconds=1000), Fleeting, story=crash(lives))
    lives.live(pay(lives), Fleeting, story=idle)
    assert lives.statuses() == ["unknown"]
    lives.folder = lives.folder.parent / "asking"
    lives.live(pay(lives, approval="ask"), Fleeting, story=crash(lives))
    lives.live(pay(lives, approval="ask"), Fleeting, story=idle)
    assert lives.statuses() == ["cancelled"]
    assert paid(lives) == []


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
