"""What code inside a worker process sees of its host: configuration, arenas, and the call that is running."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from loom.errors import ConfigError, LoomError, StaleFrame
from loom.event._codec_buffer import as_buffer, item_size
from loom.worker._memory import ArenaMemory
from loom.worker.frame import Frame, FrameHandle

if TYPE_CHECKING:
    from loom.worker._link import Link

Handler = Callable[[Any, "CallContext"], object]
"""A method of a worker: `handler(body, call)` returns the result, or a generator of the items of a stream."""

Factory = Callable[["Host"], Mapping[str, Handler]]
"""What `spec` names: called once in the worker process, gives the methods by name."""


Lease = tuple[int, int]


class Cancelled(LoomError):
    """Nobody waits for the running call any more."""


class FrameWriter:
    """The producer's side of an arena: takes free slots, never waits for one."""

    def __init__(self, memory: ArenaMemory) -> None:
        self.memory = memory
        self.layout = memory.layout
        self.shed = 0
        self.refresh: Callable[[], None] = lambda: None
        self._leases: deque[Lease] = deque()
        self._taken: set[Lease] = set()

    @property
    def free(self) -> int:
        """Slots that may be filled now; asks the host for news only when it knows of none."""
        if not self._leases:
            self.refresh()
        return len(self._leases)

    def granted(self, leases: Iterable[Lease]) -> None:
        """The host leases these slots."""
        self._leases.extend(leases)

    def slot(self) -> WritableSlot | None:
        """A slot to fill, or None (counted in `shed`) when readers hold them all."""
        if not self.free:
            self.shed += 1
            return None
        lease = self._leases.popleft()
        self._taken.add(lease)
        return WritableSlot(self, lease)

    def write(self, array: object) -> Frame | None:
        """Copy *array* into a slot; the frame to send, or None (counted) when readers hold all slots."""
        source = as_buffer(array)
        if source is None or source.nbytes > self.layout.slot_bytes:
            size = "no array" if source is None else f"{source.nbytes:,} bytes"
            raise ConfigError(
                f"{size} for arena {self.layout.name!r}, whose slots have {self.layout.slot_bytes:,} bytes"
            )
        slot = self.slot()
        if slot is None:
            return None
        slot.view[: source.nbytes] = source.data
        return slot.frame(source.shape, source.dtype)

    def sent(self, lease: Lease) -> bool:
        """The slot leaves with a frame; False when it was not taken, or has left already."""
        if lease not in self._taken:
            return False
        self._taken.remove(lease)
        return True

    def take_back(self, lease: Lease | None = None) -> None:
        """*lease*, or every slot that was taken and not sent, can be filled again."""
        for each in [lease] if lease else list(self._taken):
            if self.sent(each):
                self._leases.append(each)


class WritableSlot:
    """A leased slot: fill `view`, then send the `frame` of it, or `give_back`."""

    __slots__ = ("_lease", "_writer", "view")

    def __init__(self, writer: FrameWriter, lease: Lease) -> None:
        self._writer, self._lease = writer, lease
        self.view = writer.memory.view(lease[0], writer.layout.slot_bytes)

    def frame(self, shape: Sequence[int], dtype: str = "uint8") -> Frame:
        """The frame that the first bytes of the slot are; sending it ends the lease."""
        nbytes = prod(shape) * item_size(dtype)
        handle = FrameHandle(self._writer.layout.id, *self._lease, nbytes, tuple(shape), dtype)
        if not handle.fits(self._writer.layout.slots, self._writer.layout.slot_bytes):
            raise ConfigError(
                f"{dtype} of shape {tuple(shape)} does not fit {len(self.view):,} bytes of a slot"
            )
        return Frame(handle, self._writer.memory)

    def give_back(self) -> None:
        """Not used after all."""
        self._writer.take_back(self._lease)


