"""Backends that say what makes no sense: nothing stays taken, the bill is right, and errors are typed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from loom.errors import BackendFailed, BudgetExceeded, ConfigError
from loom.models import ModelReply, ModelRequest
from loom.router.budget import Budgets, Payer
from loom.testing import virtual_time
from tests.router.backends import FakeModel, cloud, leftovers, new_router

NONSENSE = [nan, inf, -inf, -1.0, 10**400, 1e308, "soon", True]
ME = Payer("home")


class Odd(FakeModel):
    """Says of each answer how long it took: *times*."""

    def __init__(self, **times: Any) -> None:
        super().__init__("odd", location="cloud", quality=0.9)
        self._times = times

    async def infer(self, request: ModelRequest) -> ModelReply:
        return replace(await super().infer(request), **self._times)


def asked(**more: Any) -> ModelRequest:
    return ModelRequest("chat", "hello", agent=ME.agent, **more)


@pytest.mark.parametrize("said", [*NONSENSE, None])
@virtual_time
async def test_times_that_make_no_sense_leave_nothing_taken_and_teach_nothing(said: Any) -> None:
    budgets = Budgets({"calls": {"calls": 9}})
    router = new_router(Odd(first_ms=said, queue_ms=said), budgets=budgets)
    for _ in range(3):
        reply = await router.ask(asked())
        assert reply.first_ms is None
        assert 0 <= reply.queue_ms <= reply.total_ms
    assert leftovers(router) == []
    assert budgets.remaining(ME, 0).calls == 6
    assert router.statistics()["odd"]["total_ms"]["<=128"]["p95"] >= 0


@pytest.mark.parametrize("said", NONSENSE)
@virtual_time
async def test_a_pause_that_makes_no_sense_leaves_nothing_taken(said: Any) -> None:
    budgets = Budgets({"calls": {"calls": 9}})
    failed = BackendFailed("cloud is busy", status=429, retry_after=said)
    router = new_router(cloud(script=[failed, "hello"]), FakeModel("here", quality=0.1), budgets=budgets)
    reply = await router.ask(asked())
    assert reply.backend == "here"
    assert leftovers(router) == []
    assert budgets.remaining(ME, 0).calls == 8
    until = router.statistics()["cloud"]["open_until_ms"]
    assert until is None or until <= router._parties.clock.now_ms() + 3_600_000


@pytest.mark.parametrize("said", [0.0, -1.0, None])
@virtual_time
async def test_who_may_be_asked_again_at_once_turns_nobody_away(said: float | None) -> None:
    busy = BackendFailed("cloud is busy", status=429, retry_after=said)
    far = cloud(script=[busy, [5, "hello"]])
    router = new_router(far)
    with pytest.raises(BackendFailed):
        await router.ask(asked())
    replies = await asyncio.gather(*(router.ask(asked()) for _ in range(3)))
    assert [each.backend for each in replies] == ["cloud"] * 3
    assert far.most == 3


@pytest.mark.parametrize("name", ["timeout", "max_cost", "min_quality"])
@pytest.mark.parametrize("value", [10**400, -(10**400)])
@virtual_time
async def test_a_bound_that_is_too_large_for_a_number_is_named(name: str, value: int) -> None:
    router = new_router(cloud())
    with pytest.raises(ConfigError, match=name):
        await router.ask(asked(**{name: value}))
    assert leftovers(router) == []


@pytest.mark.parametrize(
    ("name", "value"), [("route", 5), ("profile", 5), ("qos", "fast"), ("qos", None), ("qos", [])]
)
@virtual_time
async def test_a_wish_that_is_none_is_named_wherever_it_stands(name: str, value: Any) -> None:
    router = new_router(cloud())
    with pytest.raises(ConfigError, match=name):
        await router.ask(asked(**{name: value}))
    if name != "qos":
        with pytest.raises(ConfigError, match=name):
            await router.ask(asked(options={name: value}))
    assert leftovers(router) == []


@pytest.mark.parametrize("most", [10**16, 10**400])
@virtual_time
async def test_an_answer_without_end_is_paid_by_no_budget_and_asked_for_without_one(most: int) -> None:
    endless = asked(options={"max_tokens": most})
    for limit in ({"money": 1e6}, {"tokens": 1e9}):
        far = cloud()
        with pytest.raises(BudgetExceeded):
            await new_router(far, budgets=Budgets({"all": limit})).ask(endless)
        assert not far.requests
    budgets = Budgets({"calls": {"calls": 9}})
    router = new_router(cloud(), budgets=budgets)
    assert (await router.ask(endless)).backend == "cloud"  # whose own limit it is to say no to that
    assert budgets.remaining(ME, 0).calls == 8
