"""A Backend in a dictionary, for tests of what is written above it: writes fail when told, and what is kept is seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loom.errors import StoreFull
from loom.store import Family, Put


class Shelf:
    """Keeps what is written; ``full`` makes the next writes fail and keep nothing."""

    def __init__(self) -> None:
        self.kept: dict[Family, dict[bytes, bytes]] = {family: {} for family in Family}
        self.full = False
        self.calls: list[str] = []

    def write(self, puts: Sequence[Put], sync: bool = True) -> None:
        self.calls.append("write")
        if self.full:
            raise StoreFull("the shelf is full")
        for family, key, value in puts:
            if value is None:
                self.kept[family].pop(key, None)
            else:
                self.kept[family][key] = value

    def get(self, family: Family, key: bytes) -> bytes | None:
        return self.kept[family].get(key)

    def scan(
        self, family: Family, start: bytes = b"", end: bytes | None = None, limit: int = 256
    ) -> list[tuple[bytes, bytes]]:
        inside = (k for k in sorted(self.kept[family]) if k >= start and (end is None or k < end))
        return [(k, self.kept[family][k]) for _, k in zip(range(limit), inside, strict=False)]

    def last(self, family: Family) -> bytes | None:
        return max(self.kept[family], default=None)

    def count(self, family: Family) -> int:
        return len(self.kept[family])

    def remove(self, family: Family, start: bytes, end: bytes) -> None:
        for key in [k for k in self.kept[family] if start <= k < end]:
            del self.kept[family][key]

    def nbytes(self) -> int:
        return sum(len(k) + len(v) for rows in self.kept.values() for k, v in rows.items())

    def checkpoint(self) -> None:
        self.calls.append("checkpoint")

    def verify(self) -> Iterator[str]:
        return iter(())

    def backup(self, folder: str) -> None:
        raise NotImplementedError

    def compact(self) -> None:
        self.calls.append("compact")

    def close(self) -> None:
        pass
