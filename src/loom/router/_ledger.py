"""The ledger of budgets: what may be held, and what was used. Pure: time is passed in, nothing waits or is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from loom.errors import BudgetExceeded
from loom.router._account import Account, Key, key_of
from loom.router._amounts import ZERO, Amounts, added, caps, counted, less, plain
from loom.router._calendar import Calendar
from loom.router._limits import KINDS, UNLIMITED, Left, Limit, Payer, Remaining, Spend
from loom.router._refusal import full, no_price, refusal

_AGENTS = 1024  # agents whose limits are remembered
_LOOK = 1024  # of the accounts that were touched longest ago, how many are looked at for one to forget


class Rule:
    """A limit with its amounts in what is counted."""

    __slots__ = ("caps", "limit", "limited")

    def __init__(self, limit: Limit) -> None:
        self.limit, self.caps = limit, caps(limit)
        self.limited = tuple((kind, cap) for kind, cap in enumerate(self.caps) if cap is not None)

    def concerns(self, asked: Amounts) -> bool:
        """Whether *asked* takes anything that is limited here."""
        for kind, _ in self.limited:  # noqa: SIM110 - asked for every request, and any() takes three times as long
            if asked[kind]:
                return True
        return False

    def short(self, taken: Amounts, asked: Amounts) -> int | None:
        """The first kind of which *asked* does not fit beside *taken*; None when all of it does."""
        for kind, cap in self.limited:
            if asked[kind] and taken[kind] + asked[kind] > cap:
                return kind
        return None


class Hold:
    """What one request holds: settled or dropped once, from the accounts of the day it was made on."""

    __slots__ = ("asked", "at_ms", "keys", "open", "payer", "settled")

    def __init__(self, payer: Payer, asked: Amounts, keys: tuple[Key, ...], at_ms: int) -> None:
        self.payer, self.asked, self.keys, self.at_ms = payer, asked, keys, at_ms
        self.open = True
        self.settled = ZERO


class Ledger:
    """Accounts by key, at most *capacity* of them in memory; *fetch* finds those that are kept elsewhere.

    *evictable* says whether an account that nobody holds may leave the memory.
    """

    def __init__(self, limits: Sequence[Limit], calendar: Calendar, capacity: int = 10_000) -> None:
        self.rules: tuple[Rule, ...] = ()
        self.calendar = calendar
        self.capacity = capacity
        self.accounts: dict[Key, Account] = {}
        self.evicted = 0
        """Accounts that left the memory and may have to be fetched again."""
        self.fetch: Callable[[Key], Account | None] = lambda key: None
        self.evictable: Callable[[Account, int], bool] = self._of_yesterday
        self._of_agent: dict[str, tuple[Rule, ...]] = {}
        self.limit(limits)

    def limit(self, limits: Iterable[Limit], instead: Collection[str] = ()) -> None:
        """Count by *limits* too from now on, *instead* of those of these names; what was counted stays counted."""
        kept = (rule for rule in self.rules if rule.limit.name not in instead)
        self.rules = (*kept, *(Rule(limit) for limit in limits))
        self._of_agent.clear()

    def of_agent(self, agent: str) -> tuple[Rule, ...]:
        """The rules that count *agent*."""
        found = self._of_agent.get(agent)
        if found is None:
            if len(self._of_agent) >= _AGENTS:
                self._of_agent.clear()
            found = self._of_agent[agent] = tuple(rule for rule in self.rules if rule.limit.counts(agent))
        return found

    # --- what is asked -------------------------------------------------------------------------------------------

    def remaining(self, payer: Payer, now_ms: int) -> Remaining:
        """What is left for *payer*: of each kind the least of all budgets that count it."""
        rules = self.of_agent(payer.agent)
        if not rules:
            return UNLIMITED
        left: list[float | None] = [None, None, None, None]
        names: dict[str, str] = {}
        tightest, share = "", 2.0
        for rule, taken in self._taken(rules, payer, now_ms):
            for kind, cap in rule.limited:
                rest = max(cap - taken[kind], 0)
                if (old := left[kind]) is None or plain(rest, kind) < old:
                    left[kind], names[KINDS[kind]] = plain(rest, kind), rule.limit.name
                if (part := rest / cap if cap else 0.0) < share:
                    tightest, share = rule.limit.name, part
        found = Left(left[0], left[1], left[2], left[3], tightest)
        found.names = names
        return found

    def _taken(self, rules: Sequence[Rule], payer: Payer, now_ms: int) -> Iterator[tuple[Rule, Amounts]]:
        day = self.calendar.day(now_ms)
        for rule in rules:
            key = key_of(rule.limit, payer, day)
            account = None if key is None else self._known(key)
            yield rule, ZERO if account is None else account.taken

    def short(self, payer: Payer, spend: Spend, now_ms: int) -> BudgetExceeded | None:
        """Why *spend* does not fit now, by a budget that never comes back if there is one; nothing is held."""
        asked, day = counted(spend), self.calendar.day(now_ms)
        found = None
        for rule in self.of_agent(payer.agent):
            key = key_of(rule.limit, payer, day)
            account = None if key is None else self._known(key)
            taken, used = (ZERO, ZERO) if account is None else (account.taken, account.used)
            kind = rule.short(taken, asked)
            if kind is None:
                continue
            why = refusal(rule, key, kind, (asked, taken, used), self.calendar, now_ms)
            if why.resets_ms is None:
                return why
            found = found or why
        return found

    # --- holding and settling ------------------------------------------------------------------------------------

    def hold(self, payer: Payer, spend: Spend, now_ms: int) -> Hold:
        """Hold *spend* in every budget that counts it, or in none: raises BudgetExceeded for the first it does not fit.

        A kind of which nothing is asked is not checked: who takes no money may go on when the money is spent.
        """
        asked = counted(spend)
        rules = self.of_agent(payer.agent)
        keys: list[Key] = []
        day = self.calendar.day(now_ms) if rules else 0
        for rule in rules:
            if spend.money is None and rule.caps[0] is not None:
                raise no_price(rule.limit)
            if rule.concerns(asked):
                key = self._fits(rule, key_of(rule.limit, payer, day), asked, now_ms)
                if key is not None:
                    keys.append(key)
        for key in keys:
            account = self._known(key) or self._new(key)  # one that is empty may have made room for the next
            account.held, account.holds = added(account.held, asked), account.holds + 1
            self._touch(account, now_ms)
        return Hold(payer, asked, tuple(keys), now_ms)

    def _fits(self, rule: Rule, key: Key | None, asked: Amounts, now_ms: int) -> Key | None:
        account = None if key is None else self._known(key) or self._made(key, now_ms)
        taken, used = (ZERO, ZERO) if account is None else (account.taken, account.used)
        short = rule.short(taken, asked)
        if short is not None:
            raise refusal(rule, key, short, (asked, taken, used), self.calendar, now_ms)
        return key

    def settle(self, hold: Hold, true: Amounts) -> tuple[Key, ...]:
        """Count what *hold*'s request took, more or less than it held; returns the keys that changed.

        Told again it counts what is more than it was told before, so that nothing counts twice and nothing is hidden.
        """
        keys = dict.fromkeys((*hold.keys, *self._concerned(hold, true)))
        more = less(true, hold.settled)
        hold.settled = added(hold.settled, more)
        self._unhold(hold)
        for key in keys:
            account = self._known(key) or self._new(key)
            account.used = added(account.used, more)
            self._touch(account, max(account.touched_ms, hold.at_ms))
        return tuple(keys)

    def drop(self, hold: Hold) -> tuple[Key, ...]:
        """Give back what *hold* holds; returns the keys that changed, none when it was settled or dropped before."""
        if not hold.open:
            return ()
        self._unhold(hold)
        return hold.keys

    def _concerned(self, hold: Hold, true: Amounts) -> Iterator[Key]:
        """The accounts that *true* takes from, though nothing was held there."""
        rules = self.of_agent(hold.payer.agent)
        if rules:
            day = self.calendar.day(hold.at_ms)
            for rule in rules:
                key = key_of(rule.limit, hold.payer, day) if rule.concerns(true) else None
                if key is not None:
                    yield key

    def _unhold(self, hold: Hold) -> None:
        if hold.open:
            hold.open = False
            for key in hold.keys:
                account = self.accounts[key]  # who holds is never forgotten
                account.held, account.holds = less(account.held, hold.asked), account.holds - 1

    # --- accounts ------------------------------------------------------------------------------------------------

    def _known(self, key: Key) -> Account | None:
        account = self.accounts.get(key)
        if account is None and self.evicted and (account := self.fetch(key)) is not None:
            if len(self.accounts) >= self.capacity:
                self._evict(account.touched_ms)
            self.accounts[key] = account
        return account

    def _made(self, key: Key, now_ms: int) -> Account:
        """A new account for *key*; raises BudgetExceeded when there are too many to count another."""
        if len(self.accounts) >= self.capacity and not self._evict(now_ms):
            raise full(key.budget, len(self.accounts))
        return self._new(key)

    def _new(self, key: Key) -> Account:
        account = self.accounts[key] = Account(key)
        return account

    def _touch(self, account: Account, now_ms: int) -> None:
        account.touched_ms = now_ms
        self.accounts[account.key] = self.accounts.pop(account.key)  # last: touched most recently

    def _evict(self, now_ms: int) -> bool:
        """Forget one that may be forgotten, among those touched longest ago."""
        oldest = [key for key, _ in zip(self.accounts, range(_LOOK), strict=False)]
        for key in oldest:
            account = self.accounts[key]
            if not account.holds and (account.fresh or self.evictable(account, now_ms)):
                del self.accounts[key]
                self.evicted += not account.fresh
                return True
            self.accounts[key] = self.accounts.pop(key)  # look at others next time
        return False

    def forget(self, before: int) -> list[Key]:
        """Forget the accounts of days before day *before*, and of threads idle since; returns their keys."""
        old = [
            key
            for key, account in self.accounts.items()
            if not account.holds and self.passed(account, before)
        ]
        for key in old:
            del self.accounts[key]
        return old

    def passed(self, account: Account, before: int) -> bool:
        """Whether it is of a day before *before*, or of a thread that was last heard of then; a total never is."""
        key = account.key
        if key.day is not None:
            return key.day < before
        return key.thread is not None and self.calendar.day(account.touched_ms) < before

    def _of_yesterday(self, account: Account, now_ms: int) -> bool:
        """Nobody gets a budget anew on the day it was spent, nor a total ever."""
        return self.passed(account, self.calendar.day(now_ms))
