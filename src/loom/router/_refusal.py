"""Why a budget refuses, in words: what is left, what was asked, when it resets, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loom.errors import BudgetExceeded
from loom.router._account import Key
from loom.router._amounts import Amounts, plain
from loom.router._calendar import Calendar
from loom.router._limits import KINDS, Limit

if TYPE_CHECKING:
    from loom.router._ledger import Rule

_UNITS = ("money", "tokens", "calls", "s of inference")


def refusal(
    rule: Rule,
    key: Key | None,
    kind: int,
    amounts: tuple[Amounts, Amounts, Amounts],
    calendar: Calendar,
    now_ms: int,
) -> BudgetExceeded:
    """That of *kind* the *asked* does not fit beside what is *taken*, of which *used* is spent for good."""
    asked, taken, used = amounts
    limit, cap = rule.limit, rule.caps[kind] or 0
    left = plain(max(cap - taken[kind], 0), kind)
    under_way = plain(taken[kind] - used[kind], kind)
    busy = f" ({under_way:g} of it reserved by requests under way)" if under_way else ""
    resets_ms = calendar.ends_ms(now_ms) if "day" in limit.per else None
    whose = f" of {key.who}" if key is not None and key.who else ""
    return _exceeded(
        f"budget {limit.name!r}{whose}: {left:g} of {plain(cap, kind):g} {_UNITS[kind]} left{busy}, "
        f"{plain(asked[kind], kind):g} asked; {_when(limit, kind, calendar, resets_ms)}",
        (limit.name, KINDS[kind]), resets_ms,
    )  # fmt: skip


def no_price(limit: Limit) -> BudgetExceeded:
    """That money is limited and nobody knows what the backend takes."""
    return _exceeded(
        f"budget {limit.name!r} limits money and the backend has no price, so what it takes cannot be reserved; "
        "give the backend a price (price = 0 for a free one)",
        (limit.name, KINDS[0]), None,
    )  # fmt: skip


def full(budget: str, count: int) -> BudgetExceeded:
    """That so many accounts are counted already that another cannot be."""
    return _exceeded(
        f"budget {budget!r}: {count:,} agents, threads and users are being counted, and none of them may be forgotten "
        "today; give the budgets a store, or count for fewer",
        (budget, "accounts"), None,
    )  # fmt: skip


def _when(limit: Limit, kind: int, calendar: Calendar, resets_ms: int | None) -> str:
    if resets_ms is not None:
        return f"it resets at {calendar.shown(resets_ms)}"
    return f"it does not reset; raise router.budgets.{limit.name}.{KINDS[kind]} to allow more"


def _exceeded(message: str, what: tuple[str, str], resets_ms: int | None) -> BudgetExceeded:
    return BudgetExceeded(message, budget=what[0], kind=what[1], resets_ms=resets_ms)