class Host:
    """The worker's whole world at its start."""

    def __init__(self, name: str, config: Mapping[str, Any], link: Link) -> None:
        self.name = name
        self.config = config
        self._link = link
        self._memories: dict[str, ArenaMemory] = {}  # by id, as handles say it
        self._fed: dict[str, FrameWriter] = {}  # by id
        self._writers: dict[str, FrameWriter] = {}  # by name, as the worker's code says it

    def writer(self, arena: str) -> FrameWriter:
        """The producer's side of *arena*; raises ConfigError when this worker does not produce into it."""
        try:
            return self._writers[arena]
        except KeyError:
            names = ", ".join(self._writers) or "none"
            raise ConfigError(
                f"worker {self.name!r} produces into {names}, not into {arena!r}; pass produces=(arena,)"
            ) from None

    def log(self, text: str) -> None:
        """A line for the host's log."""
        self._link.send(log={"text": text[:10_000]})

    def add_arena(self, memory: ArenaMemory, *, producer: bool) -> None:
        """The host gave this arena."""
        layout = memory.layout
        self._memories[layout.id] = memory
        if producer:
            self._writers[layout.name] = self._fed[layout.id] = FrameWriter(memory)

    def frame_from(self, handle: FrameHandle) -> Frame:
        """The frame that *handle* names; raises StaleFrame when it is none of ours or gone."""
        memory = self._memories.get(handle.arena)
        if memory is None or not handle.fits(memory.layout.slots, memory.layout.slot_bytes):
            raise StaleFrame(f"{handle} is in no arena of worker {self.name!r}")
        frame = Frame(handle, memory)
        frame.check()
        return frame

    def handle_for(self, frame: Frame) -> FrameHandle | None:
        """The handle under which *frame* may leave: only a frame that this worker made has one, and once."""
        writer = self._fed.get(frame.handle.arena)
        lease = (frame.handle.slot, frame.handle.generation)
        return frame.handle if writer is not None and writer.sent(lease) else None

    def grant(self, arena: str, leases: Sequence[tuple[int, int]]) -> None:
        """The host leases slots."""
        self._fed[arena].granted(leases)

    def on_refresh(self, refresh: Callable[[], None]) -> None:
        """Call *refresh* before a writer looks for a free slot."""
        for writer in self._writers.values():
            writer.refresh = refresh

    def take_back(self) -> None:
        """A call ended: what it took and did not send can be filled again."""
        for writer in self._writers.values():
            writer.take_back()


class CallContext:
    """The call that is running: how long it may take, whether anybody still waits, how much it may send."""

    def __init__(self, link: Link, call: Any, grant: Callable[[Any], None]) -> None:
        self._link = link
        self._grant = grant
        self.id: int = call.id
        self.deadline = time.monotonic() + call.timeout_ms / 1000 if call.HasField("timeout_ms") else None
        self._credit: int = call.credit
        self._cancelled = False
        self.shutdown = False

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits any more: return soon, whatever you return is ignored."""
        self.refresh()
        return self._cancelled

    def check(self) -> None:
        """Raise Cancelled if nobody waits any more: call it in long loops, some ten times a second."""
        if self.cancelled:
            raise Cancelled("nobody waits for this call any more")

    @property
    def credit(self) -> int:
        """Items of a stream that may be sent at once; a source with none sheds."""
        if self._credit <= 0:
            self.refresh()
        return self._credit

    @property
    def remaining(self) -> float | None:
        """Seconds until the deadline, None without one."""
        return None if self.deadline is None else self.deadline - time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait *seconds*, less when the call is cancelled; whether it is."""
        end = time.monotonic() + seconds
        while not self._cancelled and (left := end - time.monotonic()) > 0:
            self._note(self._link.poll(left))
        return self._cancelled

    def listen(self, seconds: float) -> None:
        """Wait until the host says something - a slot, credit, a cancel - but at most *seconds*."""
        self._note(self._link.poll(seconds))

    def refresh(self) -> None:
        """Take in what the host has said meanwhile."""
        while (message := self._link.poll()) is not None:
            self._note(message)

    def spend(self) -> None:
        """Wait for the credit of one item and use it; raises Cancelled."""
        while not self._cancelled and self._credit <= 0:
            self._note(self._link.poll(3600))
        if self._cancelled:
            raise Cancelled("cancelled")
        self._credit -= 1

    def _note(self, message: tuple[str, Any] | None) -> None:
        if message is None:
            return
        kind, content = message
        if kind == "lease":
            self._grant(content)
        elif kind == "credit" and content.id == self.id:
            self._credit += content.count
        elif kind == "shutdown":
            self._cancelled = self.shutdown = True
        elif kind == "cancel" and content.id == self.id:
            self._cancelled = True
