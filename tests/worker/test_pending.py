"""Waiting calls: bounded for each class, urgent first, nobody starved, order kept within a class."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from loom.event import QoS
from loom.worker._pending import STARVATION, PendingCalls


@dataclass(eq=False)
class Job:
    qos: QoS
    nbytes: int = 1


def test_urgent_first_and_order_within_a_class() -> None:
    queue: PendingCalls[Job] = PendingCalls(10, 1000)
    jobs = [Job(qos) for qos in (QoS.BACKGROUND, QoS.REALTIME, QoS.BATCHED, QoS.REALTIME)]
    for job in jobs:
        queue.push(job)
    assert [queue.pop() for _ in range(5)] == [jobs[1], jobs[3], jobs[2], jobs[0], None]


@given(st.lists(st.sampled_from(QoS), min_size=1, max_size=60))
def test_nobody_is_passed_over_more_often_than_the_guard_allows(arrivals: list[QoS]) -> None:
    queue: PendingCalls[Job] = PendingCalls(1000, 10**9)
    queue.push(Job(QoS.BACKGROUND))
    queue.push(Job(QoS.BATCHED))
    waited = dict.fromkeys(QoS, 0)
    for qos in arrivals * 5:
        queue.push(Job(qos))
        taken = queue.pop()
        assert taken is not None
        for each, depth in queue.depths().items():
            waited[QoS(each)] = 0 if QoS(each) is taken.qos or not depth else waited[QoS(each)] + 1
        assert max(waited.values()) <= STARVATION + 1


def test_count_and_bytes_are_bounded() -> None:
    queue: PendingCalls[Job] = PendingCalls(2, 100)
    queue.push(Job(QoS.BATCHED, 60))
    assert "60 bytes wait already" in str(queue.refuses(Job(QoS.REALTIME, 60)))
    queue.push(Job(QoS.BATCHED, 40))
    assert "2 batched calls wait already" in str(queue.refuses(Job(QoS.BATCHED, 0)))
    assert queue.refuses(Job(QoS.REALTIME, 0)) is None


def test_one_call_may_be_larger_than_the_bound_when_nothing_waits() -> None:
    assert PendingCalls[Job](2, 100).refuses(Job(QoS.BATCHED, 500)) is None


@given(
    st.lists(st.tuples(st.sampled_from(QoS), st.integers(0, 9), st.sampled_from(["push", "pop", "remove"])))
)
def test_the_count_of_bytes_follows_what_waits(steps: list[tuple[QoS, int, str]]) -> None:
    queue: PendingCalls[Job] = PendingCalls(1000, 10**9)
    waiting: list[Job] = []
    for qos, size, what in steps:
        if what == "push":
            waiting.append(Job(qos, size))
            queue.push(waiting[-1])
        elif what == "pop":
            job = queue.pop()
            if job is not None:
                waiting.remove(job)
        elif waiting:
            assert queue.remove(waiting.pop())
        assert (len(queue), queue._bytes) == (len(waiting), sum(job.nbytes for job in waiting))
    assert sorted(map(id, queue.drain())) == sorted(map(id, waiting))
    assert (len(queue), queue._bytes) == (0, 0)
