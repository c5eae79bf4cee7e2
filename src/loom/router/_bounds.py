"""The bounds of one request: whether a backend may take it, by every rule that knows no exception. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from loom.event import Confidentiality
from loom.models.model import ModelRequest
from loom.router.budget import Remaining
from loom.router.facts import Facts, Quantiles
from loom.router.policy import Now, Policy
from loom.router.rules import Rule
from loom.router.size import Size

TYPICAL = 128
"""Tokens that an answer has in an estimate of its time, unless it may have fewer."""
EVERYWHERE = ("", "auto")
LABELS = tuple(each.name.lower().replace("_", "-") for each in Confidentiality)

Refusal = tuple[str, str]
"""The code of a rule, and why it refuses, in words."""


class Bounds(NamedTuple):
    """What a request may take, all of its bounds in one place; *needs* are features, *cap* money, *left_ms* time.

    *choosy*: the request or a rule says where it is to go. *bucket* is that of its size.
    """

    request: ModelRequest
    policy: Policy
    now: Now
    size: Size
    rule: Rule | None
    budgets: Remaining
    needs: frozenset[str]
    cap: float | None
    left_ms: float | None
    choosy: bool
    bucket: int

    @property
    def money(self) -> bool:
        """Whether any rule about money holds."""
        return self.cap is not None or self.budgets.money is not None

    def refusal(self, facts: Facts) -> Refusal | None:
        """Why *facts* may not take the request, as it is now; None: it may, as far as money and time allow."""
        return (
            (self._routed(facts) if self.choosy else None)
            or (None if facts.location == "local" else self._private(facts))
            or self._capable(facts)
            or self._open(facts)
        )  # the order of the rules: the first that refuses is the one that is told

    # --- where it is to go ----------------------------------------------------------------------------------------

    def _routed(self, facts: Facts) -> Refusal | None:
        route = self.request.route
        if route not in EVERYWHERE and not goes(route, facts):
            return "route", f"the request asks for {route!r}"
        rule = self.rule
        if rule is None or route not in EVERYWHERE:
            return None
        if rule.backends and facts.name not in rule.backends:
            return f"rule:{rule.name}", f"rule {rule.name!r} asks {', '.join(rule.backends)}"
        if rule.route not in EVERYWHERE and not goes(rule.route, facts):
            return f"rule:{rule.name}", f"rule {rule.name!r} asks for {rule.route!r}"
        return None

    # --- what it may see ------------------------------------------------------------------------------------------

    def _private(self, facts: Facts) -> Refusal | None:
        """Why the data may not leave for there; what stays on this device is seen by everybody on it."""
        label = self.request.label.confidentiality
        if label >= Confidentiality.LOCAL_ONLY:
            return "privacy.local_only", "local-only data never leaves this device"
        if not self.policy.remote:
            return "privacy.policy", f"{self._policy_name} lets nothing leave this device"
        if label == Confidentiality.PUBLIC:
            return None
        if facts.clearance < label:
            return (
                "privacy.clearance",
                f"{LABELS[label]} data, and it is cleared for {LABELS[facts.clearance]} data",
            )
        if not self.now.redactable:
            return "privacy.not_redactable", f"{LABELS[label]} data that cannot be redacted does not leave"
        return None

    def redacts(self, facts: Facts) -> bool:
        """Whether *facts* sees placeholders only."""
        if facts.location == "local":
            return False
        always = self.policy.redact == "always" and self.now.redactable
        return always or self.request.label.confidentiality > Confidentiality.PUBLIC

    # --- what it can do -------------------------------------------------------------------------------------------

    def _capable(self, facts: Facts) -> Refusal | None:
        request = self.request
        if request.task not in facts.tasks:
            return "task", f"it cannot do {request.task!r}"
        if request.stream and request.task not in facts.streams:
            return "stream", f"it can do {request.task!r}, but not in pieces"
        if not self.needs <= facts.features:
            return "features", f"it has no {' and no '.join(sorted(self.needs - facts.features))}"
        if facts.context is not None and self.size.room > facts.context:
            return "context", f"about {self.size.room:,} tokens do not fit its context of {facts.context:,}"
        return None

    def _open(self, facts: Facts) -> Refusal | None:
        until = facts.open_until_ms
        if until is not None and until > self.now.now_ms:
            return (
                "breaker",
                f"it failed or asked for a pause: left alone for {(until - self.now.now_ms) / 1000:.3g} s",
            )
        if facts.probing:
            return "breaker", "it failed lately, and one request is finding out how it does now"
        if facts.room is not None and facts.running >= facts.concurrency and facts.waiting >= facts.room:
            return "queue", f"its queue is full: {facts.running} run, {facts.waiting} wait"
        return None

    # --- what it may take -----------------------------------------------------------------------------------------

    def late(self, latency: Quantiles | None) -> Refusal | None:
        """Why an answer that takes *latency* would be too late."""
        if latency is None:
            return None
        if self.left_ms is not None and not latency.p95 <= self.left_ms:
            return "latency", f"p95 {_ms(latency.p95)} with its queue, and {_ms(self.left_ms)} are left"
        seconds = self.budgets.seconds
        if seconds is not None and not latency.p95 <= seconds * 1000:
            return (
                "cost.budget",
                f"p95 {_ms(latency.p95)}, and {_budget(self.budgets, 'seconds')} has {_ms(seconds * 1000)} left",
            )
        return None

    def dear(self, cost: float | None) -> Refusal | None:
        """Why a request that costs so much (None: unknown) may not be made."""
        left = self.budgets
        if cost is None:
            if self.money:
                return "cost.no_price", "its price is not known, and there is a limit of cost"
        elif self.cap is not None and not cost <= self.cap:
            return "cost.cap", f"about {cost:.4g}, and the request may cost {self.cap:.4g}"
        elif left.money is not None and not cost <= left.money:
            return "cost.budget", f"about {cost:.4g}, and {_budget(left, 'money')} has {left.money:.4g} left"
        return self._spent()

    def _spent(self) -> Refusal | None:
        left, tokens = self.budgets, self.size.tokens_in + self.size.tokens_out
        if left.tokens is not None and not tokens <= left.tokens:
            return (
                "cost.budget",
                f"about {tokens:,} tokens, and {_budget(left, 'tokens')} has {max(0, int(left.tokens)):,} left",
            )
        if left.calls is not None and not left.calls >= 1:
            return "cost.budget", f"{_budget(left, 'calls')} has no calls left"
        if left.seconds is not None and not left.seconds > 0:
            return "cost.budget", f"{_budget(left, 'seconds')} has no time left"
        return None

    def latency(self, facts: Facts) -> Quantiles | None:
        """How long *facts* takes to answer, with the wait for those before; None: nothing is known yet."""
        if not facts.first_ms:
            return None
        first = facts.first_ms.get(self.bucket) or _nearest(facts.first_ms, self.bucket)
        p50, p95 = first
        if facts.token_ms and self.size.tokens_out:
            token = facts.token_ms.get(self.bucket) or _nearest(facts.token_ms, self.bucket)
            tokens = min(self.size.tokens_out, TYPICAL)
            p50, p95 = p50 + tokens * token[0], p95 + tokens * token[1]
        ahead = facts.running + facts.waiting + 1 - facts.concurrency
        if ahead <= 0:
            return Quantiles(p50, p95)
        wait = p50 * ahead / max(1, facts.concurrency)
        return Quantiles(wait + p50, wait + p95)

    @property
    def _policy_name(self) -> str:
        name = self.now.profile or self.policy.name
        return f"profile {name!r}" if name else "the policy"


def goes(route: str, facts: Facts) -> bool:
    """Whether *route* leads to *facts*."""
    if route == "local":
        return facts.location == "local" or facts.name == route
    if route == "cloud":
        return facts.location != "local" or facts.name == route
    return route == facts.name


def _nearest(known: Mapping[int, Quantiles], bucket: int) -> Quantiles:
    """What is known of requests of the size that is nearest to that of *bucket*, rather larger than smaller."""
    if len(known) == 1:
        return next(iter(known.values()))
    return known[min(known, key=lambda each: (abs(each - bucket), -each))]


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


def _budget(left: Remaining, kind: str) -> str:
    name = left.whose(kind)
    return f"budget {name!r}" if name else "the budget"
