"""Whom the router works with: a cache that answers first, a learner that is asked and told, labels that stick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from loom.errors import BackendFailed, ModelFailed, UnknownDecision
from loom.event import Confidentiality, Label
from loom.models import Decision, ModelReply, ModelRequest
from loom.router.facts import Facts
from loom.router.policy import Policy
from loom.router.rules import Rule, When
from loom.testing import virtual_time
from tests.router.backends import FakeGuard, FakeModel, Told, cloud, new_router

ASKED = ModelRequest("chat", "hello")


class FakeCache:
    """Remembers by input and label."""

    def __init__(self) -> None:
        self.kept: dict[Any, ModelReply] = {}

    async def find(self, request: ModelRequest) -> ModelReply | None:
        found = self.kept.get((request.input, request.label))
        return None if found is None else replace(found, cost=0.0)

    async def keep(self, request: ModelRequest, reply: ModelReply) -> None:
        self.kept[request.input, request.label] = reply

    def forget(self) -> None:
        self.kept.clear()


class Expected(NamedTuple):
    mean: float
    deviation: float


class FakeLearner:
    def __init__(self, expected: Mapping[str, float], error: Exception | None = None) -> None:
        self.expected, self.error = expected, error
        self.rewards: list[tuple[str, float]] = []
        self.met: list[str] = []
        self.saw: list[tuple[Decision, Mapping[str, Any]]] = []

    def meet(self, facts: Facts) -> None:
        self.met.append(facts.name)

    async def expect(self, request: ModelRequest, names: Sequence[str]) -> Mapping[str, Expected]:
        if self.error is not None:
            raise self.error
        return {name: Expected(mean, 0.1) for name, mean in self.expected.items()}

    def reward(self, decision_id: str, value: float) -> None:
        self.rewards.append((decision_id, value))

    def seen(self, decision: Decision, reply_signals: Mapping[str, Any]) -> None:
        self.saw.append((decision, reply_signals))


@virtual_time
async def test_what_was_asked_before_costs_nothing_and_asks_nobody() -> None:
    far, told = cloud(), Told()
    router = new_router(far, cache=FakeCache(), tell=told)
    first = await router.ask(ASKED)
    again = await router.ask(ASKED)
    assert again.output == first.output
    assert again.cost == 0
    assert again.decision is not None
    assert router.decisions(again.decision.id).rule == "cache"
    assert len(far.requests) == 1
    assert [topic for topic, _ in told] == ["decision", "outcome"] * 2
    await router.ask(replace(ASKED, cache=False))
    assert len(far.requests) == 2


@virtual_time
async def test_a_stream_is_remembered_whole_and_given_again_in_pieces() -> None:
    far, cache = cloud(), FakeCache()
    router = new_router(far, cache=cache)
    first = [item async for item in router.stream(ASKED)]
    again = [item async for item in router.stream(ASKED)]
    whole = await router.ask(ASKED)
    assert "".join(item["text"] for item in first) == "".join(item["text"] for item in again) == "hello there"
    assert isinstance(whole.output, dict)
    assert (whole.output["text"], whole.output["tokens_out"]) == ("hello there", 5)
    assert again[-1]["done"]
    assert again[-1]["cost"] == 0
    assert len(far.requests) == 1
    router.policy = Policy(hybrid="off", prefer="cost")
    await router.ask(ASKED)
    assert len(far.requests) == 2


@virtual_time
async def test_a_stream_that_was_left_or_broke_off_is_not_remembered() -> None:
    cache = FakeCache()
    router = new_router(cloud(script=["a b", ["two words", "break"]]), cache=cache)
    stream = router.stream(ASKED)
    await anext(stream)
    await stream.aclose()
    with pytest.raises(BackendFailed):
        _ = [item async for item in router.stream(ASKED)]
    assert not cache.kept


@virtual_time
async def test_the_cache_is_asked_with_the_label_of_the_thread() -> None:
    guard, cache, here = FakeGuard(), FakeCache(), FakeModel("here")
    router = new_router(here, cache=cache, guard=guard)
    await router.ask(ASKED)
    guard.label("t", Label(Confidentiality.PRIVATE))
    await router.ask(replace(ASKED, thread="t"))
    assert len(here.requests) == 2
    assert [label.confidentiality for _, label in cache.kept] == [
        Confidentiality.PUBLIC,
        Confidentiality.PRIVATE,
    ]


@virtual_time
async def test_what_was_learnt_decides_and_what_happened_is_learnt() -> None:
    learner = FakeLearner({"here": 0.95, "cloud": 0.5})
    router = new_router(FakeModel("here", quality=0.1), cloud(), learner=learner)
    reply = await router.ask(ASKED)
    assert reply.backend == "here"
    ((decision, signals),) = learner.saw
    assert decision is reply.decision
    assert (signals["backend"], signals["outcome"], signals["request"].input) == ("here", "done", "hello")
    assert decision is not None
    router.feedback(decision.id, 0.75)
    assert learner.rewards == [(decision.id, 0.75)]
    for wrong in (1.5, -0.1, float("nan"), True, "good"):
        with pytest.raises(ValueError, match="a reward is a number"):
            router.feedback(decision.id, wrong)  # type: ignore[arg-type]
    with pytest.raises(UnknownDecision):
        router.feedback("other", 0.5)


@virtual_time
async def test_a_learner_whose_model_fails_is_done_without() -> None:
    learner = FakeLearner({}, ModelFailed("no embedding"))
    router = new_router(FakeModel("here", quality=0.1), cloud(), learner=learner)
    assert (await router.ask(ASKED)).backend == "cloud"
    assert router.without == {"learner": 1}


@virtual_time
async def test_signals_are_there_for_rules_and_done_without_when_they_fail() -> None:
    async def domain(request: ModelRequest) -> Mapping[str, Any]:
        if "boom" in str(request.input):
            raise ModelFailed("no domain")
        return {"domain": "law"}

    told = Told()
    here, far = FakeModel("here"), cloud()
    law = Policy(rules=(Rule("law", When(signals={"domain": ("law",)}), ("cloud",)),))
    router = new_router(here, far, policy=law, tell=told, signals=domain)
    assert (await router.ask(ASKED)).backend == "cloud"
    assert (await router.decide(ASKED)).order == ("cloud",)
    assert (await router.ask(replace(ASKED, input="boom"))).backend == "here"
    assert told.of("outcome")[-1]["without"] == ["signals: ModelFailed"]
    router.signals = None
    assert (await router.ask(ASKED)).backend == "here"


@virtual_time
async def test_a_thread_that_held_something_private_stays_here() -> None:
    guard, far, here = FakeGuard(), cloud(), FakeModel("here", quality=0.1)
    router = new_router(here, far, guard=guard)
    asked = replace(ASKED, thread="t")
    assert (await router.ask(asked)).backend == "cloud"
    await router.ask(replace(asked, label=Label(Confidentiality.PRIVATE)))
    assert guard.saves == 2  # on the disk before anybody is asked, and before the answer is given
    assert (await router.ask(asked)).backend == "here"
    assert len(far.requests) == 1
    dry = await router.decide(replace(ASKED, thread="u", label=Label(Confidentiality.PRIVATE)))
    assert dry.order == ("here",)
    assert "u" not in guard.labels or guard.labels["u"] == Label()  # nothing was remembered of it


@virtual_time
async def test_a_policy_that_always_redacts_sends_nothing_without_a_guard() -> None:
    far = cloud()
    router = new_router(far, policy=Policy(redact="always", hybrid="off"), guard=FakeGuard())
    await router.ask(ASKED)
    assert far.requests[0].input == "hello"
