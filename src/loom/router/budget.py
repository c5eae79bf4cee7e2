"""Budgets: what inference may take is reserved before a request is sent, and what it took is counted after."""

from __future__ import annotations

from loom.router._limits import (
    KINDS, SCOPES, UNLIMITED, Limit, Payer, Remaining, Spend, limits,
)  # fmt: skip

__all__ = ["KINDS", "SCOPES", "UNLIMITED", "Limit", "Payer", "Remaining", "Spend", "limits"]
