"""The policies of a full queue by example, and the corners of the line; the law itself is in test_queue_law.py."""

from itertools import count

import pytest

from loom.bus import Queue, Ticket
from loom.event import Event, QoS


def event(payload: object, topic: str = "a", priority: int = 50, key: str | None = None) -> Event:
    return Event("t", payload, topic=topic, priority=priority, key=key)


def realtime(overflow: str | None = None, capacity: int = 2, **settings: object) -> Queue:
    return Queue("q", QoS.REALTIME, capacity, overflow, **settings)  # type: ignore[arg-type]


def queued(queue: Queue) -> list[object]:
    return [e.payload for e in queue]


def fill(queue: Queue, *events: Event) -> Queue:
    for e in events:
        queue.put(e)
    return queue


def nobody() -> None:
    """A publisher that needs no waking."""


def test_drop_oldest_drops_the_oldest_and_counts_it() -> None:
    queue = fill(realtime(), *(event(n) for n in range(5)))
    assert queued(queue) == [3, 4]
    assert queue.statistics().dropped_by == {"drop_oldest": 3}


def test_the_least_priority_is_dropped_first_be_it_the_newcomer() -> None:
    queue = fill(realtime(capacity=3), event(0, priority=90), event(1, priority=10), event(2, priority=10))
    queue.put(event(3, priority=50))
    assert queued(queue) == [0, 2, 3]
    queue.put(event(4, priority=5))
    assert queued(queue) == [0, 2, 3]


def test_drop_newest_keeps_what_it_has() -> None:
    queue = fill(realtime("drop_newest"), *(event(n) for n in range(5)))
    assert queued(queue) == [0, 1]
    assert queue.statistics().dropped_by == {"drop_newest": 3}


def test_latest_keeps_one_event_a_key_and_a_topic_is_the_key_of_events_without_one() -> None:
    queue = fill(realtime("latest", 3), event(0, key="x"), event(1, "b"), event(2, key="x"), event(3, "b"))
    assert queued(queue) == [2, 3]
    assert queue.statistics().merged == 2


def test_latest_never_exceeds_the_threshold_of_a_topic() -> None:
    queue = fill(realtime("latest", 3, shed_at=1), event(0, "a", key="x"), event(1, "b", key="y"))
    queue.put(event(2, "b", key="x"))
    assert [e.topic for e in queue] == ["b"]
    assert queue.statistics().balanced()


def test_sample_lets_one_in_n_in_while_full() -> None:
    queue = fill(realtime("sample", sample=3), *(event(n) for n in range(11)))
    assert queued(queue) == [7, 10]
    assert queue.statistics().dropped_by == {"sample": 6, "drop_oldest": 3}


def test_aggregate_grows_the_newest() -> None:
    queue = realtime("aggregate", aggregate=lambda old, new: event(old.payload + new.payload))
    fill(queue, *(event(n) for n in range(5)))
    assert queued(queue) == [0, 10]
    assert queue.statistics().merged == 3


def test_nobody_is_told_of_a_loss_before_the_queue_is_in_order() -> None:
    """An observer may publish: into the same queue, from within the loss it is told of."""
    queue = realtime(capacity=3)

    def on_loss(queue: Queue, lost: Event, reason: str) -> None:
        assert queue.statistics().balanced()
        assert len(queue) <= queue.capacity
        if lost.payload < 100:
            queue.put(event(lost.payload + 100))

    queue.on_loss = on_loss
    fill(queue, *(event(n) for n in range(9)))
    assert len(queue) == 3
    queue.cancel(lambda e: True)
    assert queue.statistics().balanced()
    assert len(queue) <= 3


def test_an_event_put_back_comes_first_again() -> None:
    queue = fill(Queue("q", capacity=2, arrivals=count(1).__next__), event(0), event(1))
    taken = queue.take(0)
    assert taken is not None
    queue.put(event(2))
    queue.put_back(taken, 1)
    assert queued(queue) == [0, 1, 2], "a queue that may lose nothing holds one more until the next take"
    assert list(queue.arrivals or ()) == [1, 2, 3]
    assert not queue.put(event(3))
    assert queue.limit == 0
    assert queue.statistics().in_flight == 0


