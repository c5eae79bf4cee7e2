"""Which events have outlived their rule. Pure: what there is is told first, then each event is asked about."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from loom.journal.rules import Rule

NAMES = 200_000
"""Topics, or keys of topics, that are held in memory at once; of more, each part is looked at by itself."""
ALL = (0, 1)
Share = tuple[int, int]
"""The names whose hash leaves the first number when divided by the second."""


class Entry(NamedTuple):
    """What retention has to know of one event. One that cannot be read has no ``id``; a shredded one is ``gone``."""

    seq: int
    topic: str
    id: str
    at_ms: int
    key: str
    nbytes: int
    cause: str = ""
    gone: bool = False


class Judge(Protocol):
    """Is told of every event, the oldest first, and then asked about each in the same order."""

    @property
    def full(self) -> bool:
        """Whether there are more names than it may hold: ask about half of them at a time."""
        ...

    def note(self, entry: Entry) -> None:
        """There is *entry*."""
        ...

    def outlived(self, entry: Entry) -> bool:
        """Whether *entry* may go."""
        ...


class Replaced:
    """Outlived are events of compacted topics of whose key there is a later one; what is too old replaces nothing."""

    def __init__(
        self, rule_of: Callable[[str], Rule], now_ms: int, share: Share = ALL, most: int = NAMES
    ) -> None:
        self._rule_of, self._now_ms, self._share, self._most = rule_of, now_ms, share, most
        self._last: dict[tuple[str, str], int] = {}

    @property
    def full(self) -> bool:
        """Whether there are more keys than it may hold."""
        return len(self._last) > self._most

    def note(self, entry: Entry) -> None:
        """The last event of its key so far is *entry*."""
        if self._counts(entry):
            self._last[entry.topic, entry.key] = entry.seq

    def outlived(self, entry: Entry) -> bool:
        """Whether there is a later event of the same key."""
        return self._counts(entry) and self._last.get((entry.topic, entry.key), entry.seq) != entry.seq

    def _counts(self, entry: Entry) -> bool:
        if not entry.id or not self._rule_of(entry.topic).compact:
            return False
        mine = hash((entry.topic, entry.key)) % self._share[1] == self._share[0]
        return mine and not too_old(entry, self._rule_of(entry.topic), self._now_ms)


class Limits:
    """Outlived are events older than their rule's age, and of the others all but the last of each topic.

    How many those are is what the rule allows in number and in bytes. What was shredded has outlived everything.
    """

    def __init__(
        self, rule_of: Callable[[str], Rule], now_ms: int, share: Share = ALL, most: int = NAMES
    ) -> None:
        self._rule_of, self._now_ms, self._share, self._most = rule_of, now_ms, share, most
        self._left: dict[str, tuple[int, int]] = {}

    @property
    def full(self) -> bool:
        """Whether there are more topics than it may hold."""
        return len(self._left) > self._most

    def note(self, entry: Entry) -> None:
        """Count *entry*, unless it is too old anyway."""
        rule = self._rule_of(entry.topic)
        if self._mine(entry) and is_limited(rule) and not too_old(entry, rule, self._now_ms):
            count, nbytes = self._left.get(entry.topic, (0, 0))
            self._left[entry.topic] = count + 1, nbytes + entry.nbytes

    def outlived(self, entry: Entry) -> bool:
        """Whether *entry* is too old, or one of too many; then it is not counted any more."""
        if not self._mine(entry):
            return False
        rule = self._rule_of(entry.topic)
        if entry.gone or too_old(entry, rule, self._now_ms):
            return True
        count, nbytes = self._left.get(entry.topic, (0, 0))
        if (rule.count is None or count <= rule.count) and (rule.size is None or nbytes <= rule.size):
            return False
        self._left[entry.topic] = count - 1, nbytes - entry.nbytes
        return True

    def _mine(self, entry: Entry) -> bool:
        return bool(entry.id or entry.gone) and hash(entry.topic) % self._share[1] == self._share[0]


def too_old(entry: Entry, rule: Rule, now_ms: int) -> bool:
    """Whether *entry* is older than *rule* allows."""
    return rule.age is not None and now_ms - entry.at_ms > rule.age * 1000


def is_limited(rule: Rule) -> bool:
    """Whether *rule* says how much there may be of a topic."""
    return rule.count is not None or rule.size is not None


def halves(share: Share) -> tuple[Share, Share]:
    """The two halves of *share*."""
    rest, of = share
    return (rest, 2 * of), (rest + of, 2 * of)
