"""Opening the durable store of a runtime; nothing of it is imported before somebody asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loom.bus import Bus

if TYPE_CHECKING:
    from loom.agent._durable import Durable


def open_durable(data: str | Path, bus: Bus, key: str | None = None, backend: str | None = None) -> Durable:
    """The durable side of a runtime whose store is in folder *data*, sealed with the key that *key* names.

    Raises StoreError, ConfigError, MissingExtra.
    """
    from loom.agent._durable import Durable
    from loom.journal import Journal
    from loom.store.sealed import open_store

    return Durable(Journal(open_store(data, key, backend), bus))