@pytest.mark.parametrize(
    ("overflow", "ends"), [("drop_oldest", "dropped"), ("drop_newest", "dropped"), ("latest", "merged")]
)
def test_an_event_put_back_gives_way_to_newer_ones_in_realtime(overflow: str, ends: str) -> None:
    queue = fill(realtime(overflow, 1), event(0))
    taken = queue.take(0)
    assert taken is not None
    queue.put(event(1))
    queue.put_back(taken)
    assert queued(queue) == [1]
    assert getattr(queue.statistics(), ends) == 1


def test_what_is_in_flight_when_a_queue_closes_settles_afterwards() -> None:
    queue = fill(Queue("q"), *(event(n) for n in range(4)))
    taken = [queue.take(0) for _ in range(3)]
    queue.close()
    queue.settle(1)
    queue.settle_cancelled(taken[1])  # type: ignore[arg-type]
    queue.put_back(taken[2])  # type: ignore[arg-type]
    statistics = queue.statistics()
    assert (statistics.delivered, statistics.cancelled, statistics.in_flight) == (1, 3, 0)
    assert statistics.balanced()
    assert not queue.put(event(5))


def test_a_closing_queue_turns_publishers_away_instead_of_pretending_to_take_their_events() -> None:
    queue = fill(Queue("q", capacity=1), event(0))
    ticket = Ticket(event(1), nobody)
    queue.stand_in_line(ticket)
    queue.close()
    assert not ticket.granted
    assert queue.statistics().refused == 1


def test_the_fast_path_is_closed_while_somebody_waits() -> None:
    queue = fill(Queue("q", capacity=1), event(0))
    for n in (1, 2):
        queue.stand_in_line(Ticket(event(n), nobody))
    assert queue.limit == 0
    assert queue.take(0) is not None
    assert queue.limit == 0, "one entered, and one waits still"
    assert queue.take(0) is not None
    assert queue.limit == 1


def test_a_publisher_that_leaves_makes_way_for_those_behind_it_in_every_line() -> None:
    """The first in line waits for its topic's threshold, the one behind it waits only for the first."""
    here, there = (fill(Queue("q", capacity=9, shed_at=1), event(0, "flood")) for _ in range(2))
    first, second = Ticket(event(1, "flood"), nobody), Ticket(event(2, "calm"), nobody)
    for queue in (here, there):
        queue.stand_in_line(first)
    there.stand_in_line(second)
    assert not second.granted, "nobody overtakes"
    assert here.leave_line(first)
    assert second.granted
    assert queued(there) == [0, 2]
    assert (here.statistics().refused, there.statistics().refused) == (1, 0)


def test_a_ticket_granted_in_one_line_makes_way_in_the_others() -> None:
    here, there = (fill(Queue("q", capacity=9, shed_at=1), event(0, "flood")) for _ in range(2))
    first, second = Ticket(event(1, "flood"), nobody), Ticket(event(2, "calm"), nobody)
    for queue in (here, there):
        queue.stand_in_line(first)
    there.stand_in_line(second)
    here.take(0)
    assert first.granted
    assert second.granted
    assert (queued(here), queued(there)) == ([1], [0, 2])


def test_a_cancelled_ticket_counts_as_accepted_and_cancelled_once() -> None:
    here, there = (fill(Queue("q", capacity=1), event(0)) for _ in range(2))
    ticket = Ticket(event(1), nobody)
    for queue in (here, there):
        queue.stand_in_line(ticket)
    assert here.cancel(lambda e: e.payload == 1) == 1
    assert there.cancel(lambda e: e.payload == 1) == 0
    assert ticket.granted
    assert (here.statistics().cancelled, there.statistics().cancelled) == (1, 0)
    assert there.limit == 1
    assert here.statistics().balanced()


def test_who_waited_arrived_when_it_began_to_wait() -> None:
    """Two queues of one lane: what its publisher sends to the other one later must not come first."""
    clock = count(1).__next__
    full, other = Queue("full", capacity=1, arrivals=clock), Queue("other", arrivals=clock)
    full.put(event(0))
    full.stand_in_line(Ticket(event(1), nobody))
    other.put(event(2))
    full.take(0)
    assert (list(full.arrivals or ()), list(other.arrivals or ())) == ([2], [3])


def test_a_queue_is_something_even_when_empty() -> None:
    assert Queue("q")
    assert len(Queue("q")) == 0
