"""Right before sending, nothing is believed: not the policy, not the decision, not the label of a minute ago."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from loom.errors import (
    NotRedacted,
    RouteRefused,
)
from loom.event import Confidentiality, Label
from loom.models import ModelRequest
from loom.router.policy import Policy
from loom.router.profiles import PROFILES
from loom.testing import virtual_time
from tests.router.backends import SECRET, FakeGuard, FakeModel, Told, cloud, leftovers, new_router

SENSITIVE = Label(Confidentiality.SENSITIVE)
PRIVATE = Label(Confidentiality.PRIVATE)


def asked(**more: Any) -> ModelRequest:
    return ModelRequest("chat", more.pop("input", "hello"), **more)


@virtual_time
async def test_a_decision_that_is_wrong_sends_nothing_to_who_may_not_see_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from loom.router import counsel as module

    real = module.decide

    def wrong(request: ModelRequest, facts: Any, *rest: Any) -> Any:
        free = ModelRequest(request.task, request.input)
        return real(free, facts, *rest)

    monkeypatch.setattr(module, "decide", wrong)
    for label in ("sensitive", "private", "local-only"):
        far = cloud(clearance=Confidentiality.PUBLIC)
        router = new_router(far, guard=FakeGuard())
        with pytest.raises(RouteRefused, match="is not sent to 'cloud'"):
            await router.ask(asked(input=SECRET, label=Label.parse(label)))
        assert not far.requests
        assert leftovers(router) == []


@virtual_time
async def test_a_wrong_decision_without_a_guard_sends_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    from loom.router import counsel as module

    real = module.decide
    monkeypatch.setattr(
        module, "decide", lambda request, *rest: real(ModelRequest(request.task, request.input), *rest)
    )
    far = cloud(clearance=Confidentiality.PRIVATE)
    router = new_router(far)
    with pytest.raises(RouteRefused, match="sensitive data is not sent"):
        await router.ask(asked(label=SENSITIVE))
    assert not far.requests


@virtual_time
async def test_what_is_sensitive_leaves_redacted_comes_back_restored_and_is_audited() -> None:
    told = Told()
    far = cloud(script=["you said {input}"])
    router = new_router(far, guard=FakeGuard(), tell=told)
    reply = await router.ask(asked(input=f"my word is {SECRET}", label=SENSITIVE))
    assert far.requests[0].input == "my word is [X]"
    assert reply.output == {"text": f"you said my word is {SECRET}"}
    (audit,) = told.of("audit")
    assert audit["input"] == "my word is [X]"
    assert SECRET not in repr(told)


@virtual_time
async def test_what_is_always_redacted_is_not_sent_when_nobody_can(monkeypatch: pytest.MonkeyPatch) -> None:
    from loom.router import counsel as module

    def redacted(*asked: Any) -> Any:
        decision = real(*asked)
        verdicts = tuple(replace(each, redact=True) for each in decision.verdicts)
        return replace(decision, verdicts=verdicts)

    real = module.decide
    monkeypatch.setattr(module, "decide", redacted)
    far = cloud()
    with pytest.raises(NotRedacted, match="no guard"):
        await new_router(far).ask(asked())
    assert not far.requests


@virtual_time
async def test_a_known_secret_is_hidden_under_any_label() -> None:
    far = cloud()
    router = new_router(FakeModel("here", quality=0.1), far, guard=FakeGuard(secrets=(SECRET,)))
    await router.ask(asked(input=f"what is {SECRET}?"))
    await router.ask(asked(input="what is love?"))
    assert [request.input for request in far.requests] == ["what is [X]?", "what is love?"]


@virtual_time
async def test_a_thread_that_became_private_while_its_request_waited_is_not_sent() -> None:
    guard = FakeGuard()
    far = cloud(script=[[1, "x"]], concurrency=1)
    router = new_router(far, guard=guard)
    first = asyncio.create_task(router.ask(asked()))
    await asyncio.sleep(0.1)
    second = asyncio.create_task(router.ask(asked(thread="t")))
    await asyncio.sleep(0.1)
    guard.label("t", PRIVATE)
    await first
    with pytest.raises(RouteRefused, match="private data is not sent"):
        await second
    assert len(far.requests) == 1
    assert leftovers(router) == []


@pytest.mark.parametrize("before", [True, False])
@virtual_time
async def test_the_key_of_a_backend_is_hidden_whenever_the_backend_or_the_guard_came(before: bool) -> None:
    far = cloud()
    far.secrets = (SECRET,)  # type: ignore[attr-defined]  # as a remote model has its keys
    router = new_router(guard=FakeGuard() if before else None)
    router.add(far)
    if not before:
        router.guard = FakeGuard()
    await router.ask(ModelRequest("chat", f"is {SECRET} the key?"))
    assert [SECRET in str(each.input) for each in far.requests] == [False]


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("hybrid", ["off", "cascade", "hedged", "speculative"])
@virtual_time
async def test_who_stood_in_line_when_the_policy_became_private_does_not_leave(
    hybrid: str, streams: bool
) -> None:
    far = cloud(script=[[5, "hello there"]], concurrency=1)
    router = new_router(far, FakeModel("here", quality=0.6), policy=Policy(hybrid=hybrid))

    async def ask(text: str, **more: Any) -> Any:
        request = asked(input=text, **more)
        return [each async for each in router.stream(request)] if streams else await router.ask(request)

    first = asyncio.ensure_future(ask("one", route="cloud"))
    await asyncio.sleep(1)
    second = asyncio.ensure_future(ask("two", route="auto" if hybrid != "off" else "cloud", min_quality=None))
    third = asyncio.ensure_future(ask("three", route="cloud", profile="best"))
    await asyncio.sleep(1)
    router.policy = PROFILES["private"]
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert [each.input for each in far.requests] == ["one", "three"], "the second stayed here, or nowhere"
    if hybrid == "off":
        assert isinstance(second.exception(), RouteRefused)
    assert leftovers(router) == []
