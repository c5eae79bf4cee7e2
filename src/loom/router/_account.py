"""An account: what one budget has counted for one agent, thread, user or day, and the row that keeps it."""

from __future__ import annotations

from typing import NamedTuple

from loom.errors import StoreCorrupt
from loom.router._amounts import ZERO, Amounts, added
from loom.router._limits import Limit, Payer

PREFIX = "budget/"
_LONGEST = 200  # characters of a name in a row; longer ones are told apart by a hash


class Key(NamedTuple):
    """Whose account: the budget's name, and those of agent, thread, user and day that it is counted for."""

    budget: str
    agent: str | None = None
    thread: str | None = None
    user: str | None = None
    day: int | None = None
    """Days since 1970 in the zone of the budgets."""

    @property
    def who(self) -> str:
        """In words."""
        told = [
            f"{name} {value!r}"
            for name, value in zip(("agent", "thread", "user"), self[1:4], strict=True)
            if value
        ]
        return ", ".join(told)


class Account:
    """What was *used*, and what is *held* by reservations that are not settled yet."""

    __slots__ = ("held", "holds", "key", "touched_ms", "used")

    def __init__(self, key: Key, used: Amounts = ZERO, held: Amounts = ZERO, touched_ms: int = 0) -> None:
        self.key, self.used, self.held, self.touched_ms = key, used, held, touched_ms
        self.holds = 0

    @property
    def taken(self) -> Amounts:
        """Used and held."""
        return added(self.used, self.held)

    @property
    def fresh(self) -> bool:
        """Whether nothing was ever counted."""
        return self.used == self.held == ZERO


def key_of(limit: Limit, payer: Payer, day: int) -> Key | None:
    """The account of *limit* that *payer* pays from; None for one request alone, which nothing has to be kept of.

    A thread pays from its outermost ancestor's account: that one has counted at least as much as any below it.
    """
    per = limit.per
    root = None
    if "thread" in per:
        root = root_of(payer.thread)
        if root is None:
            return None
    return Key(
        limit.name,
        bounded(payer.agent) if "agent" in per else None,
        root,
        bounded(payer.user) if "user" in per else None,
        day if "day" in per else None,
    )


def root_of(thread: str | None) -> str | None:
    """The outermost ancestor of a thread, None without one."""
    if not thread:
        return None
    return bounded(thread.lstrip("/").partition("/")[0] or thread)


def bounded(name: str) -> str:
    """*name*, or its beginning with a hash of all of it."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 40]}#{_hash(name)}"


def row_name(key: Key) -> str:
    """Where the account is kept: the day first, so that old ones are found without being read."""
    return f"{PREFIX}{'-' if key.day is None else key.day}/{_hash(repr(tuple(key)))}"


def row_of(account: Account) -> bytes:
    """What keeps *account*."""
    import json  # late: without a keep nobody needs it

    told = {"key": account.key, "used": account.used, "held": account.held, "at": account.touched_ms}
    return json.dumps(told).encode()


def account_of(name: str, row: bytes) -> Account:
    """The account that *row* keeps. Raises StoreCorrupt for a row that is none."""
    import json

    try:
        told = json.loads(row)
        key = Key(*told["key"])
        used, held, at = tuple(told["used"]), tuple(told["held"]), told["at"]
        if len(used) != 4 or len(held) != 4 or not all(type(n) is int and n >= 0 for n in (*used, *held, at)):
            raise ValueError("no amounts")
        if row_name(key) != name:
            raise ValueError("another account's row")
        return Account(key, used, held, at)
    except (ValueError, TypeError, KeyError) as error:
        raise StoreCorrupt(
            f"what a budget has counted cannot be read ({name}: {error}); nothing is spent from it until it is mended"
        ) from None


def _hash(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
