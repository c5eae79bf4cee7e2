"""Tools in a durable runtime that may die at each of its writes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, action, on
from loom.testing import Probe
from tests.agent.ledgers import Dies, Lives, lives
from tests.agent.lights import Script, calls, says, use

__all__ = ["lives"]


def mail(world: Lives, **options: Any) -> Any:
    @action("mail.send", **options)
    async def send(to: str) -> str:
        await asyncio.sleep(0.1)
        world.do(to)
        await asyncio.sleep(0.1)
        return f"sent to {to}"

    return send


class Clerk(Agent):
    answers: list[str] = []

    @on("ask")
    async def asked(self, event: Event, ctx: Context) -> None:
        answer = await ctx.ask(event.payload, actions=["mail.*"])
        self.answers.append(answer["text"])


def script(fickle: int = 0) -> Script:
    """Writes to ada, then to bob, then says how it went; *fickle* models say something else each time they live."""

    async def model(request: Any) -> Any:
        await asyncio.sleep(0.1)
        told = [each for each in request.input if each["role"] == "tool"]
        if len(told) == 2:
            return says(" ".join(each["content"] for each in told), nonce=fickle)
        return calls(use("mail.send", to=("ada", "bob")[len(told)]), text=f"{fickle}")

    return Script(model)


async def tell(loom: Loom) -> Any:
    loom.add_model(script(1))
    await loom.publish("ask", "write to both")
    await asyncio.sleep(10)
    await loom.idle()
    return loom.agent("Clerk").instance.answers  # type: ignore[attr-defined]


async def rest(loom: Loom) -> Any:
    loom.add_model(script(2))
    await asyncio.sleep(10)
    await loom.idle()
    return loom.agent("Clerk").instance.answers  # type: ignore[attr-defined]


@pytest.mark.parametrize("dies", ["before", "after"])
@pytest.mark.parametrize("at", range(1, 13))
def test_whichever_write_it_dies_at_no_mail_is_sent_twice_and_an_answer_comes(
    lives: Lives, at: int, dies: Dies
) -> None:
    first = lives.live(mail(lives), Clerk, story=tell, at=at, dies=dies)
    if first is not None:
        assert (first, lives.done) == (["sent to ada sent to bob"], ["ada", "bob"])
        return
    answers = lives.live(mail(lives), Clerk, story=rest, approval_timeout=2.0)
    assert len(lives.done) == len(set(lives.done)), lives.done
    if answers:  # the event itself may have died before anybody was promised anything
        (text,) = answers
        doubts = text.count("outcome unknown")
        assert len(lives.done) + doubts >= 2
        assert text.count("sent to") + doubts == 2


def test_what_is_known_on_disk_is_not_asked_again(lives: Lives) -> None:
    model = script(1)

    async def first(loom: Loom) -> None:
        loom.add_model(model)
        await loom.publish("ask", "write to both")
        while len(model.asked) < 2:
            await asyncio.sleep(0.01)
        lives.die()

    lives.live(mail(lives), Clerk, story=first)
    assert (len(model.asked), lives.done) == (2, ["ada"])
    assert lives.live(mail(lives), Clerk, story=rest) == ["sent to ada sent to bob"]
    assert lives.done == ["ada", "bob"]


@pytest.mark.parametrize("allow", [True, False])
def test_a_question_outlives_the_process_and_the_loop_goes_on_with_its_answer(
    lives: Lives, allow: bool
) -> None:
    asked: list[str] = []

    async def first(loom: Loom) -> None:
        loom.add_model(script(1))
        questions = Probe(loom.bus, "loom.approval.requested")
        await loom.publish("ask", "write to both")
        while not questions.payloads:
            await asyncio.sleep(0.01)
        asked.append(questions.payloads[0]["id"])
        lives.die()

    async def second(loom: Loom) -> Any:
        loom.add_model(script(2))
        questions = Probe(loom.bus, "loom.approval.requested")
        answered = 0
        while not loom.agent("Clerk").instance.answers:  # type: ignore[attr-defined]
            for question in questions.payloads[answered:]:
                asked.append(question["id"])
                loom.approve(question["id"], allow)
                answered += 1
            await asyncio.sleep(0.01)
        return loom.agent("Clerk").instance.answers  # type: ignore[attr-defined]

    lives.live(mail(lives, approval="ask"), Clerk, story=first)
    (answer,) = lives.live(mail(lives, approval="ask"), Clerk, story=second)
    assert asked[0] == asked[1], "the same question, under the same id"
    if allow:
        assert (answer, lives.done) == ("sent to ada sent to bob", ["ada", "bob"])
    else:
        assert lives.done == []
        assert answer.count("not allowed, do not try it again") == 1
        assert len(asked) == 2, "nobody is asked about the second: the first was a no"
