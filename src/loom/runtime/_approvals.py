"""Approvals: an action that asks waits here until somebody says yes or no."""

from __future__ import annotations

import asyncio
from itertools import count

from loom.actions import Invocation
from loom.bus import Bus
from loom.event import Event

REQUESTED = "loom.approval.requested"
ANSWERED = "loom.approval.answered"


class Approvals:
    """The open questions, at most *capacity*; one that nobody answers within *timeout* seconds is a no."""

    def __init__(self, bus: Bus, timeout: float = 300.0, capacity: int = 1024) -> None:
        self._bus = bus
        self._timeout = timeout
        self._capacity = capacity
        self._open: dict[str, asyncio.Future[bool]] = {}
        self._serial = count(1).__next__

    def pending(self) -> list[str]:
        """The ids of the open questions."""
        return list(self._open)

    def answer(self, number: str, allow: bool) -> bool:
        """Say yes or no to question *number*, told on ``loom.approval.answered``; False if it is not open any more."""
        future = self._open.get(number)
        if future is None or future.done():
            return False
        future.set_result(allow)
        self._bus.offer(Event("answered", {"id": number, "allow": allow}, topic=ANSWERED, source="loom"))
        return True

    async def ask(self, invocation: Invocation) -> bool:
        """Publish the question on ``loom.approval.requested`` and wait for the answer."""
        if len(self._open) >= self._capacity:
            return False
        number = f"approval-{self._serial()}"
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._open[number] = future
        question = {
            "id": number, "capability": invocation.action.name, "agent": invocation.agent, "key": invocation.key,
            "arguments": dict(invocation.arguments),
        }  # fmt: skip
        try:
            event = Event("requested", question, topic=REQUESTED, source="loom", scope=invocation.scope)
            self._bus.offer(event)
            async with asyncio.timeout(self._timeout):
                return await future
        except TimeoutError:
            return False
        finally:
            del self._open[number]
