"""Opening the durable store of a runtime; nothing of it is imported before somebody asks for it."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING

from loom.bus import Bus
from loom.clock import Clock
from loom.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from loom.agent._durable import Durable

log = logging.getLogger("loom.store")
_SWITCH = 0.0005  # seconds the writer's thread waits for Python's lock at most, and the loop for it; 5 ms unless set
_TIDY = 3600.0  # seconds between two looks at what has outlived its rule
_FIRST = 60.0  # seconds until the first one: starting is for other things


def open_durable(data: str | Path, bus: Bus, key: str | None = None, backend: str | None = None) -> Durable:
    """The durable side of a runtime whose store is in folder *data*, sealed with the key that *key* names.

    Raises StoreError, ConfigError, MissingExtra.
    """
    from loom.agent._durable import Durable
    from loom.journal import Journal
    from loom.store.sealed import open_store

    if sys.getswitchinterval() > _SWITCH:
        sys.setswitchinterval(_SWITCH)
    return Durable(Journal(open_store(data, key, backend), bus))


def look(data: str | Path, key: str | None, backend: str | None) -> None:
    """Open the store in folder *data*, if there is one, to read, and close it again; raises what opening it raises."""
    from loom.store.opening import kind_of, refuse_other
    from loom.store.sealed import open_store

    if kind_of(data) is not None:
        refuse_other(data, backend or kind_of(data) or "")
        open_store(data, key, backend, read_only=True).close()


async def tidy(durable: Durable, clock: Clock, every: float = _TIDY, first: float = _FIRST) -> None:
    """Take away what has outlived its rule, *first* seconds from now and then *every* so many, until cancelled."""
    await asyncio.sleep(first)
    while True:
        try:
            await retain(durable, clock.now_ms())
        except StoreError as error:
            log.error("retention could not be applied and is tried again later: %s", error)
        await asyncio.sleep(every)


async def retain(durable: Durable, now_ms: int) -> int:
    """Take away what has outlived its rule at *now_ms*, Unix ms; returns how many events. Raises StoreError, Closed."""
    from loom.journal.retention import Retention

    retention = Retention(durable.journal)
    try:
        return await retention.apply(now_ms)
    finally:
        for name in retention.rebased:
            cell = durable.services.cells.get(name)
            if cell is not None:
                durable.causes.history.forget(cell)  # its next step writes all of its state down
