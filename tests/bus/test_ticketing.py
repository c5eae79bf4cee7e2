"""One event before several full queues: all or told why not, and no place in line is left behind."""

import asyncio

import pytest

from loom.bus import Queue
from loom.bus._ticketing import Line
from loom.errors import Closed, Overloaded
from loom.event import Event


def event(payload: object) -> Event:
    return Event("t", payload, topic="a")


def full(name: str) -> Queue:
    queue = Queue(name, capacity=1)
    queue.put(event(0))
    return queue


def no_line(*queues: Queue) -> bool:
    return all(not q.tickets and q.statistics().balanced() and q.limit == q.capacity for q in queues)


async def started(line: Line, timeout: float | None = None) -> "asyncio.Task[None]":
    task = asyncio.create_task(line.wait(timeout))
    await asyncio.sleep(0)
    return task


async def test_it_ends_when_the_event_is_in_every_queue() -> None:
    one, two = full("one"), full("two")
    task = await started(Line(event(1), [[one], [two]]))
    one.take(0)
    await asyncio.sleep(0)
    assert not task.done()
    two.take(0)
    await task
    assert [[e.payload for e in q] for q in (one, two)] == [[1], [1]]
    assert no_line(one, two)


async def test_who_is_cancelled_gives_every_place_back_and_is_counted_as_refused() -> None:
    one, two = full("one"), full("two")
    task = await started(Line(event(1), [[one], [two]]))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert no_line(one, two)
    assert (one.statistics().refused, two.statistics().refused) == (1, 1)


async def test_a_grant_that_comes_with_the_cancellation_stands() -> None:
    queue = full("one")
    task = await started(Line(event(1), [[queue]]))
    queue.take(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [e.payload for e in queue] == [1]
    assert no_line(queue)


async def test_a_grant_that_comes_with_the_timeout_counts() -> None:
    queue = full("one")
    task = asyncio.create_task(Line(event(1), [[queue]]).wait(0))
    asyncio.get_running_loop().call_soon(queue.take, 0)
    await task
    assert [e.payload for e in queue] == [1]


async def test_at_the_timeout_the_queue_without_room_is_named_and_the_others_keep_the_event() -> None:
    quick, slow = full("quick"), full("slow")
    line = Line(event(1), [[quick], [slow]])
    quick.take(0)
    with pytest.raises(Overloaded, match="'slow'") as told:
        await line.wait(0)
    assert (told.value.subscriber, told.value.depth) == ("slow", 1)
    assert [e.payload for e in quick] == [1]
    assert no_line(quick, slow)


async def test_a_queue_that_closes_is_named_once_the_others_are_served() -> None:
    closing, other = full("closing"), full("other")
    task = await started(Line(event(1), [[closing], [other]]))
    closing.close()
    await asyncio.sleep(0)
    assert not task.done(), "the event still has a place before the other"
    other.take(0)
    with pytest.raises(Closed, match="'closing' was closed"):
        await task


async def test_a_member_of_a_group_is_refused_once_for_all() -> None:
    members = [full("one"), full("two"), full("three")]
    with pytest.raises(Overloaded):
        await Line(event(1), [members]).wait(0)
    assert [q.statistics().refused for q in members] == [1, 0, 0]
    assert no_line(*members)
