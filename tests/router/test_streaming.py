"""Streams: another backend only before the first item, closed means cancelled and paid, placeholders put back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from loom.errors import BackendFailed, BackendTimeout, BudgetExceeded, RouteRefused
from loom.event import Confidentiality, Label
from loom.models import ModelRequest
from loom.router.budget import Budgets, Limit, Payer
from loom.testing import virtual_time
from tests.router.backends import SECRET, FakeGuard, FakeModel, Told, cloud, leftovers, new_router

ASKED = ModelRequest("chat", "hello")


async def texts(stream: AsyncGenerator[Any, None]) -> list[str]:
    return [item["text"] async for item in stream]


@virtual_time
async def test_the_last_item_says_who_why_and_what_it_cost() -> None:
    told = Told()
    router = new_router(cloud(), tell=told)
    items = [item async for item in router.stream(ASKED)]
    assert [item["text"] for item in items] == ["hello ", "there", ""]
    first, last = items[0], items[-1]
    assert {name: first[name] for name in ("backend", "decision", "route")} == {
        name: last[name] for name in ("backend", "decision", "route")
    }
    assert set(items[1]) == {"text"}
    assert last["done"]
    assert last["backend"] == "cloud"
    assert last["cost"] == pytest.approx(0.52)
    assert router.decisions(last["decision"]).order == ("cloud",)
    (outcome,) = told.of("outcome")
    assert (outcome["outcome"], outcome["backend"], outcome["usage"]["tokens_out"]) == ("done", "cloud", 5)
    assert leftovers(router) == []


@pytest.mark.parametrize("trouble", ["fail", "crash", "die", "busy"])
@virtual_time
async def test_before_the_first_item_another_backend_is_asked(trouble: str) -> None:
    router = new_router(FakeModel("here", ["from here"], quality=0.1), cloud(script=[trouble]))
    assert await texts(router.stream(ASKED)) == ["from ", "here", ""]


@virtual_time
async def test_after_the_first_item_an_error_is_an_error() -> None:
    here = FakeModel("here", quality=0.1)
    router = new_router(here, cloud(script=[["two words", "break"]]))
    with pytest.raises(BackendFailed, match="broke off"):
        await texts(router.stream(ASKED))
    assert not here.requests
    assert leftovers(router) == []


@virtual_time
async def test_a_stream_that_is_closed_is_cancelled_there_and_paid_for_what_came() -> None:
    budgets = Budgets([Limit("all", money=100.0)])
    far = cloud(script=["a b c d e f"], pause=1)
    told = Told()
    router = new_router(far, budgets=budgets, tell=told)
    stream = router.stream(ASKED)
    for _ in range(3):
        await anext(stream)
    await stream.aclose()
    assert far.ended == ["GeneratorExit"]
    left = budgets.remaining(Payer("", None, ""), 0).money
    assert left == pytest.approx(100 - 0.5 - 2 * 0.001 - 3 * 0.002)
    assert told.of("outcome")[0]["outcome"] == "cancelled"
    assert leftovers(router) == []


@virtual_time
async def test_a_stream_ends_with_its_time() -> None:
    router = new_router(cloud(script=["a b c d e f g h"], pause=1))
    stream = router.stream(ModelRequest("chat", "hello", timeout=3.5))
    assert [(await anext(stream))["text"] for _ in range(3)] == ["a ", "b ", "c "]
    with pytest.raises(BackendTimeout):
        await anext(stream)
    assert leftovers(router) == []


@virtual_time
async def test_a_server_that_goes_on_after_what_was_paid_for_is_cut_off() -> None:
    far = cloud(script=[" ".join("abcdefghijklmnopqrstuvwxyz")])
    budgets = Budgets([Limit("all", money=100.0)])
    router = new_router(far, budgets=budgets)
    with pytest.raises(BudgetExceeded, match="goes on after"):
        await texts(router.stream(ModelRequest("chat", "hello", options={"max_tokens": 4})))
    assert budgets.overrun == 0
    assert leftovers(router) == []


@pytest.mark.parametrize("cut", range(1, 6))
@virtual_time
async def test_placeholders_are_put_back_wherever_the_stream_is_split(cut: int) -> None:
    class Split(FakeModel):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
            self.requests.append(request)
            text = f"so: {request.input}!"
            for at in range(0, len(text), cut):
                yield {"text": text[at : at + cut]}
            yield {"text": "", "done": True, "tokens_in": 1, "tokens_out": 1, "tool_calls": [{"a": "[X]"}]}

    far = Split("cloud", location="cloud", clearance=Confidentiality.SENSITIVE, price=None)
    router = new_router(far, guard=FakeGuard())
    request = ModelRequest("chat", f"it is {SECRET}", Label(Confidentiality.SENSITIVE))
    items = [item async for item in router.stream(request)]
    assert "".join(item["text"] for item in items) == f"so: it is {SECRET}!"
    assert far.requests[0].input == "it is [X]"
    assert items[-1]["done"]


@virtual_time
async def test_a_stream_that_nobody_may_answer_is_refused() -> None:
    router = new_router(cloud(clearance=Confidentiality.PUBLIC), guard=FakeGuard())
    with pytest.raises(RouteRefused, match="cleared for public"):
        await texts(router.stream(ModelRequest("chat", SECRET, Label(Confidentiality.PRIVATE))))


@virtual_time
async def test_items_that_are_no_texts_pass_as_they_are() -> None:
    class Sound(FakeModel):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
            for number in range(3):
                yield number

    router = new_router(Sound("here"))
    assert [item async for item in router.stream(ASKED)] == [0, 1, 2]
    assert router.statistics()["here"]["done"] == 1


@virtual_time
async def test_two_streams_of_a_backend_with_one_slot_come_one_after_the_other() -> None:
    far = cloud(script=["a b"], pause=1, concurrency=1)
    router = new_router(far)
    both = await asyncio.gather(texts(router.stream(ASKED)), texts(router.stream(ASKED)))
    assert both == [["a ", "b", ""]] * 2
    assert far.most == 1
