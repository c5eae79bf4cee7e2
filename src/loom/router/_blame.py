"""What the end of a try says: about the backend, about the bill, and how it is counted. Pure."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from loom.errors import (
    BackendFailed,
    BudgetExceeded,
    ConfigError,
    ContextExceeded,
    MissingExtra,
    NoBackend,
    WorkerRefused,
)

LONGEST_REST = 3600.0
"""Seconds that a backend is left alone because it asks for it, at most."""
_CLIENTS = (400, 413, 415, 422)
"""Statuses of a server that is well and did not like the request."""


class Blame(NamedTuple):
    """*outcome* is a column; *ok*: whether the backend did well, None: it says nothing about it.

    *rest*: seconds that it asked to be left alone; *late*: it took too long; *unbilled*: nobody pays for it; *remote*:
    it failed as one behind a network does, which a breaker counts even where it is local.
    """

    outcome: str
    ok: bool | None = None
    rest: float | None = None
    late: bool = False
    unbilled: bool = False
    remote: bool = False


def blame(error: BaseException | None, sent: bool, lost: bool) -> Blame:
    """What *error* (None: an answer) says of a try that was *sent* or not, and *lost* against a faster one or not."""
    if lost:
        return Blame("lost", True if error is None else None)
    if error is None:
        return Blame("done", True)
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return Blame("cancelled", unbilled=not sent)
    if not sent:
        return Blame("skipped", unbilled=True)
    if isinstance(error, BackendFailed):
        return _failed(error)
    if isinstance(error, NoBackend | ConfigError | MissingExtra | WorkerRefused):
        return Blame("failed", unbilled=True)
    if isinstance(error, BudgetExceeded):
        return Blame("failed")
    return Blame("failed", False, late=isinstance(error, TimeoutError))


def another_may_help(error: Exception) -> bool:
    """Whether *error* is one of the backend: a request that is wrong itself is wrong everywhere.

    A key that is not accepted, a quota that is used up, a context that is too short are one backend's; what may not be
    asked again and has no status, although it was sent, is taken to be the request's.
    """
    if not isinstance(error, BackendFailed) or error.retryable or isinstance(error, ContextExceeded):
        return True
    if not error.sent:
        return True
    return error.status not in (0, *_CLIENTS)


def _failed(error: BackendFailed) -> Blame:
    unbilled = error.status >= 400 or not error.sent
    well = error.status in _CLIENTS or isinstance(error, ContextExceeded)
    rest = _pause(error.retry_after)
    if rest is not None:
        return Blame("failed", rest=rest, unbilled=unbilled)
    ok = True if well else False if error.retryable or error.status else None
    return Blame("failed", ok, late=isinstance(error, TimeoutError), unbilled=unbilled, remote=True)


def _pause(asked: object) -> float | None:
    """The seconds that a backend wants to be left alone, an hour at most; None for none at all, and what is no time."""
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not asked > 0:
        return None
    return min(asked, LONGEST_REST)
