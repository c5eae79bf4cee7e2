"""Requests, facts, budgets and policies of every kind, for the laws of the policy."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from loom.event import Confidentiality, Label
from loom.models import FREE, ModelRequest, Price
from loom.router.budget import Remaining
from loom.router.facts import Facts, Quantiles
from loom.router.policy import Now, Policy
from loom.router.rules import Rule, When

NAMES = ("small", "big", "gpt", "claude", "edge box", "last")
TASKS = ("chat", "embed", "transcribe")


def rarely(usual: Any, other: st.SearchStrategy[Any], of: int = 8) -> st.SearchStrategy[Any]:
    """*usual*, and once in *of* times one of *other*: most rules must let most pass, or only the first are tried."""
    return st.sampled_from(range(of)).flatmap(lambda place: other if place == of - 1 else st.just(usual))


shares = st.floats(0, 1)
money = st.sampled_from([0.0, 0.0005, 0.005, 0.05, 1.0])
quantiles = st.builds(lambda a, b: Quantiles(min(a, b), max(a, b)), st.floats(0, 1e5), st.floats(0, 1e5))
by_size = st.dictionaries(st.integers(0, 5), quantiles, max_size=3)
prices = st.sampled_from([None, FREE, Price(1, 2), Price(10, 30), Price(0, 0, 0.01), Price(100, 100, 1, 1)])
labels = st.builds(Label, st.sampled_from(Confidentiality), st.booleans())


@st.composite
def facts(draw: Any, name: str = "") -> Facts:
    """One backend; one off this device may claim to be cleared for anything."""
    able = draw(rarely(frozenset(TASKS), st.frozensets(st.sampled_from(TASKS))))
    return Facts(
        name or draw(st.sampled_from(NAMES)),
        able,
        draw(rarely(able, st.just(frozenset()))),
        draw(st.sampled_from(["local", "edge", "cloud"])),
        draw(st.sampled_from(Confidentiality)),
        draw(prices),
        draw(rarely(None, st.integers(0, 5000))),
        draw(rarely(None, shares, 2)),
        features=draw(rarely(frozenset({"tools", "schema"}), st.just(frozenset()))),
        first_ms=draw(rarely({}, by_size, 3)),
        token_ms=draw(rarely({}, by_size, 3)),
        running=draw(st.integers(0, 4)),
        waiting=draw(st.integers(0, 4)),
        concurrency=draw(st.integers(1, 4)),
        room=draw(rarely(None, st.integers(0, 4))),
        open_until_ms=draw(rarely(None, st.integers(0, 2000), 16)),
        probing=draw(rarely(False, st.booleans(), 16)),
    )


@st.composite
def candidates(draw: Any, most: int = 5) -> list[Facts]:
    """Backends with names of their own."""
    count = draw(rarely(min(3, most), st.integers(0, most), 3))
    names = draw(st.permutations(NAMES))[:count]
    return [draw(facts(name)) for name in names]


messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "system"]), "content": st.text(max_size=50)}
)
inputs = st.one_of(st.text(max_size=200), st.binary(max_size=50), st.none(), st.lists(messages, max_size=3))
options = st.fixed_dictionaries(
    {},
    optional={
        "max_tokens": st.integers(0, 4000),
        "tools": st.just([{"name": "light"}]),
        "schema": st.just({"type": "object"}),
        "tool_choice": st.sampled_from(["auto", "none"]),
    },
)
requests = st.builds(
    ModelRequest,
    rarely("chat", st.sampled_from(TASKS), 3),
    inputs,
    labels,
    timeout=rarely(None, st.floats(-1, 100)),
    options=options,
    max_cost=rarely(None, money, 3),
    min_quality=rarely(None, shares, 4),
    route=rarely("auto", st.sampled_from(["local", "cloud", "gpt", "nobody"])),
    stream=rarely(False, st.just(True), 4),
)
whens = st.builds(
    When,
    tasks=st.sampled_from([(), ("chat",)]),
    keywords=st.sampled_from([(), ("secret",), ("a", "0")]),
    label=st.one_of(st.none(), st.sampled_from(Confidentiality)),
    max_tokens=st.one_of(st.none(), st.integers(0, 50)),
)
rules = st.one_of(
    st.builds(Rule, st.sampled_from(["one", "two"]), whens, backends=st.sampled_from([(), ("gpt", "small")])),
    st.builds(Rule, st.just("three"), whens, route=st.sampled_from(["", "local", "cloud"])),
    st.builds(Rule, st.just("four"), whens, refuse=st.booleans()),
)
policies = st.builds(
    Policy,
    threshold=shares,
    band=shares,
    hybrid=st.sampled_from(["cascade", "speculative", "hedged", "off"]),
    unknown=rarely(1.0, shares, 3),
    without_cloud=st.sampled_from(["local", "defer"]),
    prefer=st.sampled_from(["quality", "latency", "cost"]),
    max_cost=rarely(None, money),
    max_latency_ms=rarely(None, st.floats(0, 1e5)),
    redact=st.sampled_from(["sensitive", "always"]),
    private_local=st.booleans(),
    remote=rarely(True, st.booleans()),
    rules=rarely((), st.lists(rules, max_size=2).map(tuple), 4),
)
budgets = st.builds(
    Remaining,
    rarely(None, money, 3),
    rarely(None, st.floats(0, 5000)),
    rarely(None, st.floats(0, 3)),
    rarely(None, st.floats(0, 100)),
    st.just("day"),
)
nows = st.builds(
    Now,
    st.integers(0, 2000),
    st.just("d1"),
    rarely(True, st.booleans(), 4),
    rarely(None, shares, 4),
    rarely(None, st.floats(-10, 1e5)),
    st.just({}),
    st.just(""),
)
