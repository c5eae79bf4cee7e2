"""What holds for every request, every set of backends, every budget and every policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from loom.event import Confidentiality, Label
from loom.models import Decision, Manner, ModelRequest, Route
from loom.router.budget import Remaining
from loom.router.facts import Facts
from loom.router.policy import Now, Policy, decide
from loom.router.size import size_of
from tests.router.routing_cases import budgets, candidates, facts, nows, policies, requests

CODES = {
    "taken", "route", "task", "stream", "features", "context", "breaker", "queue", "quality", "latency", "expired",
    "cost.cap", "cost.budget", "cost.no_price", "privacy.clearance", "privacy.local_only", "privacy.not_redactable",
    "privacy.policy", "privacy.private_local",
}  # fmt: skip


def taken(decision: Decision, among: Sequence[Facts]) -> list[Facts]:
    """Those that are asked."""
    by_name = {each.name: each for each in among}
    return [by_name[name] for name in decision.order]


@settings(max_examples=400)
@given(requests, candidates(), budgets, policies, nows)
def test_what_leaves_this_device_is_cleared_for_it_and_redacted(
    request: ModelRequest, among: list[Facts], left: Remaining, policy: Policy, now: Now
) -> None:
    decision = decide(request, among, left, policy, now)
    label = request.label.confidentiality
    for each in taken(decision, among):
        verdict = decision.verdict(each.name)
        assert verdict is not None
        if each.location == "local":
            assert not verdict.redact
            continue
        assert label < Confidentiality.LOCAL_ONLY
        assert policy.remote
        if label > Confidentiality.PUBLIC:
            assert each.clearance >= label
            assert verdict.redact
            assert now.redactable
        elif policy.redact == "always":
            assert verdict.redact == now.redactable


@settings(max_examples=400)
@given(requests, candidates(), budgets, policies, nows)
def test_nothing_is_asked_that_costs_more_than_it_may_or_has_no_price_where_money_counts(
    request: ModelRequest, among: list[Facts], left: Remaining, policy: Policy, now: Now
) -> None:
    decision = decide(request, among, left, policy, now)
    limits = [each for each in (request.max_cost, policy.max_cost, left.money) if each is not None]
    size = size_of(request)
    asked = taken(decision, among)
    for each in asked:
        if limits:
            assert each.price is not None
            assert each.price.cost(size.usage) <= min(limits)
        assert left.tokens is None or size.tokens_in + size.tokens_out <= left.tokens
        assert left.calls is None or left.calls >= 1
    if decision.manner is not Manner.SINGLE and limits:
        assert sum(each.price.cost(size.usage) for each in asked[:2] if each.price is not None) <= min(limits)


@given(requests, candidates(), budgets, policies, nows)
def test_each_candidate_has_one_verdict_and_those_that_are_taken_are_the_order(
    request: ModelRequest, among: list[Facts], left: Remaining, policy: Policy, now: Now
) -> None:
    decision = decide(request, among, left, policy, now)
    assert [each.backend for each in decision.verdicts] == [each.name for each in among]
    assert {each.backend for each in decision.verdicts if each.taken} == set(decision.order)
    assert len(set(decision.order)) == len(decision.order)
    for verdict in decision.verdicts:
        assert verdict.why
        assert verdict.taken == (verdict.rule == "taken")
        assert verdict.rule in CODES or verdict.rule.startswith("rule:")
    assert bool(decision.order) == (decision.route not in (Route.DEFER, Route.DROP))
    assert (decision.manner is Manner.SINGLE) == (decision.route is not Route.HYBRID)


@given(requests, candidates(), budgets, policies, nows)
def test_whoever_is_asked_can_do_it_is_not_left_alone_and_was_asked_for(
    request: ModelRequest, among: list[Facts], left: Remaining, policy: Policy, now: Now
) -> None:
    for each in taken(decide(request, among, left, policy, now), among):
        assert request.task in each.tasks
        assert not request.stream or request.task in each.streams
        assert not each.probing
        assert each.open_until_ms is None or each.open_until_ms <= now.now_ms
        assert request.route != "local" or each.location == "local"
        assert request.route != "cloud" or each.location != "local"
        assert request.route in ("auto", "local", "cloud", each.name)


@given(requests, candidates(), budgets, policies, nows)
def test_a_request_that_asks_for_quality_is_never_answered_by_less_alone(
    request: ModelRequest, among: list[Facts], left: Remaining, policy: Policy, now: Now
) -> None:
    decision = decide(request, among, left, policy, now)
    wanted = request.min_quality
    for place, name in enumerate(decision.order):
        quality = decision.verdict(name).quality  # type: ignore[union-attr]  # the law above
        if wanted is not None and quality is not None and quality < wanted:
            assert place == 0
            assert decision.manner in (Manner.CASCADE, Manner.SPECULATIVE)


@given(requests, candidates(), budgets, policies, nows)
def test_the_same_is_decided_the_same_whenever_it_is_asked(
    request: ModelRequest, among: list[Facts], left: Remaining, policy: Policy, now: Now
) -> None:
    assert decide(request, among, left, policy, now) == decide(request, list(among), left, policy, now)


@given(requests, candidates(4), facts("one more"), st.integers(0, 4), budgets, policies, nows)
def test_a_backend_that_is_refused_changes_nothing_for_the_others(
    request: ModelRequest,
    among: list[Facts],
    more: Facts,
    place: int,
    left: Remaining,
    policy: Policy,
    now: Now,
) -> None:
    before = decide(request, among, left, policy, now)
    after = decide(request, [*among[:place], more, *among[place:]], left, policy, now)
    if "one more" in after.order:
        return
    assert after.order == before.order
    assert after.manner == before.manner
    if before.order:
        assert after.route == before.route
    assert [v.rule for v in after.verdicts if v.backend != "one more"] == [v.rule for v in before.verdicts]


@given(requests, candidates(), budgets, policies, nows, st.sampled_from(Confidentiality))
def test_data_that_is_less_confidential_may_go_wherever_more_confidential_data_may(
    request: ModelRequest,
    among: list[Facts],
    left: Remaining,
    policy: Policy,
    now: Now,
    less: Confidentiality,
) -> None:
    policy = replace(policy, rules=())  # a rule may ask for a label
    lower = replace(request, label=Label(min(less, request.label.confidentiality)))
    strict = decide(request, among, left, policy, now)
    mild = decide(lower, among, left, policy, now)
    for each in strict.verdicts:
        if not each.rule.startswith("privacy."):
            now_allowed = mild.verdict(each.backend)
            assert now_allowed is not None
            assert not now_allowed.rule.startswith("privacy.")


@given(requests, candidates(), budgets, policies, nows)
def test_what_is_too_late_is_sent_to_nobody(
    request: ModelRequest, among: list[Facts], left: Remaining, policy: Policy, now: Now
) -> None:
    decision = decide(request, among, left, policy, now._replace(left_ms=0.0))
    assert decision.route is Route.DROP
    assert decision.rule == "expired"


@given(requests, candidates(), budgets, policies, nows)
def test_who_waits_is_told_until_when_where_that_is_known(
    request: ModelRequest, among: list[Facts], left: Remaining, policy: Policy, now: Now
) -> None:
    decision = decide(request, among, left, policy, now)
    if decision.retry_after is not None:
        assert decision.route is Route.DEFER
        assert decision.retry_after >= 0
    if decision.rule == "breaker":
        refused = {each.backend for each in decision.verdicts if each.rule == "breaker"}
        known = [each for each in among if each.name in refused and each.open_until_ms is not None]
        assert (decision.retry_after is not None) == bool(known)
