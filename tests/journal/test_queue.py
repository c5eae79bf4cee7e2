"""The queue of a durable subscription: what does not fit is left to the journal, and counts add up."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.bus import Queue
from loom.event import Event, QoS
from loom.journal import DurableQueue
from loom.journal.cursor import Cursor
from loom.journal.queue import BITS, cursor_of


def event(seq: int, **fields: Any) -> Event:
    made = Event("t", seq, topic=fields.pop("topic", "t"), **fields)
    made._journal = seq
    return made


def made(capacity: int = 3, **options: Any) -> tuple[DurableQueue, list[int]]:
    settled: list[int] = []
    queue = DurableQueue(
        "q", Cursor("q", 0), lambda cursor, seq: settled.append(seq), capacity=capacity, **options
    )
    return queue, settled


def test_what_has_no_room_is_read_later_and_nobody_is_refused() -> None:
    queue, _ = made()
    assert all(queue.put(event(n)) for n in range(1, 6))
    assert [e.seq for e in queue] == [1, 2, 3]
    assert queue.cursor.behind
    assert queue.cursor.delivered == 3
    assert queue.refused == 0
    assert queue.statistics().balanced()


def test_while_it_is_behind_nothing_overtakes() -> None:
    queue, _ = made()
    asked: list[int] = []
    queue.cursor.more = lambda: asked.append(len(queue))
    for n in range(1, 6):
        queue.put(event(n))
    queue.take(0)
    assert asked == []
    queue.take(0)
    assert asked == [1]  # half empty: time to read on
    queue.put(event(6))
    assert [e.seq for e in queue] == [3]


def test_an_event_is_taken_in_once() -> None:
    queue, _ = made()
    queue.put(event(2))
    queue.put(event(2))
    queue.put(event(1))
    assert [e.seq for e in queue] == [2]


def test_shedding_by_topic_leaves_to_the_journal_what_others_drop() -> None:
    queue, _ = made(capacity=10, shed_at=1)
    for n in range(1, 4):
        queue.put(event(n, topic="noisy"))
    assert [e.seq for e in queue] == [1]
    assert queue.cursor.behind
    assert not queue.takes(event(4, topic="noisy"))
    assert queue.takes(event(4, topic="other"))
    assert queue.dropped.total() == 0


def test_events_that_are_not_kept_are_refused_as_anywhere() -> None:
    queue, settled = made(capacity=1)
    assert queue.put(Event("t", topic="t"))
    assert not queue.put(Event("t", topic="t"))
    assert queue.refused == 1
    assert queue.cancel(lambda e: True) == 1
    assert settled == []


def test_what_is_cancelled_is_settled_and_what_a_closing_queue_gives_up_is_not() -> None:
    queue, settled = made(capacity=5)
    for n in range(1, 5):
        queue.put(event(n))
    assert queue.cancel(lambda e: e.seq == 2) == 1
    taken = queue.take(0)
    assert taken is not None
    queue.settle_cancelled(taken)
    assert settled == [2, 1]
    flying = queue.take(0)
    assert flying is not None
    queue.close()
    queue.settle_cancelled(flying)
    assert settled == [2, 1]
    assert queue.statistics().balanced()


def test_an_event_whose_scope_ended_is_counted_and_settled_unless_it_is_still_to_be_read() -> None:
    queue, settled = made()
    queue.drop(event(1))
    assert (queue.accepted, queue.cancelled, settled) == (1, 1, [1])
    queue.drop(event(1))
    queue.cursor.behind = True
    queue.drop(event(2))
    assert settled == [1]
    assert queue.cursor.delivered == 1
    assert queue.statistics().balanced()


@given(st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=30))
@settings(deadline=None)
def test_in_a_lane_of_two_queues_arrivals_are_the_order_of_the_journal(moves: list[tuple[int, bool]]) -> None:
    seq, between = 0, 0

    def clock() -> int:
        nonlocal between
        between += 1
        return (seq << BITS) + between

    queues = [made(capacity=99, arrivals=clock)[0] for _ in range(2)]
    arrived: list[Event] = []
    for which, kept in moves:
        if kept:
            seq += 1
        made_now = event(seq) if kept else Event("t", topic="t")
        queues[which].put(made_now)
        arrived.append(made_now)
    waiting = sorted((a, e.id) for q in queues for a, e in zip(q.arrivals or (), q, strict=True))
    assert [number for _, number in waiting] == [e.id for e in arrived]


def test_older_events_of_the_journal_come_before_younger_ones_of_another_queue() -> None:
    queue, _ = made(arrivals=lambda: 0)
    queue.cursor.delivered = 4
    assert not queue.missing_before(9 << BITS)
    queue.cursor.behind = True
    assert queue.missing_before(6 << BITS)
    assert not queue.missing_before(5 << BITS)
    assert queue.missing_before((5 << BITS) + 1)
    assert not queue.missing_before((4 << BITS) + 7)


@pytest.mark.parametrize("qos", [QoS.BATCHED, QoS.REALTIME])
def test_only_durable_queues_have_a_place(qos: QoS) -> None:
    queue, _ = made()
    assert cursor_of(queue) is queue.cursor
    assert cursor_of(Queue("plain", qos)) is None
