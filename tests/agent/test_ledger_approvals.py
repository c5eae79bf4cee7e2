"""Approvals over a restart: the same question, the time that has passed, and an answer that need not be given twice."""

import asyncio
from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, action, on
from loom.event import Confidentiality, Label
from loom.store import Family
from loom.testing import Probe
from tests.agent.ledgers import Lives, lives

__all__ = ["lives"]


def door(world: Lives, seconds: float = 0.0, **options: Any) -> Any:
    @action("door.open", **{"approval": "ask", "timeout": 5000, **options})
    async def open_door(who: str) -> None:
        world.do("begun", who)
        await asyncio.sleep(seconds)
        world.do("open", who)

    return open_door


class Porter(Agent):
    @on("knock")
    async def knock(self, event: Event, ctx: Context) -> None:
        ctx.act("door.open", who=event.payload)


async def asked_only(loom: Loom) -> list[Any]:
    """Come to rest and say what was asked."""
    asked = Probe(loom.bus, "loom.approval.requested")
    await loom.idle()
    return asked.payloads


def test_a_question_is_asked_again_under_its_id_and_the_time_that_has_passed_counts(lives: Lives) -> None:
    ids: list[str] = []

    async def knock(loom: Loom) -> None:
        asked = Probe(loom.bus, "loom.approval.requested")
        await loom.publish("knock", "ada", label=Label(Confidentiality.PRIVATE))
        (question,) = await asked.wait(1)
        assert question.label == Label(Confidentiality.PRIVATE)
        ids.append(question.payload["id"])
        assert question.cause is not None
        await asyncio.sleep(100)
        lives.die()

    lives.live(door(lives), Porter, story=knock, approval_timeout=300)
    ((key, row),) = lives.rows().items()
    assert row["status"] == "asking"
    assert row["question"]["deadline"] - row["question"]["asked"] == 300_000
    lives.clock.advance(50)

    async def silence(loom: Loom) -> float:
        asked = Probe(loom.bus, "loom.approval.requested")
        began = lives.clock.monotonic()
        await loom.idle()
        (question,) = asked.payloads
        assert (question["id"], question["key"], question["arguments"]) == (ids[0], key, {"who": "ada"})
        return lives.clock.monotonic() - began

    assert lives.live(door(lives), Porter, story=silence, approval_timeout=300) == pytest.approx(150, abs=2)
    (row,) = lives.rows().values()
    assert (row["status"], lives.done) == ("denied", [])
    assert lives.rows(Family.OPEN) == {}


def test_a_question_whose_time_ran_out_meanwhile_is_not_asked_again(lives: Lives) -> None:
    async def knock(loom: Loom) -> None:
        await loom.publish("knock", "eve")
        await asyncio.sleep(1)
        lives.die()

    lives.live(door(lives), Porter, story=knock, approval_timeout=60)
    lives.clock.advance(61)
    assert lives.live(door(lives), Porter, story=asked_only, approval_timeout=60) == []
    assert lives.statuses() == ["denied"]


def test_an_answer_is_kept_before_the_action_runs_and_not_asked_for_again(lives: Lives) -> None:
    async def knock(loom: Loom) -> None:
        asked = Probe(loom.bus, "loom.approval.requested")
        await loom.publish("knock", "ada")
        (question,) = await asked.wait(1)
        assert loom.approve(question.payload["id"], by="ada")
        await asyncio.sleep(10)
        lives.die()

    lives.live(door(lives, seconds=1000, idempotent=True), Porter, story=knock)
    (row,) = lives.rows().values()
    assert (row["status"], row["question"]["allow"]) == ("asking", True)
    assert lives.done == [("begun", "ada")]
    assert lives.live(door(lives, idempotent=True), Porter, story=asked_only) == []
    assert lives.done == [("begun", "ada"), ("begun", "ada"), ("open", "ada")]
    (row,) = lives.rows().values()
    assert [(a["allow"], a["by"], a["why"]) for a in row["answers"]] == [(True, "ada", "approval")]
    assert row["status"] == "done"


