"""What holds for the journal by topic: which are kept at all, how long, and whether a write waits for the disk."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from loom.errors import ConfigError
from loom.event.topic import check_pattern, matches

DAY = 86_400.0
AGE = 30 * DAY


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for the topics of *pattern*.

    ``keep``: journalled or not, whoever listens. ``sync``: a publisher waits for the disk; otherwise a power loss (not
    a crash of the process) may take the last moments. Retention, of each topic for itself: ``age`` in seconds since
    the event's timestamp, ``count`` of events, ``size`` in bytes of their rows (long texts and bytes are kept apart and
    do not count), None for no limit; ``compact`` keeps only the last event of each key (of the topic, for events
    without one). The age decides first, then compaction; what is left then, or must stay for another reason, counts.
    """

    pattern: tuple[str, ...]
    keep: bool | None = None
    sync: bool = True
    age: float | None = AGE
    count: int | None = None
    size: int | None = None
    compact: bool = False


def _is_above_0(value: object, whole: bool = False) -> bool:
    kinds = (int,) if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and 0 < value < math.inf


def _is_whole(value: object) -> bool:
    return value is None or _is_above_0(value, whole=True)


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


_NAMES = tuple(field.name for field in fields(Rule))[1:]
_FITS: dict[str, Callable[[object], bool]] = {
    "keep": lambda value: value is None or _is_switch(value),
    "sync": _is_switch,
    "compact": _is_switch,
    "age": lambda value: value is None or _is_above_0(value),
    "count": _is_whole,
    "size": _is_whole,
}
_WORDS = {
    "keep": "true, false or nothing",
    "sync": "true or false",
    "compact": "true or false",
    "age": "seconds above 0",
    "count": "a whole number of events above 0",
    "size": "a whole number of bytes above 0",
}
DEFAULT = Rule((">",))
"""What holds where no rule says otherwise: events are kept for 30 days."""


class Rules:
    """Rules by pattern; of those that match a topic the one that was added last decides."""

    __slots__ = ("_found", "_rules")

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._found: dict[str, Rule] = {}

    def __bool__(self) -> bool:
        return bool(self._rules)

    @property
    def compacts(self) -> bool:
        """Whether a rule keeps only the last event of each key."""
        return any(rule.compact for rule in self._rules)

    @property
    def limits(self) -> bool:
        """Whether a rule says how much there may be of a topic."""
        return any(rule.count is not None or rule.size is not None for rule in self._rules)

    def add(self, pattern: str, **what: Any) -> Rule:
        """Let a rule hold for *pattern*: the fields of Rule by keyword; raises InvalidTopic, ConfigError."""
        unknown = what.keys() - set(_NAMES)
        if unknown:
            raise ConfigError(f"a journal rule has no {min(unknown)!r}; it has {', '.join(_NAMES)}")
        wrong = next((name for name, value in what.items() if not _FITS[name](value)), None)
        if wrong is not None:
            raise ConfigError(
                f"journal rule for {pattern!r}: {wrong}={what[wrong]!r:.60} must be {_WORDS[wrong]}"
            )
        rule = Rule(check_pattern(pattern), **what)
        self._rules.append(rule)
        self._found.clear()
        return rule

    def of(self, topic: str) -> Rule:
        """The rule for *topic*."""
        found = self._found.get(topic)
        if found is None:
            tokens = tuple(topic.split("."))
            found = next((r for r in reversed(self._rules) if matches(r.pattern, tokens)), DEFAULT)
            if len(self._found) >= 8192:
                self._found.clear()
            self._found[topic] = found
        return found
