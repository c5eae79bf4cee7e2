"""The policy: what a router may and should do, and the decision that follows from it for one request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from loom.models.decision import Decision
from loom.models.model import ModelRequest
from loom.router.budget import Remaining
from loom.router.facts import EMPTY, Facts, empty
from loom.router.rules import Rule

HYBRIDS = ("cascade", "speculative", "hedged", "off")
WITHOUT_CLOUD = ("local", "defer")
PREFERENCES = ("quality", "latency", "cost")
REDACTIONS = ("sensitive", "always")
WORDS = {
    "hybrid": HYBRIDS, "without_cloud": WITHOUT_CLOUD, "prefer": PREFERENCES, "redact": REDACTIONS,
}  # fmt: skip
SHARES = ("threshold", "band", "escalate", "unknown")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a router may do.

    *threshold*: the quality (0..1) expected of a local answer, or its confidence, that is enough. *band*: how far below
    it both are asked, by *hybrid* (``cascade``, ``speculative``, ``hedged``, ``off``). *escalate*: the confidence of
    the local answer with which a cascade ends (None: *threshold*). *unknown*: the quality that is taken for a backend
    here of which none is known. *without_cloud*: ``local`` answers although better was wanted, ``defer`` waits.
    *prefer* orders those that are equally good: ``quality``, ``latency`` or ``cost``. *max_cost* in money and
    *max_latency_ms* bound each request. *redact*: ``sensitive`` data and above, or ``always``, before it leaves this
    device. *private_local*: what is private stays here while a backend here can do it, cleared ones elsewhere or not.
    *remote*: whether anything may leave at all. *rules* come before all but privacy and a route that the request
    asks for, which one that refuses stops too; *name* is that of its profile; *lines* says where each setting was
    written.
    """

    threshold: float = 0.7
    band: float = 0.2
    hybrid: str = "cascade"
    escalate: float | None = None
    unknown: float = 1.0
    without_cloud: str = "local"
    prefer: str = "quality"
    max_cost: float | None = None
    max_latency_ms: float | None = None
    redact: str = "sensitive"
    private_local: bool = True
    remote: bool = True
    rules: tuple[Rule, ...] = ()
    name: str = ""
    lines: Mapping[str, str] = field(default_factory=empty, compare=False)

    @property
    def enough(self) -> float:
        """The confidence of a local answer with which a cascade ends."""
        return self.threshold if self.escalate is None else self.escalate

    def check(self, backends: Sequence[str] | None = None) -> Policy:
        """This policy, if it can be followed; *backends*: the names that rules may use, None: any.

        Raises ConfigError that names the setting, or both of two that contradict each other, with their lines.
        """
        from loom.router._policy_check import check_policy

        check_policy(self, backends)
        return self


class Now(NamedTuple):
    """What a decision is made in: the moment (Unix ms), the decision's id, and what is known of the request by then.

    *redactable*: what the request holds can be redacted. *local_confidence* (0..1): how sure the local answer would be,
    where that is known. *left_ms*: what is left of its time, None: all of its timeout. *signals* of the request, as
    ``language`` or ``domain``. *profile*: the name of the policy.
    """

    now_ms: int
    id: str
    redactable: bool = True
    local_confidence: float | None = None
    left_ms: float | None = None
    signals: Mapping[str, Any] = EMPTY
    profile: str = ""


def decide(
    request: ModelRequest, candidates: Sequence[Facts], budgets: Remaining, policy: Policy, now: Now
) -> Decision:
    """Where *request* goes; the same for the same arguments. Never raises for what a request may hold.

    In this order: whether it is too late, the route asked for, else the policy's rules, privacy, capability, breakers
    and queues, latency, cost, quality. What is left is asked: here where that is enough, here and there in the band
    below, else there; without anybody there it is answered here or deferred, by policy.
    """
    from loom.router._weighing import weigh

    return weigh(request, candidates, budgets, policy, now)
