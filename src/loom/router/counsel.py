"""What is gathered about a request before it is decided, and the words for when nobody may answer it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from loom.clock import Chance
from loom.errors import BudgetExceeded, Deferred, LoomError, ModelError, RouteRefused
from loom.models import Decision
from loom.models.decision import Route
from loom.router.backend import Backend
from loom.router.budget import Spend
from loom.router.call import Call, named
from loom.router.expectation import believed
from loom.router.facts import EMPTY, Facts
from loom.router.leaving import redactable
from loom.router.pick import unknown
from loom.router.policy import Now, decide


class Counsel:
    """Decides about calls with the facts of *backends*, what was learnt, what budgets have left, and signals.

    ``without`` counts what had to be done without, because what it needs failed.
    """

    def __init__(self, backends: Mapping[str, Backend], chance: Chance) -> None:
        self._backends, self._chance = backends, chance
        self.without: Counter[str] = Counter()

    def able(self, call: Call) -> list[Backend]:
        """Those that can do its task."""
        request = call.request
        return [each for each in self._backends.values() if each.can(request.task, request.stream)]

    async def decision(self, call: Call) -> Decision:
        """The decision about *call*, which gets what is left of its budgets; raises ConfigError for wrong bounds."""
        request, parties = call.request, call.parties
        now_ms = parties.clock.now_ms()
        able = self.able(call)
        candidates = self._with_named(able, request.route) if able else [*self._backends.values()]
        can_be_redacted = await _redactable(call, candidates)
        facts: Sequence[Facts] = [each.facts(now_ms, request) for each in candidates]
        if parties.learner is not None and len(able) > 1:
            facts = await self._expected(call, facts)
        signals = EMPTY if parties.signals is None else await self._signals(call)
        if parties.budgets is not None:
            call.left = parties.budgets.remaining(call.payer, now_ms)
        left = call.seconds()
        now = Now(
            now_ms, self.new_id(now_ms), can_be_redacted, None, None if left is None else left * 1000, signals,
            request.profile,
        )  # fmt: skip
        return decide(request, facts, call.left, call.policy, now)

    def _with_named(self, able: list[Backend], name: str) -> list[Backend]:
        """*able*, and the backend that is asked for by name, so that it is said why it does not do."""
        named = self._backends.get(name)
        return able if named is None or named in able else [*able, named]

    def new_id(self, now_ms: int) -> str:
        """A decision's id: sortable by time."""
        return f"{now_ms:012x}-{self._chance.random.getrandbits(48):012x}"

    def refusal(self, call: Call) -> ModelError | None:
        """What to raise instead of asking anybody; None: somebody is asked."""
        decision = call.decision
        if decision.route is Route.DEFER:
            return Deferred(self._words(call), decision, decision.retry_after)
        if decision.order and decision.route is not Route.DROP:
            return None
        if decision.rule == "cost.budget":
            exceeded = self._exceeded(call)
            exceeded.decision = decision
            return exceeded
        return RouteRefused(self._words(call), decision)

    def _exceeded(self, call: Call) -> BudgetExceeded:
        """That a budget has too little left: which, of what, and until when, as the budgets themselves say."""
        words = self._words(call)
        why = getattr(call.parties.budgets, "short", None)  # others than ours may not say
        for each in call.decision.verdicts:
            if why is None or each.rule != "cost.budget" or each.backend not in self._backends:
                continue
            least = max((each.latency_ms or 0.0) / 1000, 1e-6)
            asked = Spend.at(self._backends[each.backend].price, call.size.usage, least)
            short = why(call.payer, asked, call.parties.clock.now_ms())
            if short is not None:
                told = f"{words}; {short}"
                return BudgetExceeded(told, budget=short.budget, kind=short.kind, resets_ms=short.resets_ms)
        kind = _short(call)
        return BudgetExceeded(words, budget=call.left.whose(kind), kind=kind)

    async def _expected(self, call: Call, facts: Sequence[Facts]) -> Sequence[Facts]:
        """*facts* with the quality that was learnt to expect; as they are when the learner's own model fails."""
        assert call.parties.learner is not None
        try:
            async with asyncio.timeout_at(call.patience()):
                expected = await call.parties.learner.expect(call.request, [each.name for each in facts])
        except (
            LoomError,
            TimeoutError,
        ) as error:  # what it embeds with is a model too: the priors have to do
            self.do_without("learner", call, named(error))
            return facts
        return [believed(each, expected.get(each.name)) for each in facts]

    async def _signals(self, call: Call) -> Mapping[str, Any]:
        assert call.parties.signals is not None
        try:
            async with asyncio.timeout_at(call.patience()):
                return await call.parties.signals(call.request)
        except (LoomError, TimeoutError) as error:  # they come of models too; rules on them do not hold then
            self.do_without("signals", call, named(error))
            return EMPTY

    def do_without(self, what: str, call: Call, why: str) -> None:
        """*what* is of no help to *call*."""
        self.without[what] += 1
        call.without.append(f"{what}: {why}")

    def _words(self, call: Call) -> str:
        request, decision = call.request, call.decision
        if not self.able(call):
            return unknown(request.task, [each.model for each in self._backends.values()], request.stream)
        whys = [f"{each.backend}: {each.why}" for each in decision.verdicts if each.rule != "route"]
        more = "; ".join(why for why in whys if why not in decision.why)
        return f"{request.task!r} is answered by nobody: {decision.why}" + (f" ({more})" if more else "")


async def _redactable(call: Call, candidates: Sequence[Backend]) -> bool:
    """Whether the request could be redacted; what stays here is not read through to find out."""
    guard, request = call.parties.guard, call.request
    away = guard is not None and not all(each.here for each in candidates)
    return away and guard is not None and await redactable(guard, request)


def _short(call: Call) -> str:
    """The kind of budget that has the least left, as far as it can be told afterwards."""
    left = {kind: getattr(call.left, kind) for kind in ("calls", "seconds", "tokens", "money")}
    known = {kind: value for kind, value in left.items() if value is not None}
    for kind, value in known.items():
        if value < 1 and kind != "money":
            return kind
    return "money" if "money" in known else next(iter(known), "money")
