"""A durable subscription's place in the journal: what it has handled, what it is handling, what it has yet to read."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import TYPE_CHECKING

from loom.errors import Closed, StoreCorrupt

if TYPE_CHECKING:
    from loom.journal.queue import DurableQueue

_serials = count(1).__next__


class Cursor:
    """The position of one durable subscription, shared by the members of a group.

    Every event up to ``position`` is settled, and beyond it those in ``done``. ``delivered`` is the last one that
    was looked at: it is in a queue, in flight, settled or not wanted. ``behind`` says that later ones are read from the
    journal, for a queue had no room. ``admitted`` events are on their way to the journal and have a place promised.
    """

    __slots__ = (
        "_staged", "admitted", "behind", "delivered", "done", "fresh", "more", "name", "outstanding", "position",
        "queues", "serial", "waiters",
    )  # fmt: skip

    def __init__(self, name: str, position: int, done: Iterable[int] = (), fresh: bool = False) -> None:
        self.name = name
        self.serial = _serials()
        self.position = self.delivered = position
        self.done = set(done)
        self.outstanding: deque[int] = deque()
        self.behind = False
        self.admitted = 0
        self.queues: list[DurableQueue] = []
        self.waiters: deque[asyncio.Future[None]] = deque()
        self._staged: set[int] = set()
        self.fresh = fresh  # nothing is kept of it yet
        self.more: Callable[[], None] = _nobody

    # --- what was looked at ---------------------------------------------------------------------------------------

    def look_at(self, seq: int, wanted: bool) -> None:
        """Note that the event *seq*, later than all before, is going to be handled here (or is not wanted)."""
        self.delivered = seq
        if wanted:
            self.outstanding.append(seq)

    def keep_up(self, head: int) -> None:
        """Everything up to *head* was delivered: what did not come here was not wanted."""
        if not self.behind and head > self.delivered:
            self.delivered = head

    def stage(self, seqs: Iterable[int]) -> None:
        """*seqs* are settled by the write that leaves now."""
        self._staged.update(seqs)

    def row(self) -> bytes:
        """What to keep when the staged events are settled: the position and the exceptions beyond it."""
        settled = self.done | self._staged if self._staged else self.done
        if not settled:
            return str(self._before_outstanding()).encode()
        position, beyond = self.position, []
        for seq in self.outstanding:
            if seq not in settled:
                position = seq - 1
                break
        else:
            position = self.delivered
        beyond = sorted(seq for seq in settled if seq > position)
        return (
            json.dumps([position, *beyond], separators=(",", ":")).encode()
            if beyond
            else str(position).encode()
        )

    def landed(self, kept: bool) -> None:
        """The write with the staged events is kept, or it is not."""
        if kept:
            self.done |= self._staged
            outstanding, done = self.outstanding, self.done
            while outstanding and outstanding[0] in done:
                done.discard(outstanding.popleft())
            self.position = self._before_outstanding()
            if done:
                self.done = {seq for seq in done if seq > self.position}
            self.fresh = False
        self._staged.clear()

    @property
    def closed(self) -> bool:
        """Whether nobody is there to take anything."""
        return all(queue.closed for queue in self.queues)

    @property
    def lag(self) -> int:
        """How far the kept position is behind what was looked at."""
        return self.delivered - self.position

    def _before_outstanding(self) -> int:
        return self.outstanding[0] - 1 if self.outstanding else self.delivered

    # --- room -----------------------------------------------------------------------------------------------------

    def has_room(self) -> bool:
        """Whether another event may be admitted now without overtaking anybody."""
        return not self.waiters and self._free()

    def _free(self) -> bool:
        if self.behind:
            return False
        return any(len(q.items) + self.admitted < q.capacity for q in self.queues) or not self.queues

    async def wait_for_room(self) -> None:
        """Return, in the order of asking, when an event may be admitted."""
        if self.has_room():
            self.admitted += 1
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter in self.waiters:
                self.waiters.remove(waiter)
            elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release()  # the place was given and is not used
            raise

    def admit(self) -> None:
        """Promise a place to one event."""
        self.admitted += 1

    def release(self) -> None:
        """An admitted event has arrived, or does not come."""
        self.admitted -= 1
        if self.waiters:
            self.grant()

    def grant(self) -> None:
        """Let those who wait have the places there are."""
        while self.waiters and self._free():
            waiter = self.waiters.popleft()
            if not waiter.done():
                self.admitted += 1
                waiter.set_result(None)

    def turn_away(self) -> None:
        """Nobody takes anything here any more: tell those who wait."""
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_exception(
                    Closed(f"{self.name!r} was closed while a publisher waited for room in it")
                )


def read_position(name: str, row: bytes) -> tuple[int, list[int]]:
    """Position and exceptions of a kept row; raises StoreCorrupt."""
    try:
        value = json.loads(row)
        numbers = value if isinstance(value, list) else [value]
        if not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError(f"not a position: {row!r:.80}")
        return numbers[0], numbers[1:]
    except (ValueError, IndexError) as error:
        raise StoreCorrupt(f"position of {name!r} cannot be read ({error}); run: loom store verify") from None


def _nobody() -> None:
    """For a cursor nobody has connected yet."""
