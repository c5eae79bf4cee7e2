"""Who talks to the gateway, and what they may: models, kinds of request, confidentiality. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from loom.event import Confidentiality
from loom.web.refusal import Refusal

KINDS = ("chat", "embeddings", "transcriptions", "speech", "models")
"""What a key may be limited to; ``chat`` is all of chat completions, responses and messages."""


Purse = tuple[str, float | None, str]
"""A budget as it is counted: whose, how much, in which period."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client *name* (of its key; empty for a program on this machine without one).

    *clearance* is the most confidential that it may send or receive, *label* what everything it sends is at least.
    *models* and *kinds* are patterns of what it may use; *max_cost* bounds each request, *budget* (money) each *period*
    (day, or total), None: not.
    """

    name: str = ""
    clearance: Confidentiality = Confidentiality.LOCAL_ONLY
    label: Confidentiality = Confidentiality.PUBLIC
    models: tuple[str, ...] = ("*",)
    kinds: tuple[str, ...] = ("*",)
    max_cost: float | None = None
    budget: float | None = None
    period: str = "day"

    @property
    def user(self) -> str:
        """Who pays."""
        return self.name or "gateway"

    @property
    def agent(self) -> str:
        """Under which name budgets count it."""
        return f"gateway.{self.name}" if self.name else "gateway"

    @property
    def purse(self) -> Purse:
        """Its budget; another amount is another purse, which nobody counts yet."""
        return self.name, self.budget, self.period

    def check_kind(self, kind: str) -> None:
        """Raise Refusal when this client may not make requests of *kind*."""
        if not _any(kind, self.kinds):
            raise Refusal(
                403, "not_allowed", f"this key may not use {kind}; it may use {', '.join(self.kinds)}"
            )

    def may_use(self, model: str) -> bool:
        """Whether *model* (a name as in requests) is one that it may use."""
        return _any(model, self.models)

    def check_model(self, model: str) -> None:
        """Raise Refusal when this client may not use *model*."""
        if not self.may_use(model):
            known = ", ".join(self.models)
            raise Refusal(
                403, "not_allowed", f"this key may not use {model!r}; it may use {known}", param="model"
            )


def word(level: Confidentiality) -> str:
    """A confidentiality as it is written."""
    return level.name.lower().replace("_", "-")


def _any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
