"""The router: decides where each request goes, asks there, and remembers why and how it went."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from loom.clock import Chance, Clock, SystemClock
from loom.errors import ConfigError
from loom.event import PUBLIC, Label
from loom.models import Decision, Model, ModelReply, ModelRequest
from loom.models.decision import Manner, Route
from loom.router import cascade, hedge, single, speculative
from loom.router.backend import Backend
from loom.router.call import Call
from loom.router.collecting import Collected
from loom.router.counsel import Counsel
from loom.router.decisions import Decisions
from loom.router.facts import Facts
from loom.router.parties import Budgets, Cache, Guard, Learner, Parties, Signals, Tell
from loom.router.pick import pick
from loom.router.policy import Policy
from loom.router.profiles import PROFILES, profile_of

_ASK = {
    Manner.SINGLE: single.ask, Manner.CASCADE: cascade.ask, Manner.SPECULATIVE: speculative.ask,
    Manner.HEDGED: hedge.ask,
}  # fmt: skip
_STREAM = {
    Manner.SINGLE: single.stream, Manner.CASCADE: cascade.stream, Manner.SPECULATIVE: speculative.stream,
    Manner.HEDGED: hedge.stream,
}  # fmt: skip
CHAT = "chat"
"""The task whose streams and whole answers are the same, so that one may be remembered for the other."""


SIGNED = ("backend", "decision", "route")
"""What the first item of a stream says besides the model's own."""


