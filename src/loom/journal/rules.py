"""Which topics are kept although nobody durable listens, and which are not although somebody does."""

from __future__ import annotations

from typing import NamedTuple

from loom.event.topic import check_pattern, matches


class Rule(NamedTuple):
    """What holds for the topics of *pattern*: whether they are kept at all, and whether a write waits for the disk."""

    pattern: tuple[str, ...]
    keep: bool = True
    sync: bool = True


class Rules:
    """Rules by pattern; of those that match a topic the one that was added last decides."""

    __slots__ = ("_rules",)

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def add(self, pattern: str, *, keep: bool = True, sync: bool = True) -> None:
        """Let a rule hold for *pattern*; raises InvalidTopic."""
        self._rules.append(Rule(check_pattern(pattern), keep, sync))

    def find(self, topic: str) -> Rule | None:
        """The rule for *topic*."""
        tokens = tuple(topic.split("."))
        return next((r for r in reversed(self._rules) if matches(r.pattern, tokens)), None)

    def wanted(self, topic: str) -> bool | None:
        """Whether *topic* is to be kept; None when no rule says."""
        rule = self.find(topic)
        return None if rule is None else rule.keep
