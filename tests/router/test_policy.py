"""What the policy decides, rule by rule, and what it says of each candidate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loom.errors import ConfigError
from loom.event import Confidentiality, Label
from loom.models import FREE, Decision, Manner, ModelRequest, Price, Route
from loom.router.budget import UNLIMITED, Remaining
from loom.router.facts import Facts, Quantiles, facts_of
from loom.router.policy import Now, Policy, decide
from loom.router.profiles import PROFILES
from loom.router.rules import Rule, When
from loom.router.size import size_of

CHAT = frozenset({"chat"})
NOW = Now(1_000, "d1")
USUAL = Policy()


def here(name: str = "here", quality: float | None = 0.8, **more: Any) -> Facts:
    """A backend on this device."""
    return Facts(name, CHAT, CHAT, quality=quality, **more)


def there(name: str = "there", quality: float | None = 0.9, **more: Any) -> Facts:
    """A backend elsewhere, cleared for private data, at a known price."""
    facts = {"clearance": Confidentiality.PRIVATE, "price": Price(1, 1), **more}
    return Facts(name, CHAT, CHAT, "cloud", quality=quality, **facts)


def decided(
    *candidates: Facts,
    policy: Policy = USUAL,
    left: Remaining = UNLIMITED,
    now: Now = NOW,
    **request: Any,
) -> Decision:
    request = {"task": "chat", "input": "What is this?", **request}
    return decide(ModelRequest(**request), candidates, left, policy, now)


def label(name: str) -> Label:
    return Label.parse(name)


def rules(decision: Decision) -> dict[str, str]:
    """The rule that decided on each candidate."""
    return {each.backend: each.rule for each in decision.verdicts}


def test_a_local_answer_that_is_good_enough_is_taken_and_others_stand_by() -> None:
    decision = decided(there(), here())
    assert (decision.route, decision.order) == (Route.LOCAL, ("here", "there"))
    assert decision.rule == "quality"
    assert decision.cost == 0.0


def test_below_the_threshold_both_are_asked_and_far_below_the_cloud_is() -> None:
    band = decided(here(quality=0.6), there())
    assert (band.route, band.manner, band.order) == (Route.HYBRID, Manner.CASCADE, ("here", "there"))
    weak = decided(here(quality=0.3), there())
    assert (weak.route, weak.order) == (Route.CLOUD, ("there", "here"))
    for word, manner in (("speculative", Manner.SPECULATIVE), ("hedged", Manner.HEDGED)):
        assert decided(here(quality=0.6), there(), policy=Policy(hybrid=word)).manner is manner
    assert decided(here(quality=0.6), there(), policy=Policy(hybrid="off")).route is Route.CLOUD


def test_the_confidence_of_a_local_answer_counts_for_more_than_what_was_expected() -> None:
    sure = decided(here(quality=0.1), there(), now=NOW._replace(local_confidence=0.95))
    assert sure.route is Route.LOCAL
    assert decided(here(), there(), now=NOW._replace(local_confidence=0.1)).route is Route.CLOUD


def test_the_quality_that_the_request_asks_for_is_the_threshold_and_a_bound() -> None:
    assert decided(here(quality=0.4), there(), min_quality=0.3).route is Route.LOCAL
    high = decided(here(quality=0.8), there(), min_quality=0.85, policy=Policy(hybrid="off"))
    assert (high.route, high.order) == (Route.CLOUD, ("there",))
    assert rules(high)["here"] == "quality"
    nobody = decided(here(quality=0.8), there(quality=0.9), min_quality=0.95, policy=Policy(band=0.0))
    assert (nobody.route, nobody.rule) == (Route.DROP, "quality")


def test_without_a_cloud_it_is_answered_here_or_deferred_by_policy() -> None:
    alone = decided(here(quality=0.3))
    assert (alone.route, alone.order) == (Route.LOCAL_FALLBACK, ("here",))
    waits = decided(here(quality=0.3), policy=Policy(without_cloud="defer"))
    assert (waits.route, waits.retry_after) == (Route.DEFER, None)
    broken = there(open_until_ms=3_500)
    known = decided(here(quality=0.3), broken, policy=Policy(without_cloud="defer"))
    assert (known.route, known.retry_after) == (Route.DEFER, 2.5)
    assert decided(here(quality=0.3), broken).route is Route.LOCAL_FALLBACK
    assert decided(broken).retry_after == 2.5


@pytest.mark.parametrize(
    ("word", "cleared", "rule"),
    [
        ("sensitive", Confidentiality.PUBLIC, "privacy.clearance"),
        ("sensitive", Confidentiality.SENSITIVE, "taken"),
        ("private", Confidentiality.SENSITIVE, "privacy.clearance"),
        ("private", Confidentiality.PRIVATE, "taken"),
        ("local-only", Confidentiality.PRIVATE, "privacy.local_only"),
        ("local-only", Confidentiality.LOCAL_ONLY, "privacy.local_only"),
        ("public", Confidentiality.PUBLIC, "taken"),
    ],
)
def test_who_may_see_what(word: str, cleared: Confidentiality, rule: str) -> None:
    decision = decided(there(clearance=cleared), label=label(word))
    assert rules(decision) == {"there": rule}
    if rule == "taken":
        assert decision.verdicts[0].redact == (word != "public")


def test_private_data_stays_here_while_a_backend_here_can_do_it() -> None:
    stays = decided(here(quality=0.1), there(), label=label("private"))
    assert (stays.route, stays.order) == (Route.LOCAL_FALLBACK, ("here",))
    assert rules(stays)["there"] == "privacy.private_local"
    assert "there: privacy.private_local" in stays.why
    better = decided(here(quality=0.9), there(), label=label("private"))
    assert (better.route, better.order) == (Route.LOCAL, ("here",))
    waits = decided(here(quality=0.1), there(), label=label("private"), policy=Policy(without_cloud="defer"))
    assert waits.order == ("there",), "nobody here is good enough to do it"
    leaves = decided(here(quality=0.1), there(), label=label("private"), policy=Policy(private_local=False))
    assert leaves.order[0] == "there"
    elsewhere = decided(replace(here(), tasks=frozenset()), there(), label=label("private"))
    assert elsewhere.order == ("there",)


def test_private_data_stays_with_the_best_here_as_if_nobody_else_were_there() -> None:
    small, best = here("small", quality=0.1), here("best", quality=0.9)
    policy = Policy(prefer="latency")
    stays = decided(small, best, there(), label=label("private"), policy=policy)
    assert (
        stays.order == decided(small, best, label=label("private"), policy=policy).order == ("best", "small")
    )


def test_what_cannot_be_redacted_does_not_leave_unless_it_is_public() -> None:
    blind = NOW._replace(redactable=False)
    assert rules(decided(there(), label=label("sensitive"), now=blind)) == {"there": "privacy.not_redactable"}
    always = Policy(redact="always")
    assert decided(there(), policy=always).verdicts[0].redact
    assert not decided(there(), policy=always, now=blind).verdicts[0].redact


def test_a_profile_that_lets_nothing_leave_cannot_be_talked_out_of_it() -> None:
    for route in ("auto", "cloud", "there"):
        assert decided(there(), policy=PROFILES["private"], route=route).route is Route.DROP
    up = replace(PROFILES["private"], rules=(Rule("up", route="cloud"),))
    assert "there" not in decided(here(), there(), policy=up).order


def test_what_a_backend_cannot_do_refuses_it_and_says_so() -> None:
    assert rules(decided(replace(here(), tasks=frozenset()), there()))["here"] == "task"
    assert rules(decided(replace(here(), streams=frozenset()), there(), stream=True))["here"] == "stream"
    tools = {"tools": [{"name": "light.on"}]}
    wants = decided(here(), there(features=frozenset({"tools"})), options=tools)
    assert (rules(wants)["here"], wants.order) == ("features", ("there",))
    assert rules(decided(here(), options={**tools, "tool_choice": "none"})) == {"here": "taken"}
    assert rules(decided(here(), options={"schema": {"type": "object"}})) == {"here": "features"}
    small = here(context=100)
    assert rules(decided(small, input="word " * 100)) == {"here": "context"}
    assert rules(decided(small, options={"max_tokens": 98})) == {"here": "context"}


def test_who_is_left_alone_and_whose_queue_is_full_is_not_asked() -> None:
    assert rules(decided(here(open_until_ms=1_001)))["here"] == "breaker"
    assert rules(decided(here(open_until_ms=1_000)))["here"] == "taken"
    assert rules(decided(here(probing=True)))["here"] == "breaker"
    full = here(running=2, concurrency=2, waiting=3, room=3)
    assert decided(full).rule == "queue"
    assert rules(decided(replace(full, waiting=2)))["here"] == "taken"


def test_a_backend_that_is_too_slow_for_what_is_left_is_refused_and_one_here_is_the_last_resort() -> None:
    slow = {"first_ms": {0: Quantiles(500, 2_000)}}
    far = decided(here(quality=0.3), there(**slow), timeout=1.0)
    assert rules(far)["there"] == "latency"
    assert far.route is Route.LOCAL_FALLBACK
    assert decided(here(**slow), there(), timeout=1.0).order == ("there",)
    assert decided(here(**slow), timeout=1.0).route is Route.LOCAL_FALLBACK
    assert decided(there(**slow), policy=Policy(max_latency_ms=1_999)).rule == "latency"
    assert decided(there(**slow), now=NOW._replace(left_ms=2_000)).route is Route.CLOUD


def test_those_who_wait_before_it_are_part_of_its_time() -> None:
    busy = here(first_ms={0: Quantiles(100, 200)}, running=1, waiting=2)
    assert decided(busy).latency_ms == 3 * 100 + 200
    talks = here(first_ms={0: Quantiles(100, 200)}, token_ms={0: Quantiles(10, 20)})
    assert decided(talks, options={"max_tokens": 50}).latency_ms == 200 + 50 * 20


def test_money_is_a_bound_and_a_backend_without_a_price_is_refused_where_it_counts() -> None:
    cost = Price(1, 1).cost(size_of(ModelRequest("chat", "What is this?")).usage)
    assert rules(decided(there(), max_cost=cost))["there"] == "taken"
    assert rules(decided(there(), max_cost=cost * 0.99))["there"] == "cost.cap"
    assert rules(decided(there(), policy=Policy(max_cost=0.0)))["there"] == "cost.cap"
    assert rules(decided(there(), left=Remaining(money=cost * 0.99, budget="day")))["there"] == "cost.budget"
    unknown = there(price=None)
    assert rules(decided(unknown))["there"] == "taken"
    for bound in ({"max_cost": 9.0}, {"left": Remaining(money=9.0)}, {"policy": Policy(max_cost=9.0)}):
        refused = decided(unknown, **bound)  # type: ignore[arg-type]
        assert refused.rule == "cost.no_price"
        assert "its price is not known" in refused.why
    assert decided(here(price=FREE), left=Remaining(money=0.0)).route is Route.LOCAL


def test_the_other_kinds_of_budgets_count_too() -> None:
    for left in (Remaining(tokens=10), Remaining(calls=0), Remaining(seconds=0.0)):
        assert decided(here(), left=left).rule == "cost.budget"
    slow = here(first_ms={0: Quantiles(500, 2_000)})
    assert decided(slow, left=Remaining(seconds=1.0, budget="hour")).rule == "cost.budget"


def test_two_are_not_asked_for_one_answer_when_both_together_cost_too_much() -> None:
    paid = here(quality=0.6, price=Price(1, 1))
    cost = Price(1, 1).cost(size_of(ModelRequest("chat", "What is this?")).usage)
    assert decided(paid, there(), max_cost=2.1 * cost).route is Route.HYBRID
    assert decided(paid, there(), max_cost=1.9 * cost).route is Route.CLOUD


def test_a_cloud_that_is_not_expected_to_do_better_is_not_paid_for() -> None:
    decision = decided(here(quality=0.6), there(quality=0.5))
    assert (decision.route, decision.order) == (Route.LOCAL, ("here", "there"))


def test_what_is_preferred_orders_those_that_are_equally_good() -> None:
    quick = there("quick", first_ms={0: Quantiles(10, 20)}, price=Price(9, 9))
    cheap = there("cheap", first_ms={0: Quantiles(100, 200)}, price=Price(1, 1))
    for prefer, order in (("latency", ("quick", "cheap")), ("cost", ("cheap", "quick"))):
        assert decided(quick, cheap, policy=Policy(prefer=prefer)).order == order
        assert decided(cheap, quick, policy=Policy(prefer=prefer)).order == order


def test_the_route_that_is_asked_for_is_taken_or_nothing_is() -> None:
    assert decided(here(quality=0.1), there(), route="local").order == ("here",)
    assert decided(here(), there(), route="cloud").order == ("there",)
    assert decided(here(), there(), route="there").route is Route.CLOUD
    nobody = decided(here(), there(), route="their")
    assert (nobody.route, nobody.rule) == (Route.DROP, "route")
    assert "did you mean 'there'" in nobody.why
    away = decided(here(), route="cloud")
    assert away.why == "no backend elsewhere can do 'chat' (added: here)"


def test_a_task_that_nobody_can_do_is_told_with_the_nearest() -> None:
    decision = decided(here(), task="chatt")
    assert (decision.route, decision.rule) == (Route.DROP, "task")
    assert decision.why == "no model can do 'chatt' (added: chat); did you mean 'chat'?"
    assert decided().rule == "task"


def test_the_first_rule_that_holds_decides_within_what_is_allowed() -> None:
    medicine = Rule("medicine", When(keywords=("diagnosis",)), route="local")
    code = Rule("code", When(keywords=("python",)), backends=("best", "there"))
    never = Rule("never", When(keywords=("bomb",)), refuse=True, why="we do not talk of that")
    policy = Policy(rules=(medicine, code, never))
    ask = {"policy": policy}
    assert decided(here(quality=0.1), there(), input="My DIAGNOSIS is", **ask).order == ("here",)
    best = there("best", quality=0.1)
    assert decided(here(), there(), best, input="python code", **ask).order == ("best", "there")
    refused = decided(here(), there(), input="a bomb", **ask)
    assert (refused.route, refused.rule, refused.why) == (Route.DROP, "rule:never", "we do not talk of that")
    assert set(rules(refused).values()) == {"rule:never"}
    assert decided(here(), input="a bomb", route="local", **ask).route is Route.DROP
    assert decided(here(), there(), input="My diagnosis is", route="there", **ask).order == ("there",)
    assert decided(here(), input="bombastic pythons", **ask).rule == "quality"
    private = decided(here(), there(), best, input="python", label=label("local-only"), **ask)
    assert private.route is Route.DROP
    assert rules(private)["best"] == "privacy.local_only"


def test_conditions_look_at_labels_sizes_signals_and_each_other() -> None:
    when = When(
        label=Confidentiality.SENSITIVE, min_tokens=3, max_tokens=50, languages=("de",),
        signals={"domain": ("law",), "risk": 0.5}, every=(When(tasks=("chat",)),),
        some=(When(keywords=("x",)), When(keywords=("recht",))), never=(When(keywords=("witz",)),),
    )  # fmt: skip
    policy = Policy(rules=(Rule("law", when, route="local"),))
    signals = {"language": "DE", "domain": "law", "risk": 0.7}
    fits = {"input": "Ist das Recht?", "label": label("sensitive"), "now": NOW._replace(signals=signals)}
    assert decided(here(), policy=policy, **fits).rule == "rule:law"
    for change in (
        {"label": label("public")}, {"input": "Recht"}, {"input": "Recht " * 99}, {"input": "Recht ist ein Witz"},
        {"input": "Ist das so, oder?"}, {"now": NOW._replace(signals={**signals, "risk": 0.4})},
        {"now": NOW._replace(signals={**signals, "domain": "math"})}, {"now": NOW},
    ):  # fmt: skip
        assert decided(here(), policy=policy, **{**fits, **change}).rule != "rule:law"


def test_vectors_of_two_models_do_not_stand_beside_each_other() -> None:
    both = frozenset({"embed"})
    near = Facts("near", both, quality=0.6)
    far = Facts("far", both, location="cloud", quality=0.9, price=FREE)
    assert decided(near, far, task="embed").manner is Manner.SINGLE


@pytest.mark.parametrize("value", ["0.1", True, float("nan"), -1, [1]])
def test_a_bound_that_is_no_number_is_an_error(value: object) -> None:
    for name in ("max_cost", "min_quality", "timeout"):
        if (name, value) == ("timeout", -1):
            continue  # too late, not wrong
        with pytest.raises(ConfigError, match=name):
            decided(here(), **{name: value})


class Remote:
    """A model elsewhere that is cleared for what never leaves."""

    name, location, tasks, clearance = "r", "cloud", CHAT, Confidentiality.LOCAL_ONLY


def test_nothing_elsewhere_is_cleared_for_local_only_data() -> None:
    with pytest.raises(ConfigError, match="never leaves this"):
        facts_of(Remote())
    Remote.location = "orbit"
    with pytest.raises(ConfigError, match="'orbit'"):
        facts_of(Remote())


@pytest.mark.parametrize(
    "text", ["x" * 10_000_000, "\ud800 half", "\x00" * 100, "日本語" * 1000, "🦆" * 1000, ""]
)
def test_any_text_has_a_size(text: str) -> None:
    size = size_of(ModelRequest("chat", text))
    assert len(text) / 4 <= size.tokens_in <= 2 * len(text) + 1
    assert decided(here(), input=text).order == ("here",)


def test_names_count_as_text_and_what_is_too_much_to_count_is_dear() -> None:
    """A tool is mostly names of what it takes; and old messages cannot hide behind many small ones."""
    tool = {"name": "a", "parameters": {"properties": {f"{n}_" * 200: {} for n in range(100)}}}
    assert size_of(ModelRequest("chat", "hi", options={"tools": [tool]})).tokens_in > 10_000
    talk = [
        {"role": "user", "content": "x" * 4_000_000},
        *({"role": "user", "content": ""} for _ in range(40_000)),
    ]
    assert size_of(ModelRequest("chat", talk)).tokens_in > 1_000_000
    assert size_of(ModelRequest("embed", [0.5] * 300_000)).tokens_in == 0


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"name": "local"}, "'local' is cloud"),
        ({"price": Price(call=-1.0)}, "price"),
        ({"price": Price(million_out=float("nan"))}, "price"),
        ({"price": Price(million_in="1")}, "price"),  # type: ignore[arg-type]  # that is the point
        ({"price": Price(call=10**400)}, "price"),
        ({"price": 0}, "price = 0; it must be a Price, FREE for nothing"),
        ({"price": (1, 2, 3, 4)}, "it must be a Price"),
        ({"clearance": "private"}, "clearance = 'private'; it must be a Confidentiality"),
        ({"context": "4k"}, "context = '4k'; it must be a number"),
        ({"concurrency": -1}, "concurrency = -1; it must be a number, 0 or more"),
        ({"concurrency": float("nan")}, "concurrency = nan"),
        ({"tasks": "chat"}, "tasks = 'chat'; it must be a set of names"),
        ({"quality": 1.5}, "quality"),
        ({"quality": float("nan")}, "quality"),
        ({"quality": "good"}, "quality"),
    ],
)
def test_a_backend_whose_facts_make_no_sense_is_not_taken(facts: dict[str, object], says: str) -> None:
    """What costs less than nothing would fill a budget, and a cloud called "local" would see what is to stay."""
    far = type("Far", (), {"name": "far", "tasks": {"chat"}, "location": "cloud", **facts})()
    with pytest.raises(ConfigError, match=says):
        facts_of(far)
