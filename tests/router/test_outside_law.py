"""The router from outside: a cloud that writes down and bills all that it gets, and callers who count their answers.

What happens is drawn from a seed: whole answers and streams of every class, label and thread, models that fail in
every way, callers who leave at any moment, other profiles and clocks that are set. Then everything is looked through.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from random import Random
from typing import Any, NamedTuple

import pytest

from loom.errors import BackendFailed, BackendTimeout, ContextExceeded, LoomError
from loom.event import Confidentiality, Label, QoS
from loom.models import FREE, ModelReply, ModelRequest, Price, Usage
from loom.privacy import Guard
from loom.router.budget import Budgets
from loom.router.cache import Cache
from loom.router.policy import Policy
from loom.router.profiles import PROFILES
from loom.router.router import Router
from loom.testing import VirtualClock, virtual_time

LOCAL_ONLY, PRIVATE, SENSITIVE = (
    Confidentiality.LOCAL_ONLY,
    Confidentiality.PRIVATE,
    Confidentiality.SENSITIVE,
)
PUBLIC = Confidentiality.PUBLIC
MONEY, DAILY, CALLS = 0.15, 0.1, 12
SECRETS = [f"b{n}@x.org" for n in range(9)] + ["+49 30 901820", "4111 1111 1111 1111", "10.1.2.3"]
POLICIES = [
    *PROFILES.values(), Policy(hybrid="speculative", threshold=0.9, band=0.5), Policy(without_cloud="defer"),
    Policy(hybrid="hedged", threshold=0.9, band=0.5), Policy(private_local=False, threshold=1.0, redact="always"),
]  # fmt: skip
ENDS = ["answer"] * 40 + [
    "429", "503", "400", "unsent", "hang", "slow", "reset", "timeout", "crash", "junk", "silent", "context",
]  # fmt: skip
DAY_MS, GRACE = 86_400_000, 0.06


class Asked(NamedTuple):
    """What one caller asked, with which secret, in which conversation."""

    request: ModelRequest
    secret: str
    thread: str


class World(NamedTuple):
    """Chance, clocks that can be set, and what is known outside: what was asked, held, seen and billed."""

    chance: Random
    clock: Wall
    asked: dict[str, Asked]
    held: dict[str, Confidentiality]
    saw: list[tuple[str, str]]
    bills: Counter[tuple[str, Any]]
    wrong: list[str]


class Wall:
    """The clock of the loop, whose date somebody may set."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock, self.ahead = clock, 0

    def now_ms(self) -> int:
        return self.clock.now_ms() + self.ahead

    def monotonic(self) -> float:
        return self.clock.monotonic()


