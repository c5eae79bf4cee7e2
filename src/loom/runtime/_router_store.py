"""What the router must not forget, in the store of a durable runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loom.router.keep import fitting

if TYPE_CHECKING:
    from loom.agent._durable import Durable

_SPACE = "router"
_MOST = 100_000  # names


class StoredKeep:
    """A Keep in the store of a durable runtime; what is written at once goes with one write of the store."""

    def __init__(self, durable: Durable) -> None:
        self._durable = durable

    def read(self, name: str) -> bytes | None:
        """The value that was written last, None without one. Raises StoreError."""
        from loom.store.families import Family

        return self._durable.journal.backend.get(Family.META, kept_key(name))

    def names(self, prefix: str = "") -> list[str]:
        """The names with a value that begin with *prefix*, sorted. Raises StoreError."""
        from loom.store.families import Family, after

        space = kept_key("")
        begin = space + prefix.encode()
        rows = self._durable.journal.backend.scan(Family.META, begin, after(begin), _MOST)
        return [key[len(space) :].decode() for key, _ in rows]

    async def write(self, name: str, value: bytes | None) -> None:
        """Keep *value* as *name*, on disk when this returns. Raises StoreError, LoomError."""
        from loom.store import Put
        from loom.store.families import Family

        fitting(name, value)
        await self._durable.causes.write([Put(Family.META, kept_key(name), value)])


def kept_key(name: str) -> bytes:
    """Where META keeps the value *name* of the router."""
    from loom.store.families import join

    return join(_SPACE, name)
