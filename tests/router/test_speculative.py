"""A provisional answer at once, a refined one after it; what fails costs no answer that is there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from loom.errors import BackendFailed
from loom.event import Confidentiality, Label
from loom.models import ModelRequest
from loom.models.decision import Manner
from loom.router.policy import Policy
from loom.testing import virtual_time
from tests.router.backends import FakeGuard, FakeModel, Told, cloud, leftovers, new_router

SPECULATIVE = Policy(hybrid="speculative", threshold=0.7, band=0.2)
ASKED = ModelRequest("chat", "hello", label=Label(Confidentiality.SENSITIVE), thread="t")


def pair(first: list[Any], second: list[Any], **more: Any) -> Any:
    here, far = FakeModel("here", first, quality=0.6), cloud(script=second)
    told = Told()
    return here, told, new_router(here, far, policy=SPECULATIVE, tell=told, guard=FakeGuard(), **more)


@virtual_time
async def test_the_provisional_answer_is_told_on_its_thread_with_its_label_and_the_refined_one_given() -> (
    None
):
    _, told, router = pair([[0.1, "quick"]], [[1, "better"]])
    task = asyncio.create_task(router.ask(ASKED))
    await asyncio.sleep(0.2)
    (said,) = told.of("provisional")
    assert (said["thread"], said["label"], said["backend"]) == ("t", "sensitive", "here")
    assert said["output"] == {"text": "quick"}
    reply = await task
    assert reply.decision.manner is Manner.SPECULATIVE
    assert (reply.backend, reply.output) == ("cloud", {"text": "better"})
    assert reply.total_ms == pytest.approx(1_000)
    assert leftovers(router) == []


@virtual_time
async def test_when_refining_fails_the_provisional_answer_stands() -> None:
    _, told, router = pair([[0.1, "quick"]], [[1, "fail"]])
    reply = await router.ask(ASKED)
    assert (reply.backend, reply.output) == ("here", {"text": "quick"})
    assert told.of("outcome")[0]["stood"] is True
    _, told, router = pair([[2, "quick"]], [[1, "fail"]])
    assert (await router.ask(ASKED)).backend == "here"
    assert leftovers(router) == []


@virtual_time
async def test_who_refines_first_wins_and_the_other_is_cancelled() -> None:
    here, told, router = pair(["hang"], [[1, "better"]])
    assert (await router.ask(ASKED)).backend == "cloud"
    assert not told.of("provisional")
    assert here.ended == ["CancelledError"]
    assert router.statistics()["here"]["lost"] == 1
    assert leftovers(router) == []


@virtual_time
async def test_one_failure_is_covered_by_the_other_and_two_are_an_error() -> None:
    _, told, router = pair(["crash"], [[1, "better"]])
    assert (await router.ask(ASKED)).backend == "cloud"
    assert not told.of("provisional")
    _, _, router = pair(["crash"], ["fail"])
    with pytest.raises(BackendFailed, match="cloud failed"):
        await router.ask(ASKED)
    assert leftovers(router) == []


@virtual_time
async def test_a_cancel_takes_both_down() -> None:
    _, _, router = pair(["hang"], ["hang"])
    task = asyncio.create_task(router.ask(ASKED))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert leftovers(router) == []


@pytest.mark.parametrize("turns", range(30))
@virtual_time
async def test_two_cancels_wherever_they_come_leave_nothing_of_a_stream_behind(turns: int) -> None:
    _, _, router = pair(["quick"], [[1, "better"]])
    task = asyncio.create_task(_read(router))
    for _ in range(turns):
        await asyncio.sleep(0)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.wait((task,))
    assert leftovers(router) == []


async def _read(router: Any) -> list[Any]:
    return [item async for item in router.stream(ASKED)]


@virtual_time
async def test_a_stream_gives_provisional_items_then_refined_ones() -> None:
    _, told, router = pair(["quick words"], [[1, "better words"]])
    items = [item async for item in router.stream(ASKED)]
    drafts = [item for item in items if item.get("provisional")]
    assert "".join(item["text"] for item in drafts) == "quick words"
    place = items.index({"text": "", "refining": True})
    assert place == len(drafts)
    assert "".join(item["text"] for item in items[place:]) == "better words"
    assert items[-1]["done"]
    assert items[-1]["backend"] == "cloud"
    assert told.of("provisional")[0]["output"]["text"] == "quick words"
    assert leftovers(router) == []


@virtual_time
async def test_a_stream_turns_to_the_refined_items_as_soon_as_there_are_any() -> None:
    here = FakeModel("here", ["a b c d e f"], quality=0.6, pause=1)
    router = new_router(here, cloud(script=[[2.5, "better"]]), policy=SPECULATIVE)
    items = [item async for item in router.stream(ModelRequest("chat", "hello"))]
    assert "".join(item["text"] for item in items if item.get("provisional")) == "a b "
    assert items[-1]["backend"] == "cloud"
    assert router.statistics()["here"]["lost"] == 1
    assert leftovers(router) == []


@virtual_time
async def test_a_stream_whose_refining_fails_is_the_provisional_one_to_its_end() -> None:
    here = FakeModel("here", ["a b c"], quality=0.6, pause=1)
    router = new_router(here, cloud(script=[[1.5, "fail"], [["x y", "break"]]][:1]), policy=SPECULATIVE)
    items = [item async for item in router.stream(ModelRequest("chat", "hello"))]
    assert "".join(item["text"] for item in items) == "a b c"
    assert all(item.get("provisional") for item in items)
    assert (items[-1]["done"], items[-1]["backend"]) == (True, "here")
    assert leftovers(router) == []


@virtual_time
async def test_a_refined_stream_that_breaks_off_is_an_error_and_so_are_two_that_fail() -> None:
    _, _, router = pair(["quick"], [["two words", "break"]])
    with pytest.raises(BackendFailed, match="broke off"):
        _ = [item async for item in router.stream(ASKED)]
    _, _, router = pair(["crash"], ["fail"])
    with pytest.raises((BackendFailed, RuntimeError)):
        _ = [item async for item in router.stream(ASKED)]
    assert leftovers(router) == []


@virtual_time
async def test_a_stream_that_is_closed_ends_both() -> None:
    _, _, router = pair(["quick words"], [["hang"]])
    stream = router.stream(ASKED)
    await anext(stream)
    await stream.aclose()
    assert leftovers(router) == []
