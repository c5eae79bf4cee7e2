"""What holds for the journal by topic: which are kept at all, how long, and whether a write waits for the disk."""

from __future__ import annotations

from dataclasses import dataclass, fields

from loom.errors import ConfigError
from loom.event.topic import check_pattern, matches

DAY = 86_400.0
AGE = 30 * DAY


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for the topics of *pattern*.

    ``keep``: journalled or not, whoever listens. ``sync``: a publisher waits for the disk; otherwise a power loss (not
    a crash of the process) may take the last moments. Retention, of each topic for itself: ``age`` in seconds,
    ``count`` of events, ``size`` in bytes, None for no limit; ``compact`` keeps only the last event of each key (of the
    topic, for events without one).
    """

    pattern: tuple[str, ...]
    keep: bool | None = None
    sync: bool = True
    age: float | None = AGE
    count: int | None = None
    size: int | None = None
    compact: bool = False


_NAMES = tuple(field.name for field in fields(Rule))[1:]
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

    def add(self, pattern: str, **what: object) -> Rule:
        """Let a rule hold for *pattern*: the fields of Rule by keyword; raises InvalidTopic, ConfigError."""
        unknown = what.keys() - set(_NAMES)
        if unknown:
            raise ConfigError(f"a journal rule has no {min(unknown)!r}; it has {', '.join(_NAMES)}")
        for name in ("age", "count", "size"):
            value = what.get(name)
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | float) or value <= 0
            ):
                raise ConfigError(f"journal rule for {pattern!r}: {name}={value!r} must be a number above 0")
        rule = Rule(check_pattern(pattern), **what)  # type: ignore[arg-type]
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
