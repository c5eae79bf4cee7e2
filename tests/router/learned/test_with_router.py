"""A learner in a router: it moves the quality that is expected, and no hard rule, whatever it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.clock import Chance
from loom.errors import LoomError
from loom.event import Confidentiality, Label
from loom.models import FREE, Decision, ModelRequest
from loom.router.expectation import believed
from loom.router.facts import Facts
from loom.router.learned import Learner, Settings
from loom.router.policy import Policy
from loom.testing import virtual_time
from tests.router.backends import FakeGuard, FakeModel, cloud, new_router

ANY = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([1e308, -1e308, 1, 0])
HYBRIDS = ("cascade", "speculative", "hedged", "off")


class Said(NamedTuple):
    mean: Any
    deviation: Any


class Liar:
    """Says what it is given of every backend, and of some that do not exist."""

    def __init__(self, mean: Any, deviation: Any) -> None:
        self.said = Said(mean, deviation)

    def meet(self, facts: Facts) -> None: ...

    async def expect(self, request: ModelRequest, names: Sequence[str]) -> Mapping[str, Any]:
        return dict.fromkeys([*names, "nobody"], self.said)

    def reward(self, decision_id: str, value: float) -> None: ...

    def seen(self, decision: Decision, reply_signals: Mapping[str, Any]) -> None: ...


@given(mean=ANY, deviation=ANY, hybrid=st.sampled_from(HYBRIDS), local=st.booleans(), cleared=st.booleans())
@pytest.mark.parametrize("level", [Confidentiality.PRIVATE, Confidentiality.LOCAL_ONLY])
@virtual_time
async def test_what_may_not_leave_does_not_leave(
    level: Confidentiality, mean: Any, deviation: Any, hybrid: str, local: bool, cleared: bool
) -> None:
    clearance = Confidentiality.PRIVATE if cleared else Confidentiality.SENSITIVE
    far, here = cloud(clearance=clearance), FakeModel("here", ["fail" if cleared else "hello"])
    policy = Policy(hybrid=hybrid, private_local=not cleared)
    models = [here, far] if local else [far]
    router = new_router(*models, policy=policy, guard=FakeGuard(), learner=Liar(mean, deviation))
    with suppress(LoomError):
        await router.ask(ModelRequest("chat", "my secret", Label(level), timeout=5))
    if level == Confidentiality.LOCAL_ONLY or not cleared:
        assert far.requests == []


@given(mean=ANY, deviation=ANY, hybrid=st.sampled_from(HYBRIDS))
@virtual_time
async def test_what_costs_too_much_is_not_asked(mean: Any, deviation: Any, hybrid: str) -> None:
    far, here = cloud(), FakeModel("here")
    router = new_router(here, far, policy=Policy(hybrid=hybrid), learner=Liar(mean, deviation))
    reply = await router.ask(ModelRequest("chat", "hello", max_cost=0.1, timeout=5))
    assert (reply.backend, far.requests) == ("here", [])


@given(mean=ANY, deviation=ANY)
def test_all_that_is_believed_is_a_quality(mean: Any, deviation: Any) -> None:
    before = Facts("x", location="cloud", quality=0.5, deviation=0.1, price=FREE)
    after = believed(before, Said(mean, deviation))
    assert 0 <= after.quality <= 1  # type: ignore[operator]
    assert 0 <= after.deviation <= 1  # type: ignore[operator]
    assert {
        name: getattr(after, name) for name in Facts.__slots__ if name not in ("quality", "deviation")
    } == {name: getattr(before, name) for name in Facts.__slots__ if name not in ("quality", "deviation")}


@pytest.mark.parametrize(
    "said", [None, Said(None, 0.1), Said("0.5", 0.1), Said(0.5, None), Said(float("nan"), 0.1)]
)
def test_what_is_no_number_is_not_believed(said: Said | None) -> None:
    before = Facts("x", quality=0.5)
    assert believed(before, said) is before


def learner() -> Learner:
    return Learner(Settings(explore=0), chance=Chance(1))


@virtual_time
async def test_rewards_move_a_decision() -> None:
    here, far = FakeModel("here", quality=0.95), cloud(quality=0.95)
    router = new_router(here, far, policy=Policy(threshold=0.7, hybrid="off"), learner=learner())
    asked = ModelRequest("chat", "What is the capital of France?")
    for _ in range(30):
        reply = await router.ask(asked)
        if reply.backend == "cloud":
            break
        assert reply.decision is not None
        router.feedback(reply.decision.id, 0.0)
    assert reply.backend == "cloud"
    assert 1 < len(here.requests) < 20


@virtual_time
async def test_answers_that_are_never_enough_end_a_cascade() -> None:
    unsure = {"text": "well", "confidence": 0.1}
    here, far = FakeModel("here", [unsure], quality=0.5), cloud(quality=0.95)
    router = new_router(here, far, policy=Policy(threshold=0.8, band=0.2), learner=learner())
    for _ in range(40):
        reply = await router.ask(ModelRequest("chat", "What is the capital of France?"))
        assert reply.backend == "cloud"
    assert 2 < len(here.requests) < 30


@virtual_time
async def test_the_difficulty_of_a_request_decides_where_it_goes_first() -> None:
    here, far = FakeModel("here", quality=0.7), cloud(quality=0.9)
    router = new_router(here, far, policy=Policy(threshold=0.7, hybrid="off"), learner=learner())
    easy = await router.ask(ModelRequest("chat", "What is the capital of France?"))
    hard = await router.ask(
        ModelRequest(
            "chat",
            "If it is not so, then why would both statements hold, unless he lied, given what she never said?",
        )
    )
    assert (easy.backend, hard.backend) == ("here", "cloud")
