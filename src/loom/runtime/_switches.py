"""Which sources are muted and which have been allowed, kept so that a restart forgets neither."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from loom.errors import ConfigError, LoomError

if TYPE_CHECKING:
    from pathlib import Path

    from loom.agent._durable import Durable

SWITCHES = ".loom/sources.json"
"""Where a project without a store keeps them, below its folder."""
KINDS = ("muted", "allowed")
Switch = tuple[str, str]  # one of KINDS, and the source's name


class Switches(Protocol):
    """Where switches that are on are kept."""

    def on(self) -> set[Switch]:
        """Those that are on."""

    async def turn(self, switch: Switch, on: bool) -> None:
        """Keep that *switch* is on, or off."""


class ForgottenSwitches:
    """Switches of a runtime that keeps nothing."""

    def on(self) -> set[Switch]:
        """None."""
        return set()

    async def turn(self, switch: Switch, on: bool) -> None:
        """Nothing to keep."""


class StoredSwitches:
    """Switches in the store of a durable runtime."""

    def __init__(self, durable: Durable) -> None:
        self._durable = durable

    def on(self) -> set[Switch]:
        """Those that are on. Raises StoreError."""
        from loom.store.families import Family

        found: set[Switch] = set()
        for kind in KINDS:
            prefix = f"source-{kind}\0".encode()
            rows = self._durable.journal.backend.scan(Family.META, prefix, prefix[:-1] + b"\1", 100_000)
            found |= {(kind, key[len(prefix) :].decode()) for key, _ in rows}
        return found

    async def turn(self, switch: Switch, on: bool) -> None:
        """Keep it, on disk when this returns. Raises StoreError."""
        from loom.store import Put
        from loom.store.families import Family

        await self._durable.causes.write([Put(Family.META, switch_key(*switch), b"1" if on else None)])


class FiledSwitches:
    """Switches in a small file. Raises ConfigError for a file that is there and cannot be read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._on = _read(file)

    def on(self) -> set[Switch]:
        """Those that are on."""
        return set(self._on)

    async def turn(self, switch: Switch, on: bool) -> None:
        """Keep it, on disk when this returns. Raises LoomError when it cannot be written."""
        wanted = self._on | {switch} if on else self._on - {switch}
        try:
            await asyncio.to_thread(_write, self._file, wanted)
        except OSError as error:
            raise LoomError(
                f"{switch[1]!r} is {switch[0] if on else f'not {switch[0]}'} now, but a restart forgets it: "
                f"cannot write {self._file}: {error.strerror}"
            ) from None
        self._on = wanted


def switch_key(kind: str, name: str) -> bytes:
    """Where META says that a switch of source *name* is on."""
    from loom.store.families import join

    return join(f"source-{kind}", name)


def _read(file: Path) -> set[Switch]:
    try:
        import json  # late: without a file nobody needs it

        told = json.loads(file.read_bytes())
        return {(kind, str(name)) for kind in KINDS for name in told[kind]}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{file} says which sources are muted and cannot be read ({error}); mend it, or delete it and mute again"
        ) from None


def _write(file: Path, on: Iterable[Switch]) -> None:
    """All of it or nothing, and through to the disk: what was muted must not open itself after a power loss."""
    import json

    listed = sorted(on)
    text = json.dumps({kind: [name for each, name in listed if each == kind] for kind in KINDS})
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(file.name + ".new")
    with open(beside, "w", encoding="utf-8") as out:
        out.write(text + "\n")
        out.flush()
        os.fsync(out.fileno())
    os.replace(beside, file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
