"""The calls that wait for a worker: bounded for each QoS, urgent first, the others never starved."""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

from loom.event import QoS

STARVATION = 16


class Waiting(Protocol):
    """What the queue needs to know of a call."""

    @property
    def qos(self) -> QoS: ...

    @property
    def nbytes(self) -> int: ...


J = TypeVar("J", bound=Waiting)


class PendingCalls(Generic[J]):
    """A bounded queue per QoS; *capacity* calls each, *max_bytes* together.

    A class that has been passed over 16 times while it had work is served next, so a busy REALTIME flow
    costs BATCHED and BACKGROUND at most 16 of every 17 turns.
    """

    __slots__ = ("_bytes", "_capacity", "_max_bytes", "_passed", "_queues")

    def __init__(self, capacity: int, max_bytes: int) -> None:
        self._queues: dict[QoS, deque[J]] = {qos: deque() for qos in sorted(QoS, key=lambda q: q.rank)}
        self._passed = dict.fromkeys(self._queues, 0)
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._bytes = 0

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def refuses(self, job: J) -> str | None:
        """Why *job* cannot wait here, or None when it can."""
        waiting = len(self._queues[job.qos])
        if waiting >= self._capacity:
            return f"{waiting} {job.qos.value} calls wait already (limit {self._capacity})"
        if self._bytes and self._bytes + job.nbytes > self._max_bytes:
            return f"{self._bytes:,} bytes wait already (limit {self._max_bytes:,})"
        return None

    def push(self, job: J) -> None:
        """Add *job* behind the others of its class."""
        self._queues[job.qos].append(job)
        self._bytes += job.nbytes

    def pop(self) -> J | None:
        """The next call to serve, None when nobody waits."""
        ready = [qos for qos, queue in self._queues.items() if queue]
        if not ready:
            return None
        starved = [qos for qos in ready if self._passed[qos] >= STARVATION]
        chosen = starved[-1] if starved else ready[0]
        for qos in ready:
            self._passed[qos] = 0 if qos is chosen else self._passed[qos] + 1
        job = self._queues[chosen].popleft()
        self._bytes -= job.nbytes
        return job

    def remove(self, job: J) -> bool:
        """Take *job* out; whether it was waiting."""
        try:
            self._queues[job.qos].remove(job)
        except ValueError:
            return False
        self._bytes -= job.nbytes
        return True

    def drain(self) -> list[J]:
        """All waiting calls, most urgent first; the queue is empty afterwards."""
        jobs = [job for queue in self._queues.values() for job in queue]
        for queue in self._queues.values():
            queue.clear()
        self._bytes = 0
        return jobs

    def depths(self) -> dict[str, int]:
        """Waiting calls by QoS."""
        return {qos.value: len(queue) for qos, queue in self._queues.items()}
