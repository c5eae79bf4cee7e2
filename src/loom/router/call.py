"""One request on its way through the router: until when, what was decided, tried and spent."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from loom.errors import BackendFailed, LoomError
from loom.models import Decision, ModelReply, ModelRequest, Usage
from loom.models.decision import Route
from loom.models.price import NOTHING
from loom.router._blame import another_may_help
from loom.router.budget import UNLIMITED, Payer, Remaining
from loom.router.parties import Parties
from loom.router.policy import Policy
from loom.router.size import Size, size_of

GRACE = 0.05
"""Seconds that a backend which was told its timeout has to say so itself before it is cut off."""
FAR = sys.float_info.max
"""Seconds: as good as no limit."""


class Tried(NamedTuple):
    """What became of one try: ``done``, ``failed``, ``cancelled``, ``lost``, or ``skipped`` before it was sent."""

    backend: str
    outcome: str
    error: str = ""
    cost: float = 0.0


def _whatever(request: ModelRequest) -> bool:
    return True


class Call:
    """A request with its label, its deadline (loop time), the decision, and the sum of what its tries took."""

    __slots__ = (
        "began",
        "confidence",
        "cost",
        "deadline",
        "decision",
        "era",
        "escalated",
        "first_ms",
        "leaves",
        "left",
        "parties",
        "payer",
        "policy",
        "reply",
        "request",
        "size",
        "stood",
        "tried",
        "usage",
        "without",
    )  # fmt: skip

    def __init__(self, request: ModelRequest, policy: Policy, parties: Parties, began: float) -> None:
        self.request, self.policy, self.parties, self.began = request, policy, parties, began
        time = request.timeout  # what is no number, or too large for one, is refused by the decision
        self.deadline = began + time if isinstance(time, int | float) and -FAR < time < FAR else None
        self.payer = Payer(request.agent, request.thread, request.user)
        self.left: Remaining = UNLIMITED
        self.decision: Decision = _UNDECIDED
        self.size: Size = size_of(request)
        self.tried: list[Tried] = []
        self.cost = 0.0
        self.usage: Usage = NOTHING
        self.reply: ModelReply | None = None
        self.confidence: float | None = None
        self.escalated: list[str] = []
        self.first_ms: float | None = None
        self.stood = False
        self.without: list[str] = []
        self.era = 0
        self.leaves: Callable[[ModelRequest], bool] = _whatever

    def seconds(self) -> float | None:
        """What is left of its time now, None without a limit."""
        return None if self.deadline is None else self.deadline - asyncio.get_running_loop().time()

    def patience(self) -> float | None:
        """Until when (loop time) what only helps may take: half of what is left is for the answer; None: no limit."""
        left = self.seconds()
        return None if left is None else asyncio.get_running_loop().time() + left / 2

    @property
    def cap(self) -> float | None:
        """The most money that all tries together may cost, None without a limit."""
        asked, allowed = self.request.max_cost, self.policy.max_cost
        if asked is None or allowed is None:
            return allowed if asked is None else asked
        return min(asked, allowed)

    def goes_on(self, error: Exception) -> bool:
        """Whether another backend may help after *error*: there is time, and it was not the request's own fault."""
        if not another_may_help(error):
            return False
        left = self.seconds()
        return left is None or left > 0

    def share(self, following: str | None) -> float | None:
        """Seconds of what is left that one try gets when *following* may have to be asked after it."""
        left = self.seconds()
        if left is None or following is None:
            return left
        verdict = self.decision.verdict(following)
        known = None if verdict is None else verdict.latency_ms
        return left - min(left / 2, left / 4 if known is None else known / 1000)

    def add(self, tried: Tried, usage: Usage) -> None:
        """One try ended."""
        self.tried.append(tried)
        self.cost += tried.cost
        was = self.usage
        self.usage = Usage(was[0] + usage[0], was[1] + usage[1], was[2] + usage[2])

    def renewed(self, reply: ModelReply) -> ModelReply:
        """*reply* as it is given now: its cost and its time are those of all tries so far."""
        took = (asyncio.get_running_loop().time() - self.began) * 1000
        return replace(reply, cost=self.cost, total_ms=took)

    @property
    def route(self) -> str:
        """Where it went: hybrid as soon as a second backend was wanted."""
        return str(Route.HYBRID if self.escalated else self.decision.route)

    def signature(self, backend: str) -> Mapping[str, str]:
        """What the items of a stream say of where they come from."""
        return {"backend": backend, "decision": self.decision.id, "route": self.route}

    def noted(self, item: Any) -> bool:
        """One item of a stream arrived; whether it is the last one, which says whose it was."""
        last = isinstance(item, Mapping) and bool(item.get("done")) and "backend" in item
        if last:
            took = (asyncio.get_running_loop().time() - self.began) * 1000
            model = item.get("model")
            self.reply = ModelReply(
                None,
                str(item["backend"]),
                0.0,
                took,
                self.first_ms,
                model=model if isinstance(model, str) else "",
            )
        elif self.first_ms is None:
            self.first_ms = (asyncio.get_running_loop().time() - self.began) * 1000
        return last

    def outcome(self, how: str) -> Mapping[str, Any]:
        """What became of it, as it is told; no text of the request or of an answer."""
        reply = self.reply
        took = (asyncio.get_running_loop().time() - self.began) * 1000
        return {
            "decision": self.decision.id, "task": self.request.task, "outcome": how,
            "backend": "" if reply is None else reply.backend, "model": "" if reply is None else reply.model,
            "route": self.route, "cost": self.cost,
            "usage": self.usage._asdict(), "queue_ms": 0.0 if reply is None else reply.queue_ms,
            "first_ms": None if reply is None else reply.first_ms, "total_ms": took, "escalated": self.escalated,
            "stood": self.stood, "without": list(self.without),
            "confidence": self.confidence, "attempts": [each._asdict() for each in self.tried],
        }  # fmt: skip


def named(error: BaseException) -> str:
    """What *error* is called where no text of a request may stand: messages of backends quote them."""
    if isinstance(error, BackendFailed) and error.status:
        return f"{type(error).__name__} {error.status}"
    module = "" if isinstance(error, LoomError) else f"{type(error).__module__}."
    return f"{module}{type(error).__name__}".removeprefix("builtins.")


_UNDECIDED = Decision("", "", Route.DROP, (), "undecided", "nothing was decided yet")
