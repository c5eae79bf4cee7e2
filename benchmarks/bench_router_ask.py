"""What the router adds to a request: microseconds of CPU over the model itself, which answers at once.

Once the plain case, one local model and nothing else; once everything: a guard, three budgets, a listener, and a
cloud beside the local model.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from time import thread_time
from typing import Any

from benchmarks._harness import Ratio, bench, interleave
from loom.event import Confidentiality
from loom.models import FREE, ModelReply, ModelRequest, Price
from loom.privacy import Guard
from loom.router import Policy, Router
from loom.router.budget import Budgets

TIMES = 1000
ITEMS = 50
BAR_US = 100.0
LIMITS = {"day": {"per": ["agent", "day"], "money": 1e9}, "talk": {"per": "thread", "tokens": 1e12}}
REQUEST = ModelRequest(
    "chat", "What is the difference between a crow and a raven?", agent="mind", thread="t1"
)
ANSWER = {"text": "About a foot.", "tokens_in": 12, "tokens_out": 4, "stopped": "end"}


class Instant:
    """Answers at once, whole or in pieces."""

    tasks = frozenset({"chat"})

    def __init__(self, name: str, location: str = "local", price: Price = FREE) -> None:
        self.name, self.location, self.price, self.quality = name, location, price, 0.9
        self.clearance = Confidentiality.SENSITIVE if location == "cloud" else Confidentiality.LOCAL_ONLY

    async def infer(self, request: ModelRequest) -> ModelReply:
        return ModelReply(ANSWER, self.name, 0.0, 0.1)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        for _ in range(ITEMS):
            yield {"text": "foot "}
        yield {"text": "", "done": True, "tokens_in": 12, "tokens_out": ITEMS}

    async def close(self) -> None: ...

    def statistics(self) -> Mapping[str, object]:
        return {}


def plain() -> Router:
    """One local model, and nothing else."""
    return Router([Instant("here")])


def whole() -> Router:
    """Everything a project may have."""
    models = [Instant("here"), Instant("far", "cloud", Price(1.0, 5.0))]
    guard, budgets = Guard(), Budgets(LIMITS)
    return Router(
        models, policy=Policy(), guard=guard, budgets=budgets, tell=lambda topic, payload, request: None
    )


async def timed(one: Callable[[], Awaitable[object]], times: int) -> float:
    """Microseconds of CPU of one."""
    began = thread_time()
    for _ in range(times):
        await one()
    return (thread_time() - began) / times * 1e6


async def bare() -> float:
    """The model without a router."""
    model = Instant("here")
    return await timed(lambda: model.infer(REQUEST), TIMES)


async def routed() -> float:
    """One local model behind a router."""
    router = plain()
    return await timed(lambda: router.ask(REQUEST), TIMES)


async def everything() -> float:
    """A router with all it may have."""
    router = whole()
    return await timed(lambda: router.ask(REQUEST), TIMES)


async def _read(stream: AsyncGenerator[Any, None]) -> None:
    async for _ in stream:
        pass


async def bare_stream() -> float:
    """A stream of the model without a router, for each item."""
    model = Instant("here")
    return await timed(lambda: _read(model.stream(REQUEST)), TIMES // 10) / ITEMS


async def routed_stream() -> float:
    """A stream through a router, for each item."""
    router = plain()
    return await timed(lambda: _read(router.stream(REQUEST)), TIMES // 10) / ITEMS


@bench
def router_ask() -> Iterator[Ratio]:
    got = interleave(9, bare=bare, routed=routed, everything=everything)
    yield Ratio(
        "router.ask_us", got.above("routed", "bare"), bar=BAR_US, better="lower", unit="us", slack=10.0,
        note="CPU over the model itself: " + got.note("routed", "bare", "us"),
    )  # fmt: skip
    yield Ratio(
        "router.ask_everything_us", got.above("everything", "bare"), better="lower", unit="us", slack=40.0,
        note="with a guard, two budgets, a listener and a cloud beside it",
    )  # fmt: skip
    streams = interleave(9, bare=bare_stream, routed=routed_stream)
    yield Ratio(
        "router.stream_item_us", streams.above("routed", "bare"), better="lower", unit="us", slack=3.0,
        note="for each of fifty items, the decision shared out: " + streams.note("routed", "bare", "us"),
    )  # fmt: skip
