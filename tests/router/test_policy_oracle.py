"""A second, naive policy, written from docs/ROUTING.md alone: both say the same of every candidate and every route."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import nextafter
from pathlib import Path

import pytest
from hypothesis import given, settings

from loom.event import Confidentiality
from loom.models import FREE, Manner, ModelRequest, Route
from loom.models.decision import Verdict
from loom.router.budget import Remaining
from loom.router.facts import Facts
from loom.router.policy import Now, Policy, decide
from loom.router.rules import Asked, Rule
from loom.router.size import size_of
from tests.router.routing_cases import budgets, candidates, nows, policies, requests

PAGE = Path(__file__).parents[2] / "docs" / "ROUTING.md"
AT_ONCE = ("breaker", "queue")


class Naive:
    """One request, looked at as a reader of the page would."""

    def __init__(self, request: ModelRequest, left: Remaining, policy: Policy, now: Now) -> None:
        self.request, self.left, self.policy, self.now = request, left, policy, now
        self.size = size_of(request)
        self.label = request.label.confidentiality
        times = [request.timeout * 1000] if request.timeout is not None else []
        if now.left_ms is not None:
            times = [now.left_ms]
        self.ms = min(
            [*times, *([policy.max_latency_ms] if policy.max_latency_ms is not None else [])], default=None
        )
        caps = [each for each in (request.max_cost, policy.max_cost) if each is not None]
        self.cap = min(caps, default=None)
        asked = Asked(request, self.size, now.signals)
        self.rule: Rule | None = next((each for each in policy.rules if each.when.holds(asked)), None)
        self.enough = policy.threshold if request.min_quality is None else request.min_quality

    # --- the first table of the page ------------------------------------------------------------------------------

    def refusals(self, facts: Facts, told: Verdict) -> list[str]:
        """The rules that refuse *facts*, in the order of the page."""
        return [code for code, holds in self.rules(facts, told).items() if holds]

    def rules(self, facts: Facts, told: Verdict) -> dict[str, bool]:
        """Whether each rule refuses *facts*; times, costs and qualities are those that were *told*."""
        away, request, left = facts.location != "local", self.request, self.left
        secret = away and self.label > Confidentiality.PUBLIC
        wanted = {name for name in ("tools", "schema") if request.options.get(name)}
        if request.options.get("tool_choice") == "none":
            wanted -= {"tools"}
        tokens = self.size.tokens_in + self.size.tokens_out
        cost, ms, seconds = told.cost, told.latency_ms, left.seconds
        late = ms is not None and self.ms is not None and ms > self.ms  # it is given no longer than is left
        return {
            "route": not self._leads(request.route, facts),
            f"rule:{self.rule.name if self.rule else 'NAME'}": self._ruled_out(facts),
            "privacy.local_only": away and self.label is Confidentiality.LOCAL_ONLY,
            "privacy.policy": away and not self.policy.remote,
            "privacy.clearance": secret and facts.clearance < self.label,
            "privacy.not_redactable": secret and not self.now.redactable,
            "task": request.task not in facts.tasks,
            "stream": request.stream and request.task not in facts.streams,
            "features": not wanted <= facts.features,
            "context": facts.context is not None and self.size.room > facts.context,
            "breaker": facts.probing or (facts.open_until_ms or 0) > self.now.now_ms,
            "queue": facts.room is not None and facts.running >= facts.concurrency and facts.waiting >= facts.room,
            "latency": late,
            "cost.no_price": cost is None and (self.cap is not None or left.money is not None),
            "cost.cap": None not in (cost, self.cap) and (cost or 0) > (self.cap or 0),
            "cost.budget": (cost is not None and left.money is not None and cost > left.money)
            or (left.tokens is not None and tokens > left.tokens)
            or (left.calls is not None and left.calls < 1)
            or (seconds is not None and (seconds <= 0 or (not late and (ms or 0) > seconds * 1000))),
            "quality": away and self.poor(told),
        }  # fmt: skip

    def poor(self, told: Verdict) -> bool:
        least = self.request.min_quality
        return least is not None and told.quality is not None and told.quality < least

    def _ruled_out(self, facts: Facts) -> bool:
        rule = self.rule
        if rule is None or rule.refuse or self.request.route != "auto":
            return rule is not None and rule.refuse
        return bool(rule.backends and facts.name not in rule.backends) or not self._leads(rule.route, facts)

    @staticmethod
    def _leads(route: str, facts: Facts) -> bool:
        sides = {"": True, "auto": True, "local": facts.here, "cloud": not facts.here}
        return sides.get(route, False) or route == facts.name

    # --- the second one -------------------------------------------------------------------------------------------

    def routes(self, among: Sequence[tuple[Facts, Verdict, list[str]]]) -> set[Route]:
        """Where it may go, as nobody names a place."""
        here = [told for facts, told, no in among if facts.here and not no]
        there = [told for facts, told, no in among if not facts.here and not no]
        best = max(map(self._expected, here), default=-1.0)
        alone = [each for each in here if not self.poor(each)]
        if best >= self.enough:
            return {Route.LOCAL}
        local = self.policy.without_cloud == "local"
        if there:
            if local and alone and all((1.0 if t.quality is None else t.quality) <= best for t in there):
                return {Route.LOCAL}
            nearly = best >= self.enough - self.policy.band and self.policy.hybrid != "off"
            return {Route.HYBRID, Route.CLOUD} if nearly else {Route.CLOUD}
        if not local and here:
            return {Route.DEFER}
        late = [told for facts, told, no in among if facts.here and no == ["latency"] and not self.poor(told)]
        if alone or (local and late):
            return {Route.LOCAL_FALLBACK}
        return {Route.DEFER} if any(no and no[0] in AT_ONCE for _, _, no in among) else {Route.DROP}

    def _expected(self, told: Verdict) -> float:
        return self.policy.unknown if told.quality is None else told.quality


@settings(max_examples=400)
@given(requests, candidates(), budgets, policies, nows)
def test_the_page_and_the_policy_say_the_same_of_every_candidate_and_every_route(
    request: ModelRequest, among: list[Facts], left: Remaining, policy: Policy, now: Now
) -> None:
    decision = decide(request, among, left, policy, now)
    naive = Naive(request, left, policy, now)
    if naive.ms is not None and naive.ms <= 0:
        assert (decision.route, decision.rule) == (Route.DROP, "expired")
        return
    looked = [
        (each, told, naive.refusals(each, told)) for each, told in zip(among, decision.verdicts, strict=True)
    ]
    stays = naive.label >= Confidentiality.PRIVATE and policy.private_local
    answers = decision.route in (
        Route.LOCAL,
        Route.LOCAL_FALLBACK,
    )  # well enough, where one might wait for better
    if policy.without_cloud == "local":
        answers |= any(told.taken and each.here and not naive.poor(told) for each, told, _ in looked)
    for each, told, no in looked:
        last_resort = each.here and no == ["latency"]
        if naive.rule is not None and naive.rule.refuse:
            assert told.rule == f"rule:{naive.rule.name}"
        elif told.rule == "privacy.private_local":
            assert not each.here
            assert stays
            assert answers
            assert not no
        elif told.taken:
            assert not no or last_resort
            assert not (stays and answers and not each.here)
        elif told.rule == "cost.budget":  # of time: that is seen before the money is
            assert told.rule in no
            assert no[0].startswith("cost.")
        elif no:
            assert told.rule == no[0]
        else:
            assert told.rule == "quality"
    if naive.rule is None and request.route == "auto":
        open_to = [
            (each, told, ["stays"] if told.rule == "privacy.private_local" else no)
            for each, told, no in looked
        ]
        assert decision.route in naive.routes(open_to)
        assert (decision.route is Route.HYBRID) == (decision.manner is not Manner.SINGLE)


@pytest.mark.parametrize(
    ("quality", "route"),
    [
        (0.7, Route.LOCAL), (nextafter(0.7, 0), Route.HYBRID), (0.7 - 0.2, Route.HYBRID),
        (nextafter(0.7 - 0.2, 0), Route.CLOUD),
    ],
)  # fmt: skip
def test_the_edges_of_the_band_belong_to_the_side_above(quality: float, route: Route) -> None:
    chat = frozenset({"chat"})
    among = [
        Facts("here", chat, quality=quality),
        Facts("there", chat, location="cloud", quality=0.9, price=FREE),
    ]
    decision = decide(
        ModelRequest("chat", "hi"), among, Remaining(), Policy(threshold=0.7, band=0.2), Now(0, "id")
    )
    assert decision.route is route


def test_the_page_has_every_rule_in_the_order_in_which_they_are_told() -> None:
    """The order of the naive policy is that of the first table of the page."""
    table = PAGE.read_text("utf-8").partition("## The order of the rules")[2].partition("What is left")[0]
    codes = re.findall(
        r"`([a-z_.:NAME]+)`", "\n".join(row.split("|")[1] for row in table.splitlines() if "|" in row)
    )
    codes.remove("privacy.private_local")  # depends on what is found of the others
    naive = Naive(ModelRequest("chat"), Remaining(), Policy(), Now(0, "id"))
    assert codes == list(naive.rules(Facts("far"), Verdict("far", "cloud", False, "", "")))
