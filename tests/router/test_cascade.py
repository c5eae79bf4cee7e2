"""A cascade asks the next only when the first is not sure, and loses nothing when that fails."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import BackendFailed
from loom.models import ModelRequest
from loom.models.decision import Manner
from loom.router.cascade import confidence_of
from loom.router.policy import Policy
from loom.testing import virtual_time
from tests.router.backends import FakeModel, Told, cloud, leftovers, new_router

CASCADE = Policy(hybrid="cascade", threshold=0.7, band=0.2, escalate=0.8)
ASKED = ModelRequest("chat", "hello")


def answer(confidence: Any) -> dict[str, Any]:
    return {"text": "from here", "confidence": confidence}


def here(*script: Any) -> FakeModel:
    return FakeModel("here", script, quality=0.6)


@virtual_time
async def test_who_is_sure_is_believed() -> None:
    far = cloud()
    router = new_router(here(answer(0.8)), far, policy=CASCADE)
    reply = await router.ask(ASKED)
    assert reply.decision is not None
    assert reply.decision.manner is Manner.CASCADE
    assert reply.backend == "here"
    assert not far.requests


@pytest.mark.parametrize("unsure", [0.79, None, math.nan, 7, "0.9", True, 10**400, -(10**400)])
@virtual_time
async def test_who_is_not_sure_or_does_not_say_is_not(unsure: Any) -> None:
    told = Told()
    router = new_router(here([1, answer(unsure)]), cloud(script=[[2, "x"]]), policy=CASCADE, tell=told)
    reply = await router.ask(ASKED)
    assert reply.backend == "cloud"
    assert reply.total_ms == pytest.approx(3_000)
    (outcome,) = told.of("outcome")
    assert outcome["escalated"] == ["here"]
    assert outcome["route"] == "hybrid"
    assert leftovers(router) == []


@virtual_time
async def test_a_models_own_confidence_that_fails_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def confidence(output: object) -> float:
        raise ZeroDivisionError("secret words")

    first = here("from here")
    first.confidence = confidence  # type: ignore[attr-defined]  # models may have one
    router = new_router(first, cloud(), policy=CASCADE)
    assert (await router.ask(ASKED)).backend == "cloud"
    assert "ZeroDivisionError" in caplog.text
    assert "secret words" not in caplog.text
    assert leftovers(router) == []


@virtual_time
async def test_the_bill_is_that_of_both() -> None:
    first = FakeModel("here", [answer(0.1)], quality=0.6, price=cloud().price)
    router = new_router(first, cloud(), policy=CASCADE)
    reply = await router.ask(ASKED)
    assert reply.backend == "cloud"
    assert reply.cost == pytest.approx(2 * 0.52)


@pytest.mark.parametrize("trouble", ["fail", "fatal", "hang"])
@virtual_time
async def test_when_escalating_fails_the_unsure_answer_is_used(trouble: str) -> None:
    told = Told()
    router = new_router(here(answer(0.3)), cloud(script=[trouble]), policy=CASCADE, tell=told)
    reply = await router.ask(ModelRequest("chat", "hello", timeout=5))
    assert reply.backend == "here"
    assert reply.output == answer(0.3)
    (outcome,) = told.of("outcome")
    assert (outcome["outcome"], outcome["stood"], outcome["backend"]) == ("done", True, "here")
    assert [each["outcome"] for each in outcome["attempts"]] == ["done", "failed"]
    assert leftovers(router) == []


@virtual_time
async def test_when_the_first_fails_the_next_answers_and_when_both_do_it_is_said() -> None:
    router = new_router(here("crash"), cloud(), policy=CASCADE)
    assert (await router.ask(ASKED)).backend == "cloud"
    router = new_router(here("crash"), cloud(script=["fail"]), policy=CASCADE)
    with pytest.raises(BackendFailed, match="cloud failed"):
        await router.ask(ASKED)


@virtual_time
async def test_a_cancel_takes_both_down() -> None:
    router = new_router(here(answer(0.3)), cloud(script=["hang"]), policy=CASCADE)
    task = asyncio.create_task(router.ask(ASKED))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert leftovers(router) == []


@virtual_time
async def test_a_stream_is_the_sure_answer_whole_or_that_of_the_next() -> None:
    router = new_router(here(answer(0.9), answer(0.2)), cloud(), policy=CASCADE)
    sure = [item async for item in router.stream(ASKED)]
    assert [item["text"] for item in sure] == ["from here", ""]
    assert (sure[-1]["backend"], sure[-1]["done"]) == ("here", True)
    unsure = [item async for item in router.stream(ASKED)]
    assert "".join(item["text"] for item in unsure) == "hello there"
    assert unsure[-1]["backend"] == "cloud"


@virtual_time
async def test_a_stream_whose_escalation_fails_before_an_item_is_the_unsure_answer() -> None:
    router = new_router(here(answer(0.2)), cloud(script=["fail", ["two words", "break"]]), policy=CASCADE)
    items = [item async for item in router.stream(ASKED)]
    assert "".join(item["text"] for item in items) == "from here"
    with pytest.raises(BackendFailed, match="broke off"):
        _ = [item async for item in router.stream(ASKED)]
    assert leftovers(router) == []


class Own:
    """A model that judges its own answers."""

    def confidence(self, output: object) -> float:
        return 0.25


def test_how_sure_an_answer_is() -> None:
    model: Any = FakeModel("m")
    assert confidence_of(model, {"text": "x", "confidence": 0.4}) == 0.4
    assert confidence_of(model, {"text": "x"}) is None
    assert confidence_of(model, "x") is None
    labels = [{"label": "a", "score": 0.2}, {"label": "b", "score": 0.7}, {"label": "c", "score": 0.1}]
    assert confidence_of(model, labels) == pytest.approx(0.5)
    assert confidence_of(model, labels[:1]) == 0.2
    assert confidence_of(model, []) is None
    own: Any = Own()
    assert confidence_of(own, labels) == 0.25


json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["score", "confidence", "x"]), inner)
    ),
    max_leaves=8,
)


@given(json)
def test_any_output_has_a_share_of_confidence_or_none(output: Any) -> None:
    found = confidence_of(FakeModel("m"), output)  # type: ignore[arg-type]
    assert found is None or 0 <= found <= 1
