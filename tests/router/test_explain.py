"""A decision as a table: who is asked in which order, what each is expected to take, and what refused the others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loom.models import ModelRequest
from loom.router.budget import Remaining
from loom.router.explain import rows, table
from loom.router.facts import Facts
from loom.router.policy import Now, Policy, decide
from tests.router.routing_cases import budgets, candidates, nows, policies, requests


@given(requests, candidates(), budgets, policies, nows, st.integers(40, 200))
def test_every_decision_is_a_table_of_any_width_with_each_candidate(
    request: ModelRequest, among: list[Facts], left: Remaining, policy: Policy, now: Now, width: int
) -> None:
    decision = decide(request, among, left, policy, now)
    found = rows(decision.facts())
    assert sorted(row.backend for row in found) == sorted(each.name for each in among)
    assert [row.backend for row in found if row.place] == list(decision.order)
    for row in found:
        verdict = decision.verdict(row.backend)
        assert verdict is not None
        assert row.why.startswith(f"{verdict.rule}: ")
    lines = table(decision.facts(), width)
    assert all(len(line) <= max(width, 47) for line in lines)
    assert decision.rule in " ".join(lines)


def test_what_was_kept_by_somebody_else_is_told_as_far_as_it_goes() -> None:
    assert rows({}) == []
    assert rows({"order": ["a"], "verdicts": [None, {"backend": "a", "cost": "much"}]})[0].cost == "?"
    for ms, told in (
        (12_345, "12,345 ms"),
        (60_000, "60 s"),
        (90_500, "90.5 s"),
        (2e7, "2e+04 s"),
        (True, "?"),
    ):
        assert rows({"verdicts": [{"latency_ms": ms}]})[0].latency == told
    assert (
        table({"route": "drop", "why": "it is late", "rule": "expired"})[-1] == "no backend was a candidate"
    )
