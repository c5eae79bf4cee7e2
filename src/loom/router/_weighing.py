"""How a decision is made: each candidate is held against the bounds, the rest is put in order. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from loom.errors import ConfigError
from loom.event import Confidentiality
from loom.models.decision import Decision, Manner, Route, Verdict
from loom.models.model import ModelRequest
from loom.router._bounds import EVERYWHERE, Bounds
from loom.router._sides import alone, beyond, by_preference, nobody, sides_of, threshold
from loom.router._weighed import Choice, Weighed
from loom.router.budget import Remaining
from loom.router.facts import FAR, Facts, bucket_of
from loom.router.policy import Now, Policy
from loom.router.rules import Asked, first
from loom.router.size import size_of


def weigh(
    request: ModelRequest, candidates: Sequence[Facts], budgets: Remaining, policy: Policy, now: Now
) -> Decision:
    """The decision on *request*; raises ConfigError for bounds that are no numbers."""
    bounds = bounds_of(request, budgets, policy, now)
    weighed = [_weighed(bounds, each) for each in candidates]
    choice = _too_late(bounds) or _refused_by_rule(bounds)
    if choice is None:
        weighed = _kept_here(bounds, weighed)
        choice = _chosen(bounds, weighed)
    return _decision(bounds, weighed, choice)


def bounds_of(request: ModelRequest, budgets: Remaining, policy: Policy, now: Now) -> Bounds:
    """Everything that bounds *request*, checked; raises ConfigError naming what is no number and what it is."""
    caps = [_number("max_cost", each) for each in (request.max_cost, policy.max_cost) if each is not None]
    times = [_number("timeout", request.timeout) * 1000] if request.timeout is not None else []
    if now.left_ms is not None:
        times = [now.left_ms]
    if policy.max_latency_ms is not None:
        times.append(policy.max_latency_ms)
    if request.min_quality is not None:
        _number("min_quality", request.min_quality, 1.0)
    size = size_of(request)
    rule = first(policy.rules, Asked(request, size, now.signals)) if policy.rules else None
    return Bounds(
        request, policy, now, size, rule, budgets, _needs(request.options),
        min(caps) if caps else None, min(times) if times else None,
        rule is not None or request.route not in EVERYWHERE, bucket_of(size.tokens_in),
    )  # fmt: skip


def _number(name: str, value: object, most: float = math.inf) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if good and isinstance(value, int):
        good = -FAR <= value <= FAR
    if good and value <= most and (value >= 0 or name == "timeout"):  # type: ignore[operator]  # a number
        return value  # type: ignore[return-value]
    span = "0 or more" if most == math.inf else f"0 to {most:g}"
    raise ConfigError(f"{name}={value!r:.60}: it must be a number, {span}")


_NO_NEEDS: frozenset[str] = frozenset()


def _needs(options: Mapping[str, object]) -> frozenset[str]:
    """The features that a backend must have for *options*."""
    tools = bool(options.get("tools")) and options.get("tool_choice") != "none"
    schema = bool(options.get("schema"))
    if not tools and not schema:
        return _NO_NEEDS
    return frozenset(name for name, wanted in (("tools", tools), ("schema", schema)) if wanted)


# --- one candidate ------------------------------------------------------------------------------------------------


def _weighed(bounds: Bounds, facts: Facts) -> Weighed:
    """*facts* against every bound."""
    latency = bounds.latency(facts)
    cost = None if facts.price is None else facts.price.cost(bounds.size.usage)
    quality, expected = _quality(bounds, facts)
    refusal, late = bounds.refusal(facts), False
    if refusal is None:
        slow, dear = bounds.late(latency), bounds.dear(cost)
        late = facts.location == "local" and dear is None and slow is not None and slow[0] == "latency"
        refusal = slow or dear
    wanted, poor = bounds.request.min_quality, False
    if wanted is not None and quality is not None and not quality >= wanted:
        poor = True
        if refusal is None and facts.location != "local":
            refusal = "quality", _too_poor(quality, wanted)  # one here may yet begin a cascade
    p95 = None if latency is None else latency.p95
    return Weighed(facts, refusal, quality, expected, p95, cost, bounds.redacts(facts), late, poor)


def _quality(bounds: Bounds, facts: Facts) -> tuple[float | None, float]:
    """What is known of the quality of its answer, and what is taken for it."""
    if facts.location != "local":
        return facts.quality, 1.0 if facts.quality is None else facts.quality
    sure = bounds.now.local_confidence
    known = facts.quality if sure is None else sure
    return known, bounds.policy.unknown if known is None else known


def _too_poor(quality: float, wanted: float) -> str:
    return f"expected quality {quality:.2f}, and {wanted:.2f} is asked for"


# --- all of them --------------------------------------------------------------------------------------------------


def _too_late(bounds: Bounds) -> Choice | None:
    left = bounds.left_ms
    if left is None or left > 0:
        return None
    return Choice(Route.DROP, (), "expired", "nothing is left of the time that the request has")


def _refused_by_rule(bounds: Bounds) -> Choice | None:
    rule = bounds.rule
    if rule is None or not rule.refuse:
        return None
    return Choice(Route.DROP, (), f"rule:{rule.name}", rule.why or f"rule {rule.name!r} refuses it")


def _kept_here(bounds: Bounds, weighed: list[Weighed]) -> list[Weighed]:
    """What is private stays here as long as a backend here can do it."""
    private = bounds.request.label.confidentiality >= Confidentiality.PRIVATE
    if not private or not bounds.policy.private_local:
        return weighed
    if not _chosen(bounds, [each for each in weighed if each.facts.here]).order:
        return weighed
    return [
        each._replace(refusal=_STAYS) if each.refusal is None and not each.facts.here else each
        for each in weighed
    ]


_STAYS = ("privacy.private_local", "private data stays here while a backend here can do it")


def _alone_will_do(each: Weighed) -> bool:
    """Whether it may be the one that answers."""
    return not each.poor and (each.refusal is None or each.late)


def _chosen(bounds: Bounds, weighed: Sequence[Weighed]) -> Choice:
    if _is_named(bounds):
        return _named(bounds, weighed)
    sides = sides_of(bounds, weighed)
    if sides.good:
        poorer = [each for each in sides.poorer if not each.poor]
        why = _enough(sides.good[0], threshold(bounds))
        return Choice(Route.LOCAL, [*sides.good, *sides.there, *poorer], "quality", why)
    if sides.there:
        return beyond(bounds, sides)
    return alone(bounds, sides, weighed)


def _is_named(bounds: Bounds) -> bool:
    rule = bounds.rule
    if bounds.request.route not in EVERYWHERE:
        return True
    return rule is not None and bool(rule.backends or rule.route not in EVERYWHERE)


def _named(bounds: Bounds, weighed: Sequence[Weighed]) -> Choice:
    """Those that the request or a rule names; how good they are does not matter."""
    will = [each for each in by_preference(bounds.policy.prefer, weighed) if _alone_will_do(each)]
    order = [each for each in will if not each.late] or will
    rule = bounds.rule if bounds.request.route in EVERYWHERE else None
    if rule is not None and rule.backends:
        order.sort(key=lambda each: rule.backends.index(each.facts.name))
    if not order:
        return nobody(bounds, weighed)
    route = Route.LOCAL if order[0].facts.here else Route.CLOUD
    if rule is None:
        return Choice(route, order, "route", f"the request asks for {bounds.request.route!r}")
    return Choice(route, order, f"rule:{rule.name}", rule.why or f"rule {rule.name!r} sends it there")


def _enough(best: Weighed, wanted: float) -> str:
    if best.quality is None:
        return "it can be done here, and nothing is known against it"
    return f"expected quality {best.quality:.2f} is enough here, {wanted:.2f} is asked for"


# --- what is told -------------------------------------------------------------------------------------------------


def _decision(bounds: Bounds, weighed: Sequence[Weighed], choice: Choice) -> Decision:
    request, now = bounds.request, bounds.now
    order = tuple([each.facts.name for each in choice.order])
    first = choice.order[0] if order else None
    return Decision(
        now.id, request.task, choice.route, order, choice.rule, choice.why, choice.manner,
        1.0 if first is None else min(1.0, first.expected),
        None if first is None else first.latency_ms,
        _cost(choice),
        tuple([_verdict(bounds, each, choice, order) for each in weighed]),
        str(request.label), now.profile or bounds.policy.name, request.thread, now.now_ms, _retry(choice, weighed, now),
    )  # fmt: skip


def _cost(choice: Choice) -> float | None:
    """What it is expected to cost: of all that may be asked for one answer."""
    asked = choice.order[: 1 if choice.manner is Manner.SINGLE else 2]
    costs = [each.cost for each in asked]
    return sum(each for each in costs if each is not None) if costs and None not in costs else None


def _retry(choice: Choice, weighed: Sequence[Weighed], now: Now) -> float | None:
    if choice.route is not Route.DEFER:
        return None
    until = [
        each.facts.open_until_ms
        for each in weighed
        if each.refusal is not None and each.refusal[0] == "breaker" and each.facts.open_until_ms is not None
    ]
    return max(0, min(until) - now.now_ms) / 1000 if until else None


def _verdict(bounds: Bounds, each: Weighed, choice: Choice, order: tuple[str, ...]) -> Verdict:
    facts = each.facts
    taken = facts.name in order
    if taken:
        rule, why = "taken", _taken(each, choice, order)
    elif choice.rule == "expired" or (bounds.rule is not None and bounds.rule.refuse):
        rule, why = choice.rule, choice.why
    else:
        rule, why = each.refusal or ("quality", _too_poor(each.expected, threshold(bounds)))
    return Verdict(
        facts.name,
        facts.location,
        taken,
        rule,
        why,
        each.latency_ms,
        each.cost,
        each.quality,
        each.redact and taken,
    )


def _taken(each: Weighed, choice: Choice, order: tuple[str, ...]) -> str:
    place = order.index(each.facts.name)
    if place == 0:
        return choice.why
    if place == 1 and choice.manner is not Manner.SINGLE:
        return _SECOND[choice.manner]
    return f"asked if {order[place - 1]} fails"


_SECOND = {
    Manner.CASCADE: "asked if the first is not sure enough",
    Manner.SPECULATIVE: "refines what the first answers",
    Manner.HEDGED: "asked too if the first is late",
}
