"""A durable subscription's place in the journal: what it has handled, what it is handling, what it has yet to read."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count, takewhile
from typing import TYPE_CHECKING, NamedTuple

from loom.errors import Closed, StoreCorrupt

if TYPE_CHECKING:
    from loom.journal.queue import DurableQueue

_serials = count(1).__next__


class Known(NamedTuple):
    """What was settled beyond a position: everything up to ``top`` but the ``open`` ones."""

    top: int
    open: frozenset[int]


class Cursor:
    """The position of one durable subscription, shared by the members of a group.

    Every event up to ``position`` is settled. ``delivered`` is the last one that was looked at: it is in a queue, in
    flight, settled or not wanted; ``outstanding`` are those that are not settled yet. ``behind`` says that later ones
    are read from the journal, for a queue had no room. ``admitted`` events are on their way to the journal and have a
    place promised. What an earlier process settled beyond its position is ``known``.
    """

    __slots__ = (
        "_staged", "_top", "admitted", "behind", "delivered", "fresh", "key", "known", "more", "name", "outstanding",
        "position", "queues", "serial", "waiters",
    )  # fmt: skip

    def __init__(self, name: str, position: int, known: Known | None = None, fresh: bool = False) -> None:
        self.name = name
        self.key = name.encode()
        self.serial = _serials()
        self.position = self.delivered = position
        self.known = known or Known(position, frozenset())
        self.outstanding: dict[int, None] = {}  # in order
        self._top = self.known.top  # the last one that is settled
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
            self.outstanding[seq] = None

    def settled(self, seq: int) -> bool:
        """Whether *seq*, which was not looked at yet, was settled by an earlier process."""
        return seq <= self.known.top and seq not in self.known.open

    def keep_up(self, head: int) -> None:
        """Everything up to *head* was delivered: what did not come here was not wanted."""
        if not self.behind and head > self.delivered:
            self.delivered = head

    def stage(self, seqs: Iterable[int]) -> None:
        """*seqs* are settled by the write that leaves now."""
        self._staged.update(seqs)

    def row(self) -> bytes:
        """What to keep when the staged events are settled: the position; if some beyond it are, the last and the rest.

        It is short however long the first one takes: of what is settled beyond it, only the last is named.
        """
        staged = self._staged
        top = max(self._top, *staged) if staged else self._top
        first = None
        for seq in self.outstanding:
            if seq not in staged:
                first = seq
                break
        position = self.delivered if first is None else first - 1
        if top <= position:
            return b"%d" % position
        left = [s for s in takewhile(top.__gt__, self.outstanding) if s not in staged]
        left += sorted(s for s in self.known.open if s > self.delivered)
        return json.dumps([position, top, *left], separators=(",", ":")).encode()

    def landed(self, kept: bool) -> None:
        """The write with the staged events is kept, or it is not."""
        if kept:
            staged, outstanding = self._staged, self.outstanding
            for seq in staged:
                outstanding.pop(seq, None)
            if staged:
                self._top = max(self._top, *staged)
            self.position = self.handled
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

    @property
    def handled(self) -> int:
        """The last event up to which everything that was looked at is settled."""
        return next(iter(self.outstanding)) - 1 if self.outstanding else self.delivered

    # --- room -----------------------------------------------------------------------------------------------------

    @property
    def catches_up(self) -> bool:
        """Whether it is behind although its queues have room: as after a start, until it has read on."""
        return self.behind and any(len(queue.items) < queue.capacity for queue in self.queues)

    def has_room(self) -> bool:
        """Whether another event may be admitted now without overtaking anybody."""
        return not self.waiters and self._free()

    def _free(self) -> bool:
        if self.behind:
            return False
        queues = self.queues
        if len(queues) == 1:
            return len(queues[0].items) + self.admitted < queues[0].capacity
        return any(len(q.items) + self.admitted < q.capacity for q in queues) or not queues

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


def read_position(name: str, row: bytes) -> tuple[int, Known]:
    """Position of a kept row, and what is settled beyond it; raises StoreCorrupt."""
    try:
        value = json.loads(row)
        numbers = value if isinstance(value, list) else [value, value]
        if len(numbers) < 2 or not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError(f"not a position: {row!r:.80}")
        return numbers[0], Known(numbers[1], frozenset(numbers[2:]))
    except ValueError as error:
        raise StoreCorrupt(f"position of {name!r} cannot be read ({error}); run: loom store verify") from None


def _nobody() -> None:
    """For a cursor nobody has connected yet."""
