"""An Arena: a fixed number of slots of shared memory through which frames pass between processes."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Mapping

from loom.errors import Closed, ConfigError, StaleFrame
from loom.worker._ledger import SlotLedger
from loom.worker._memory import ArenaLayout, ArenaMemory
from loom.worker.frame import Frame, FrameHandle

Lease = tuple[int, int]


class _Hold:
    """Lives as long as anybody may read the slot."""

    __slots__ = ("__weakref__",)


class Arena:
    """*slots* slots of *slot_bytes* bytes, owned by the host and mapped by the workers it is given to.

    One worker produces into it, any number read. The free slots are the producer's credit: when readers hold
    all of them it has none left and sheds. The memory has no name that outlives the process. *name* is for
    people and for the producer's code; handles carry `id`, so names may repeat.
    """

    def __init__(self, name: str, *, slots: int = 8, slot_bytes: int) -> None:
        self._fd = -1
        self._grant: Callable[[list[Lease]], None] | None = None
        if slots < 1 or slot_bytes < 1:
            raise ConfigError(f"arena {name!r}: {slots} slots of {slot_bytes} bytes; both must be at least 1")
        self.name = name
        self.layout = ArenaLayout.of(name, slots, slot_bytes)
        try:
            self._fd = _anonymous_file(name, self.layout.nbytes)
            self._memory = ArenaMemory(self._fd, self.layout, writable=True)
        except (OSError, OverflowError) as error:
            self.close()
            raise ConfigError(
                f"arena {name!r}: no memory for {slots} slots of {slot_bytes:,} bytes ({error}); use fewer or smaller"
            ) from None
        self._ledger = SlotLedger(slots)
        self._gone: deque[Lease] = deque()
        self._loop: AbstractEventLoop | None = None
        self._thread = 0
        self._waking = False
        self._frames = 0

    @property
    def id(self) -> str:
        """What frame handles call this arena: unique among all that ever were, on any machine."""
        return self.layout.id

    @property
    def fd(self) -> int:
        """The file descriptor that a worker inherits; raises Closed after `close`."""
        if self._fd < 0:
            raise Closed(f"arena {self.name!r} is closed")
        return self._fd

    def attach_producer(self, loop: AbstractEventLoop, grant: Callable[[list[Lease]], None]) -> None:
        """Lease every free slot to the producer, now and as they come back, through *grant* on *loop*."""
        if self._grant is not None:
            raise ConfigError(f"arena {self.name!r} has a producer already; make another arena")
        self._loop, self._thread, self._grant = loop, threading.get_ident(), grant
        self._return_slots()

    def detach_producer(self) -> None:
        """The producer process is gone for certain: its unused leases end."""
        self._grant = None
        self._ledger.reclaim()

    def accept(self, handle: FrameHandle) -> Frame:
        """The frame that the producer announces; raises StaleFrame when it does not own that slot."""
        if not handle.fits(self.layout.slots, self.layout.slot_bytes):
            raise StaleFrame(f"{handle} does not fit arena {self.name!r}")
        self._ledger.hold(handle.slot, handle.generation)
        hold = _Hold()
        finalizer = weakref.finalize(hold, self._reader_gone, (handle.slot, handle.generation))
        finalizer.atexit = False
        self._frames += 1
        return Frame(handle, self._memory, hold)

    def give_back(self, slot: int, generation: int) -> None:
        """The producer does not want this lease; raises StaleFrame when it is not its own."""
        self._ledger.unlease(slot, generation)
        self._return_slots()

    def statistics(self) -> Mapping[str, int]:
        """Frames accepted so far, and slots by state."""
        return {"frames": self._frames, **self._ledger.counts()}

    def close(self) -> None:
        """Give the file up; the memory goes with the last frame that is still looked at."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._grant = None

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    # Finalizers run wherever the last reference went: another thread, or in the middle of our own code. So
    # they only note the slot, and the loop gives it back.
    def _reader_gone(self, lease: Lease) -> None:
        self._gone.append(lease)
        loop = self._loop
        if self._waking or loop is None or loop.is_closed():
            return
        self._waking = True
        if threading.get_ident() == self._thread:
            loop.call_soon(self._return_slots)
        else:
            loop.call_soon_threadsafe(self._return_slots)

    def _return_slots(self) -> None:
        self._waking = False
        while self._gone:
            self._ledger.free(*self._gone.popleft())
        if self._grant is None:
            return
        leases: list[Lease] = []
        while (lease := self._ledger.lease()) is not None:
            self._memory.set_generation(*lease)
            leases.append(lease)
        if leases:
            self._grant(leases)


def _anonymous_file(name: str, size: int) -> int:
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create(f"loom-{name[:60]}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        fd, path = tempfile.mkstemp(prefix="loom-")
        os.unlink(path)
    try:
        os.ftruncate(fd, size)
        if hasattr(os, "memfd_create"):
            _seal(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _seal(fd: int) -> None:
    # A worker that shrank the file would kill the host with SIGBUS.
    import fcntl

    add_seals, seal, shrink, grow = 1033, 1, 2, 4
    fcntl.fcntl(fd, getattr(fcntl, "F_ADD_SEALS", add_seals), seal | shrink | grow)
