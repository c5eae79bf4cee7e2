"""What the gateway refuses, and how that is said to a client: a status, a kind, a code and a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from loom.errors import (
    BackendFailed,
    BackendTimeout,
    BudgetExceeded,
    Closed,
    ConfigError,
    ContextExceeded,
    Deferred,
    LoomError,
    MissingExtra,
    ModelError,
    NoBackend,
    NoRoom,
    NotRedacted,
    Overloaded,
    RouteRefused,
    WorkerRefused,
    WouldBlock,
)

AGAIN_S = 5.0
"""Seconds after which a client may try again where nothing better is known."""
KINDS = {
    401: "authentication_error", 402: "insufficient_quota", 403: "permission_error", 404: "not_found_error",
    408: "timeout_error", 413: "request_too_large", 429: "rate_limit_error", 503: "overloaded_error",
    504: "timeout_error",
}  # fmt: skip
"""The `type` of an error by its status; Anthropic's words, and OpenAI's where they have one."""


class Refusal(LoomError):
    """A request that is not answered: *status* (HTTP), a *code* for programs, *param* (which field), a sentence.

    *retry_after* is in seconds; *decision* the router's, where there is one; *details* what Anthropic's clients read.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.retry_after = status, code, param, retry_after
        self.decision: Any = None
        self.details: Mapping[str, Any] = {}

    @property
    def message(self) -> str:
        """The sentence, without what no client could read."""
        return str(self).encode("utf-8", "replace").decode()[:2000]

    def openai(self) -> dict[str, Any]:
        """The body of an OpenAI error."""
        told = self.status in (401, 402, 403, 429)
        kind = (
            KINDS[self.status] if told else "server_error" if self.status >= 500 else "invalid_request_error"
        )
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def anthropic(self) -> dict[str, Any]:
        """The body of an Anthropic error."""
        other = "api_error" if self.status >= 500 else "invalid_request_error"
        kind = "billing_error" if self.status == 402 else KINDS.get(self.status, other)
        more = {"details": self.details} if self.details else {}
        return {"type": "error", "error": {"type": kind, "message": self.message, **more}}


def bad(message: str, param: str | None = None, code: str = "invalid_value") -> Refusal:
    """A refusal of what cannot be used in a request: status 400."""
    return Refusal(400, code, message, param=param)


def refusal_of(error: BaseException, now_ms: int = 0) -> Refusal:
    """How *error* is said to a client at *now_ms* (Unix milliseconds); pure.

    | error | status |
    |---|---|
    | a budget of money, of anything else | 402, 429, with Retry-After when it comes back by itself |
    | privacy, or what cannot be redacted | 403 |
    | nobody can do it | 404 |
    | a backend that failed, was too late | 502, 504 |
    | deferred, busy or closing | 503 with Retry-After |
    """
    if isinstance(error, Refusal):
        return error
    if isinstance(error, LoomError):
        made = _of_loom(error, now_ms)
        made.decision = getattr(error, "decision", None)
        return made
    if isinstance(error, TimeoutError):
        return Refusal(504, "timeout", "the time for this request has run out; raise x-loom-timeout")
    return Refusal(500, "internal_error", "the gateway failed; its log says more")


def _of_loom(error: LoomError, now_ms: int) -> Refusal:
    text = str(error)
    if isinstance(error, RouteRefused):
        return _of_route(error, text)
    if isinstance(error, BudgetExceeded):
        return _of_budget(error, now_ms)
    if isinstance(error, NotRedacted):
        return Refusal(403, "privacy", text)
    if isinstance(error, ContextExceeded | NoRoom):
        return Refusal(400, "context_length_exceeded", text)
    if isinstance(error, BackendFailed):
        return _of_backend(error, text)
    for kinds, status, code in _TABLE:
        if isinstance(error, kinds):
            return Refusal(status, code, text, retry_after=AGAIN_S if status == 503 else None)
    return Refusal(500, "internal_error", f"{type(error).__name__}: {text}")


_TABLE: tuple[tuple[tuple[type[BaseException], ...], int, str], ...] = (
    ((NoBackend,), 404, "no_backend"),
    ((TimeoutError,), 504, "timeout"),
    ((Overloaded, WouldBlock, WorkerRefused, Closed), 503, "overloaded"),
    ((MissingExtra,), 501, "not_installed"),
    ((ConfigError,), 400, "invalid_value"),
    ((ModelError,), 502, "backend_failed"),
)


def _of_budget(error: BudgetExceeded, now_ms: int) -> Refusal:
    again = None if error.resets_ms is None else max(1.0, (error.resets_ms - now_ms) / 1000)
    return Refusal(402 if error.kind == "money" else 429, "budget_exceeded", str(error), retry_after=again)


def _of_route(error: RouteRefused, text: str) -> Refusal:
    if isinstance(error, Deferred):
        return Refusal(503, "deferred", text, retry_after=error.retry_after or AGAIN_S)
    return _by_rule(str(getattr(error.decision, "rule", "")), text)


RULES: Mapping[str, tuple[int, str]] = {
    "privacy": (403, "privacy"), "rule": (403, "refused"), "route": (403, "refused"), "features": (400, "unsupported"),
    "cost.budget": (402, "budget_exceeded"), "cost": (402, "cost"), "quality": (422, "quality"),
    "context": (400, "context_length_exceeded"), "latency": (504, "timeout"), "expired": (504, "timeout"),
    "breaker": (503, "overloaded"), "queue": (503, "overloaded"),
}  # fmt: skip
"""The status and the code for the rule that decided against a request."""


def _by_rule(rule: str, text: str) -> Refusal:
    family = re.split("[.:]", rule, maxsplit=1)[0]
    status, code = RULES.get(rule) or RULES.get(family, (404, "no_backend"))
    return Refusal(status, code, text, retry_after=AGAIN_S if status == 503 else None)


def _of_backend(error: BackendFailed, text: str) -> Refusal:
    if isinstance(error, BackendTimeout):
        return Refusal(504, "timeout", text)
    if error.status == 429 or error.status == 503:
        return Refusal(error.status, "backend_busy", text, retry_after=error.retry_after or AGAIN_S)
    if error.status in (400, 413, 422):
        return Refusal(error.status, "backend_refused", text)
    return Refusal(502, "backend_failed", text)
