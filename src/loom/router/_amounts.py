"""Amounts as whole numbers: a thousand times a tenth of a cent is a dollar, whatever floating point thinks of it."""

from __future__ import annotations

import math

from loom.router._limits import MOST, Limit, Spend

Amounts = tuple[int, int, int, int]
Caps = tuple[int | None, ...]
SCALE = (10**12, 1, 1, 10**6)
"""One of each kind in what is counted: money to a millionth of a millionth, time in microseconds."""
ZERO: Amounts = (0, 0, 0, 0)


def counted(spend: Spend) -> Amounts:
    """What *spend* asks for, an unknown price as nothing. Raises ValueError for what is no amount."""
    money, tokens, calls, seconds = spend
    fine = tokens is not None and 0 <= tokens <= MOST and 0 <= calls <= MOST and 0 <= seconds <= MOST
    if not fine or not (money is None or 0 <= money <= MOST):
        raise ValueError(f"each amount must be a number from 0 to {MOST:g}, not {spend!r}")
    return _whole(spend, ZERO)


def borne(spend: Spend, reserved: Amounts) -> Amounts:
    """What *spend* took, whatever a backend claims: what is unknown or no amount counts as *reserved*."""
    money, tokens, calls, seconds = spend
    if (
        money is not None and tokens is not None and 0 <= money <= MOST
        and 0 <= tokens <= MOST and 0 <= calls <= MOST and 0 <= seconds <= MOST
    ):  # fmt: skip
        return _whole(spend, reserved)
    return _whole((_sane(money), _sane(tokens), _sane(calls), _sane(seconds)), reserved)


def _sane(value: float | None) -> float | None:
    if value is None or not value >= 0:
        return None
    return min(value, MOST)


def _whole(
    values: tuple[float | None, float | None, float | None, float | None], instead: Amounts
) -> Amounts:
    money, tokens, calls, seconds = values
    return (
        instead[0] if money is None else (round(money * SCALE[0]) or 1) if money else 0,
        instead[1] if tokens is None else math.ceil(tokens),
        instead[2] if calls is None else math.ceil(calls),
        instead[3] if seconds is None else (round(seconds * SCALE[3]) or 1) if seconds else 0,
    )


def caps(limit: Limit) -> Caps:
    """The most that *limit* lets be counted, None where it does not limit."""
    return tuple(
        None if amount is None else math.floor(round(amount * scale, 3))
        for amount, scale in zip(limit.amounts, SCALE, strict=True)
    )


def plain(amount: int, kind: int) -> float:
    """*amount* as people write it: money, tokens, calls or seconds."""
    return amount / SCALE[kind] if SCALE[kind] > 1 else amount


def added(one: Amounts, other: Amounts) -> Amounts:
    """Both together."""
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3])


def less(one: Amounts, other: Amounts) -> Amounts:
    """*one* without *other*, never below nothing."""
    a, b, c, d = one
    w, x, y, z = other
    return (a - w if a > w else 0, b - x if b > x else 0, c - y if c > y else 0, d - z if d > z else 0)
