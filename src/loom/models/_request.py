"""What a handler is asked: an input with its options, checked, and whether anybody still waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from loom.errors import ModelFailed

LONGEST_NAME = 200


class WorkerHost(Protocol):
    """What a model module needs of its worker's host."""

    @property
    def config(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to a model: its input and its options."""

    input: object = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_body(cls, body: object) -> Asked:
        """The request in {"input": ..., "options": {...}}; raises ModelFailed for another form."""
        if not isinstance(body, dict) or "input" not in body:
            raise ModelFailed(
                f'the body of a model call is {{"input": ..., "options": {{}}}}, not {_short(body)}'
            )
        options = body.get("options")
        if options is None:
            options = {}
        if not isinstance(options, dict):
            raise ModelFailed(f"options is a dict of names and values, not {_short(options)}")
        return cls(body["input"], options)

    def text(self, name: str, default: str = "", longest: int = LONGEST_NAME) -> str:
        """The option *name* as text; raises ModelFailed when it is none, or longer than *longest* characters."""
        value = self.options.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > longest:
            raise ModelFailed(f"option {name} is text of at most {longest:,} characters, not {_short(value)}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """The option *name* as true or false; raises ModelFailed when it is neither."""
        value = self.options.get(name, default)
        if not isinstance(value, bool):
            raise ModelFailed(f"option {name} is true or false, not {_short(value)}")
        return value


def number(settings: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    """The setting or option *name*; raises ModelFailed when it is no number from *low* to *high*."""
    value = settings.get(name)
    if value is None:
        return default
    good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not good:
        raise ModelFailed(f"{name} is a number from {low:g} to {high:g}, not {_short(value)}")
    return float(value)


def check(call: object) -> None:
    """Raise ModelFailed when nobody waits for *call* any more; what is raised then is ignored."""
    if getattr(call, "cancelled", False):
        raise ModelFailed("cancelled: nobody waits for this call any more")


def _short(value: object) -> str:
    if isinstance(value, str | bytes):
        return f"{type(value).__name__} of length {len(value):,}"
    return f"{type(value).__name__} {value!r}"[:80]
