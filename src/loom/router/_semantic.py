"""Answers by meaning: the nearest text by embedding, within one partition, and only if nothing that matters differs."""

from __future__ import annotations

import logging
import math
from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from operator import mul
from typing import Any

from loom.errors import ConfigError
from loom.router._cache_key import LONGEST_TEXT, Address
from loom.router._matter import Matter, distance, matter_of

log = logging.getLogger("loom.router")
Embed = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]]
"""The vectors of texts, one for each. It sees them as they are: it must not leave this device."""
_LATEST = 64  # texts whose vector is remembered from looking until the answer is kept
_ROUNDING = 1e-6  # the cosine of a vector of 32-bit numbers with itself may be that much below 1
_WIDEST = 8192  # numbers of one vector


class Semantic:
    """Texts by meaning: cosine similarity of at least *threshold*, at most *entries* texts in a partition.

    *embed* gives vectors. Two texts are the same only if numbers, negations, names and opposites agree too
    (`loom.router._matter`): embeddings put "for 5 minutes" next to "for 15 minutes".
    """

    def __init__(self, embed: Embed, threshold: float = 0.95, entries: int = 256) -> None:
        if not 0 < threshold <= 1 or entries < 1:
            raise ConfigError(
                f"a semantic cache needs 0 < threshold <= 1 and entries, not {threshold!r}, {entries!r}"
            )
        self._embed, self._threshold, self._entries = embed, threshold, entries
        self._partitions: dict[bytes, dict[bytes, tuple[Matter, array[float]]]] = {}
        self._latest: dict[str, array[float]] = {}
        self.failures = self.embedded = self.unlike = 0

    async def nearest(self, where: Address) -> bytes | None:
        """The place of the nearest text of the partition that means the same as *where*'s; None without one."""
        known = self._partitions.get(where.partition)
        if not known or len(where.text) > LONGEST_TEXT:
            return None
        matter = matter_of(where.text)
        alike = {
            key: may for key, (other, _) in known.items() if (may := distance(matter, other)) is not None
        }
        if not alike:
            self.unlike += 1
            return None
        vector = await self.vector(where.text)
        if vector is None:
            return None
        apart = {
            key: 1 - _cosine(vector, known[key][1]) for key in alike if key in known
        }  # some may be gone by now
        near = [
            (far, key) for key, far in apart.items() if far <= (1 - self._threshold) * alike[key] + _ROUNDING
        ]
        return min(near)[1] if near else None

    async def vector(self, text: str) -> array[float] | None:
        """The vector of *text*, of length 1; None when it is too long or the embedding fails (counted, and told)."""
        if len(text) > LONGEST_TEXT:
            return None
        found = self._latest.get(text)
        if found is None:
            found = await self._embedding(text)
            if found is not None:
                self._latest[text] = found
                if len(self._latest) > _LATEST:
                    del self._latest[next(iter(self._latest))]
        return found

    def add(self, where: Address, vector: array[float]) -> None:
        """Have the text of *where* found by meaning; the oldest of its partition goes when there are too many."""
        known = self._partitions.setdefault(where.partition, {})
        known[where.exact] = (matter_of(where.text), vector)
        if len(known) > self._entries:
            del known[next(iter(known))]

    def forget(self) -> None:
        """Forget the texts that were only looked for."""
        self._latest.clear()

    def remove(self, where: Address) -> None:
        """Forget the text of *where*."""
        self._latest.pop(where.text, None)
        known = self._partitions.get(where.partition)
        if known is not None:
            known.pop(where.exact, None)
            if not known:
                del self._partitions[where.partition]

    def statistics(self) -> Mapping[str, Any]:
        """Counts: texts known, embedded, unlike (nothing comparable was there), failures of the embedding."""
        texts = sum(map(len, self._partitions.values()))
        return {"texts": texts, "embedded": self.embedded, "unlike": self.unlike, "failures": self.failures}

    async def _embedding(self, text: str) -> array[float] | None:
        self.embedded += 1
        try:
            (vector,) = await self._embed([text])
            return _unit(vector)
        except Exception as error:  # noqa: BLE001 - a stranger's function: without it there is no cache, and no harm
            self.failures += 1
            log.warning(
                "the semantic cache could not embed a text (%s); it is not looked for", type(error).__name__
            )
            return None


def _unit(vector: Sequence[float]) -> array[float]:
    """*vector* with length 1; raises ValueError for one that has none."""
    if not 0 < len(vector) <= _WIDEST:
        raise ValueError(f"a vector of {len(vector)} numbers")
    numbers = array("d", [float(each) for each in vector])
    length = math.sqrt(sum(map(mul, numbers, numbers)))
    if not length > 0 or not math.isfinite(length):
        raise ValueError("a vector without a length")
    return array("f", [each / length for each in numbers])


def _cosine(one: array[float], other: array[float]) -> float:
    """The cosine of two vectors of length 1; 0 for vectors of different models."""
    return sum(map(mul, one, other)) if len(one) == len(other) else 0.0
