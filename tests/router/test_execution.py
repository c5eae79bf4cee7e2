"""One request on its way: fallbacks, what may be retried, deadlines, bills, breakers, and what is told of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from loom.errors import (
    BackendFailed,
    BackendTimeout,
    ConfigError,
    ContextExceeded,
    Deferred,
    ModelError,
    RouteRefused,
    UnknownDecision,
)
from loom.event import Confidentiality, Label
from loom.models import ModelRequest
from loom.models.decision import Route
from loom.router.policy import Policy
from loom.testing import virtual_time
from tests.router.backends import FakeGuard, FakeModel, Told, cloud, leftovers, new_router

SENSITIVE = Label(Confidentiality.SENSITIVE)
PRIVATE = Label(Confidentiality.PRIVATE)


def asked(**more: Any) -> ModelRequest:
    return ModelRequest("chat", more.pop("input", "hello"), **more)


@virtual_time
async def test_a_reply_says_who_answered_why_and_what_it_cost() -> None:
    router = new_router(FakeModel("here", quality=0.1), cloud())
    reply = await router.ask(asked())
    assert reply.backend == "cloud"
    assert reply.output == {"text": "hello there"}
    assert reply.cost == pytest.approx(10 * 0.001 + 5 * 0.002 + 0.5)
    assert reply.decision is not None
    assert router.decisions(reply.decision.id) is reply.decision
    assert router.statistics()["cloud"]["cost"] == pytest.approx(reply.cost)
    assert router.statistics()["cloud"]["tokens"] == 15
    assert leftovers(router) == []


@pytest.mark.parametrize("trouble", ["fail", "reset", "die", "crash", "junk"])
@virtual_time
async def test_the_next_in_the_order_is_asked_after_what_may_be_retried(trouble: str) -> None:
    told = Told()
    router = new_router(FakeModel("here", quality=0.1), cloud(script=[trouble]), tell=told)
    reply = await router.ask(asked())
    assert reply.backend == "here"
    (outcome,) = told.of("outcome")
    assert [(each["backend"], each["outcome"]) for each in outcome["attempts"]] == [
        ("cloud", "failed"),
        ("here", "done"),
    ]
    assert router.statistics()["cloud"]["failed"] == 1
    assert leftovers(router) == []


@virtual_time
async def test_nobody_else_is_asked_after_a_request_that_is_wrong_itself() -> None:
    here = FakeModel("here", quality=0.1)
    router = new_router(here, cloud(script=["fatal"]))
    with pytest.raises(BackendFailed, match="refused"):
        await router.ask(asked())
    assert not here.requests


@pytest.mark.parametrize(
    "error",
    [
        BackendFailed("wrong key", status=401, retryable=False),
        BackendFailed("no such model", status=404, retryable=False),
        BackendFailed("quota", status=429, retryable=False),
        ContextExceeded("too long", 400, 2048),
    ],
)
@virtual_time
async def test_what_is_wrong_with_one_backend_is_not_wrong_with_the_next(error: Exception) -> None:
    router = new_router(FakeModel("here", quality=0.1), cloud(script=[error]))
    assert (await router.ask(asked())).backend == "here"


@virtual_time
async def test_when_all_fail_the_last_error_says_what_was_tried() -> None:
    router = new_router(FakeModel("here", ["crash"], quality=0.1), cloud(script=["fail"]))
    with pytest.raises(RuntimeError, match="here crashed") as caught:
        await router.ask(asked())
    assert caught.value.__notes__ == ["tried: cloud (BackendFailed 500), here (RuntimeError)"]


@virtual_time
async def test_only_backends_of_the_decision_are_asked() -> None:
    other = cloud("other", clearance=Confidentiality.PUBLIC)
    router = new_router(cloud(script=["fail"]), other, guard=FakeGuard())
    with pytest.raises(BackendFailed, match="cloud failed"):
        await router.ask(asked(label=SENSITIVE))
    assert not other.requests


@virtual_time
async def test_a_try_that_hangs_leaves_time_for_the_next() -> None:
    loop = asyncio.get_running_loop()
    router = new_router(FakeModel("here", quality=0.1), cloud(script=["hang"]))
    began = loop.time()
    reply = await router.ask(asked(timeout=8))
    assert reply.backend == "here"
    assert loop.time() - began < 8
    assert router.statistics()["cloud"]["failed"] == 1


@virtual_time
async def test_what_is_left_of_the_time_is_passed_on_and_is_the_end() -> None:
    loop = asyncio.get_running_loop()
    model = FakeModel("here", ["hang"])
    router = new_router(model)
    began = loop.time()
    with pytest.raises(BackendTimeout, match="'here' did not answer in"):
        await router.ask(asked(timeout=3))
    assert loop.time() - began < 3.1
    assert model.requests[0].timeout == pytest.approx(3)
    assert leftovers(router) == []


@virtual_time
async def test_expired_work_is_not_sent() -> None:
    model = FakeModel("here", [5, "x"], concurrency=1)
    router = new_router(model)
    first = asyncio.create_task(router.ask(asked()))
    await asyncio.sleep(0)
    began = asyncio.get_running_loop().time()
    with pytest.raises(BackendTimeout, match="no slot of 'here'"):
        await router.ask(asked(timeout=2))
    assert asyncio.get_running_loop().time() - began == pytest.approx(2)
    assert len(model.requests) == 1
    await first
    with pytest.raises(RouteRefused, match="nothing is left"):
        await router.ask(asked(timeout=0))
    assert len(model.requests) == 1
    assert leftovers(router) == []


@virtual_time
async def test_a_full_line_leads_to_the_next_backend() -> None:
    far = cloud(script=[5], concurrency=1)
    here = FakeModel("here", quality=0.1)
    router = new_router(here, far)
    waiting = [asyncio.create_task(router.ask(asked())) for _ in range(1025)]
    await asyncio.sleep(0.1)
    reply = await router.ask(asked())
    assert reply.backend == "here"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert far.most == 1
    assert leftovers(router) == []


@virtual_time
async def test_a_backend_that_keeps_failing_is_left_alone_and_tried_again_by_one() -> None:
    far = cloud(script=["fail"] * 5 + [[0.5, "fine"]])
    router = new_router(FakeModel("here", quality=0.1), far)
    for _ in range(7):
        assert (await router.ask(asked())).backend == "here"
    assert len(far.requests) == 5
    await asyncio.sleep(1.1)
    replies = await asyncio.gather(*(router.ask(asked()) for _ in range(4)))
    assert sorted(reply.backend for reply in replies) == ["cloud", "here", "here", "here"]
    assert (await router.ask(asked())).backend == "cloud"


@virtual_time
async def test_retry_after_is_kept_to_and_is_no_failure() -> None:
    far = cloud(script=["busy", "fine"])
    router = new_router(far, policy=Policy(without_cloud="defer", hybrid="off"))
    with pytest.raises(BackendFailed, match="busy"):
        await router.ask(asked())
    with pytest.raises(Deferred) as caught:
        await router.ask(asked())
    assert caught.value.retry_after == pytest.approx(7, abs=0.1)
    assert caught.value.decision.route is Route.DEFER  # type: ignore[attr-defined]
    assert len(far.requests) == 1
    await asyncio.sleep(7)
    assert (await router.ask(asked())).backend == "cloud"
    assert router.statistics()["cloud"]["error_rate"] == 0


@virtual_time
async def test_who_stands_in_line_when_a_pause_is_asked_for_is_not_sent() -> None:
    far = cloud(script=[[1, "busy"], "fine"], concurrency=1)
    router = new_router(FakeModel("here", quality=0.1), far)
    replies = await asyncio.gather(*(router.ask(asked()) for _ in range(5)))
    assert [reply.backend for reply in replies] == ["here"] * 5
    assert len(far.requests) == 1
    assert leftovers(router) == []


@virtual_time
async def test_a_local_model_that_fails_says_so_every_time() -> None:
    model = FakeModel("here", ["crash"])
    router = new_router(model)
    for _ in range(20):
        with pytest.raises(RuntimeError, match="here crashed"):
            await router.ask(asked())
    assert len(model.requests) == 20


@pytest.mark.parametrize("timeout", ["5", -1.0, float("nan")])
@virtual_time
async def test_a_timeout_that_is_none_is_refused_in_words(timeout: Any) -> None:
    with pytest.raises((ConfigError, RouteRefused), match=r"timeout|time"):
        await new_router(FakeModel("here")).ask(asked(timeout=timeout))


@virtual_time
async def test_impatience_is_not_the_backends_failure() -> None:
    far = cloud(script=[[0.5, "fine"]])
    router = new_router(far)
    for _ in range(20):
        with pytest.raises(ModelError):
            await router.ask(asked(timeout=0.01))
    assert router.statistics()["cloud"]["open_until_ms"] is None


@virtual_time
async def test_another_model_than_the_one_asked_is_told_and_counted() -> None:
    told = Told()
    router = new_router(cloud(script=["fine", "other"]), tell=told)
    await router.ask(asked())
    assert router.statistics()["cloud"]["other_model"] == 0  # a version behind the name is the same model
    await router.ask(asked())
    assert router.statistics()["cloud"]["other_model"] == 1
    assert [each["model"] for each in told.of("outcome")] == ["big-model-2026", "small-model"]


@virtual_time
async def test_what_is_told_holds_no_text_of_the_request_or_the_answer() -> None:
    told = Told()
    router = new_router(FakeModel("here", ["crash", "apple {input}"]), tell=told)
    with pytest.raises(RuntimeError):
        await router.ask(asked(input="banana"))
    await router.ask(asked(input="banana"))
    assert "banana" not in repr(told)
    assert "apple" not in repr(told)
    assert [topic for topic, _ in told] == ["decision", "outcome"] * 2


# --- words -----------------------------------------------------------------------------------------------------------


@virtual_time
async def test_the_words_for_what_cannot_be_done() -> None:
    router = new_router(FakeModel("here"))
    router.profiles["private"] = Policy()
    with pytest.raises(RouteRefused, match=r"no model can do 'chatt'.*did you mean 'chat'") as caught:
        await router.ask(ModelRequest("chatt"))
    assert caught.value.decision is not None
    with pytest.raises(RouteRefused, match="no backend 'heer'; did you mean 'here'"):
        await router.ask(asked(route="heer"))
    router.add(FakeModel("ear", tasks=("transcribe",)))
    with pytest.raises(RouteRefused, match="ear: it cannot do 'chat'"):
        await router.ask(asked(route="ear"))
    with pytest.raises(ConfigError, match="no profile 'privat'; did you mean 'private'"):
        await router.ask(asked(profile="privat"))
    with pytest.raises(UnknownDecision, match="'nope'"):
        router.feedback("nope", 1)
    before = len(router.decisions)
    decision = await router.decide(asked())
    assert len(router.decisions) == before
    with pytest.raises(UnknownDecision):
        router.decisions(decision.id)


@virtual_time
async def test_the_policy_changes_while_it_runs() -> None:
    router = new_router(FakeModel("here", quality=0.6), cloud())
    assert (await router.ask(asked())).backend == "cloud"
    router.policy = Policy(threshold=0.5)
    assert (await router.ask(asked())).backend == "here"
    with pytest.raises(ConfigError, match="threshold"):
        router.policy = Policy(threshold=7)
    router.profiles["best"] = Policy(hybrid="off")
    assert (await router.ask(asked(profile="best"))).backend == "cloud"


@virtual_time
async def test_only_the_latest_thousand_decisions_are_kept() -> None:
    router = new_router(FakeModel("here"))
    first = await router.ask(asked())
    for _ in range(1_000):
        await router.ask(asked())
    assert len(router.decisions) == 1_000
    assert first.decision is not None
    with pytest.raises(UnknownDecision):
        router.decisions(first.decision.id)


@virtual_time
async def test_a_model_is_counted_where_it_was_refused() -> None:
    router = new_router(FakeModel("here"), cloud(clearance=Confidentiality.PUBLIC), guard=FakeGuard())
    await router.ask(asked(label=SENSITIVE))
    assert router.statistics()["cloud"]["refused"] == {"privacy.clearance": 1}


@virtual_time
@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("label", "private", "Label.parse"), ("label", None, "Label.parse"),
        ("label", Confidentiality.PRIVATE, "a Label"),
        ("thread", 5, "text"), ("thread", b"t", "text"), ("task", None, "text"), ("route", 5, "text"),
        ("user", None, "text"), ("options", 5, "a mapping"),
    ],
)  # fmt: skip
async def test_a_request_of_wrong_types_is_refused_by_name_before_anybody_sees_it(
    field: str, value: Any, says: str
) -> None:
    far = cloud()
    router = new_router(far)
    with pytest.raises(ConfigError, match=rf"^{field}=.*{says}"):
        await router.ask(ModelRequest(**{"task": "chat", "input": "hello", field: value}))
    assert far.requests == []
