"""Retention: what of the journal has outlived its rule, and taking that away with everything that hangs on it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from loom.journal.rules import Rule
from loom.store import Backend, Family, Put
from loom.store.families import after, join, number, unnumber

if TYPE_CHECKING:
    from loom.journal.journal import Journal

_CHUNK = 512  # rows read or removed in one job of the writer's thread
_MOST_KEYS = 1_000_000


class Entry(NamedTuple):
    """What retention has to know of one event of the journal."""

    seq: int
    topic: str
    id: str
    at_ms: int
    key: str | None
    nbytes: int


class Totals:
    """A first look at the whole journal: how much there is of each topic, and which event of a key is the last."""

    def __init__(self, rule_of: Callable[[str], Rule]) -> None:
        self._rule_of = rule_of
        self.count: dict[str, int] = {}
        self.nbytes: dict[str, int] = {}
        self.last: dict[tuple[str, str], int] = {}

    def add(self, entry: Entry) -> None:
        """Count one event, the oldest first."""
        topic = entry.topic
        self.count[topic] = self.count.get(topic, 0) + 1
        self.nbytes[topic] = self.nbytes.get(topic, 0) + entry.nbytes
        if self._rule_of(topic).compact and len(self.last) < _MOST_KEYS:
            self.last[topic, entry.key or ""] = entry.seq

    def outlived(self, entry: Entry, now_ms: int) -> bool:
        """Whether *entry* may go, asked for the oldest first; what may go is not counted any more."""
        rule, topic = self._rule_of(entry.topic), entry.topic
        gone = (
            (rule.age is not None and now_ms - entry.at_ms > rule.age * 1000)
            or (rule.count is not None and self.count.get(topic, 0) > rule.count)
            or (rule.size is not None and self.nbytes.get(topic, 0) > rule.size)
            or (rule.compact and self.last.get((topic, entry.key or ""), entry.seq) != entry.seq)
        )
        if gone:
            self.count[topic] = self.count.get(topic, 1) - 1
            self.nbytes[topic] = self.nbytes.get(topic, entry.nbytes) - entry.nbytes
        return gone


class Retention:
    """Applies the rules of one journal. What a durable subscription has not handled yet always stays."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._backend: Backend = journal.backend
        self.removed = 0

    async def apply(self, now_ms: int) -> int:
        """Take away what has outlived its rule; returns how many events. A few rows at a time, between the writes."""
        totals = Totals(self._journal.rules.of)
        async for entries in self._pages():
            for entry in entries:
                totals.add(entry)
        removed = 0
        async for entries in self._pages():
            gone = [e for e in entries if totals.outlived(e, now_ms) and e.seq <= self._journal.handled()]
            if gone:
                await self._journal.committer.perform(lambda gone=gone: self._remove(gone))  # type: ignore[misc]
                removed += len(gone)
        self.removed += removed
        return removed

    async def _pages(self) -> AsyncIterator[list[Entry]]:
        start = b""
        while True:
            rows = await self._journal.committer.perform(
                lambda start=start: self._backend.scan(Family.JOURNAL, start, None, _CHUNK)  # type: ignore[misc]
            )
            if not rows:
                return
            yield [entry_of(unnumber(key), row) for key, row in rows]
            start = number(unnumber(rows[-1][0]) + 1)

    def _remove(self, entries: Iterable[Entry]) -> None:
        """Take events away, with their ids, their steps and what the cause index has below them."""
        puts: list[Put] = []
        for entry in entries:
            key = number(entry.seq)
            puts += (Put(Family.JOURNAL, key, None), Put(Family.IDS, entry.id.encode(), None))
            for family, prefix in ((Family.STEPS, join(key, b"")), (Family.CAUSES, join(entry.id, b""))):
                rows = self._backend.scan(family, prefix, after(prefix), _CHUNK)
                puts += [Put(family, found, None) for found, _ in rows]
        self._backend.write(puts, sync=False)


def entry_of(seq: int, row: bytes) -> Entry:
    """What retention has to know of a row; of one that makes no sense nothing but its number and size."""
    try:
        topic, text, _ = row.split(b"\n", 2)
        header = json.loads(text)
        return Entry(seq, topic.decode(), header["i"], int(header["w"]), header.get("k"), len(row))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Entry(seq, "", "", 1 << 62, None, len(row))
