"""A hedged request asks a second backend when the first is late; one answer, and the loser is gone and paid for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from loom.errors import BackendFailed
from loom.models import ModelRequest
from loom.models.decision import Manner
from loom.router.budget import Budgets, Limit, Payer
from loom.router.policy import Policy
from loom.testing import virtual_time
from tests.router.backends import FakeModel, Told, cloud, leftovers, new_router

HEDGED = Policy(hybrid="hedged", threshold=0.7, band=0.2)
ASKED = ModelRequest("chat", "hello")


def pair(first: list[Any], second: list[Any], **more: Any) -> Any:
    """A hedged router over two that bill, and its parts."""
    here = FakeModel("here", first, quality=0.6, price=cloud().price)
    far = cloud(script=second)
    return here, far, new_router(here, far, policy=HEDGED, **more)


@virtual_time
async def test_who_is_in_time_is_alone() -> None:
    here, far, router = pair([[0.9, "quick"]], ["x"])
    reply = await router.ask(ASKED)
    assert reply.decision.manner is Manner.HEDGED
    assert reply.backend == reply.decision.order[0]
    assert len(here.requests) + len(far.requests) == 1


@virtual_time
async def test_a_late_one_gets_company_loses_is_cancelled_and_paid_for() -> None:
    told = Told()
    budgets = Budgets([Limit("all", money=100.0)])
    here, _far, router = pair([["hang"]], [[0.5, "won"]], tell=told, budgets=budgets)
    began = asyncio.get_running_loop().time()
    reply = await router.ask(ASKED)
    assert reply.backend == "cloud"
    assert asyncio.get_running_loop().time() - began == pytest.approx(1.5)
    assert here.ended == ["CancelledError"]
    assert router.statistics()["here"]["lost"] == 1
    loser = 0.5 + 2 * 0.001
    assert reply.cost == pytest.approx(0.52 + loser) or reply.cost == pytest.approx(0.52)
    (outcome,) = told.of("outcome")
    assert outcome["cost"] == pytest.approx(0.52 + loser)
    left = budgets.remaining(Payer("", None, ""), 0).money or 0
    assert (
        100 - left > 0.52 + loser
    )  # what a whole answer would have cost is not known: it counts as reserved
    assert leftovers(router) == []


@virtual_time
async def test_the_wait_is_the_p95_of_the_first() -> None:
    _here, far, router = pair([[0.2, "x"]] * 30 + [["hang"]], ["won"])
    for _ in range(30):
        await router.ask(ASKED)
    assert not far.requests
    began = asyncio.get_running_loop().time()
    await router.ask(ASKED)
    assert 0.19 < asyncio.get_running_loop().time() - began < 0.23


@virtual_time
async def test_who_fails_is_followed_at_once_and_the_other_still_counts() -> None:
    _, _far, router = pair(["fail"], [[0.1, "won"]])
    began = asyncio.get_running_loop().time()
    assert (await router.ask(ASKED)).backend == "cloud"
    assert asyncio.get_running_loop().time() - began == pytest.approx(0.1)
    _, _, router = pair([[3, "slow but there"]], ["fatal"])
    assert (await router.ask(ASKED)).backend == "here"
    _, _, router = pair([[2, "fail"]], [[2, "crash"]])
    with pytest.raises(RuntimeError, match="cloud crashed"):
        await router.ask(ASKED)
    assert leftovers(router) == []


@virtual_time
async def test_a_cancel_takes_both_down_and_both_are_paid() -> None:
    here, far, router = pair(["hang"], ["hang"])
    task = asyncio.create_task(router.ask(ASKED))
    await asyncio.sleep(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (here.ended, far.ended) == (["CancelledError"], ["CancelledError"])
    assert [router.statistics()[name]["cancelled"] for name in ("here", "cloud")] == [1, 1]
    assert leftovers(router) == []


@virtual_time
async def test_of_two_streams_the_one_with_the_first_item_goes_on() -> None:
    here, _far, router = pair([[5, "late words"]], [[0.2, "won by far"]])
    items = [item async for item in router.stream(ASKED)]
    assert "".join(item["text"] for item in items) == "won by far"
    assert items[-1]["backend"] == "cloud"
    assert items[-1]["cost"] == pytest.approx(0.52 + 0.502)
    assert here.ended == ["CancelledError"]
    assert leftovers(router) == []


@virtual_time(seeds=20)
async def test_two_first_items_at_the_same_moment_are_one_answer() -> None:
    near, remote = " ".join("abcdefghijklmnop"), " ".join("ABCDEFGHIJKLMNOP")  # more than is read ahead
    here, far, router = pair([[1.25, near]], [[0.25, remote]])
    items = [item async for item in router.stream(ASKED)]
    said = "".join(item["text"] for item in items)
    assert said == {"here": near, "cloud": remote}[items[-1]["backend"]]
    assert len(here.requests) == len(far.requests) == 1
    assert items[-1]["cost"] > 0.52
    assert leftovers(router) == []


@virtual_time(seeds=20)
async def test_a_cancel_in_the_moment_of_winning_leaves_nothing() -> None:
    for turns in range(12):
        _, _, router = pair([[1.25, "from here"]], [[0.25, "from far"]])
        stream = router.stream(ASKED)
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(1.25)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        await stream.aclose()
        assert leftovers(router) == []


@virtual_time
async def test_a_stream_that_is_closed_closes_the_winner() -> None:
    _here, far, router = pair([["hang"]], ["a b c d e f g h i j k l m n o p q r s t"])
    stream = router.stream(ASKED)
    await anext(stream)
    await stream.aclose()
    assert far.ended[0] in ("CancelledError", "GeneratorExit")
    assert leftovers(router) == []


@virtual_time
async def test_a_winner_that_breaks_off_is_an_error() -> None:
    _, _, router = pair([["hang"]], [["two words", "break"]])
    with pytest.raises(BackendFailed, match="broke off"):
        _ = [item async for item in router.stream(ASKED)]
    assert leftovers(router) == []
