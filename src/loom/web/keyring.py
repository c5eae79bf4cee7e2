"""The keys that count now: the file of the keys, looked at again while the gateway runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from loom.errors import ConfigError
from loom.web.keys import NO_FILE, KeyFile, Ring

LOOK_S = 1.0
"""Seconds after which the file is looked at again, by the next request: so long a key that was taken back counts."""

log = logging.getLogger("loom.web")


class Keyring:
    """The keys in *file*, by *monotonic* time. A file that cannot be read any more opens to nobody."""

    def __init__(self, file: KeyFile, monotonic: Callable[[], float]) -> None:
        self.file = file
        found, self._stamp = file.look()
        self.ring = Ring() if found is None else found
        self._monotonic = monotonic
        self._looked = monotonic()
        self._looking = asyncio.Lock()

    async def now(self, age: float | None = None) -> Ring:
        """The keys, at most *age* seconds old (LOOK_S)."""
        asked = self._monotonic()
        if asked - self._looked >= (LOOK_S if age is None else age):
            async with self._looking:
                if self._looked <= asked:  # nobody has looked while this one stood in line
                    began = self._monotonic()
                    await asyncio.to_thread(self._look)
                    self._looked = began
        return self.ring

    def _look(self) -> None:
        try:
            found, self._stamp = self.file.look(self._stamp)
        except ConfigError as error:
            if self._stamp != NO_FILE or not self.ring.needed:
                log.error("no key is good until this is mended: %s", error)
            found, self._stamp = Ring({}, needed=True), NO_FILE
        if found is not None:
            self.ring = found
