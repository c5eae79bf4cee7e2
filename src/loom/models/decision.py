"""A decision: where a request goes, in which order and manner, and what spoke for or against each backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Route(StrEnum):
    """Where a request goes."""

    LOCAL = "local"
    CLOUD = "cloud"
    HYBRID = "hybrid"
    LOCAL_FALLBACK = "local_fallback"
    """A local backend answers although a better one was wanted and may not, or cannot, be asked."""
    DEFER = "defer"
    """Nobody may answer now; somebody may later."""
    DROP = "drop"
    """Nobody will: it is too late, or forbidden."""


class Manner(StrEnum):
    """How the backends of a decision are asked."""

    SINGLE = "single"
    """One after the other, until one answers."""
    CASCADE = "cascade"
    """The first answers; unless it is sure, the next is asked."""
    SPECULATIVE = "speculative"
    """The first answers provisionally, the next refines it."""
    HEDGED = "hedged"
    """The second is asked too when the first is late; whoever answers first wins."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found about one candidate: taken or refused by *rule*, *why* in words.

    *latency_ms*, *cost* and *quality* are estimates, None where nothing is known; *redact*: it sees placeholders only.
    """

    backend: str
    location: str
    taken: bool
    rule: str
    why: str
    latency_ms: float | None = None
    cost: float | None = None
    quality: float | None = None
    redact: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """*route*, the *order* of backends by name, how sure it is (0..1), estimates, and a verdict on each candidate.

    *retry_after*: in how many seconds a deferred request may find somebody, None: unknown.
    """

    id: str
    task: str
    route: Route
    order: tuple[str, ...]
    rule: str
    why: str
    manner: Manner = Manner.SINGLE
    confidence: float = 1.0
    latency_ms: float | None = None
    cost: float | None = None
    verdicts: tuple[Verdict, ...] = ()
    label: str = "public"
    profile: str = ""
    thread: str | None = None
    at_ms: int = 0
    retry_after: float | None = None

    def verdict(self, backend: str) -> Verdict | None:
        """What was found about *backend*."""
        return next((each for each in self.verdicts if each.backend == backend), None)

    def facts(self) -> Mapping[str, Any]:
        """All of it as JSON has it, for events and tables."""
        verdicts = [{name: getattr(each, name) for name in Verdict.__slots__} for each in self.verdicts]
        facts = {name: getattr(self, name) for name in Decision.__slots__}
        return {**facts, "route": str(self.route), "manner": str(self.manner), "order": list(self.order),
                "verdicts": verdicts}  # fmt: skip
