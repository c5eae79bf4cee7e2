"""Where state, positions, outgoing events, effects and timers are committed together."""

from loom.store.backend import Backend, Put
from loom.store.families import Family
from loom.store.memory import MemoryStore
from loom.store.store import StepCommit, Store

__all__ = ["Backend", "Family", "MemoryStore", "Put", "StepCommit", "Store"]
