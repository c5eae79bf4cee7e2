"""Where the router keeps what a restart must not forget: named values, small ones."""

from __future__ import annotations

from typing import Protocol

from loom.errors import LoomError

LARGEST = 64 * 1024
"""Bytes of one value."""
LONGEST = 512
"""Bytes of one name."""


class Keep(Protocol):
    """Named values of at most LARGEST bytes, under names of at most LONGEST bytes.

    Raises LoomError for a larger value or a longer name, and what the medium raises (StoreError on a store).
    """

    def read(self, name: str) -> bytes | None:
        """The value that was written last, None without one."""

    def names(self, prefix: str = "") -> list[str]:
        """The names with a value that begin with *prefix*, sorted."""

    async def write(self, name: str, value: bytes | None) -> None:
        """Keep *value* as *name*, None to forget it; on the medium when this returns."""


class ForgetfulKeep:
    """A Keep in memory: a restart forgets it."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    def read(self, name: str) -> bytes | None:
        """The value that was written last, None without one."""
        return self._values.get(name)

    def names(self, prefix: str = "") -> list[str]:
        """The names with a value that begin with *prefix*, sorted."""
        return sorted(name for name in self._values if name.startswith(prefix))

    async def write(self, name: str, value: bytes | None) -> None:
        """Keep *value* as *name*, None to forget it. Raises LoomError for too large a value or name."""
        fitting(name, value)
        if value is None:
            self._values.pop(name, None)
        else:
            self._values[name] = value


def fitting(name: str, value: bytes | None) -> None:
    """Nothing, or LoomError for a name or a value that no Keep takes."""
    if not name or "\0" in name or len(name.encode(errors="replace")) > LONGEST:
        raise LoomError(f"a kept value cannot be called {name[:80]!r}: 1 to {LONGEST} bytes without a NUL")
    if value is not None and len(value) > LARGEST:
        raise LoomError(f"{name!r} is {len(value):,} bytes, and a kept value has at most {LARGEST:,}")
