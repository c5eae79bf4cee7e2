"""A Frame: an array in shared memory, read in place, whose slot goes back when nobody looks at it any more."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NoReturn

from loom.errors import LoomError, MissingExtra, StaleFrame
from loom.event._codec_buffer import Buffer, item_size
from loom.worker._memory import ArenaMemory

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class FrameHandle:
    """What crosses instead of the content: where it is (an arena's `id`), since which lease, and what it means."""

    arena: str
    slot: int
    generation: int
    nbytes: int
    shape: tuple[int, ...]
    dtype: str

    def fits(self, slots: int, slot_bytes: int) -> bool:
        """Whether it points into an arena of this size and its numbers agree."""
        return (
            0 <= self.slot < slots
            and 0 <= self.nbytes <= slot_bytes
            and len(self.shape) <= 8
            and prod(self.shape) * item_size(self.dtype) == self.nbytes
        )


class Frame:
    """An array of *shape* and *dtype* in shared memory, read-only and without a copy.

    In the host the slot returns to its producer when the frame and every view made from it are gone, or after
    `release`. In a worker the frame is valid until the call that brought it ends. Reading a frame whose
    slot has moved on raises StaleFrame.
    """

    __slots__ = ("__weakref__", "_hold", "_memory", "handle")

    def __init__(self, handle: FrameHandle, memory: ArenaMemory, hold: object | None = None) -> None:
        self.handle = handle
        self._memory: ArenaMemory | None = memory
        self._hold = hold

    @property
    def shape(self) -> tuple[int, ...]:
        """Sides of the array, for a picture (height, width, channels)."""
        return self.handle.shape

    @property
    def dtype(self) -> str:
        """Name of the number type, as in NumPy."""
        return self.handle.dtype

    @property
    def nbytes(self) -> int:
        """Size of the content in bytes."""
        return self.handle.nbytes

    def check(self) -> None:
        """Raise StaleFrame if the slot belongs to a newer frame by now."""
        memory = self._memory
        if memory is None:
            raise StaleFrame(f"{self!r} was released; keep a copy (bytes(frame.view())) to read it later")
        now = memory.generation(self.handle.slot)
        if now != self.handle.generation:
            raise StaleFrame(f"{self!r} is gone: its slot is at generation {now}; read frames sooner or copy")

    def view(self) -> memoryview:
        """The bytes, flat and read-only."""
        self.check()
        assert self._memory is not None
        if self._hold is None:
            return self._memory.view(self.handle.slot, self.nbytes).toreadonly()
        return self._memory.owned_view(self.handle.slot, self.nbytes, self._hold)

    def buffer(self) -> Buffer:
        """The content as a Buffer, without a copy."""
        return Buffer(self.view(), self.dtype, self.shape)

    __loom_buffer__ = buffer

    def numpy(self) -> np.ndarray[Any, Any]:
        """The content as a read-only NumPy array, without a copy; raises MissingExtra without NumPy."""
        try:
            import numpy as np
        except ImportError:
            raise MissingExtra("vision", "numpy") from None
        return np.frombuffer(self.view(), dtype=self.dtype).reshape(self.shape)

    def release(self) -> None:
        """Done with it: the slot may go back as soon as no view is left. May be called twice."""
        self._hold = self._memory = None

    def __reduce__(self) -> NoReturn:
        raise LoomError(
            f"{self!r} cannot be pickled: its content is shared memory; send frame.buffer(), or its bytes"
        )

    def __repr__(self) -> str:
        h = self.handle
        return (
            f"<Frame {'x'.join(map(str, h.shape))} {h.dtype} {h.arena}[{h.slot}] generation {h.generation}>"
        )
