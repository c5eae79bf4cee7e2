"""Budgets: what inference may take is reserved before a request is sent, and what it took is counted after."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any

from loom.errors import BudgetExceeded, LoomError
from loom.router._account import Account, Key
from loom.router._amounts import ZERO, borne, less, plain
from loom.router._budget_rows import Rows
from loom.router._calendar import Calendar, clocks, utc
from loom.router._ledger import Hold, Ledger
from loom.router._limits import KINDS, SCOPES, UNLIMITED, Limit, Payer, Remaining, Spend, read_limits
from loom.router.keep import Keep

__all__ = [
    "KINDS", "SCOPES", "UNLIMITED", "Budgets", "Limit", "Payer", "Remaining", "Reservation", "Spend", "clocks",
    "read_limits",
]  # fmt: skip
log = logging.getLogger("loom.router")
REPORTED = 1000
"""Lines of a report at most, those touched last."""


class Reservation:
    """What a request may take: commit what it took, or release what it did not take."""

    __slots__ = ("_budgets", "_hold")

    def __init__(self, budgets: Budgets, hold: Hold) -> None:
        self._budgets, self._hold = budgets, hold

    @property
    def open(self) -> bool:
        """Whether it is neither committed nor released."""
        return self._hold.open

    async def commit(self, spend: Spend) -> None:
        """Count what was taken, more or less than reserved; kept when this returns, unless the medium failed.

        An amount that is unknown or makes no sense (None, NaN, below 0) counts as reserved. Told again it counts only
        what is more than it was told before.
        """
        await self._budgets._commit(self._hold, spend)

    async def release(self) -> None:
        """Give it back: nothing was taken. Nothing happens after a commit."""
        await self._budgets._release(self._hold)


class Budgets:
    """What may still be spent by whom, over restarts with a *keep*; all limits hold at once.

    *limits* are Limits, or tables by name as in ``[router.budgets]`` (ConfigError for a wrong one). *offset* gives the
    seconds that the clocks on which days begin are ahead of UTC at a Unix second; see `clocks`. A day's accounts are
    forgotten *retention* days later, a thread's when it was idle as long; *capacity* accounts are in memory.
    Raises StoreCorrupt when what *keep* has cannot be read.
    """

    def __init__(
        self,
        limits: Iterable[Limit] | Mapping[str, Any] = (),
        keep: Keep | None = None,
        *,
        offset: Callable[[int], int] = utc,
        retention: int = 7,
        capacity: int | None = None,
    ) -> None:
        wanted = tuple(read_limits(limits) if isinstance(limits, Mapping) else limits)
        self._ledger = Ledger(wanted, Calendar(offset), capacity or (50_000 if keep is None else 10_000))
        self._retention = max(retention, 1)
        self._rows = None if keep is None else Rows(keep, self._ledger)
        self._today = None if self._rows is None else self._rows.seen()
        self.reserved = self.committed = self.released = self.refused = self.overrun = 0

    @property
    def limits(self) -> tuple[Limit, ...]:
        """What it holds to."""
        return tuple(rule.limit for rule in self._ledger.rules)

    def limit(self, limits: Iterable[Limit], instead: Collection[str] = ()) -> None:
        """Hold to *limits* too from now on, *instead* of those of these names.

        What was spent stays spent: a limit of the same name and period goes on with the accounts of the one before.
        """
        self._ledger.limit(limits, instead)

    def remaining(self, payer: Payer, now_ms: int) -> Remaining:
        """What is left for *payer* of each kind, what others have reserved taken off."""
        return self._ledger.remaining(payer, now_ms)

    def short(self, payer: Payer, spend: Spend, now_ms: int) -> BudgetExceeded | None:
        """Why *spend* would be refused now, None if it would not; nothing is reserved."""
        return self._ledger.short(payer, spend, now_ms)

    async def reserve(self, payer: Payer, spend: Spend, now_ms: int) -> Reservation:
        """Hold *spend*, the most a request may take, in every budget that counts it; kept when this returns.

        Raises BudgetExceeded (nothing is held then), ValueError for a *spend* that is no amount, and what the keep
        raises (StoreError): what cannot be kept may not be spent.
        """
        self._age(now_ms)
        try:
            hold = self._ledger.hold(payer, spend, now_ms)
        except LoomError:
            self.refused += 1
            raise
        self.reserved += 1
        if hold.keys and self._rows is not None:
            await self._keep(self._rows, hold)
        return Reservation(self, hold)

    async def _keep(self, rows: Rows, hold: Hold) -> None:
        kept = False
        try:
            await rows.kept(hold.keys)
            kept = True
        finally:  # a failed write, or whoever asked was cancelled meanwhile
            if not kept:
                rows.changed(self._ledger.drop(hold))

    async def _commit(self, hold: Hold, spend: Spend) -> None:
        self.committed += 1
        true = borne(spend, hold.asked)
        self.overrun += less(true, hold.asked) != ZERO
        await self._settled(self._ledger.settle(hold, true))

    async def _release(self, hold: Hold) -> None:
        self.released += hold.open
        await self._settled(self._ledger.drop(hold))

    async def _settled(self, keys: tuple[Key, ...]) -> None:
        if keys and self._rows is not None:
            await self._told(self._rows.kept(keys))

    async def _told(self, write: Coroutine[Any, Any, None]) -> None:
        try:
            await write
        except (LoomError, OSError) as error:  # the answer is there: it is not lost for that
            log.warning("what was spent could not be kept, the next write takes it along: %s", error)

    async def close(self) -> None:
        """Write what is still to be written, and return when all of it is kept or cannot be."""
        if self._rows is not None:
            await self._told(self._rows.landed())

    def _age(self, now_ms: int) -> None:
        """On a new day, forget what is too old; not after a jump, for a clock that was wrong may be set back again."""
        today = self._ledger.calendar.day(now_ms)
        if today == self._today or not self._ledger.rules:
            return
        before, self._today = self._today, today
        steady = before is not None and 0 < today - before <= self._retention
        old = self._ledger.forget(today - self._retention) if steady else []
        if self._rows is not None:
            self._rows.forget(today, old, today - self._retention if steady else 0)

    # --- what is told ---------------------------------------------------------------------------------------------

    def report(self, now_ms: int) -> list[dict[str, Any]]:
        """A line for each account and kind: budget, per, whose, kind, limit, used, reserved, left, resets_ms (or None).

        The accounts of other days are left out; one budget that nobody has used has a line of its own.
        """
        today = self._ledger.calendar.day(now_ms)
        live = [each for each in self._ledger.accounts.values() if each.key.day in (None, today)]
        lines: list[dict[str, Any]] = []
        for rule in self._ledger.rules:
            mine = [each for each in live if each.key.budget == rule.limit.name][-REPORTED:]
            resets = self._ledger.calendar.ends_ms(now_ms) if "day" in rule.limit.per else None
            for account in mine or (None,):
                lines += [
                    {**_line(rule.limit, account, kind, cap), "resets_ms": resets}
                    for kind, cap in enumerate(rule.caps) if cap is not None
                ]  # fmt: skip
        return lines[:REPORTED]

    def statistics(self) -> Mapping[str, object]:
        """Counts since the start: of reservations and refusals, of requests that took more than reserved, of writes.

        *unsettled* are accounts that held something when the process before this one ended: it counts as used.
        """
        rows = self._rows
        return {
            "reserved": self.reserved, "committed": self.committed, "released": self.released,
            "refused": self.refused, "overrun": self.overrun, "accounts": len(self._ledger.accounts),
            "writes": rows.writes if rows else 0, "failures": rows.failures if rows else 0,
            "unsettled": len(rows.unsettled) if rows else 0,
        }  # fmt: skip

    def unsettled(self) -> list[dict[str, Any]]:
        """What a process that ended before its time had reserved, by account: budget, whose, and each kind."""
        found = self._rows.unsettled if self._rows is not None else {}
        return [
            {"budget": key.budget, "whose": key.who}
            | {kind: plain(amount, place) for place, (kind, amount) in enumerate(zip(KINDS, held, strict=True))}
            for key, held in found.items()
        ]  # fmt: skip


def _line(limit: Limit, account: Account | None, kind: int, cap: int) -> dict[str, Any]:
    used = account.used[kind] if account else 0
    held = account.held[kind] if account else 0
    return {
        "budget": limit.name, "per": list(limit.per) or ["total"], "whose": account.key.who if account else "",
        "kind": KINDS[kind], "limit": plain(cap, kind), "used": plain(used, kind), "reserved": plain(held, kind),
        "left": plain(max(cap - used - held, 0), kind),
    }  # fmt: skip
