"""The Action: one capability, made from a function."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from loom.errors import ConfigError, SignatureError

F = TypeVar("F", bound=Callable[..., Any])
ACTION = "__loom_action__"
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\Z")


class Approval(StrEnum):
    """Whether an action may run: at once, never, or when somebody has said yes."""

    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"


class Action(NamedTuple):
    """A capability: name and version, the function behind it, its schema and how it may be called.

    *timeout* is in seconds for one attempt, *attempts* how often a retryable failure is tried. An *idempotent* action
    may be repeated after an unknown outcome; for others somebody is asked, one with *at_most_once* is never repeated.
    An action that is not *interruptible* finishes even if its scope is cancelled. What an *untrusted* one gives back
    may be what a stranger has written, and what a step makes of it is labelled so.
    """

    name: str
    function: Callable[..., Any]
    version: str = "1"
    timeout: float = 30.0
    approval: Approval = Approval.ALLOW
    attempts: int = 3
    idempotent: bool = False
    interruptible: bool = True
    description: str = ""
    schema: Mapping[str, Any] = MappingProxyType({})
    takes_key: bool = False
    at_most_once: bool = False
    untrusted: bool = False


def action(
    name: str,
    *,
    version: str = "1",
    timeout: float = 30.0,
    approval: Approval | str = Approval.ALLOW,
    attempts: int = 3,
    idempotent: bool = False,
    interruptible: bool = True,
    at_most_once: bool = False,
    untrusted: bool = False,
) -> Callable[[F], F]:
    """Make the decorated function a capability that agents act and call by *name*.

    The function takes keyword arguments; one called ``idempotency_key`` receives the effect's stable key. It may raise
    ``ActionFailed(..., retryable=True)`` to be tried again. With *at_most_once* it is called once for a key, whatever
    becomes of it. With *untrusted* its results make the step that called it untrusted. Raises ConfigError and
    SignatureError.
    """
    if not isinstance(name, str) or not _NAME.match(name):
        raise ConfigError(f"action name {name!r}: use dotted words such as 'tts.speak'")
    if not timeout > 0 or attempts < 1:
        raise ConfigError(f"action {name!r}: timeout must be above 0 seconds and attempts at least 1")
    if idempotent and at_most_once:
        raise ConfigError(f"action {name!r} is idempotent, or it may run at most once: say one of them")

    def mark(function: F) -> F:
        if (
            not callable(function)
            or inspect.isasyncgenfunction(function)
            or inspect.isgeneratorfunction(function)
        ):
            raise SignatureError(f"action {name!r} must be a plain or async function")
        from loom.actions.schema import schema_of  # late: a runtime without actions needs no schemas

        schema = schema_of(function, name)
        takes_key = schema["properties"].pop("idempotency_key", None) is not None
        schema["required"] = [r for r in schema["required"] if r != "idempotency_key"]
        made = Action(
            name, function, version, timeout, Approval(approval), 1 if at_most_once else attempts, idempotent,
            interruptible, inspect.getdoc(function) or "", schema, takes_key, at_most_once, untrusted,
        )  # fmt: skip
        setattr(function, ACTION, made)
        return function

    return mark
