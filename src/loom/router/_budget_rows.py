"""Accounts on their way to what keeps them: what gathers during one write goes with the next."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from loom.router._account import PREFIX, Account, Key, account_of, row_name, row_of
from loom.router._amounts import ZERO, Amounts, added
from loom.router._ledger import Ledger
from loom.router.keep import Keep

log = logging.getLogger("loom.router")
SEEN = "budget-day"
"""Where the latest day is kept on which old accounts were looked for."""


class Rows:
    """The rows of a ledger's accounts in *keep*; those of an earlier life are read when it is made.

    What an earlier life held and never settled may have been spent, so it counts as used: ``unsettled`` lists it.
    Raises StoreCorrupt for a row that cannot be read.
    """

    def __init__(self, keep: Keep, ledger: Ledger) -> None:
        self._keep, self._ledger = keep, ledger
        self._dirty: dict[Key, Account] = {}
        self._flying: dict[Key, Account] = {}
        self._others: dict[str, bytes | None] = {}
        self._next: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.unsettled: dict[Key, Amounts] = {}
        self.writes = self.failures = 0
        ledger.fetch, ledger.evictable = self.fetch, self._clean
        self._load()

    def _load(self) -> None:
        for name in self._keep.names(PREFIX):
            account = self._read(name)
            if account is None:
                continue
            if len(self._ledger.accounts) < self._ledger.capacity or account.key in self._dirty:
                self._ledger.accounts[account.key] = account
            else:
                self._ledger.evicted += 1
        if self.unsettled:
            log.warning(
                "%d budget accounts held reservations when the process before this one ended: they count as spent",
                len(self.unsettled),
            )

    def fetch(self, key: Key) -> Account | None:
        """The account that left the memory, None when there never was one."""
        return self._read(row_name(key))

    def _read(self, name: str) -> Account | None:
        row = self._keep.read(name)
        if row is None:
            return None
        account = account_of(name, row)
        if account.held != ZERO:  # of a process that is gone: nobody of this one holds what is not in memory
            self.unsettled[account.key] = account.held
            account.used, account.held = added(account.used, account.held), ZERO
            self._dirty[account.key] = account
        return account

    def _clean(self, account: Account, now_ms: int) -> bool:
        """Whether the row says what the account does."""
        return account.key not in self._dirty and account.key not in self._flying

    def changed(self, keys: Iterable[Key]) -> None:
        """Have the accounts of *keys* go with the next write."""
        for key in keys:
            self._dirty[key] = self._ledger.accounts[key]

    async def kept(self, keys: Iterable[Key]) -> None:
        """Return when the accounts of *keys* are kept as they are now, or later. Raises what *keep* raises."""
        self.changed(keys)
        if not self._dirty and not self._others:
            return
        loop = asyncio.get_running_loop()
        idle = self._task is None or self._task.done() or self._task.get_loop() is not loop
        if self._next is None or idle:
            self._next = loop.create_future()
        if idle:
            self._task = loop.create_task(self._flush(), name="budget rows")
        await asyncio.shield(self._next)

    async def landed(self) -> None:
        """Return when nothing is on its way any more. Raises what *keep* raises."""
        await self.kept(())
        if self._flying and self._task is not None:
            await asyncio.wait({self._task})

    async def _flush(self) -> None:
        """Write until nobody waits."""
        while self._next is not None:
            waiting, self._next = self._next, None
            self._flying, self._dirty = self._dirty, {}
            others, self._others = self._others, {}
            error: BaseException | None = asyncio.CancelledError()  # unless it comes to an end
            try:
                error = await self._write(others)
            finally:
                if error is not None:  # the next write takes along what this one could not
                    self._dirty = {**self._flying, **self._dirty}
                    self._others = {**others, **self._others}
                self._flying = {}
                _tell(waiting, error)

    async def _write(self, others: dict[str, bytes | None]) -> BaseException | None:
        rows = others | {row_name(key): row_of(account) for key, account in self._flying.items()}
        done = await asyncio.gather(
            *(self._keep.write(name, row) for name, row in rows.items()), return_exceptions=True
        )
        self.writes += 1
        errors = [each for each in done if each is not None]
        self.failures += bool(errors)
        return errors[0] if errors else None

    # --- what is too old -----------------------------------------------------------------------------------------

    def seen(self) -> int | None:
        """The day on which old accounts were looked for last."""
        told = self._keep.read(SEEN)
        return int(told) if told is not None and told.isdigit() else None

    def forget(self, today: int, keys: Iterable[Key], before: int) -> None:
        """Have the rows of *keys* go with the next write, and those that are not in memory of days *before*."""
        self._others[SEEN] = str(today).encode()
        for key in keys:
            self._dirty.pop(key, None)
            self._others[row_name(key)] = None
        for name in self._keep.names(PREFIX) if self._ledger.evicted else ():
            day = name[len(PREFIX) :].partition("/")[0]
            if (day.isdigit() and int(day) < before) or (day == "-" and self._idle(name, before)):
                self._others[name] = None

    def _idle(self, name: str, before: int) -> bool:
        account = account_of(name, self._keep.read(name) or b"")
        return account.key not in self._ledger.accounts and self._ledger.passed(account, before)


def _tell(waiting: asyncio.Future[None], error: BaseException | None) -> None:
    if waiting.done():
        return
    if error is None:
        waiting.set_result(None)
    elif isinstance(error, asyncio.CancelledError):
        waiting.cancel()
    else:
        waiting.set_exception(error)
        waiting.exception()  # who waited may be gone: it is told by then, and never "never retrieved"
