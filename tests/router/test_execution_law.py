"""Whatever backends do, under any policy, label and budget, and wherever it is cancelled: the promises hold.

No confidential text reaches a backend that is not cleared for it, or unredacted; nothing is left over; every try is
settled once, and there is one answer at most; no budget is overspent.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom.errors import LoomError
from loom.event import Confidentiality, Label, QoS
from loom.models import FREE, ModelRequest
from loom.privacy import Guard
from loom.router.budget import Budgets, Limit
from loom.router.keep import ForgetfulKeep
from loom.router.policy import Policy
from loom.router.router import Router
from loom.testing import virtual_time
from tests.router.backends import PRICE, SECRET, FakeGuard, FakeModel, Told, leftovers, new_router

ANSWERS = st.sampled_from(["{input}", "a b c d e f g h i j k l", "[X", "x"])
TROUBLE = st.sampled_from(
    ["hang", "fail", "reset", "fatal", "busy", "die", "crash", "junk", "other", "break"]
)
SURE = st.builds(lambda text, sure: {"text": text, "confidence": sure}, ANSWERS, st.floats(0, 1))
ENTRY = st.lists(st.sampled_from([0.0, 0.2, 1.5, 4.0]), max_size=1).flatmap(
    lambda wait: st.one_of(ANSWERS, ANSWERS, SURE, TROUBLE).map(lambda what: [*wait, what])
)


GUARDS = ("fake", "real", "none")


class Far(NamedTuple):
    location: str
    clearance: Confidentiality
    price: Any


PLACES = st.one_of(
    st.just(Far("local", Confidentiality.LOCAL_ONLY, FREE)),
    st.builds(
        Far,
        st.sampled_from(["edge", "cloud"]),
        st.sampled_from([Confidentiality.PUBLIC, Confidentiality.SENSITIVE, Confidentiality.PRIVATE]),
        st.sampled_from([PRICE, PRICE, None]),
    ),
)
MODELS = st.lists(
    st.tuples(
        PLACES,
        st.lists(ENTRY, min_size=1, max_size=3),
        st.sampled_from([None, 0.55, 0.9]),
        st.sampled_from([None, 1]),
        st.sampled_from([0.0, 0.3]),
    ),
    min_size=1,
    max_size=4,
)
POLICIES = st.builds(
    Policy,
    hybrid=st.sampled_from(["cascade", "speculative", "hedged", "off"]),
    without_cloud=st.sampled_from(["local", "defer"]),
    prefer=st.sampled_from(["quality", "latency", "cost"]),
    redact=st.sampled_from(["sensitive", "always"]),
    private_local=st.booleans(),
)


class Asking(NamedTuple):
    """One request, how it is asked, when, and when whoever asks goes away (None: never)."""

    label: Confidentiality
    thread: str | None
    stream: bool
    timeout: float | None
    qos: QoS
    after: float
    leaves: tuple[str, float] | None


ASKINGS = st.lists(
    st.builds(
        Asking,
        st.sampled_from(list(Confidentiality)),
        st.sampled_from([None, "t", "u"]),
        st.booleans(),
        st.sampled_from([None, 0.5, 3.0, 10.0]),
        st.sampled_from(list(QoS)),
        st.sampled_from([0.0, 0.0, 1.0]),
        st.one_of(
            st.none(),
            st.tuples(st.just("turns"), st.integers(0, 25)),
            st.tuples(st.just("seconds"), st.floats(0, 5)),
            st.tuples(st.just("items"), st.integers(1, 6)),
        ),
    ),
    min_size=1,
    max_size=4,
)


class SlowKeep(ForgetfulKeep):
    """A medium that takes its time, so that a cancel finds a reservation half made and half settled."""

    async def write(self, name: str, value: bytes | None) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        await super().write(name, value)


def made(entries: list[Any]) -> list[FakeModel]:
    return [
        FakeModel(
            f"m{number}", script, location=place.location, clearance=place.clearance, price=place.price,
            quality=quality, concurrency=concurrency, pause=pause,
        )
        for number, (place, script, quality, concurrency, pause) in enumerate(entries)
    ]  # fmt: skip


async def listen(router: Router, request: ModelRequest, asking: Asking) -> int:
    """Ask as *asking* says; how many answers there were."""
    if not asking.stream:
        reply = await router.ask(request)
        assert reply.backend
        return 1
    done = items = 0
    async with aclosing(router.stream(request)) as stream:
        async for item in stream:
            assert not done, "nothing comes after the last item"
            items += 1
            done += bool(item.get("done"))
            if asking.leaves is not None and asking.leaves[0] == "items" and items >= asking.leaves[1]:
                break
    return done


async def ask(router: Router, asking: Asking) -> int:
    await asyncio.sleep(asking.after)
    request = ModelRequest(
        "chat", f"say {SECRET}" if asking.label else "say it", Label(asking.label), asking.timeout, asking.qos,
        {"max_tokens": 20}, thread=asking.thread,
    )  # fmt: skip
    task = asyncio.create_task(listen(router, request, asking))
    if asking.leaves is not None and asking.leaves[0] == "turns":
        for _ in range(int(asking.leaves[1])):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # somebody is impatient
    elif asking.leaves is not None and asking.leaves[0] == "seconds":
        await asyncio.sleep(asking.leaves[1])
        task.cancel()
    await asyncio.wait((task,), timeout=30)
    task.cancel()  # a backend that hangs, asked without a timeout
    await asyncio.wait((task,))
    if task.cancelled():
        return 0
    error = task.exception()
    assert error is None or isinstance(error, LoomError | RuntimeError), repr(error)
    return 0 if error is not None else task.result()


def nothing_leaked(models: list[FakeModel]) -> None:
    for model in models:
        for request in model.requests if model.location != "local" else ():
            level = request.label.confidentiality
            assert level < Confidentiality.LOCAL_ONLY
            assert level == Confidentiality.PUBLIC or level <= (model.clearance or 0)
            assert SECRET not in str(request.input)


def all_settled(router: Router, told: Told, models: list[FakeModel]) -> None:
    tried = Counter(
        (each["backend"], each["outcome"]) for one in told.of("outcome") for each in one["attempts"]
    )
    for model in models:
        counts: Any = router.statistics()[model.name]
        assert counts["asked"] == len(model.requests)
        for outcome in ("done", "failed", "cancelled", "lost", "skipped"):
            assert counts[outcome] == tried[model.name, outcome], (model.name, outcome)
        ended = sum(counts[each] for each in ("done", "failed", "cancelled", "lost"))
        assert counts["asked"] <= ended


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    MODELS, POLICIES, ASKINGS, st.sampled_from([None, 0.3, 1.0, 5.0]), st.booleans(), st.sampled_from(GUARDS)
)
@virtual_time
async def test_the_promises_hold_whatever_backends_do_and_wherever_it_is_cancelled(
    entries: list[Any], policy: Policy, askings: list[Asking], money: float | None, slow: bool, guarded: str
) -> None:
    models, told = made(entries), Told()
    budgets = None
    if money is not None:
        budgets = Budgets(
            [Limit("all", money=money), Limit("each", ("thread",), calls=3)], SlowKeep() if slow else None
        )
    guard: Any = {"fake": FakeGuard, "none": lambda: None, "real": lambda: Guard(secrets=[SECRET])}[guarded]()
    router = new_router(*models, policy=policy, budgets=budgets, guard=guard, tell=told)
    answers = await asyncio.gather(*(ask(router, each) for each in askings))
    assert all(each <= 1 for each in answers)
    assert leftovers(router) == []
    nothing_leaked(models)
    all_settled(router, told, models)
    assert SECRET not in repr(
        [payload for topic, payload in told if topic != "provisional"]
    )  # nor in an audit
    if budgets is not None:
        assert budgets.overrun == 0
        assert budgets.reserved == budgets.committed + budgets.released
