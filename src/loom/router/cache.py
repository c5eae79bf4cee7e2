"""A cache of answers: the same request is answered again from memory; so is one that means the same, if wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loom.clock import Clock, SystemClock
from loom.errors import ConfigError
from loom.models.model import ModelReply, ModelRequest
from loom.models.price import NOTHING
from loom.router._cache_key import Address, Uncacheable, address, again, copied, worth_keeping
from loom.router._semantic import Embed, Semantic

__all__ = ["Cache", "Embed", "Semantic"]


class Entry:
    """One kept answer, its size in bytes, and until when it holds (seconds of the clock)."""

    __slots__ = ("address", "reply", "size", "until", "user")

    def __init__(self, where: Address, reply: ModelReply, size: int, until: float, user: str) -> None:
        self.address, self.reply, self.size, self.until, self.user = where, reply, size, until, user


class Cache:
    """Answers in memory, and nowhere else: at most *entries* of them and *size* bytes, for *ttl* seconds each.

    An answer is found by the same user with exactly the same label, task, options, route and profile only. Answers
    over *largest* bytes are not kept; *sampled* keeps those with a temperature or a seed too. With *semantic* a text
    that means the same finds it as well. Those that were not asked for longest go first.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        ttl: float = 3600.0,
        entries: int = 1000,
        size: int = 16 << 20,
        largest: int = 256 << 10,
        sampled: bool = False,
        semantic: Semantic | None = None,
    ) -> None:
        if not (ttl > 0 and entries > 0 and size > 0 and largest > 0):
            raise ConfigError(
                f"a cache needs ttl, entries, size and largest above 0, not {(ttl, entries, size, largest)}"
            )
        self._clock = clock or SystemClock()
        self._ttl, self._entries, self._size, self._largest = ttl, entries, size, largest
        self._sampled, self._semantic = sampled, semantic
        self._kept: dict[bytes, Entry] = {}  # asked for longest ago first
        self._ages: dict[bytes, Entry] = {}  # kept longest ago first
        self._forgotten = 0
        self.bytes = self.hits = self.near = self.misses = self.expired = self.evicted = self.refused = 0

    async def find(self, request: ModelRequest) -> ModelReply | None:
        """The answer to the same request, or to one that means the same; None without one.

        Its backend is ``cache:NAME`` with the name of the one that answered, it took and cost nothing, and its
        decision is None: whoever gives it out decides that it does.
        """
        where = address(request, self._sampled)
        if where is None:
            return None
        self._expire()
        entry = self._kept.get(where.exact)
        if entry is None and self._semantic is not None and where.text:
            entry = await self._near(self._semantic, where)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        return self._given(entry)

    async def keep(self, request: ModelRequest, reply: ModelReply) -> bool:
        """Remember *reply*; False when it may not be: cut, a tool's call, not plain data, too large, cache=False."""
        where = address(request, self._sampled)
        if where is None or reply.backend.startswith("cache:") or not worth_keeping(reply):
            return False
        try:
            output, size = copied(reply.output, min(self._largest, self._size))
        except Uncacheable:
            self.refused += 1
            return False
        vector, before = None, self._forgotten
        if self._semantic is not None and where.text:
            vector = await self._semantic.vector(where.text)
        if self._forgotten != before:
            return False  # what was to be forgotten meanwhile
        self._expire()
        self._drop(where.exact)
        until = self._clock.monotonic() + self._ttl
        kept = replace(reply, output=output, decision=None)
        entry = Entry(where, kept, size + len(where.text), until, request.user)
        self._kept[where.exact] = self._ages[where.exact] = entry
        self.bytes += entry.size
        if self._semantic is not None and vector is not None:
            self._semantic.add(where, vector)
        while len(self._kept) > self._entries or self.bytes > self._size:
            self.evicted += 1
            self._drop(next(iter(self._kept)))
        return where.exact in self._kept

    def forget(self, user: str | None = None) -> int:
        """Forget the answers to *user*, everybody's for None; returns how many there were."""
        self._forgotten += 1
        gone = [key for key, entry in self._kept.items() if user is None or entry.user == user]
        for key in gone:
            self._drop(key)
        if self._semantic is not None:
            self._semantic.forget()
        return len(gone)

    def statistics(self) -> Mapping[str, Any]:
        """Counters: hits (of them near ones by meaning), misses, expired, evicted, refused; entries and bytes now."""
        embedding = {} if self._semantic is None else {"semantic": self._semantic.statistics()}
        return {
            "entries": len(self._kept), "bytes": self.bytes, "hits": self.hits, "near": self.near,
            "misses": self.misses, "expired": self.expired, "evicted": self.evicted, "refused": self.refused,
        } | embedding  # fmt: skip

    async def _near(self, semantic: Semantic, where: Address) -> Entry | None:
        found = await semantic.nearest(where)
        self._expire()  # time has passed meanwhile
        entry = None if found is None else self._kept.get(found)
        self.near += entry is not None
        return entry

    def _given(self, entry: Entry) -> ModelReply:
        key = entry.address.exact
        self._kept[key] = self._kept.pop(key)  # last: asked for most recently
        reply = entry.reply
        return replace(
            reply, output=again(reply.output), backend=f"cache:{reply.backend}", queue_ms=0.0, total_ms=0.0,
            first_ms=None, usage=NOTHING, cost=0.0,
        )  # fmt: skip

    def _expire(self) -> None:
        """Drop what is too old; what was kept first is the first to be."""
        now = self._clock.monotonic()
        while self._ages:
            key, entry = next(iter(self._ages.items()))
            if now < entry.until:
                return
            self.expired += 1
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        entry = self._kept.pop(key, None)
        if entry is not None:
            del self._ages[key]
            self.bytes -= entry.size
            if self._semantic is not None:
                self._semantic.remove(entry.address)