@pytest.mark.parametrize("dies", ["before", "after"])
@pytest.mark.parametrize("idempotent", [True, False])
def test_no_death_lets_an_action_run_that_nobody_allowed(lives: Lives, dies: Any, idempotent: bool) -> None:
    async def knock(loom: Loom) -> list[Any]:
        """Allow what is asked the first time, and never what is asked again."""
        asked = Probe(loom.bus, "loom.approval.requested")
        if lives.number % 2:
            await loom.publish("knock", "ada", id="knock-1")
        try:
            while not loom._quiet():
                for question in asked.events:
                    loom.approve(question.payload["id"], allow="why" not in question.payload, by="ada")
                await asyncio.sleep(0.01)
            return asked.payloads
        finally:
            ids.update(question["id"] for question in asked.payloads)

    ids: set[str] = set()
    folder, at = lives.folder, 0
    while True:
        at += 1
        ids.clear()
        lives.folder = folder.parent / f"{at}"
        lives.done.clear()
        lives.number = 0
        first = lives.live(door(lives, idempotent=idempotent), Porter, story=knock, at=at, dies=dies)
        if first is not None:
            break
        rows = lives.rows()
        questions = lives.live(door(lives, idempotent=idempotent), Porter, story=knock)
        begun = [what for what in lives.done if what[0] == "begun"]
        (row,) = lives.rows().values() if rows or begun else ({},)
        if row:
            assert row["answers"], "an answer is kept before the action runs"
            assert row["status"] == "done" or not idempotent, (at, row)
            assert ("open", "ada") in lives.done or row["status"] == "unknown", (at, row)
            assert len(begun) <= (2 if idempotent else 1), at
            before = next(iter(rows.values()), {"status": ""})
            if before.get("question", {}).get("allow") and before["status"] == "asking":
                assert questions == [], (at, before)
            elif before["status"] == "running":
                assert [question["why"] for question in questions] == ["outcome unknown: run again?"]
        assert lives.rows(Family.OPEN) == {}, at
        assert len(ids) <= 1, "one effect, one question, in every process"
    assert at > 4


def test_an_agent_that_is_durable_itself_answers_in_any_life_and_is_shown_plain_arguments(
    lives: Lives,
) -> None:
    @action("send", approval="ask", idempotent=True)
    async def send(data: bytes) -> None:
        lives.do("sent", data)

    class Sender(Agent):
        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            ctx.act("send", data=b"\xff\x00")

    class Guard(Agent):
        asked: list[str] = []

        @on("loom.approval.requested", capacity=1)
        async def judge(self, event: Event) -> None:
            if event.payload is None:
                await asyncio.sleep(1000 if lives.number == 1 else 1)
                return
            self.asked.append(event.payload["id"])
            assert event.payload["arguments"] == {"data": {"$bytes": "/wA="}}
            if lives.number == 2:
                answers.append(loom_now[-1].approve(event.payload["id"], by="guard"))

    loom_now: list[Loom] = []
    answers: list[bool] = []

    async def go(loom: Loom) -> None:
        await loom.publish("go")
        await asyncio.sleep(5)
        assert loom._durable is not None
        for _ in range(3):  # the next life begins with a guard that is behind
            loom._durable.journal.append(Event("noise", topic="loom.approval.requested"))
        await asyncio.sleep(5)
        lives.die()

    async def rest(loom: Loom) -> Any:
        loom_now.append(loom)
        await loom.idle()
        return loom.agent("Guard").instance.asked

    lives.live(send, Guard, Sender, story=go)
    assert lives.done == []
    asked = lives.live(send, Guard, Sender, story=rest)
    assert lives.done == [("sent", b"\xff\x00")]
    assert len(set(asked)) == 1
    assert answers[-1] is True
