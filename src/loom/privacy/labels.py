"""How confidential each conversation is: what it once held it holds for good, over restarts too."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

from loom.event import Confidentiality, Label

THREADS = 50_000
"""How many conversations above public are remembered; when there are more, unknown ones count as private."""
_PREFIX = "privacy.label."
_FULL = "privacy.full"


class Keep(Protocol):
    """Small values by name; what was written is there after a restart."""

    def read(self, name: str) -> bytes | None: ...

    def names(self, prefix: str) -> Sequence[str]: ...

    async def write(self, name: str, value: bytes | None) -> None: ...


class ThreadLabels:
    """The confidentiality of threads; a thread and its children ("t", "t/child") share one, the highest of any.

    Names of threads are kept as digests, so they tell nothing. `raised` is pure; `save` writes what it changed.
    """

    def __init__(self, keep: Keep | None = None, most: int = THREADS) -> None:
        self._keep, self._most = keep, most
        self._levels: dict[str, Confidentiality] = {}
        self._unknown = Confidentiality.PUBLIC
        self._unsaved: dict[str, Confidentiality] = {}
        if keep is not None:
            self._load(keep)

    def __len__(self) -> int:
        return len(self._levels)

    def raised(self, thread: str | None, label: Label) -> Label:
        """*label* joined with what *thread* ever held, which is remembered; integrity is *label*'s own."""
        if thread is None:
            return label
        key = _digest(thread)
        known = self._levels.get(key, self._unknown)
        level = max(known, label.confidentiality)
        if level > known:
            self._remember(key, level)
        return label if level == label.confidentiality else Label(level, label.untrusted)

    def _remember(self, key: str, level: Confidentiality) -> None:
        if key in self._levels or len(self._levels) < self._most:
            self._levels[key] = level
            self._mark(_PREFIX + key, level)
        else:  # no room: from now on nobody unknown is trusted with less
            self._unknown = max(self._unknown, level, Confidentiality.PRIVATE)
            self._mark(_FULL, self._unknown)

    def _mark(self, name: str, level: Confidentiality) -> None:
        if self._keep is not None:
            self._unsaved[name] = level

    @property
    def unsaved(self) -> int:
        """How many changes `save` has yet to write."""
        return len(self._unsaved)

    async def save(self) -> None:
        """Write every change; returns when they are kept. Raises what the keep raises, and tries again next time."""
        while self._keep is not None and self._unsaved:
            name, level = next(iter(self._unsaved.items()))
            await self._keep.write(name, b"%d" % level)
            if self._unsaved.get(name) == level:
                del self._unsaved[name]

    def _load(self, keep: Keep) -> None:
        for name in keep.names(_PREFIX):
            if len(self._levels) < self._most:
                self._levels[name.removeprefix(_PREFIX)] = _level(keep.read(name))
            else:
                self._unknown = Confidentiality.LOCAL_ONLY
        if (full := keep.read(_FULL)) is not None:
            self._unknown = max(self._unknown, _level(full))


def _digest(thread: str) -> str:
    root = thread.partition("/")[0]
    return hashlib.blake2b(root.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _level(value: bytes | None) -> Confidentiality:
    """What was written; local-only for what nobody can have written."""
    try:
        return Confidentiality(int(value or b""))
    except ValueError:
        return Confidentiality.LOCAL_ONLY
