"""The laws of a durable subscription's place: nothing is skipped, nothing is seen twice, places are given in order."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from loom.bus import Queue
from loom.errors import Closed, StoreCorrupt
from loom.event import Event, QoS
from loom.journal.cursor import Cursor, read_position
from loom.testing import virtual_time


def opened(row: bytes) -> Cursor:
    """The cursor of a process that finds *row*."""
    position, known = read_position("x", row)
    return Cursor("x", position, known)


def seen(cursor: Cursor, head: int) -> list[int]:
    """The events that *cursor*, just opened, sees on reading up to *head*."""
    return [seq for seq in range(cursor.position + 1, head + 1) if not cursor.settled(seq)]


class Place(RuleBasedStateMachine):
    """A cursor against a model that remembers every event: which were wanted, which are settled on disk."""

    def __init__(self) -> None:
        super().__init__()
        self.cursor = Cursor("x", 0)
        self.head = 0
        self.unwanted: set[int] = set()
        self.settled: set[int] = set()
        self.staged: set[int] = set()
        self.row = b"0"
        self.flying: bytes | None = None

    def look(self, seq: int) -> None:
        """What a queue, or the reader, does with an event."""
        if seq not in self.unwanted and not self.cursor.settled(seq):
            assert seq not in self.settled, "seen twice"
            self.cursor.look_at(seq, wanted=True)
        elif seq % 2:
            self.cursor.look_at(seq, wanted=False)

    @rule(wanted=st.lists(st.booleans(), min_size=1, max_size=5), behind=st.booleans())
    def events(self, wanted: list[bool], behind: bool) -> None:
        self.cursor.behind = self.cursor.behind or behind
        for want in wanted:
            self.head += 1
            if not want:
                self.unwanted.add(self.head)
            if not self.cursor.behind:
                self.look(self.head)

    @rule(most=st.integers(1, 6))
    def read_on(self, most: int) -> None:
        reached = min(self.cursor.delivered + most, self.head)
        for seq in range(self.cursor.delivered + 1, reached + 1):
            self.look(seq)
        self.cursor.delivered = max(self.cursor.delivered, reached)
        self.cursor.behind = self.cursor.delivered < self.head

    @rule()
    def keep_up(self) -> None:
        self.cursor.keep_up(self.head)

    @precondition(lambda self: self.flying is None)
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        around = list(self.cursor.outstanding)
        self.staged = data.draw(st.sets(st.sampled_from(around), max_size=4)) if around else set()
        self.cursor.stage(self.staged)
        self.flying = self.cursor.row()

    @precondition(lambda self: self.flying is not None)
    @rule(kept=st.booleans())
    def landed(self, kept: bool) -> None:
        self.cursor.landed(kept)
        if kept:
            self.settled |= self.staged
            self.row = self.flying or b""
        self.flying = None

    @rule(kept=st.booleans())
    def crash(self, kept: bool) -> None:
        """The process ends; the next one begins with what is on disk, where a write on its way may have come or not."""
        if kept and self.flying is not None:
            self.settled |= self.staged
            self.row = self.flying
        self.flying = None
        self.cursor = opened(self.row)
        self.cursor.behind = self.cursor.delivered < self.head

    @invariant()
    def a_restart_sees_what_is_open_once(self) -> None:
        again = opened(self.row)
        seen = {seq for seq in range(again.position + 1, self.head + 1) if not again.settled(seq)}
        assert seen - self.unwanted == set(range(1, self.head + 1)) - self.settled - self.unwanted

    @invariant()
    def what_is_open_is_around_or_yet_to_come(self) -> None:
        open_now = set(range(1, self.head + 1)) - self.settled - self.unwanted
        assert {seq for seq in open_now if seq <= self.cursor.delivered} <= set(self.cursor.outstanding)

    @invariant()
    def rows_name_no_more_than_is_open(self) -> None:
        _, known = read_position("x", self.row)
        assert len(known.open) <= self.head - len(self.settled)


Place.TestCase.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
test_every_event_is_seen_once_whatever_the_order = Place.TestCase


@given(st.integers(1, 60), st.data())
@settings(max_examples=40, deadline=None)
def test_a_first_event_that_takes_long_makes_no_long_row(count: int, data: st.DataObject) -> None:
    cursor = Cursor("x", 0)
    for seq in range(1, count + 2):
        cursor.look_at(seq, wanted=True)
    order = data.draw(st.permutations(range(2, count + 2)))
    for seq in order:
        cursor.stage([seq])
        cursor.row()
        cursor.landed(True)
    assert cursor.row() == f"[0,{count + 1},1]".encode()
    assert seen(opened(cursor.row()), count + 1) == [1]
    cursor.stage([1])
    assert cursor.row() == str(count + 1).encode()


def test_a_write_that_fails_settles_nothing() -> None:
    cursor = Cursor("x", 0, fresh=True)
    for seq in (1, 2, 3):
        cursor.look_at(seq, wanted=True)
    cursor.stage([1, 3])
    assert cursor.row() == b"[1,3,2]"
    cursor.landed(False)
    assert cursor.row() == b"0"
    assert cursor.fresh
    assert cursor.position == 0
    cursor.stage([1])
    cursor.landed(True)
    assert (cursor.position, cursor.fresh, cursor.lag) == (1, False, 2)


def test_who_is_behind_does_not_keep_up() -> None:
    cursor = Cursor("x", 3)
    cursor.keep_up(7)
    assert (cursor.delivered, cursor.row()) == (7, b"7")
    cursor.behind = True
    cursor.keep_up(9)
    assert (cursor.delivered, cursor.row()) == (7, b"7")


@pytest.mark.parametrize(
    "row", [b"", b"x", b"[]", b"[1]", b'["1"]', b"-1", b"1.5", b"true", b"[1,true]", b"{}"]
)
def test_a_row_that_makes_no_sense_is_told(row: bytes) -> None:
    with pytest.raises(StoreCorrupt, match=r"'x'.*loom store verify"):
        read_position("x", row)


# --- room -------------------------------------------------------------------------------------------------------------


def with_queue(capacity: int) -> tuple[Cursor, Any]:
    cursor = Cursor("x", 0)
    queue: Any = Queue("x", QoS.BATCHED, capacity)
    cursor.queues.append(queue)
    return cursor, queue


@virtual_time(seeds=5)
async def test_places_are_given_in_the_order_of_asking() -> None:
    cursor, _ = with_queue(1)
    given: list[int] = []

    async def ask(number: int) -> None:
        await cursor.wait_for_room()
        given.append(number)

    cursor.admit()
    asking = []
    for number in range(6):
        asking.append(asyncio.ensure_future(ask(number)))
        await asyncio.sleep(0)
    assert given == []
    assert not cursor.has_room()
    for expected in range(6):
        cursor.release()
        for _ in range(3):
            await asyncio.sleep(0)
        assert given == list(range(expected + 1))
        assert cursor.admitted == 1
    cursor.release()
    assert cursor.admitted == 0
    assert cursor.has_room()


@given(st.lists(st.sampled_from(["ask", "cancel", "release", "turn"]), max_size=60), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_no_place_is_lost_or_given_twice(moves: list[str], capacity: int) -> None:
    @virtual_time
    async def trial() -> None:
        cursor, _ = with_queue(capacity)
        asking: list[asyncio.Task[None]] = []
        held = 0
        for move in moves:
            done = [t for t in asking if t.done()]
            if move == "ask":
                asking.append(asyncio.ensure_future(cursor.wait_for_room()))
            elif move == "cancel" and asking:
                asking[len(asking) // 2].cancel()
            elif move == "release" and held < len([t for t in done if not t.cancelled()]):
                held += 1
                cursor.release()
            else:
                await asyncio.sleep(0)
            assert 0 <= cursor.admitted <= capacity
        for _ in range(4):
            await asyncio.sleep(0)
        got = len([t for t in asking if t.done() and not t.cancelled()])
        assert cursor.admitted == got - held
        assert not cursor.waiters or cursor.admitted == capacity
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert cursor.admitted == len([t for t in asking if not t.cancelled()]) - held
        assert not cursor.waiters

    trial()


@virtual_time
async def test_a_place_that_was_given_to_one_who_left_goes_to_the_next() -> None:
    cursor, _ = with_queue(1)
    cursor.admit()
    first, second = (asyncio.ensure_future(cursor.wait_for_room()) for _ in range(2))
    await asyncio.sleep(0)
    cursor.release()  # the first has it, and does not know yet
    first.cancel()
    await asyncio.wait([first])
    await asyncio.wait_for(second, 1)
    assert cursor.admitted == 1


@virtual_time
async def test_who_waits_at_a_cursor_that_ends_is_told() -> None:
    cursor, _ = with_queue(1)
    cursor.admit()
    waiting = asyncio.ensure_future(cursor.wait_for_room())
    await asyncio.sleep(0)
    cursor.turn_away()
    with pytest.raises(Closed, match="'x' was closed"):
        await waiting
    assert cursor.admitted == 1


def test_a_queue_that_is_behind_admits_nobody() -> None:
    cursor, queue = with_queue(2)
    assert cursor.has_room()
    cursor.behind = True
    assert not cursor.has_room()
    cursor.behind = False
    queue.put(Event("t", topic="t"))
    cursor.admit()
    assert not cursor.has_room()


def test_a_row_names_what_is_open_below_what_is_settled() -> None:
    cursor = Cursor("x", 0)
    for seq in range(1, 5):
        cursor.look_at(seq, wanted=True)
    cursor.stage((2, 4))
    assert seen(opened(cursor.row()), 6) == [1, 3, 5, 6]
    cursor.landed(kept=True)
    assert cursor.position == 0
    cursor.stage((1,))
    assert seen(opened(cursor.row()), 6) == [3, 5, 6]
    cursor.landed(kept=True)
    cursor.stage((3,))
    assert seen(opened(cursor.row()), 6) == [5, 6]
