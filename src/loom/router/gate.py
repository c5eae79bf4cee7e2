"""How many requests a backend works on at once, and who waits for it in which order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from loom.errors import BackendBusy
from loom.event import QoS

PATIENCE = 8
"""Slots that go to more urgent classes before one goes to the class that was passed over."""
_URGENCY = (QoS.REALTIME, QoS.BATCHED, QoS.BACKGROUND)
CAPACITY: Mapping[QoS, int] = {qos: qos.default_capacity for qos in _URGENCY}
"""Requests of each class that wait at most: as many as events do."""


class Gate:
    """Slots of a backend: *concurrency* at once (0: no limit), a bounded line of waiters for each class of service.

    REALTIME goes before BATCHED before BACKGROUND; a class that was passed over `PATIENCE` times gets the next slot.
    Within a class it is first come, first served. A free slot goes straight to a waiter, so nobody overtakes.
    """

    __slots__ = ("_capacity", "_concurrency", "_lines", "_name", "_passed", "running", "waiting")

    def __init__(self, name: str, concurrency: int = 0, capacity: Mapping[QoS, int] | None = None) -> None:
        self._name = name
        self._concurrency = concurrency
        self._capacity = capacity or CAPACITY
        self._lines: dict[QoS, deque[asyncio.Future[None]]] = {qos: deque() for qos in _URGENCY}
        self._passed = dict.fromkeys(_URGENCY, 0)
        self.running = 0
        self.waiting = 0

    def room(self, qos: QoS) -> int | None:
        """How many may wait in all before the next of class *qos* is refused; None: nobody has to wait."""
        if not self._concurrency:
            return None
        return self.waiting + self._capacity[qos] - len(self._lines[qos])

    def enter_nowait(self, qos: QoS) -> bool:
        """Take a slot that is free now; False when there is none, or somebody waits. Raises BackendBusy."""
        if not self._concurrency or (self.running < self._concurrency and not self.waiting):
            self.running += 1
            return True
        line = self._lines[qos]
        if len(line) >= self._capacity[qos]:
            raise BackendBusy(self._name, str(qos), len(line))
        return False

    async def enter(self, qos: QoS) -> None:
        """Take a slot, waiting for it in line; raises BackendBusy. Who is cancelled holds none."""
        if self.enter_nowait(qos):
            return
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line = self._lines[qos]
        line.append(ticket)
        self.waiting += 1
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():  # it had been given a slot in the same turn
                self.leave()
            elif ticket in line:  # or it was passed by already
                line.remove(ticket)
                self.waiting -= 1
            raise

    def leave(self) -> None:
        """Give a slot back: it goes to the next waiter."""
        self.running -= 1
        while self.waiting and self.running < (self._concurrency or self.running + 1):
            self._serve(self._next())

    def _serve(self, qos: QoS) -> None:
        ticket = self._lines[qos].popleft()
        self.waiting -= 1
        if not ticket.done():  # a cancelled one is still here until its task runs; it takes no slot
            self.running += 1
            ticket.set_result(None)

    def _next(self) -> QoS:
        """The class whose turn it is; somebody waits."""
        waiting = [qos for qos in _URGENCY if self._lines[qos]]
        patient = [qos for qos in waiting if self._passed[qos] >= PATIENCE]
        chosen = max(patient, key=self._passed.__getitem__) if patient else waiting[0]
        for qos in _URGENCY:
            if qos is chosen or qos not in waiting:
                self._passed[qos] = 0
            elif qos.rank > chosen.rank:
                self._passed[qos] += 1
        return chosen
