"""Observer hooks: the one place from which counters, traces, causes and recordings are fed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

log = logging.getLogger("loom.telemetry")


class Observer:
    """Override what you want to see. Every method is called on the loop's thread and must be quick.

    ``queue`` is the name of a subscription. A reason for ``dropped`` is one of ``drop_oldest``, ``drop_newest``,
    ``sample``, ``shed``, ``aggregate_failed``, ``merged``, ``expired``, ``cancelled``, ``refused``, ``closed``.
    """

    def routed(self, event: Any, queues: int) -> None:
        """*event* was published and goes to this many queues."""

    def accepted(self, queue: str, event: Any) -> None:
        """*event* entered a queue."""

    def dropped(self, queue: str, event: Any, reason: str) -> None:
        """*event* left a queue, or never entered it, without being handled."""

    def step_began(self, agent: str, event: Any, attempt: int) -> None:
        """A handler call begins."""

    def step_ended(self, agent: str, event: Any, outcome: str, seconds: float) -> None:
        """A handler call ended: ``committed``, ``failed``, ``cancelled`` or ``interrupted``."""

    def dead_letter(self, agent: str, event: Any, reason: str) -> None:
        """*event* was given up after its last attempt."""

    def acted(self, capability: str, key: str, outcome: str) -> None:
        """An action ended: ``done``, ``failed``, ``denied``, ``timeout`` or ``cancelled``."""

    def denied(self, who: str, what: str, reason: str) -> None:
        """A grant, label or policy refused something."""

    def decided(self, task: str, backend: str, reason: str) -> None:
        """The router chose a model backend."""


HOOKS = tuple(name for name in vars(Observer) if not name.startswith("_"))


class Observers:
    """The attached observers, one list of bound methods a hook; an empty list costs one truth test."""

    __slots__ = ("_all", "_changed", "errors", "steps", *HOOKS)

    def __init__(self, changed: Callable[[], None] | None = None) -> None:
        self._all: list[Observer] = []
        self._changed = changed
        self.errors = 0
        self.steps = False  # whether anybody wants to hear of steps; asked at every one
        for hook in HOOKS:
            setattr(self, hook, [])

    def attach(self, observer: Observer) -> None:
        """Let *observer* see what it overrides from now on."""
        self._all.append(observer)
        self._rebuild()

    def detach(self, observer: Observer) -> None:
        """Stop telling *observer*."""
        self._all.remove(observer)
        self._rebuild()

    def tell(self, hook: str, *facts: object) -> None:
        """Call *hook* of everybody who overrides it; an observer that raises is counted and logged, never felt."""
        for method in getattr(self, hook):
            try:
                method(*facts)
            except Exception:  # a stranger's code must not disturb what it watches
                self.errors += 1
                if not self.errors & (self.errors - 1):  # of a flood each doubling only
                    log.exception("observer %r failed in %s (%d so far)", method, hook, self.errors)

    def watches(self, *hooks: str) -> bool:
        """Whether anybody overrides one of *hooks*."""
        return any(getattr(self, hook) for hook in hooks)

    def _rebuild(self) -> None:
        for hook in HOOKS:
            plain = getattr(Observer, hook)
            setattr(self, hook, [getattr(o, hook) for o in self._all if getattr(type(o), hook) is not plain])
        self.steps = self.watches("step_began", "step_ended")
        if self._changed is not None:
            self._changed()
