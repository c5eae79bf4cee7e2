"""A backend that fails, or whose process dies, at a chosen write: for tests of every write boundary.

    backend = FaultyBackend(inner, at=3)                       # the third write raises StoreFull, nothing of it is kept
    backend = FaultyBackend(inner, at=3, error=StoreError)     # ... raises StoreError
    backend = FaultyBackend(inner, at=3, dies="before")        # the process dies before the third write
    backend = FaultyBackend(inner, at=3, dies="after")         # ... after it: kept, but nobody was told

A process that has died writes and reads nothing more: each call raises Died until the inner backend is opened again
(`reopened`). A backend that only counts (`at=0`) tells how many boundaries a scenario has: `backend.writes`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from loom.errors import StoreFull
from loom.store.backend import Backend, Put
from loom.store.families import Family


class Died(BaseException):
    """The process ends here; no handler of errors may see it."""


class FaultyBackend:
    """Passes everything on, counts writes (``write`` and ``remove``), and fails at number *at* (from 1; 0: never).

    Without *dies*, *times* writes from *at* on raise *error* and nothing of them is kept. With *dies*, write *at* is
    left out ("before") or made ("after"), Died is raised, and again by every later call.
    """

    def __init__(
        self,
        inner: Backend,
        at: int = 0,
        error: Callable[[str], Exception] = StoreFull,
        times: int = 1,
        dies: Literal["before", "after"] | None = None,
    ) -> None:
        self.inner, self.at, self.error, self.times, self.dies = inner, at, error, times, dies
        self.writes = 0
        self.dead = False
        self.log: list[tuple[Put, ...]] = []
        """What each write was given, those that failed included; a ``remove`` is empty."""

    def _boundary(self, do: Callable[[], None], puts: Sequence[Put]) -> None:
        self._living()
        self.writes += 1
        self.log.append(tuple(puts))
        here = self.at <= self.writes < self.at + (1 if self.dies else self.times) and self.at > 0
        if here and self.dies is None:
            raise self.error(f"write {self.writes} was chosen to fail")
        if not here or self.dies == "after":
            do()
        if here:
            self.dead = True
            raise Died(f"the process dies {self.dies} write {self.writes}")

    def _living(self) -> None:
        if self.dead:
            raise Died("the process has died")

    def write(self, puts: Sequence[Put], sync: bool = True) -> None:
        self._boundary(lambda: self.inner.write(puts, sync), puts)

    def remove(self, family: Family, start: bytes, end: bytes) -> None:
        self._boundary(lambda: self.inner.remove(family, start, end), ())

    def get(self, family: Family, key: bytes) -> bytes | None:
        self._living()
        return self.inner.get(family, key)

    def scan(
        self, family: Family, start: bytes = b"", end: bytes | None = None, limit: int = 256
    ) -> list[tuple[bytes, bytes]]:
        self._living()
        return self.inner.scan(family, start, end, limit)

    def last(self, family: Family) -> bytes | None:
        self._living()
        return self.inner.last(family)

    def count(self, family: Family) -> int:
        self._living()
        return self.inner.count(family)

    def nbytes(self) -> int:
        return self.inner.nbytes()

    def checkpoint(self) -> None:
        self._living()
        self.inner.checkpoint()

    def verify(self) -> Iterator[str]:
        return self.inner.verify()

    def backup(self, folder: str) -> None:
        self.inner.backup(folder)

    def compact(self) -> None:
        self._living()
        self.inner.compact()

    def close(self) -> None:
        """Close the inner backend, dead or not: its files and lock are free for the next process."""
        self.inner.close()

    def reopened(self, again: Callable[[], Backend]) -> Backend:
        """What the next process finds: the inner backend closed as it is, and opened again."""
        self.inner.close()
        return again()