class Outside:
    """A backend that ends each request as chance will have it, and bills what it can: a token for each byte."""

    tasks = streams = frozenset({"chat"})

    def __init__(
        self, world: World, name: str, location: str, clearance: Confidentiality, **more: Any
    ) -> None:
        self.world, self.name, self.location, self.clearance = world, name, location, clearance
        self.price: Price = more["price"]
        self.quality: float = more["quality"]
        self.concurrency: int = more["concurrency"]
        self.running = 0

    async def infer(self, request: ModelRequest) -> ModelReply:
        with self._work(request):
            how = self._begun()
            read = len(json.dumps(request.input, ensure_ascii=False).encode())
            usage = self._billed(request, Usage(read, self.world.chance.randint(1, _most(request))), how)
            await self._wait(how)
            if how == "junk":
                return "junk"  # type: ignore[return-value]  # that is the point
            sure = self.world.chance.choice([0.1, 0.9, float("nan"), None])
            said = {"text": f"{self.name} {self.world.chance.random()}", "confidence": sure}
            return ModelReply(said, self.name, -1.0, 1.0, usage=Usage() if how == "silent" else usage)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        with self._work(request):
            how = self._begun()
            self._billed(request, Usage(1, 0), how)
            for place in range(pieces := min(_most(request), 9)):
                await self._wait(how if place == pieces // 2 else "answer")
                self._bill(request, self.price.cost(Usage(0, 1), 0))
                yield {"text": "word "}
            yield {"text": "", "done": True, "tokens_in": 1, "tokens_out": pieces}

    def _begun(self) -> str:
        """How it will end; raises what costs nothing."""
        how = self.world.chance.choice(ENDS)
        if how.isdigit():
            pause = self.world.chance.choice([None, 0, 0.5, 1e9, -1])
            raise BackendFailed(how, status=int(how), retry_after=pause, retryable=how != "400")
        if how == "context":
            raise ContextExceeded("too long")
        if how == "unsent":
            error = BackendFailed("no connection")
            error.sent = False
            raise error
        return how

    async def _wait(self, how: str) -> None:
        if how == "hang":
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(20.0 if how == "slow" else self.world.chance.random() / 2)
        ends: dict[str, Exception] = {
            "reset": BackendFailed("gone"), "timeout": BackendTimeout("late"), "crash": RuntimeError("crash"),
        }  # fmt: skip
        if how in ends:
            raise ends[how]

    def _billed(self, request: ModelRequest, usage: Usage, how: str) -> Usage:
        usage = Usage(1, 1) if how == "silent" else usage  # who says nothing of it is counted by the text
        self._bill(request, self.price.cost(usage))
        if request.thread:
            self.world.bills["calls", request.thread.split("/")[0]] += 1
        return usage

    def _bill(self, request: ModelRequest, cost: float) -> None:
        bills, day = self.world.bills, self.world.clock.now_ms() // DAY_MS
        bills["all", ""] += cost  # type: ignore[assignment]  # money
        bills["day", (request.agent, day)] += cost  # type: ignore[assignment]

    def _work(self, request: ModelRequest) -> Working:
        if self.location != "local":
            self.world.saw.append(
                (self.name, json.dumps([request.input, dict(request.options)], ensure_ascii=False))
            )
        if request.timeout is not None and request.timeout <= 0:
            self.world.wrong.append(f"{self.name} was asked when nothing was left of the time")
        return Working(self)

    async def close(self) -> None:
        pass

    def statistics(self) -> Mapping[str, object]:
        return {}


class Working:
    """One request that runs at a backend."""

    def __init__(self, model: Outside) -> None:
        self.model = model

    def __enter__(self) -> None:
        self.model.running += 1
        if self.model.running > self.model.concurrency:
            self.model.world.wrong.append(f"{self.model.name} runs {self.model.running} at once")

    def __exit__(self, *error: object) -> None:
        self.model.running -= 1


def _asked(world: World, text: str) -> Asked:
    return world.asked["#" + text.split("#")[1] + "#"]


def _most(request: ModelRequest) -> int:
    most = request.options.get("max_tokens", 512)
    assert isinstance(most, int)
    return most


class Callers:
    """Those who ask, and what they learn."""

    def __init__(self, world: World, router: Router) -> None:
        self.world, self.router = world, router
        self.tasks: list[asyncio.Task[None]] = []
        self.ends: Counter[str] = Counter()

    def ask(self) -> None:
        number = f"#{len(self.tasks)}#"
        chance = self.world.chance
        secret = chance.choice(SECRETS)
        text = f"{number} tell {secret} about it " * chance.choice([1, 1, 20])
        request = ModelRequest(
            "chat", chance.choice([text, [{"role": "user", "content": text}]]),
            Label(chance.choice([PUBLIC] * 8 + [SENSITIVE] * 8 + [PRIVATE, LOCAL_ONLY])),
            timeout=chance.choice([None, 0.05, 1.0, 10.0]), qos=chance.choice(list(QoS)),
            options=chance.choice([{}, {"max_tokens": 20}]), max_cost=chance.choice([None, None, 0.05]),
            route=chance.choice(["auto"] * 5 + ["local", "cloud", "big"]),
            profile=chance.choice([""] * 6 + [*PROFILES]),
            thread=chance.choice([None, "t", "t/child", f"u{len(self.tasks) // 12}", f"u{len(self.tasks) // 12}/c"]),
            agent=chance.choice(["a", "b"]), user=chance.choice(["", "u"]),
        )  # fmt: skip
        stop = chance.choice([None, 1, 3])
        self.tasks.append(
            asyncio.create_task(self._one(number, secret, request, stop, chance.random() < 0.3))
        )

    async def _one(
        self, number: str, secret: str, request: ModelRequest, stop: int | None, stream: bool
    ) -> None:
        thread, level = (request.thread or number).split("/")[0], request.label.confidentiality
        self.world.held[thread] = max(self.world.held.get(thread, PUBLIC), level)
        self.world.asked[number] = Asked(request, secret, thread)
        began = asyncio.get_running_loop().time()
        how = "answered"
        try:
            await (self._listen(request, stop) if stream else self.router.ask(request))
        except LoomError as error:
            how = type(error).__name__
        except RuntimeError as error:
            how = str(error)
        except asyncio.CancelledError:
            how = "left"
            raise
        finally:
            self.ends[how] += 1
            self._in_time(request, began, how)

    def _in_time(self, request: ModelRequest, began: float, how: str) -> None:
        took = asyncio.get_running_loop().time() - began
        if request.timeout is not None and took > request.timeout + GRACE:
            self.world.wrong.append(f"{how} after {took} s of {request.timeout}")

    async def _listen(self, request: ModelRequest, stop: int | None) -> None:
        async with aclosing(self.router.stream(request)) as items:
            count = 0
            async for _ in items:
                if (count := count + 1) == stop:
                    return

    async def ended(self) -> None:
        for task in self.tasks[::2]:
            task.cancel()
        await asyncio.wait(self.tasks, timeout=100)
        for task in self.tasks:
            task.cancel()  # those without a time limit whose backend hangs
        await asyncio.wait(self.tasks)


async def _lived(world: World, callers: Callers, steps: int) -> None:
    chance, router = world.chance, callers.router
    for _ in range(steps):
        what = chance.random()
        if what < 0.6 or not callers.tasks:
            for _ in range(chance.choice([1, 1, 10])):
                callers.ask()
        elif what < 0.7:
            chance.choice(callers.tasks).cancel()
        elif what < 0.88:
            await asyncio.sleep(chance.choice([0, 0, 0.01, 0.1, 1, 5]))
        elif what < 0.94:
            router.policy = chance.choice(POLICIES)
        elif what < 0.97:
            world.clock.ahead += chance.choice([-3_600_000, 3_600_000, DAY_MS, -DAY_MS])
        elif len(router.decisions):
            router.feedback(chance.choice(list(router.decisions)).id, chance.random())
    await callers.ended()


def _left_over(router: Router, budgets: Budgets, now_ms: int) -> list[str]:
    busy = [each for each in router.facts() if each.running or each.waiting or each.probing]
    found = [f"{each.name} is taken" for each in busy]
    found += [f"{line} when idle" for line in budgets.report(now_ms) if line["reserved"]]
    counts = budgets.statistics()
    if counts["reserved"] != counts["committed"] + counts["released"]:  # type: ignore[operator]  # counts
        found.append(f"reservations {counts}")
    return found + [repr(each) for each in asyncio.all_tasks() if each is not asyncio.current_task()]


def _secrets_seen(world: World) -> list[str]:
    looked = [(name, text, _asked(world, text)) for name, text in world.saw]
    return [
        f"{name} saw {text[:80]}"
        for name, text, asked in looked
        if asked.request.label.confidentiality > PUBLIC and asked.secret in text
    ]


def _budgets(often: int) -> Budgets:
    """Those of one run; *often* times what is soon spent."""
    return Budgets({
        "all": {"money": MONEY * often}, "day": {"per": ["agent", "day"], "money": DAILY * often},
        "talk": {"per": "thread", "calls": CALLS * often},
    })  # fmt: skip


def _overspent(world: World, often: int, counted: float) -> list[str]:
    most = {"all": min(counted, MONEY * often), "day": DAILY * often, "calls": CALLS * often}
    return [
        f"{kind} {whose}: {paid}" for (kind, whose), paid in world.bills.items() if paid > most[kind] + 1e-6
    ]


def _told_badly(told: list[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Each request has one decision, and each that was not refused has one outcome."""
    decided = [payload for topic, payload in told if topic == "loom.router.decision"]
    outcomes = Counter(payload["decision"] for topic, payload in told if topic == "loom.router.outcome")
    wrong = [
        each["id"] for each in decided if outcomes[each["id"]] != (each["route"] not in ("defer", "drop"))
    ]
    return wrong + ["a decision twice"] * (len({each["id"] for each in decided}) != len(decided))


@pytest.mark.parametrize("seed", range(10))
@virtual_time
async def test_what_the_cloud_saw_and_billed_and_what_callers_got_keeps_every_promise(seed: int) -> None:
    clock: VirtualClock = asyncio.get_running_loop().clock  # type: ignore[attr-defined]  # of virtual time
    world = World(Random(seed), Wall(clock), {}, {}, [], Counter(), [])
    told: list[tuple[str, Mapping[str, Any]]] = []
    models = [
        Outside(world, "small", "local", LOCAL_ONLY, price=FREE, quality=0.6, concurrency=2),
        Outside(world, "big", "cloud", SENSITIVE, price=Price(5, 20, 0.01), quality=0.9, concurrency=3),
        Outside(world, "house", "edge", PRIVATE, price=Price(call=0.002), quality=0.8, concurrency=1),
        Outside(world, "open", "cloud", PUBLIC, price=Price(1, 1), quality=0.7, concurrency=2),
    ]
    budgets = _budgets(often := 1 if seed % 2 else 100)
    router = Router(
        models, clock=world.clock, budgets=budgets, guard=Guard(), cache=Cache(world.clock, ttl=60),
        tell=lambda topic, payload, request: told.append((topic, payload)),
    )  # fmt: skip
    callers = Callers(world, router)
    await _lived(world, callers, 50)
    assert world.wrong == []
    assert _secrets_seen(world) == []
    assert _overspent(world, often, budgets.report(world.clock.now_ms())[0]["used"]) == []
    assert _left_over(router, budgets, world.clock.now_ms()) == []
    assert _told_badly(told) == []
    assert budgets.statistics()["overrun"] == 0
    assert callers.ends["answered"] > 5  # it was no quiet day
    assert len(world.saw) > 5
