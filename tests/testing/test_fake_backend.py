"""The scripted model: answers, failures, delays, and what it says when the script is over."""

import asyncio

import pytest

from loom import Label
from loom.errors import ModelFailed
from loom.models import Model, ModelRequest
from loom.testing import FakeBackend, new_loom, virtual_time


def test_it_is_a_model() -> None:
    assert isinstance(FakeBackend("detect", []), Model)


@virtual_time
async def test_a_script_is_followed_in_order_with_its_delay() -> None:
    backend = FakeBackend("detect", ["one", ValueError("two"), lambda request: request.input], delay=0.5)
    request = ModelRequest("detect", 3, label=Label())
    assert (await backend.infer(request)).output == "one"
    with pytest.raises(ValueError, match="two"):
        await backend.infer(request)
    assert (await backend.infer(request)).output == 3
    with pytest.raises(ModelFailed, match="no answer left"):
        await backend.infer(request)
    assert asyncio.get_running_loop().time() == 2.0
    assert backend.statistics() == {"requests": 4}


@virtual_time
async def test_one_callable_answers_for_ever_and_the_runtime_closes_it() -> None:
    backend = FakeBackend("double", lambda request: request.input * 2)
    async with new_loom().add_model(backend) as loom:
        assert [await loom.ask("double", n) for n in range(3)] == [0, 2, 4]
    assert backend.closed


@virtual_time
async def test_a_list_is_streamed_item_by_item_and_failures_come_in_their_place() -> None:
    backend = FakeBackend(
        "chat", [["a", ValueError("b"), "c"], "whole", lambda request: [request.input]], delay=0.5
    )
    request = ModelRequest("chat", 3, label=Label())
    items = backend.stream(request)
    assert await anext(items) == "a"
    assert asyncio.get_running_loop().time() == 0.5
    with pytest.raises(ValueError, match="b"):
        await anext(items)
    assert [item async for item in backend.stream(request)] == ["whole"]
    assert [item async for item in backend.stream(request)] == [3]
    with pytest.raises(ModelFailed, match="no answer left"):
        await anext(backend.stream(request))
    assert (backend.broken_off, len(backend.requests)) == (0, 4)


@virtual_time
async def test_streams_that_are_left_early_are_counted() -> None:
    backend = FakeBackend("chat", lambda request: [*"abc"])
    items = backend.stream(ModelRequest("chat"))
    await anext(items)
    await items.aclose()
    async with asyncio.timeout(1):
        [item async for item in backend.stream(ModelRequest("chat"))]
    assert backend.broken_off == 1
