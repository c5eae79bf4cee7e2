"""Who pays: the backend that was asked, for what it took, also when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from loom.errors import (
    BackendFailed,
    BackendTimeout,
    BudgetExceeded,
    ModelError,
    ModelFailed,
    RouteRefused,
)
from loom.event import Confidentiality, Label
from loom.models import ModelReply, ModelRequest
from loom.models.price import Price, Usage
from loom.privacy import Guard
from loom.router.budget import Budgets, Limit, Payer, Reservation, Spend
from loom.router.policy import Policy
from loom.router.size import size_of
from loom.testing import virtual_time
from tests.router.backends import PRICE as PRICE_SMALL
from tests.router.backends import FakeModel, Told, cloud, leftovers, new_router

SENSITIVE = Label(Confidentiality.SENSITIVE)
PRIVATE = Label(Confidentiality.PRIVATE)


def asked(**more: Any) -> ModelRequest:
    return ModelRequest("chat", more.pop("input", "hello"), **more)


def spent(budgets: Budgets, limit: float) -> float:
    left = budgets.remaining(Payer("", None, ""), 0).money
    assert left is not None
    return limit - left


@virtual_time
async def test_the_backend_that_bills_is_the_one_that_is_charged() -> None:
    budgets = Budgets([Limit("all", money=100.0)])
    router = new_router(cloud("dear", ["fail"], quality=0.95), cloud("cheap", quality=0.9), budgets=budgets)
    reply = await router.ask(asked())
    assert reply.backend == "cheap"
    assert spent(budgets, 100) == pytest.approx(0.52)
    assert reply.cost == pytest.approx(0.52)


@virtual_time
async def test_who_was_sent_something_and_cancelled_is_paid_for_what_it_read() -> None:
    budgets = Budgets([Limit("all", money=100.0)])
    router = new_router(cloud(script=["hang"]), budgets=budgets)
    task = asyncio.create_task(router.ask(asked(input="x" * 40)))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    worst = 0.5 + (4 * 10 + 64) * 0.001 + 512 * 0.002  # it may have written all that it was allowed to
    assert spent(budgets, 100) == pytest.approx(worst)
    assert router.statistics()["cloud"]["cost"] == pytest.approx(0.51)  # a call and ten tokens are known
    assert router.statistics()["cloud"]["cancelled"] == 1
    assert leftovers(router) == []


@virtual_time
async def test_a_server_error_bills_nothing_and_a_broken_connection_may() -> None:
    budgets = Budgets([Limit("all", money=100.0)])
    router = new_router(cloud(script=["fail", "reset"]), budgets=budgets)
    with pytest.raises(BackendFailed):
        await router.ask(asked())
    assert spent(budgets, 100) == 0
    with pytest.raises(BackendFailed):
        await router.ask(asked(input="x" * 40))
    assert spent(budgets, 100) >= 0.51


@virtual_time
async def test_an_answer_may_be_as_long_as_was_reserved() -> None:
    far = cloud(price=PRICE_SMALL)
    router = new_router(far, budgets=Budgets([Limit("all", money=100.0)]))
    await router.ask(asked())
    assert far.requests[0].options["max_tokens"] == 512
    await router.ask(asked(options={"max_tokens": 7}))
    assert far.requests[1].options["max_tokens"] == 7


@virtual_time
@pytest.mark.parametrize("most", [None, 0, -5, "5", True, 1.5, float("nan")])
async def test_what_is_no_limit_of_an_answer_does_not_take_the_limit_away(most: object) -> None:
    far = cloud(price=PRICE_SMALL)
    router = new_router(far, budgets=Budgets([Limit("all", money=100.0)]))
    await router.ask(asked(options={"max_tokens": most}))
    assert far.requests[0].options["max_tokens"] == 512


@virtual_time
async def test_an_answer_that_may_cost_so_much_has_an_end_without_budgets_too() -> None:
    far = cloud(price=PRICE_SMALL)
    router = new_router(far)
    await router.ask(asked(max_cost=50.0))
    await router.ask(asked())
    assert [each.options.get("max_tokens") for each in far.requests] == [512, None]


@virtual_time
async def test_all_tries_together_cost_no_more_than_the_request_may() -> None:
    """A connection that breaks may have cost all of it; the next backend is asked only if both can be paid."""
    price = Price(call=0.002)
    for most, spends in ((0.003, 0.002), (0.004, 0.004)):
        first, second = (
            cloud("one", ["reset"], quality=0.95, price=price),
            cloud("two", quality=0.9, price=price),
        )
        router = new_router(first, second, policy=Policy(hybrid="off"))
        failed = False
        try:
            await router.ask(asked(max_cost=most))
        except BudgetExceeded as error:
            failed = "'two' was not asked" in str(error)
        assert (sum(each.cost for each in router._backends.values()), failed) == (spends, most == 0.003)
        assert len(second.requests) == (0 if failed else 1)


@virtual_time
async def test_an_answer_that_does_not_say_what_it_took_is_counted_as_its_text() -> None:
    class Silent(FakeModel):
        async def infer(self, request: ModelRequest) -> ModelReply:
            return ModelReply({"text": "four words are here"}, self.name, 0.0, 1.0)

    budgets = Budgets([Limit("all", money=100.0)])
    router = new_router(Silent("cloud", location="cloud", price=PRICE_SMALL), budgets=budgets)
    reply = await router.ask(asked(input="x" * 40))
    assert reply.cost == pytest.approx(0.5 + 10 * 0.001 + 5 * 0.002)
    assert spent(budgets, 100) == pytest.approx(reply.cost)


@virtual_time
@pytest.mark.parametrize(("said", "took"), [((10, 0), (10, 5)), ((0, 9), (10, 9)), ((7, 9), (7, 9))])
async def test_a_figure_that_is_missing_is_counted_as_the_text(said: Any, took: Any) -> None:
    class Half(FakeModel):
        async def infer(self, request: ModelRequest) -> ModelReply:
            return ModelReply({"text": "four words are here"}, self.name, 0.0, 1.0, usage=Usage(*said))

    budgets = Budgets([Limit("all", tokens=10_000)])
    router = new_router(Half("cloud", location="cloud", price=PRICE_SMALL), budgets=budgets)
    reply = await router.ask(asked(input="x" * 40))
    assert reply.usage[:2] == took
    assert budgets.remaining(Payer("", None, ""), 0).tokens == 10_000 - sum(took)


@virtual_time
async def test_seconds_are_a_limit_to_the_try_itself() -> None:
    budgets = Budgets([Limit("all", seconds=5.0)])
    router = new_router(cloud(script=[[2, "x"], "hang"]), budgets=budgets)
    await router.ask(asked())
    assert budgets.remaining(Payer("", None, ""), 0).seconds == pytest.approx(3)
    began = asyncio.get_running_loop().time()
    with pytest.raises(BackendTimeout):
        await router.ask(asked())
    assert asyncio.get_running_loop().time() - began == pytest.approx(3)
    with pytest.raises(BudgetExceeded) as caught:
        await router.ask(asked())
    assert (caught.value.budget, caught.value.kind) == ("all", "seconds")
    assert budgets.overrun == 0


@virtual_time
async def test_calls_are_counted_where_nothing_is_billed_too() -> None:
    router = new_router(FakeModel("here"), budgets=Budgets([Limit("two", calls=2)]))
    await router.ask(asked())
    await router.ask(asked())
    with pytest.raises(BudgetExceeded, match="two") as caught:
        await router.ask(asked())
    assert caught.value.kind == "calls"


@virtual_time
async def test_many_at_once_never_spend_more_than_there_is() -> None:
    far = cloud(script=[[0.01, "x"]])
    budgets = Budgets([Limit("all", money=10.0)])
    router = new_router(far, budgets=budgets)
    results = await asyncio.gather(
        *(router.ask(asked(options={"max_tokens": 5})) for _ in range(1_000)), return_exceptions=True
    )
    assert all(not isinstance(each, BaseException) or isinstance(each, ModelError) for each in results)
    assert 0 < len(far.requests) * 0.52 <= 10.0
    assert leftovers(router) == []


@pytest.mark.parametrize(("options", "least", "most"), [({"tools": [{"name": "t"}]}, 100, 200), ({}, 0, 20)])
@virtual_time
async def test_a_stream_with_tools_that_is_left_counts_as_reserved_for_nobody_saw_its_calls(
    options: dict[str, Any], least: int, most: int
) -> None:
    far = cloud(script=["a b c d"], pause=1.0)
    far.features = frozenset({"tools"})  # type: ignore[attr-defined]  # models may have them
    budgets = Budgets([Limit("all", tokens=1_000)])
    router = new_router(far, budgets=budgets)
    async with aclosing(router.stream(asked(options={"max_tokens": 100, **options}))) as items:
        await anext(items)
    left = budgets.remaining(Payer(), 0).tokens
    assert left is not None
    assert least <= 1_000 - left <= most
    full = [each async for each in router.stream(asked(options={"max_tokens": 100, **options}))]
    assert full[-1]["done"]
    assert left - (budgets.remaining(Payer(), 0).tokens or 0) <= 20  # it said what it took


class PerByte(FakeModel):
    """Bills a token for every byte that it reads, the worst that a tokenizer can do, and as many as it may write."""

    billed = 0

    async def infer(self, request: ModelRequest) -> ModelReply:
        took = Usage(len(json.dumps(request.input, ensure_ascii=False).encode()), 16)
        self.billed += took.tokens_in + took.tokens_out
        self.requests.append(request)
        await asyncio.sleep(1)
        return ModelReply({"text": "ok"}, self.name, 0.0, 1.0, usage=took)


def per_byte() -> PerByte:
    return PerByte(
        "cloud", location="cloud", clearance=Confidentiality.PRIVATE, price=Price(1e6, 1e6), concurrency=100
    )


@pytest.mark.parametrize("unit", ["a@b.co ", "10.1.2.3 ", "ring 030 1234567 "])
@virtual_time
async def test_placeholders_that_are_longer_than_what_they_stand_for_are_paid_for_before_they_are_sent(
    unit: str,
) -> None:
    far, budgets = per_byte(), Budgets([Limit("all", tokens=30_000)])
    router = new_router(far, budgets=budgets, guard=Guard())
    request = asked(input=unit * 200, label=SENSITIVE, options={"max_tokens": 16})
    results = await asyncio.gather(*(router.ask(request) for _ in range(50)), return_exceptions=True)
    assert all(not isinstance(each, BaseException) or isinstance(each, ModelError) for each in results)
    assert 0 < far.billed <= 30_000
    assert budgets.statistics()["overrun"] == 0
    assert leftovers(router) == []


@virtual_time
async def test_placeholders_do_not_cost_more_than_the_request_may() -> None:
    far = per_byte()
    router = new_router(far, guard=Guard())
    request = asked(input="a@b.co " * 200, label=SENSITIVE, options={"max_tokens": 16}, max_cost=400.0)
    with pytest.raises(BudgetExceeded, match="placeholders"):
        await router.ask(request)
    assert far.requests == []
    assert leftovers(router) == []


@virtual_time
async def test_the_label_of_a_thread_is_asked_once_more_after_more_was_reserved() -> None:
    """Reserving may take a write to a disk; what the thread has become meanwhile counts."""
    far, guard, told = cloud(), Guard(), Told()

    class Slow(Budgets):
        async def reserve(self, payer: Payer, spend: Spend, now_ms: int) -> Reservation:
            await asyncio.sleep(1)
            return await super().reserve(payer, spend, now_ms)

    router = new_router(far, budgets=Slow([Limit("all", tokens=30_000)]), guard=guard, tell=told)
    request = asked(input="a@b.co " * 200, label=SENSITIVE, thread="t")
    task = asyncio.create_task(router.ask(request))
    await asyncio.sleep(1.5)  # reserved once, redacted, and longer: reserving again
    guard.label("t", PRIVATE)
    with pytest.raises(RouteRefused):
        await task
    assert far.requests == []
    assert told.of("audit") == []
    assert leftovers(router) == []


@virtual_time
async def test_numbers_and_names_in_tools_are_read_and_paid_for() -> None:
    short = {f"{letter}{digit}": 1 for letter in "abcdefgh" for digit in range(10)}
    for some in ({"enum": list(range(2_000))}, {"enum": [0.1 + 0.2] * 50}, {"default": short}):
        tools = [{"name": "t", "parameters": some}]
        text = json.dumps(tools, separators=(",", ":"))
        assert 4 * size_of(asked(options={"tools": tools})).tokens_in >= len(text)
    assert size_of(asked(options={"tools": [10**5_000, True, None]})).tokens_in < 2_000


@virtual_time
@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_that_is_wrong_itself_costs_nothing_and_is_no_fault_of_the_backend(
    stream: bool,
) -> None:
    wrong = [[ModelFailed("chat has no option 'metadata'")]] * 20
    budgets = Budgets([Limit("all", money=100.0)])
    router = new_router(cloud(script=[*wrong, "hello"]), budgets=budgets)
    for _ in wrong:
        with pytest.raises(ModelFailed, match="no option"):
            await (anext(router.stream(asked())) if stream else router.ask(asked()))
    assert spent(budgets, 100) == 0
    assert router.statistics()["cloud"]["cost"] == 0
    assert (await router.ask(asked())).backend == "cloud"
    assert leftovers(router) == []
