"""An agent says how good an answer was, and the router's learner hears of it."""

import pytest

from loom import Agent, Event, on
from loom.agent import Context
from loom.errors import UnknownDecision
from loom.testing import FakeBackend, new_loom, run_until_idle, virtual_time


class Judge(Agent):
    decisions: list[str] = []
    before: str = "?"
    refused: str = ""

    @on("question")
    async def ask(self, event: Event, ctx: Context) -> None:
        self.before = ctx.decision
        await ctx.ask("chat", event.payload)
        self.decisions = [*self.decisions, ctx.decision]
        ctx.feedback(ctx.decision, 0.25)

    @on("nonsense")
    async def wrong(self, event: Event, ctx: Context) -> None:
        with pytest.raises(UnknownDecision):
            ctx.feedback("no-such-decision", 1.0)
        self.refused = "yes"


class Learner:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float]] = []

    def meet(self, facts: object) -> None: ...

    async def expect(self, request: object, names: object) -> dict[str, object]:
        return {}

    def seen(self, decision: object, signals: object) -> None: ...

    def reward(self, decision: str, value: float) -> None:
        self.told.append((decision, value))


@virtual_time
async def test_the_learner_hears_how_good_the_answer_to_each_decision_was() -> None:
    learner = Learner()
    async with new_loom(Judge).add_model(FakeBackend("chat", lambda request: {"text": "42"})) as loom:
        loom.router._parties = loom.router._parties._replace(learner=learner)
        for _ in range(2):
            await loom.publish("question", "What is it?")
        await run_until_idle(loom)
        judge = loom.agent("Judge").instance
    assert learner.told == [(each, 0.25) for each in judge.decisions]
    assert len(set(judge.decisions)) == 2
    assert judge.before == ""


@virtual_time
async def test_a_decision_that_there_was_not_is_an_error() -> None:
    async with new_loom(Judge).add_model(FakeBackend("chat", lambda request: {"text": "42"})) as loom:
        await loom.publish("nonsense")
        await run_until_idle(loom)
        assert loom.agent("Judge").instance.refused == "yes"
