"""One try of a request at one backend: what it takes is given back, and what it cost is counted, exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from types import TracebackType
from typing import Any

from loom.errors import BackendFailed, BackendTimeout, BudgetExceeded, ModelFailed
from loom.models import ModelReply, ModelRequest
from loom.router._blame import Blame, blame
from loom.router._finish import finish
from loom.router.backend import Backend
from loom.router.billing import Bound, Meter, bound, told_ms, within
from loom.router.breaker import Permit
from loom.router.budget import Spend
from loom.router.call import GRACE, Call, Tried, named
from loom.router.leaving import last_check, leaving
from loom.router.parties import Outbound, Reservation
from loom.router.size import size_of


class Attempt:
    """Asks *backend* for *call*, once: by `infer` or by `stream`.

    The breaker lets it, the gate has a slot, the budget has room, the guard redacts, and the backend may see it; then
    it is sent. *seconds* are what it has of the call's time (None: all of it). ``lost`` is set by whoever cancels it
    because another was faster.
    """

    def __init__(self, call: Call, backend: Backend, seconds: float | None = None) -> None:
        self.call, self.backend = call, backend
        self.lost = False
        now = asyncio.get_running_loop().time()
        self._began = self._sent_at = now
        self._until = call.deadline if seconds is None else now + seconds
        self._size = call.size
        self._meter = Meter(call.size)
        self._bound: Bound | None = None
        self._permit: Permit | None = None
        self._reservation: Reservation | None = None
        self._slot = False
        self._begun = False
        self._outbound: Outbound | None = None
        self._first_ms: float | None = None

    async def infer(self) -> ModelReply:
        """The answer. Raises what the backend raises, BackendTimeout, BackendBusy, BudgetExceeded, RouteRefused."""
        async with self:
            reply = self._checked(await self._sent(await self._outgoing()))
            self._meter.answered(reply)
            self._first_ms = told_ms(reply.first_ms)
            output = reply.output if self._outbound is None else self._outbound.restore(reply.output)
        return self._reply(output, reply)

    async def _sent(self, request: ModelRequest) -> ModelReply:
        if self._until is None:
            return await self.backend.model.infer(request)
        try:
            async with asyncio.timeout_at(self._cut()):
                return await self.backend.model.infer(request)
        except TimeoutError as error:
            if str(error):  # the backend's own words
                raise
            raise self._late() from None

    async def stream(self) -> AsyncGenerator[Any, None]:
        """The items of the answer; the first and the last say which backend and decision, the last what it cost."""
        async with self:
            request = await self._outgoing()
            restoring = _Items(self._outbound)
            self._meter.piecewise = not request.options.get("tools")  # calls come in no pieces that are seen
            async with aclosing(self.backend.model.stream(request)) as items:
                while (item := await self._next(items)) is not _OVER:
                    self._arrived(item)
                    for each in restoring.fed(item):
                        yield self._signed(each)
            for each in restoring.rest():
                yield each

    # --- what is taken and given back ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Attempt:
        try:
            self._admit()
            self._slot = self.backend.gate.enter_nowait(self.call.request.qos)
            if not self._slot:
                await self._stand_in_line()
            self._in_time()
            if self.call.parties.budgets is not None or self.call.cap is not None:
                await self._reserve()
        except (Exception, asyncio.CancelledError) as error:
            await self.__aexit__(type(error), error, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        blamed = blame(error, self._meter.sent, self.lost)
        if type(error) is ModelFailed and not self.backend.here and self._first_ms is None and not self.lost:
            blamed = Blame(blamed.outcome, unbilled=True)  # nothing was sent: the request itself is wrong
        self._judge(blamed, error)
        if self._slot:
            self._slot = False
            self.backend.gate.leave()
        self._count(blamed, error)
        if self._reservation is not None:
            await finish(self._settle(self._reservation, blamed))

    def _admit(self) -> None:
        now_ms = self.call.parties.clock.now_ms()
        breaker = self.backend.breaker
        self._permit = breaker.admit(now_ms)
        if self._permit is None:
            left = max((breaker.look(now_ms) or now_ms) - now_ms, 0) / 1000
            raise BackendFailed(
                f"{self.backend.name!r} is left alone for {left:.3g} s: it failed, or asked for a pause",
                retry_after=left,
            )

    async def _stand_in_line(self) -> None:
        gate = self.backend.gate
        try:
            async with asyncio.timeout_at(self._until):
                await gate.enter(self.call.request.qos)
        except TimeoutError as error:
            raise BackendTimeout(
                f"no slot of {self.backend.name!r} became free in time ({gate.running} requests run there)"
            ) from error
        self._slot = True
        if self._permit is not None and not self.backend.breaker.current(self._permit):
            self._admit()  # it opened, or closed again, while this one stood in line

    def _in_time(self) -> None:
        left = self._left()
        if left is not None and left <= 0:
            raise BackendTimeout(
                f"{self.backend.name!r} was not asked: nothing is left of the request's time"
            )

    async def _reserve(self) -> None:
        budgets, call = self.call.parties.budgets, self.call
        cap = call.cap
        if cap is not None:
            self._check_cap(cap)
        self._bound = bound(self._size, self.backend.price, call.left, self._left(), cap is not None)
        if budgets is None:
            return
        if self._bound.seconds is not None:
            self._until = asyncio.get_running_loop().time() + self._bound.seconds
        now_ms = call.parties.clock.now_ms()
        self._reservation = await finish(
            budgets.reserve(call.payer, self._bound.spend, now_ms),
            _released,
        )

    def _check_cap(self, cap: float) -> None:
        """The tries before this one were paid for from the same cap, and placeholders may be longer than the text."""
        price, paid = self.backend.price, self.call.cost
        cost = 0.0 if price is None else price.cost(self._size.usage)
        if cost and paid + cost > cap:
            what = "more" if self._size is self.call.size else "with its placeholders"
            raise BudgetExceeded(
                f"{self.backend.name!r} was not asked: about {cost:.4g} {what}, and of the {cap:.4g} that the request "
                f"may cost {paid:.4g} are spent", budget="max_cost", kind="money",
            )  # fmt: skip

    async def _paid(self, request: ModelRequest) -> None:
        """Reserve for *request* as it leaves: its placeholders may be longer than what they stand for."""
        size = size_of(request)
        self._meter.reads(size)
        if self._bound is None or size.tokens_in <= self._size.tokens_in:
            return
        self._size = size
        if self._reservation is not None:
            await finish(self._reservation.release())
        await self._reserve()
        last_check(self.call, self.backend, True)

    async def _settle(self, reservation: Reservation, blamed: Blame) -> None:
        if not self._meter.sent or blamed.unbilled:
            await reservation.release()
            return
        limited = self._bound is not None and self._bound.seconds is not None
        took = asyncio.get_running_loop().time() - self._sent_at if limited else 0.0
        spend = Spend.at(self.backend.price, self._meter.usage, took)
        if not self._meter.known:  # it may have written all of its answer: that counts as it was reserved
            spend = spend._replace(money=None, tokens=None)
        await reservation.commit(spend)

    # --- what is sent ----------------------------------------------------------------------------------------------

    async def _outgoing(self) -> ModelRequest:
        """The request as the backend gets it: redacted where it has to be, with the time that is left."""
        request = self.call.request
        self._outbound = await leaving(self.call, self.backend, self._until)
        if self._outbound is not None:
            request = self._outbound.request
            await self._paid(request)
            self._in_time()
        if self._bound is not None:
            request = within(request, self._bound)
        if self._until is not None:
            request = replace(request, timeout=self._left())
        self._tell_audit()
        self._meter.sent = True
        self._sent_at = asyncio.get_running_loop().time()
        self.backend.counts["asked"] += 1
        return request

    def _tell_audit(self) -> None:
        call = self.call
        if self._outbound is not None and call.parties.tell is not None:
            audit = {
                "decision": call.decision.id,
                "backend": self.backend.name,
                **self._outbound.sent.facts(),
            }
            call.parties.tell("loom.router.audit", audit, call.request)

    def _left(self) -> float | None:
        return None if self._until is None else self._until - asyncio.get_running_loop().time()

    def _cut(self) -> float | None:
        if self._until is None or (self._bound is not None and self._bound.seconds is not None):
            return self._until  # paid for by the second
        return self._until + GRACE

    # --- what comes back -------------------------------------------------------------------------------------------

    async def _next(self, items: AsyncGenerator[Any, None]) -> Any:
        if self._until is None:
            return await anext(items, _OVER)
        try:
            async with asyncio.timeout_at(self._cut()):
                return await anext(items, _OVER)
        except TimeoutError as error:
            if str(error):  # the backend's own words
                raise
            raise self._late() from None

    def _arrived(self, item: Any) -> None:
        if self._first_ms is None:
            self._first_ms = (asyncio.get_running_loop().time() - self._sent_at) * 1000
        self._meter.piece(item)
        if isinstance(item, Mapping) and item.get("done"):
            self._answered(item, item.get("model"))
        most = None if self._bound is None else self._bound.tokens_out
        if most is not None and self._meter.written > 2 * most:
            raise BudgetExceeded(
                f"{self.backend.name!r} goes on after {self._meter.written} tokens, and {most} were asked for and "
                "reserved; it was cut off", budget=self.call.left.budget, kind="tokens",
            )  # fmt: skip

    def _signed(self, item: Any) -> Any:
        """*item* with where it comes from, if it is the first or the last one; the last has the cost too."""
        if self._begun and not (isinstance(item, Mapping) and item.get("done")):
            return item
        self._begun = True
        if not isinstance(item, Mapping):
            return item
        signed = {**item, **self.call.signature(self.backend.name)}
        return {**signed, "cost": self.call.cost + self._cost()} if item.get("done") else signed

    def _checked(self, reply: Any) -> ModelReply:
        if not isinstance(reply, ModelReply):
            raise BackendFailed(
                f"{self.backend.name!r} answered with {type(reply).__name__} instead of a ModelReply"
            )
        self._answered(reply.output, reply.model)
        return reply

    def _answered(self, output: Any, model: object) -> None:
        """Note whether it was the model that was asked for."""
        wanted = getattr(self.backend.model, "model", "")
        known = isinstance(wanted, str) and wanted and isinstance(model, str) and model
        other = isinstance(output, Mapping) and bool(output.get("other_model"))
        self.backend.counts["other_model"] += other or bool(known and not _same(str(model), str(wanted)))

    def _reply(self, output: Any, reply: ModelReply) -> ModelReply:
        call = self.call
        now = asyncio.get_running_loop().time()
        waited = (self._sent_at - call.began) * 1000
        first_ms = None if self._first_ms is None else waited + self._first_ms
        return ModelReply(
            output, self.backend.name, waited + (told_ms(reply.queue_ms) or 0.0), (now - call.began) * 1000,
            first_ms, self._meter.usage, call.cost, call.decision, reply.model,
        )  # fmt: skip

    def _late(self) -> BackendTimeout:
        took = asyncio.get_running_loop().time() - self._sent_at
        return BackendTimeout(f"{self.backend.name!r} did not answer in {took:.3g} s")

    # --- what is learnt --------------------------------------------------------------------------------------------

    def _judge(self, blamed: Blame, error: BaseException | None) -> None:
        """Tell the breaker and the measurements how it went."""
        backend, permit = self.backend, self._permit
        now_ms = self.call.parties.clock.now_ms()
        took = (asyncio.get_running_loop().time() - self._sent_at) * 1000
        usage, reads = self._meter.usage, self.call.size.tokens_in
        if error is None:
            backend.measured.answered(reads, usage.tokens_out, took, self._first_ms)
        elif blamed.late:
            backend.measured.late(reads, took)
        ok = blamed.ok
        if blamed.late and not self._patient(took):
            ok = None  # whoever waits for a blink only has no right to call it a failure
        if ok is not None:
            backend.measured.result(ok, now_ms)
        if permit is None:
            return
        self._permit = None
        if blamed.rest is not None:
            backend.breaker.rest(permit, now_ms + int(blamed.rest * 1000), now_ms)
        elif ok is None or (not ok and backend.here and not blamed.remote):
            backend.breaker.abandoned(permit)
        else:
            backend.breaker.done(permit, ok, now_ms)

    def _patient(self, took_ms: float) -> bool:
        usual = self.backend.measured.p95_ms(self.call.size.tokens_in)
        return took_ms >= (1_000.0 if usual is None else usual)

    def _cost(self) -> float:
        price = self.backend.price
        return 0.0 if price is None or not self._meter.sent else price.cost(self._meter.usage)

    def _count(self, blamed: Blame, error: BaseException | None) -> None:
        backend, usage = self.backend, self._meter.usage
        cost = 0.0 if blamed.unbilled else self._cost()
        backend.counts[blamed.outcome] += 1
        backend.cost += cost
        backend.tokens += 0 if blamed.unbilled else usage.tokens_in + usage.tokens_out
        tried = Tried(backend.name, blamed.outcome, "" if error is None else named(error), cost)
        self.call.add(tried, type(usage)() if blamed.unbilled else usage)


class _Items:
    """Puts back what was redacted, item by item; a placeholder may be split between items anywhere."""

    __slots__ = ("_outbound", "_restoring")

    def __init__(self, outbound: Outbound | None) -> None:
        self._outbound = outbound
        self._restoring = None if outbound is None else outbound.restoring()

    def fed(self, item: Any) -> list[Any]:
        """What *item* becomes: nothing yet, or one or two items."""
        if self._outbound is None or self._restoring is None:
            return [item]
        if isinstance(item, str):
            return [text] if (text := self._restoring.feed(item)) else []
        if not isinstance(item, Mapping) or not isinstance(item.get("text"), str):
            return [self._outbound.restore(item)]
        text = self._restoring.feed(item["text"])
        rest = self._outbound.restore({name: value for name, value in item.items() if name != "text"})
        if item.get("done"):
            text += self._restoring.flush()
            return [*([{"text": text}] if text else []), {"text": "", **rest}]
        return [{"text": text, **rest}] if text or rest else []

    def rest(self) -> list[Any]:
        """What was held back when the stream ended without saying that it was done."""
        text = "" if self._restoring is None else self._restoring.flush()
        return [{"text": text}] if text else []


def _same(said: str, wanted: str) -> bool:
    """Whether a server that was asked for *wanted* and names *said* means it: versions are added to names."""
    said, wanted = said.lower(), wanted.lower()
    return said.startswith(wanted) or wanted.startswith(said) or said.endswith("/" + wanted)


async def _released(reservation: Reservation) -> None:
    await reservation.release()


_OVER = object()
