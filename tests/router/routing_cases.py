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
shares = st.floats(0, 1)
amounts = st.one_of(st.none(), st.floats(0, 10), st.just(0.0))
tasks = st.sampled_from([frozenset(TASKS), frozenset(TASKS), frozenset({"chat"}), frozenset({"embed"})])
often = st.sampled_from([False, False, False, True])
"""Something that is so now and then: most candidates are to pass most rules, or only the first would be tried."""
quantiles = st.builds(lambda a, b: Quantiles(min(a, b), max(a, b)), st.floats(0, 1e5), st.floats(0, 1e5))
by_size = st.dictionaries(st.integers(0, 5), quantiles, max_size=3)
prices = st.one_of(
    st.none(),
    st.just(FREE),
    st.builds(Price, st.floats(0, 100), st.floats(0, 100), st.floats(0, 1), st.floats(0, 1)),
)
labels = st.builds(Label, st.sampled_from(Confidentiality), st.booleans())


@st.composite
def facts(draw: Any, name: str = "") -> Facts:
    """One backend; one off this device may claim to be cleared for anything."""
    location = draw(st.sampled_from(["local", "local", "edge", "cloud", "cloud"]))
    able = draw(tasks)
    return Facts(
        name or draw(st.sampled_from(NAMES)),
        able,
        draw(tasks) if draw(often) else able,
        location,
        draw(st.sampled_from(Confidentiality)),
        draw(prices),
        draw(st.integers(0, 5000)) if draw(often) else None,
        draw(st.one_of(st.none(), shares)),
        features=draw(st.frozensets(st.sampled_from(["tools", "schema"]))),
        first_ms=draw(by_size) if draw(often) else {},
        token_ms=draw(by_size) if draw(often) else {},
        running=draw(st.integers(0, 4)),
        waiting=draw(st.integers(0, 4)),
        concurrency=draw(st.integers(1, 4)),
        room=draw(st.one_of(st.none(), st.integers(0, 4))),
        open_until_ms=draw(st.integers(0, 2000)) if draw(often) else None,
        probing=draw(often) and draw(often),
    )


@st.composite
def candidates(draw: Any, most: int = 5) -> list[Facts]:
    """Backends with names of their own."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=most))
    return [draw(facts(name)) for name in names]


inputs = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=50),
    st.none(),
    st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": st.text()}), max_size=3
    ),
)
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
    st.sampled_from(["chat", *TASKS]),
    inputs,
    labels,
    timeout=st.one_of(st.none(), st.none(), st.floats(-1, 100)),
    options=options,
    max_cost=amounts,
    min_quality=st.one_of(st.none(), st.none(), shares),
    route=st.sampled_from(["auto"] * 5 + ["local", "cloud", "gpt", "nobody"]),
    stream=often,
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
    without_cloud=st.sampled_from(["local", "defer"]),
    prefer=st.sampled_from(["quality", "latency", "cost"]),
    max_cost=amounts,
    max_latency_ms=st.one_of(st.none(), st.none(), st.floats(0, 1e5)),
    redact=st.sampled_from(["sensitive", "always"]),
    private_local=st.booleans(),
    remote=often.map(lambda off: not off),
    rules=st.one_of(st.just(()), st.lists(rules, max_size=2).map(tuple)),
)
some = st.one_of(st.none(), st.none(), amounts)
tokens = st.one_of(st.none(), st.none(), st.floats(0, 2000))
budgets = st.builds(Remaining, some, tokens, some, some, st.just("day"))
nows = st.builds(
    Now,
    st.integers(0, 2000),
    st.just("d1"),
    often.map(lambda off: not off),
    st.one_of(st.none(), shares),
    st.one_of(st.none(), st.none(), st.floats(-10, 1e5)),
    st.just({}),
    st.just(""),
)
