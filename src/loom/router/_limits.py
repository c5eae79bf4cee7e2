"""What may be spent, by whom and how long: limits as people write them down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from loom.errors import ConfigError
from loom.models.price import Price, Usage

KINDS = ("money", "tokens", "calls", "seconds")
"""What a budget counts: money in the currency of the prices, tokens, requests, seconds of inference."""
SCOPES = ("agent", "thread", "user", "day")
"""What a budget is counted for; without any it is one for everything, for good."""
KEYS = ("per", "agents", *KINDS)
MOST = 1e15
"""No budget counts further than this."""


class Payer(NamedTuple):
    """Who pays for a request: the agent's name, the thread (``t/child`` pays from ``t``), the user."""

    agent: str = ""
    thread: str | None = None
    user: str = ""


class Spend(NamedTuple):
    """What a request takes, or is expected to at most: *money* None when the backend has no price.

    Of what was taken *money* and *tokens* may be None for what nobody knows: it counts as reserved.
    """

    money: float | None = 0.0
    tokens: float | None = 0
    calls: float = 1
    seconds: float = 0.0

    @classmethod
    def at(cls, price: Price | None, usage: Usage, seconds: float = 0.0, calls: int = 1) -> Spend:
        """What *usage* takes at the *price* of the backend that bills (None: unknown); *seconds* of inference."""
        money = None if price is None else price.cost(usage, calls)
        return cls(money, usage.tokens_in + usage.tokens_out, calls, seconds)


class Remaining(NamedTuple):
    """What is left of each kind, None without a limit; *budget* is the name of the one with the least of it left."""

    money: float | None = None
    tokens: float | None = None
    calls: float | None = None
    seconds: float | None = None
    budget: str = ""

    def whose(self, kind: str) -> str:
        """The name of the budget that has the least left of *kind*."""
        return self.budget


class Left(Remaining):
    """The same where several budgets hold: *names* says by kind which of them has the least left."""

    names: Mapping[str, str]

    def whose(self, kind: str) -> str:
        """The name of the budget that has the least left of *kind*."""
        return self.names.get(kind, self.budget)


UNLIMITED = Remaining()


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so much money, tokens, calls and seconds (None: no limit) *per* agent, thread, user, day or all of it.

    *agents* are patterns of the agents that it counts (``home.*``); they share it unless it is per agent.
    """

    name: str
    per: tuple[str, ...] = ()
    agents: tuple[str, ...] = ("*",)
    money: float | None = None
    tokens: float | None = None
    calls: float | None = None
    seconds: float | None = None

    @property
    def amounts(self) -> tuple[float | None, ...]:
        """The limits in the order of KINDS."""
        return (self.money, self.tokens, self.calls, self.seconds)

    def counts(self, agent: str) -> bool:
        """Whether it is one for *agent*."""
        return any(fnmatchcase(agent, pattern) for pattern in self.agents)


def read_limits(table: Mapping[str, Any]) -> tuple[Limit, ...]:
    """Limits by name, as ``[router.budgets.NAME]`` has them. Raises ConfigError naming the key and what it may be."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"budgets are tables with names, as [router.budgets.day] is, not {_shown(table)}")
    return tuple(_limit(str(name), values) for name, values in table.items())


def _limit(name: str, values: object) -> Limit:
    where = f"router.budgets.{name}"
    if not name or len(name) > 64 or not name.isprintable():
        raise ConfigError(f"a budget cannot be called {_shown(name)}: 1 to 64 printable characters")
    if not isinstance(values, Mapping):
        raise ConfigError(
            f'{where} must be a table such as {{ per = "day", money = 1.0 }}, not {_shown(values)}'
        )
    for key in values:
        if key not in KEYS:
            raise ConfigError(f"no key {key!r} in {where}; {_nearest(str(key), KEYS)}")
    amounts = {kind: _amount(where, kind, values[kind]) for kind in KINDS if values.get(kind) is not None}
    if not amounts:
        raise ConfigError(f"{where} limits nothing; give it one of {', '.join(KINDS)}")
    return Limit(
        name, _per(where, values.get("per", "total")), _agents(where, values.get("agents", "*")), **amounts
    )


def _amount(where: str, kind: str, value: object) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value <= MOST:  # type: ignore[operator]  # NaN too
        raise ConfigError(f"{where}.{kind} must be a number from 0 to {MOST:g}, not {_shown(value)}")
    return value  # type: ignore[return-value]  # a number, see above


def _per(where: str, value: object) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, (list, tuple)) or not words:
        raise ConfigError(
            f"{where}.per must be one of {', '.join((*SCOPES, 'total'))}, or a list, not {_shown(value)}"
        )
    for word in words:
        if word not in (*SCOPES, "total"):
            raise ConfigError(f"{where}.per: no {_shown(word)}; {_nearest(str(word), (*SCOPES, 'total'))}")
    if "total" in words and len(words) > 1:
        raise ConfigError(f'{where}.per: "total" is one budget for everything and goes with nothing else')
    return tuple(scope for scope in SCOPES if scope in words)


def _agents(where: str, value: object) -> tuple[str, ...]:
    patterns = [value] if isinstance(value, str) else value
    fine = isinstance(patterns, (list, tuple)) and all(isinstance(each, str) and each for each in patterns)
    if not fine or not patterns:
        raise ConfigError(
            f'{where}.agents must be a pattern such as "home.*", or a list of them, not {_shown(value)}'
        )
    return tuple(patterns)  # type: ignore[arg-type]  # strings, see above


def _nearest(word: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(word, known, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