class Router:
    """Asks the backends that its policy takes for a request; owns the models and closes them.

    ``policy`` and ``profiles`` (policies by name, for requests that ask for one) may be set while it runs, and
    ``decisions`` are the latest thousand. *tell* publishes what was decided and what became of it. *budgets*, *cache*,
    *guard* and *learner* are done without when they are not given: without a guard nothing confidential leaves, for
    nobody could redact it.
    """

    def __init__(
        self,
        models: Iterable[Model] = (),
        *,
        policy: Policy | None = None,
        clock: Clock | None = None,
        tell: Tell | None = None,
        budgets: Budgets | None = None,
        cache: Cache | None = None,
        guard: Guard | None = None,
        learner: Learner | None = None,
        signals: Signals | None = None,
        chance: Chance | None = None,
    ) -> None:
        self._policy = (policy or Policy()).check()
        self.profiles: dict[str, Policy] = dict(PROFILES)
        self.decisions = Decisions()
        self._parties = Parties(clock or SystemClock(), tell, budgets, cache, guard, learner, signals)
        self._backends: dict[str, Backend] = {}
        self._era = 0
        self._counsel = Counsel(self._backends, chance or Chance())
        for model in models:
            self.add(model)

    def add(self, model: Model) -> None:
        """One more backend; raises ConfigError when its name is taken, or for facts that contradict each other."""
        if model.name in self._backends:
            raise ConfigError(f"there is a model {model.name!r} already; give one of them another name")
        backend = self._backends[model.name] = Backend(model)
        if self._parties.guard is not None:
            self._parties.guard.know(backend.secrets)
        if self._parties.learner is not None:
            self._parties.learner.meet(backend.facts(self._parties.clock.now_ms()))
        self._turn()  # there may be a better answer now

    @property
    def policy(self) -> Policy:
        """What it may do; may be set while it runs, to one that can be followed (ConfigError).

        Answers that were remembered under another one are forgotten.
        """
        return self._policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self._policy = policy.check()
        self._turn()

    def _turn(self) -> None:
        """Forget the answers given until now, also those that are still on their way."""
        self._era += 1
        if self._parties.cache is not None:
            self._parties.cache.forget()

    @property
    def guard(self) -> Guard | None:
        """Who redacts what leaves, and remembers what threads held; may be set while it runs."""
        return self._parties.guard

    @guard.setter
    def guard(self, guard: Guard | None) -> None:
        self._parties = self._parties._replace(guard=guard)
        if guard is not None:
            guard.know([secret for each in self._backends.values() for secret in each.secrets])

    @property
    def signals(self) -> Signals | None:
        """What finds signals of a request (its language, its domain) for rules to look at; may be set while it runs."""
        return self._parties.signals

    @signals.setter
    def signals(self, signals: Signals | None) -> None:
        self._parties = self._parties._replace(signals=signals)

    @property
    def without(self) -> Mapping[str, int]:
        """How often "learner", "signals" or "cache" failed, or took too long, and it was done without."""
        return dict(self._counsel.without)

    @property
    def tasks(self) -> frozenset[str]:
        """What can be asked."""
        return frozenset(task for each in self._backends.values() for task in each.model.tasks)

    def facts(self) -> list[Facts]:
        """What is known of each backend now."""
        now_ms = self._parties.clock.now_ms()
        return [each.facts(now_ms) for each in self._backends.values()]

    async def ask(self, request: ModelRequest) -> ModelReply:
        """The reply to *request*, with the decision, its times and its cost, that of tries which led nowhere included.

        Raises RouteRefused and Deferred with the decision when nobody may answer, ConfigError for a profile or bound
        that makes no sense, and what the last backend raised that was asked.
        """
        call = await self._call(request)
        found = await self._remembered(call)
        if found is not None:
            return found
        await self._decided(call)
        how = "cancelled"
        try:
            order = self._order(call)
            call.reply = reply = await _ASK[_manner(call, order)](call, order)
            how = "done"
        except Exception:  # told as failed, cancellation as what it is; both pass
            how = "failed"
            raise
        finally:
            self._ended(call, how)
        await self._kept(call, reply)
        return reply

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        """The pieces of the answer to *request*, first and last with "backend", "decision" (its id) and "route".

        The last one has "cost" too: that of all tries.

        Raises like ``ask``; once an item is out, an error is an error. Closing it ends the work and settles the cost.
        """
        call = await self._call(replace(request, stream=True))
        found = await self._remembered(call)
        if found is not None:
            for item in cascade.pieces(call, found):
                yield item
            return
        await self._decided(call)
        how, last, collected = "cancelled", None, Collected()
        try:
            order = self._order(call)
            async with aclosing(_STREAM[_manner(call, order)](call, order)) as items:
                async for item in items:
                    if last is not None:
                        yield last
                    last = item if call.noted(item) else None
                    collected.add(item)
                    if last is None:
                        yield item
            how = "done"
        except Exception:  # told as failed, cancellation as what it is; both pass
            how = "failed"
            raise
        finally:
            self._ended(call, how)
        await self._kept(call, collected.reply(call) if request.task == CHAT else None)
        if last is not None:  # held back until every try is settled: now the cost is known
            yield {**last, "cost": call.cost}

    async def pieces(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        """The same, with every item but the last as the model gave it."""
        async with aclosing(self.stream(request)) as items:
            async for item in items:
                signed = isinstance(item, Mapping) and "decision" in item and not item.get("done")
                yield {name: item[name] for name in item if name not in SIGNED} if signed else item

    async def decide(self, request: ModelRequest) -> Decision:
        """What would be decided about *request* now; nobody is asked and nothing remembered."""
        guard, asked = self._parties.guard, request.sorted_out()
        if guard is not None:
            asked = replace(asked, label=guard.label(asked.thread, PUBLIC).join(asked.label))
        call = Call(asked, self._policy_for(asked), self._parties, asyncio.get_running_loop().time())
        return await self._counsel.decision(call)

    def feedback(self, decision_id: str, reward: float) -> None:
        """How good the answer was that came of a decision, 0..1; raises UnknownDecision and ValueError."""
        decision = self.decisions(decision_id)
        if isinstance(reward, bool) or not isinstance(reward, int | float) or not 0 <= reward <= 1:
            raise ValueError(f"a reward is a number from 0 (useless) to 1 (perfect), not {reward!r:.60}")
        if self._parties.learner is not None:
            self._parties.learner.reward(decision.id, float(reward))

    async def warm(self, task: str) -> None:
        """Have a backend for *task* load its model, a local one if there is; raises NoBackend and what it raises."""
        models = [each.model for each in self._backends.values()]
        able = [each for each in models if task in each.tasks]
        local = [each for each in able if each.location == "local"]
        warm = getattr((local or able or [pick(task, models)])[0], "warm", None)
        if warm is not None:
            await warm()

    async def close(self) -> None:
        """End every backend; what budgets have not written yet is."""
        for each in self._backends.values():
            await each.model.close()
        if self._parties.budgets is not None:
            await self._parties.budgets.close()

    def statistics(self) -> Mapping[str, Any]:
        """By backend: what became of its requests, what they took, and the model's own snapshot as "model"."""
        now_ms = self._parties.clock.now_ms()
        return {name: each.statistics(now_ms) for name, each in self._backends.items()}

    # --- before somebody is asked -------------------------------------------------------------------------------------

    async def _call(self, request: ModelRequest) -> Call:
        """*request* with the label of all that its thread held, and the policy it asks for."""
        began = asyncio.get_running_loop().time()
        request = request.sorted_out()
        policy = self._policy_for(request)
        guard = self._parties.guard
        if guard is not None:
            label = guard.label(request.thread, request.label)
            if label != request.label:
                request = replace(request, label=label)
            await _saved(guard, label)
        call = Call(request, policy, self._parties, began)
        call.era, call.leaves = self._era, self._leaves
        return call

    def _policy_for(self, request: ModelRequest) -> Policy:
        return profile_of(request.profile, self.profiles) if request.profile else self._policy

    def _leaves(self, request: ModelRequest) -> bool:
        """Whether anything may leave this device by the policy that *request* follows now."""
        policy = self.profiles.get(request.profile, self._policy) if request.profile else self._policy
        return policy.remote

    async def _remembered(self, call: Call) -> ModelReply | None:
        """The answer that was given before."""
        cache, request = self._parties.cache, call.request
        if cache is None or not request.cache:
            return None
        found = None
        try:
            async with asyncio.timeout_at(call.patience()):
                found = await cache.find(request)
        except TimeoutError:  # what embeds is a model too
            self._counsel.do_without("cache", call, "it took too long")
        if found is None or (request.stream and request.task != CHAT):
            return None
        now_ms = self._parties.clock.now_ms()
        decision = Decision(
            self._counsel.new_id(now_ms), request.task, Route.LOCAL, (), "cache", "the same was asked before",
            label=str(request.label), profile=request.profile, thread=request.thread,
            at_ms=now_ms,
        )  # fmt: skip
        self._told(call, decision)
        call.reply = reply = call.renewed(replace(found, decision=decision))
        tell = self._teller("loom.router.outcome", call)
        if tell is not None:  # nothing is learnt of an answer that nobody gave now
            tell("loom.router.outcome", call.outcome("done"), request)
        return reply

    async def _decided(self, call: Call) -> None:
        """Decide, remember and tell; raises RouteRefused and Deferred."""
        decision = await self._counsel.decision(call)
        self._told(call, decision)
        for each in decision.verdicts:
            if not each.taken and each.backend in self._backends:
                self._backends[each.backend].refuse(each.rule)
        refusal = self._counsel.refusal(call)
        if refusal is not None:
            raise refusal

    def _order(self, call: Call) -> list[Backend]:
        return [self._backends[name] for name in call.decision.order if name in self._backends]

    # --- after it -----------------------------------------------------------------------------------------------------

    def _told(self, call: Call, decision: Decision) -> None:
        call.decision = decision
        self.decisions.add(decision)
        tell = self._teller("loom.router.decision", call)
        if tell is not None:
            tell("loom.router.decision", decision.facts(), call.request)

    def _ended(self, call: Call, how: str) -> None:
        """Tell what became of it, to those who learn and those who listen."""
        tell, learner = self._teller("loom.router.outcome", call), self._parties.learner
        if learner is None and tell is None:
            return
        outcome = call.outcome(how)
        if learner is not None:
            learner.seen(call.decision, {**outcome, "request": call.request})
        if tell is not None:
            tell("loom.router.outcome", outcome, call.request)

    def _teller(self, topic: str, call: Call) -> Tell | None:
        """Who is told on *topic*, if they want to know: an ear asks fifty times a second, mostly with nobody there."""
        tell = self._parties.tell
        wants = getattr(tell, "wants", None)
        return None if wants is not None and not wants(topic, call.request, call.decision.route) else tell

    async def _kept(self, call: Call, reply: ModelReply | None) -> None:
        """What is to be on record before the end of an answer is given: the label of its thread, and the answer."""
        guard, cache = self._parties.guard, self._parties.cache
        if guard is not None:  # the thread holds the answer now, which is as confidential as the request
            await _saved(guard, guard.label(call.request.thread, call.request.label))
        if call.era != self._era or call.stood:
            return  # of another policy, or for want of a better one
        if cache is not None and reply is not None and call.request.cache:
            try:
                async with asyncio.timeout_at(call.patience()):
                    await cache.keep(call.request, reply)
            except TimeoutError:  # the answer is there
                self._counsel.do_without("cache", call, "it took too long")


def _manner(call: Call, order: list[Backend]) -> Manner:
    """How *order* is asked; one alone has nobody to escalate to, or to hedge with."""
    return call.decision.manner if len(order) > 1 else Manner.SINGLE


async def _saved(guard: Guard, label: Label) -> None:
    """That a thread is confidential is on the disk before anybody is asked, and before the answer is given."""
    if label.confidentiality != PUBLIC.confidentiality:
        await guard.saved()
