"""Which way a request goes among the candidates that may take it: here, elsewhere, both, or nowhere. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from loom.models.decision import Manner, Route
from loom.router._bounds import EVERYWHERE, Bounds, goes
from loom.router._weighed import Choice, Weighed

MANNERS = {
    "cascade": Manner.CASCADE, "speculative": Manner.SPECULATIVE, "hedged": Manner.HEDGED, "off": Manner.SINGLE,
}  # fmt: skip
INCOMPARABLE = ("embed",)
"""Tasks whose answers of one backend cannot stand beside those of another: never hybrid."""
LATER = ("breaker", "queue")
"""Rules that refuse for a while only."""
STAGES = (
    "route", "rule", "privacy", "task", "stream", "features", "context", "breaker", "queue", "quality", "latency",
    "cost",
)  # fmt: skip
"""The kinds of rules in the order in which they are looked at."""


class Sides(NamedTuple):
    """Those that may be asked: here, good enough, nearly, not, or late; and elsewhere."""

    good: list[Weighed]
    middle: list[Weighed]
    weak: list[Weighed]
    late: list[Weighed]
    there: list[Weighed]

    @property
    def poorer(self) -> list[Weighed]:
        """Those here that are not good enough."""
        return [*self.middle, *self.weak]


def threshold(bounds: Bounds) -> float:
    """The quality that is enough here."""
    wanted = bounds.request.min_quality
    return bounds.policy.threshold if wanted is None else wanted


def sides_of(bounds: Bounds, weighed: Sequence[Weighed]) -> Sides:
    """The candidates that nothing refuses, on their sides; each side in the order that the policy prefers."""
    sides = Sides([], [], [], [], [])
    enough = threshold(bounds)
    floor = enough - bounds.policy.band
    for each in by_preference(bounds.policy.prefer, weighed):
        if each.refusal is not None:
            if each.late:
                sides.late.append(each)
        elif not each.facts.here:
            sides.there.append(each)
        elif each.expected >= enough:
            sides.good.append(each)
        else:
            (sides.middle if each.expected >= floor else sides.weak).append(each)
    return sides


def by_preference(prefer: str, weighed: Sequence[Weighed]) -> list[Weighed]:
    """The best first, by what is preferred; times and costs that are unknown come last, equals stay as they were."""
    if len(weighed) < 2:
        return list(weighed)
    if prefer == "latency":
        return sorted(weighed, key=lambda each: math.inf if each.latency_ms is None else each.latency_ms)
    if prefer == "cost":
        return sorted(weighed, key=lambda each: math.inf if each.cost is None else each.cost)
    return sorted(weighed, key=lambda each: -each.expected)


def beyond(bounds: Bounds, sides: Sides) -> Choice:
    """Nobody here is good enough, and there are others: both in the band below, else the others."""
    best = max((each.expected for each in sides.poorer), default=-1.0)
    enough = threshold(bounds)
    there = sorted(sides.there, key=lambda each: (each.expected <= best) + (each.expected < enough))
    last = [each for each in sides.poorer if not each.poor] if bounds.policy.without_cloud == "local" else []
    if there[0].expected <= best and last:
        why = f"expected quality {best:.2f} here, and nobody elsewhere is expected to do better"
        return Choice(Route.LOCAL, [*last, *there], "quality", why)
    manner = _manner(bounds, sides.middle, there[0])
    if manner is Manner.SINGLE:
        return Choice(Route.CLOUD, [*there, *last], "quality", _wanting(sides, enough))
    first = sides.middle[0]
    why = f"expected quality {first.expected:.2f} here, {enough:.2f} is asked for: nearly enough, so both"
    rest = [each for each in last if each is not first]
    return Choice(Route.HYBRID, [first, *there, *rest], "hybrid", why, manner)


def _wanting(sides: Sides, enough: float) -> str:
    if sides.poorer:
        best = max(each.expected for each in sides.poorer)
        return f"expected quality {best:.2f} here, and {enough:.2f} is asked for"
    return "nobody here may or can take it"


def _manner(bounds: Bounds, middle: Sequence[Weighed], second: Weighed) -> Manner:
    """How two are asked for one answer, if both can be paid."""
    manner = MANNERS.get(bounds.policy.hybrid, Manner.SINGLE)
    if not middle or bounds.request.task in INCOMPARABLE:
        return Manner.SINGLE
    if manner is Manner.HEDGED and middle[0].poor:
        return Manner.SINGLE  # whoever is first wins: it would be the poorer one
    both = None if None in (middle[0].cost, second.cost) else (middle[0].cost or 0.0) + (second.cost or 0.0)
    return manner if bounds.dear(both) is None else Manner.SINGLE


def alone(bounds: Bounds, sides: Sides, weighed: Sequence[Weighed]) -> Choice:
    """Nobody elsewhere may be asked: answered here by whoever there is, or deferred, by policy."""
    last = [each for each in sides.poorer if not each.poor]
    if bounds.policy.without_cloud == "defer" and sides.poorer:
        why = f"{_wanting(sides, threshold(bounds))}; nobody better may be asked now"
        return Choice(Route.DEFER, (), "quality", why)
    if last or (sides.late and bounds.policy.without_cloud == "local"):
        order = last or [each for each in sides.late if not each.poor]
        if order:
            return Choice(Route.LOCAL_FALLBACK, order, "fallback", _fallback(order[0], weighed))
    return nobody(bounds, weighed)


def _fallback(first: Weighed, weighed: Sequence[Weighed]) -> str:
    wanted = "it is late" if first.late else f"expected quality {first.expected:.2f}"
    others = [each for each in weighed if not each.facts.here and each.refusal is not None]
    told = ", ".join(f"{each.facts.name}: {each.refusal[0]}" for each in others[:3] if each.refusal)
    return f"{wanted}, and nobody better may be asked{f' ({told})' if told else ''}"


def nobody(bounds: Bounds, weighed: Sequence[Weighed]) -> Choice:
    """Nobody may be asked: later, if what refuses passes, else never."""
    refusals = [each.refusal for each in weighed if each.refusal is not None]
    for code in LATER:
        if any(each[0] == code for each in refusals):
            return Choice(Route.DEFER, (), code, _all_told(weighed))
    unknown = _unknown(bounds, weighed)
    if unknown is not None:
        return unknown
    codes = [each[0] for each in refusals] or ["quality"]
    if any(each.poor and each.refusal is None for each in weighed):
        codes.append("quality")
    worst = max(codes, key=lambda code: STAGES.index(code.partition(":")[0].partition(".")[0]))
    return Choice(Route.DROP, (), worst, _all_told(weighed))


def _all_told(weighed: Sequence[Weighed]) -> str:
    refused = [(each.facts.name, each.refusal) for each in weighed if each.refusal is not None]
    asked = [each for each in refused if each[1][0] != "route"] or refused  # nobody asked for the others
    told = [f"{name}: {why}" for name, (_, why) in asked]
    more = f"; and {len(told) - 4} more" if len(told) > 4 else ""
    return f"no backend may take it: {'; '.join(told[:4])}{more}" if told else "nobody is good enough"


SIDES = {"local": "here", "cloud": "elsewhere"}


def _unknown(bounds: Bounds, weighed: Sequence[Weighed]) -> Choice | None:
    """What is asked for and does not exist: a backend, or anybody for the task."""
    request = bounds.request
    names = [each.facts.name for each in weighed]
    if request.route not in EVERYWHERE and not any(goes(request.route, each.facts) for each in weighed):
        if request.route in SIDES:
            added = f"(added: {', '.join(names) or 'none'})"
            why = f"no backend {SIDES[request.route]} can do {request.task!r} {added}"
            return Choice(Route.DROP, (), "task", why)
        return Choice(Route.DROP, (), "route", f"no backend {request.route!r}; {_near(request.route, names)}")
    if any(request.task in each.facts.tasks for each in weighed):
        return None
    return Choice(
        Route.DROP, (), "task", no_task(request.task, {t for each in weighed for t in each.facts.tasks})
    )


def no_task(task: str, known: set[str]) -> str:
    """That nobody can do *task*, with the nearest of those that are *known*, or what would bring it."""
    near = get_close_matches(task, sorted(known), 1)
    if near:
        hint = f"; did you mean {near[0]!r}?"
    else:
        from loom.models.catalog import advice

        hint = advice(task)
    return f"no model can do {task!r} (added: {', '.join(sorted(known)) or 'none'}){hint}"


def _near(word: str, names: Sequence[str]) -> str:
    near = get_close_matches(word, ["local", "cloud", *names], 1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"use auto, local, cloud or one of {', '.join(names)}" if names else "none is added"
