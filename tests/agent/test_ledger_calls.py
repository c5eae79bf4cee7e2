"""At-once calls over a crash: what nobody knows the outcome of is not done twice unasked."""

import asyncio
import base64
from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, on
from loom.agent._records import fingerprint
from loom.errors import ActionFailed
from loom.event import Confidentiality, Label
from loom.store import Family
from loom.testing import Probe
from tests.agent.ledgers import Lives, lives
from tests.agent.shops import Shop, SlowShop, crash, idle, paid, pay

__all__ = ["lives"]


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


def test_what_may_run_at_most_once_and_ran_out_of_time_is_unknown_and_not_tried_again(lives: Lives) -> None:
    async def story(loom: Loom) -> list[str]:
        await loom.publish("order", 1)
        await loom.idle()
        return [letter.error for letter in loom.dead_letters]

    (error,) = lives.live(pay(lives, seconds=1000, timeout=5, at_most_once=True), Shop, story=story)
    assert error.startswith("ActionFailed: outcome unknown")
    assert [what[0] for what in lives.done] == ["begun"]
    assert lives.statuses() == ["unknown"]


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
