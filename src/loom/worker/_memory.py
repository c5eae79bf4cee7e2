"""The mapping of an arena: a table of generations, then slots. The same in the host and in its workers."""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass

_GENERATION = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class ArenaLayout:
    """Where things are in an arena: *slots* of *slot_bytes*, *stride* bytes apart, the first at *offset*."""

    name: str
    id: str
    slots: int
    slot_bytes: int
    stride: int
    offset: int

    @classmethod
    def of(cls, name: str, slots: int, slot_bytes: int) -> ArenaLayout:
        """A layout whose slots begin on pages, with an identity that no other arena ever has."""
        identity = f"{name}#{os.urandom(8).hex()}"
        return cls(name, identity, slots, slot_bytes, _pages(slot_bytes), _pages(slots * _GENERATION.size))

    @property
    def nbytes(self) -> int:
        """Size of the whole arena."""
        return self.offset + self.slots * self.stride


class ArenaMemory:
    """An arena mapped into this process. The mapping goes when the last view of it is gone."""

    __slots__ = ("_map", "layout")

    def __init__(self, fd: int, layout: ArenaLayout, *, writable: bool) -> None:
        access = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self._map = mmap.mmap(fd, layout.nbytes, flags=mmap.MAP_SHARED, prot=access)
        self.layout = layout

    def generation(self, slot: int) -> int:
        """The generation of the lease that *slot* is under now."""
        return int(_GENERATION.unpack_from(self._map, slot * _GENERATION.size)[0])

    def set_generation(self, slot: int, generation: int) -> None:
        """Only the host does this, before it grants the lease."""
        _GENERATION.pack_into(self._map, slot * _GENERATION.size, generation)

    def view(self, slot: int, size: int) -> memoryview:
        """The first *size* bytes of *slot*."""
        start = self.layout.offset + slot * self.layout.stride
        return memoryview(self._map)[start : start + size]

    def owned_view(self, slot: int, size: int, owner: object) -> memoryview:
        """A read-only view that keeps *owner* alive as long as it, or anything made from it, exists."""
        import ctypes  # the one object of the standard library that exports a buffer and carries an attribute

        start = self.layout.offset + slot * self.layout.stride
        block = (ctypes.c_ubyte * self.layout.slot_bytes).from_buffer(self._map, start)
        block.owner = owner  # type: ignore[attr-defined]
        return memoryview(block).cast("B")[:size].toreadonly()


def _pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
