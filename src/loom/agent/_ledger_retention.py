"""Retention of the effects that have ended: by age and by number."""

from __future__ import annotations

from loom.store import Backend, Family, Put
from loom.store.families import join, unnumber

KEEP_MS = 30 * 24 * 3600 * 1000
"""How long an effect that has ended is kept, in milliseconds."""
KEEP = 100_000
"""How many effects that have ended are kept."""
_CHUNK = 256  # taken away with one write, and so many more may be kept for a while


class Retention:
    """Takes the oldest rows away with the writes that are made anyway."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.kept = backend.count(Family.ENDED)
        first = backend.scan(Family.ENDED, b"", None, 1)
        self._oldest = unnumber(first[0][0]) if first else None
        self._going = 0

    def prune(self, now_ms: int) -> list[Put]:
        """What to take away with the write that leaves now."""
        self._going = 0
        excess = self.kept - KEEP
        if excess < _CHUNK and (self._oldest is None or now_ms - self._oldest < KEEP_MS):
            return []
        rows = self._backend.scan(Family.ENDED, b"", None, _CHUNK)
        gone = [
            (key, cause)
            for i, (key, cause) in enumerate(rows)
            if i < excess or now_ms - unnumber(key) >= KEEP_MS
        ]
        self._going = len(gone)
        left = rows[len(gone) : len(gone) + 1]
        more = 0 if len(rows) == _CHUNK else now_ms  # what comes next was not read
        self._oldest = unnumber(left[0][0]) if left else more
        return [put for key, cause in gone for put in _removal(key, cause)]

    def landed(self, kept: bool, ended: int) -> None:
        """The write with what ``prune`` gave, and with *ended* more, is kept or not."""
        if kept:
            self.kept += ended - self._going
        if (self._oldest is None and ended) or not kept:
            self._oldest = 0  # look again


def _removal(key: bytes, cause: bytes) -> list[Put]:
    effect = key[9:]
    return [
        Put(Family.ENDED, key, None),
        Put(Family.EFFECTS, effect, None),
        Put(Family.CAUSES, join(cause, "act", effect), None),
    ]
