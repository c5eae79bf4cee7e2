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
tasks = st.frozensets(st.sampled_from(TASKS))
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
    """One backend; one off this device is never cleared for local-only data, as `facts_of` sees to."""
    location = draw(st.sampled_from(["local", "local", "edge", "cloud", "cloud"]))
    able = draw(tasks)
    most = Confidentiality.LOCAL_ONLY if location == "local" else Confidentiality.PRIVATE
    return Facts(
        name or draw(st.sampled_from(NAMES)),
        able,
        able & draw(tasks),
        location,
        Confidentiality(draw(st.integers(0, most))),
        draw(prices),
        draw(st.one_of(st.none(), st.integers(0, 5000))),
        draw(st.one_of(st.none(), shares)),
        features=draw(st.frozensets(st.sampled_from(["tools", "schema"]))),
        first_ms=draw(by_size),
        token_ms=draw(by_size),
        running=draw(st.integers(0, 4)),
        waiting=draw(st.integers(0, 4)),
        concurrency=draw(st.integers(1, 4)),
        room=draw(st.one_of(st.none(), st.integers(0, 4))),
        open_until_ms=draw(st.one_of(st.none(), st.integers(0, 2000))),
        probing=draw(st.booleans()),
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
    st.sampled_from(TASKS),
    inputs,
    labels,
    timeout=st.one_of(st.none(), st.floats(-1, 100)),
    options=options,
    max_cost=amounts,
    min_quality=st.one_of(st.none(), shares),
    route=st.sampled_from(["auto", "auto", "auto", "local", "cloud", "gpt", "nobody"]),
    stream=st.booleans(),
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
    max_latency_ms=st.one_of(st.none(), st.floats(0, 1e5)),
    redact=st.sampled_from(["sensitive", "always"]),
    private_local=st.booleans(),
    remote=st.booleans(),
    rules=st.lists(rules, max_size=2).map(tuple),
)
budgets = st.builds(
    Remaining, amounts, st.one_of(st.none(), st.floats(0, 2000)), amounts, amounts, st.just("day")
)
nows = st.builds(
    Now,
    st.integers(0, 2000),
    st.just("d1"),
    st.booleans(),
    st.one_of(st.none(), shares),
    st.one_of(st.none(), st.floats(-10, 1e5)),
    st.just({}),
    st.just(""),
)
