"""Budgets and the cache in the router: a thousand at once overspend nothing, and what is remembered costs nothing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest

from loom.errors import BudgetExceeded, ModelFailed, RouteRefused
from loom.event import Confidentiality, Label
from loom.models.model import ModelReply, ModelRequest
from loom.models.price import Price, Usage
from loom.router import Router
from loom.router.budget import Budgets, Payer
from loom.router.cache import Cache
from loom.router.keep import ForgetfulKeep
from loom.router.profiles import PROFILES
from loom.runtime._config_build import build
from loom.runtime.config import parse_project
from loom.testing import VirtualClock, virtual_time
from tests.router.backends import FakeModel, new_router

PRICE = Price(million_in=100.0, million_out=1000.0)


class Cloud:
    """A backend that bills what it writes: as many tokens as it is allowed, or fewer; sometimes it fails first."""

    name, tasks, location, price = "cloud", frozenset({"chat"}), "cloud", PRICE
    clearance, concurrency = Confidentiality.PUBLIC, 1000

    def __init__(self, failing: bool = False) -> None:
        self.billed: Counter[str] = Counter()
        self.asked = 0
        self.chance = random.Random(3)
        self.failing = failing

    async def infer(self, request: ModelRequest) -> ModelReply:
        """The whole answer, billed when it is there."""
        output: dict[str, Any] = [item async for item in self.stream(request)][-1]
        return ModelReply({**output, "text": "Paris."}, "cloud", 0, 1, usage=Usage(1, output["tokens_out"]))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        """Token by token, each billed when it is written."""
        self.asked += 1
        await asyncio.sleep(self.chance.random())
        if self.failing and self.asked % 9 == 0:
            raise ModelFailed("gone")
        most = request.options["max_tokens"]
        assert isinstance(most, int)
        written = self.chance.choice([most, most // 2])
        if request.stream:
            for n in range(written):
                self._bill(request, Usage(not n, 1))
                yield {"text": "x "}
        else:
            self._bill(request, Usage(1, written))
        yield {"text": "", "done": True, "tokens_in": 1, "tokens_out": written, "stopped": "end"}

    def _bill(self, request: ModelRequest, usage: Usage) -> None:
        self.billed[request.agent] += round(PRICE.cost(usage) * 1e6)

    async def close(self) -> None:
        pass

    def statistics(self) -> Mapping[str, object]:
        return {}


@virtual_time(seeds=2)
async def test_a_thousand_requests_through_the_router_overspend_nothing() -> None:
    cloud, keep = Cloud(failing=True), ForgetfulKeep()
    limits = {"day": {"per": ["agent", "day"], "money": 2.0}}
    router = Router([cloud], budgets=Budgets(limits, keep), clock=VirtualClock())

    async def one(n: int) -> str:
        request = ModelRequest(
            "chat",
            "hi",
            agent=f"a{n % 3}",
            thread=f"t{n}",
            options={"max_tokens": 20},
            stream=n % 2 == 0,
            timeout=600,
        )
        try:
            if request.stream:
                async for _ in router.stream(request):
                    pass
            else:
                await router.ask(request)
        except BudgetExceeded:
            return "refused"
        except (ModelFailed, RouteRefused):
            return "failed"
        return "done"

    outcomes = Counter(await asyncio.gather(*(one(n) for n in range(1000))))
    assert outcomes["refused"] > 100
    assert outcomes["done"] > 100
    assert max(cloud.billed.values()) <= 2_000_000
    now = VirtualClock().now_ms()
    again = Budgets(limits, keep)
    for agent, billed in cloud.billed.items():
        left = again.remaining(Payer(agent), now).money
        assert left is not None
        assert 2.0 - left >= billed / 1e6 - 1e-9


@virtual_time
async def test_what_is_remembered_asks_nobody_costs_nothing_and_says_so() -> None:
    cloud = Cloud()
    router = Router(
        [cloud], budgets=Budgets({"all": {"calls": 1}}), cache=Cache(VirtualClock()), clock=VirtualClock()
    )
    request = ModelRequest("chat", "capital of France?", user="ada", options={"max_tokens": 20})
    first, second = await router.ask(request), await router.ask(request)
    assert second.output == first.output
    assert (second.backend, second.cost, cloud.asked) == ("cache:cloud", 0.0, 1)
    assert second.decision is not None
    assert second.decision.rule == "cache"
    for other in (
        ModelRequest("chat", "capital of France?", user="grace", options={"max_tokens": 20}),
        ModelRequest(
            "chat", "capital of France?", Label(untrusted=True), user="ada", options={"max_tokens": 20}
        ),
    ):
        with pytest.raises(BudgetExceeded):
            await router.ask(other)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("turns", ["policy", "model", ""])
@virtual_time
async def test_an_answer_on_its_way_when_the_policy_changes_is_not_remembered_under_the_new(
    turns: str, streams: bool
) -> None:
    router = new_router(FakeModel("slow", [[5, "poor"]]), cache=Cache(VirtualClock()))
    asked = ModelRequest("chat", "capital of France?")
    under_way = asyncio.ensure_future(_streamed(router, asked) if streams else router.ask(asked))
    await asyncio.sleep(1)
    if turns == "policy":
        router.policy = PROFILES["best"]
    elif turns == "model":
        router.add(FakeModel("better"))
    await under_way
    assert (await router.ask(asked)).backend.startswith("cache:") != bool(turns)


async def _streamed(router: Router, asked: ModelRequest) -> Any:
    return [item async for item in router.stream(asked)]


@pytest.mark.parametrize("where", ['[loom]\ndata = "data"\n', ""], ids=["store", "file"])
def test_what_a_project_spent_is_spent_after_a_restart(where: str, tmp_path: Path) -> None:
    text = where + '[router.budgets.all]\nagents = "cook"\nmoney = 0.05\n'

    async def life() -> list[str]:
        told = []
        async with build(parse_project(text, tmp_path / "loom.toml")).add_model(Cloud()) as loom:
            for n in range(3):
                request = ModelRequest("chat", f"{n}?", agent="cook", options={"max_tokens": 20})
                try:
                    told.append((await loom.infer(request)).backend)
                except BudgetExceeded as error:
                    told.append(error.budget)
        return told

    first, second = asyncio.run(life()), asyncio.run(life())
    assert first[0] == "cloud"
    assert first[-1] == "all"
    assert second == ["all"] * 3


class Slow(ForgetfulKeep):
    """A Keep that takes a while, so that requests are cancelled while their reservation is written, too."""

    async def write(self, name: str, value: bytes | None) -> None:
        await asyncio.sleep(0.05)
        await super().write(name, value)


@virtual_time(seeds=5)
async def test_whatever_is_cancelled_nothing_stays_reserved_and_nothing_billed_is_uncounted() -> None:
    cloud, chance, now = Cloud(failing=True), random.Random(5), VirtualClock().now_ms()
    budgets = Budgets({"all": {"money": 1e6}}, Slow())
    router = Router([cloud], budgets=budgets, clock=VirtualClock())

    async def one(n: int) -> None:
        request = ModelRequest("chat", "hi", options={"max_tokens": 20}, stream=n % 2 == 0)
        if not request.stream:
            await router.ask(request)
            return
        async for _ in router.stream(request):
            await asyncio.sleep(chance.random() / 10)

    tasks = [asyncio.ensure_future(one(n)) for n in range(200)]
    for task in chance.sample(tasks, 120):
        asyncio.get_running_loop().call_later(chance.random() * 1.2, task.cancel)
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(10)  # what goes on after its request was cancelled has come to its end
    (line,) = budgets.report(now)
    assert line["reserved"] == 0
    assert line["used"] >= sum(cloud.billed.values()) / 1e6 - 1e-9


@pytest.mark.parametrize(
    ("limits", "kind", "budget", "resets"),
    [
        ({"all": {"money": 1e-6}, "day": {"per": "day", "tokens": 300}}, "tokens", "day", True),
        ({"all": {"money": 1e-6}, "day": {"per": ["agent", "day"], "calls": 0}}, "calls", "day", True),
        ({"day": {"per": "day", "seconds": 0}, "all": {"tokens": 9_000}}, "seconds", "day", True),
        (
            {"talk": {"per": "thread", "tokens": 9}, "day": {"per": "day", "seconds": 1}},
            "tokens",
            "talk",
            False,
        ),
    ],
)
@virtual_time
async def test_a_refusal_says_which_budget_ran_out_of_what_and_when_there_is_a_new_one(
    limits: dict[str, Any], kind: str, budget: str, resets: bool
) -> None:
    clock = VirtualClock()
    free = FakeModel("free")
    router = Router([free], budgets=Budgets(limits), clock=clock)
    with pytest.raises(BudgetExceeded, match=f"budget '{budget}'") as caught:
        await router.ask(ModelRequest("chat", "hello", agent="home", thread="t/child"))
    error = caught.value
    assert (error.kind, error.budget) == (kind, budget)
    assert (error.resets_ms is not None) == resets
    assert error.resets_ms is None or 0 < error.resets_ms - clock.now_ms() <= 86_400_000
    others = [name for name in limits if name != budget]
    assert not any(f"{name!r}" in str(error) for name in others)
    assert not free.requests
