"""Where state, positions, outgoing events, effects and timers are committed together."""

from loom.store.memory import MemoryStore
from loom.store.store import StepCommit, Store

__all__ = ["MemoryStore", "StepCommit", "Store"]
