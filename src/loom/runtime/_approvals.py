"""Approvals: an action that asks waits here until somebody says yes or no."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

from loom.actions import Invocation
from loom.bus import Bus
from loom.event import Event, Origin

REQUESTED = "loom.approval.requested"
ANSWERED = "loom.approval.answered"
DOUBT = "outcome unknown: run again?"


class Approvals:
    """The open questions, at most *capacity*; one that nobody answers within *timeout* seconds is a no.

    A question about an effect that outlives the process does so too: it is asked again under the same id, and the time
    that has passed since it was first asked counts. ``say`` publishes what is asked and answered.
    """

    def __init__(self, bus: Bus, timeout: float = 300.0, capacity: int = 1024) -> None:
        self._timeout = timeout
        self._capacity = capacity
        self._open: dict[str, asyncio.Future[tuple[bool, str]]] = {}
        self._serial = count(1).__next__
        self.say: Callable[[Event], object] = bus.offer

    def pending(self) -> list[str]:
        """The ids of the open questions."""
        return list(self._open)

    def answer(self, number: str, allow: bool, by: str = "") -> bool:
        """Say yes or no to question *number*, told on ``loom.approval.answered``; False if it is not open any more.

        *by* says who did, for the records.
        """
        future = self._open.get(number)
        if future is None or future.done():
            return False
        future.set_result((allow, by))
        answer: dict[str, Any] = {"id": number, "allow": allow, **({"by": by} if by else {})}
        self.say(Event("answered", answer, topic=ANSWERED, source="loom"))
        return True

    async def ask(self, invocation: Invocation) -> bool:
        """Publish the question on ``loom.approval.requested`` and wait for the answer."""
        entry = invocation.entry
        if entry is not None and entry.allowed:
            return True
        if len(self._open) >= self._capacity:
            return False
        if entry is not None and entry.lasting:
            number, seconds = entry.question(self._timeout)
        else:
            number, seconds = f"approval-{self._serial()}", self._timeout
        answer = await self._wait(invocation, number, seconds) if seconds > 0 else None
        if answer is None:
            return False
        if entry is not None:
            await entry.answered(*answer)
        return answer[0]

    async def _wait(self, invocation: Invocation, number: str, seconds: float) -> tuple[bool, str] | None:
        future: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()
        self._open[number] = future
        try:
            self.say(_question(invocation, number))
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return None
        finally:
            del self._open[number]


def _question(invocation: Invocation, number: str) -> Event:
    entry = invocation.entry
    question = {
        "id": number, "capability": invocation.action.name, "agent": invocation.agent, "key": invocation.key,
        "arguments": dict(invocation.arguments) if entry is None else entry.plain(),
    }  # fmt: skip
    if entry is None:
        return Event("requested", question, topic=REQUESTED, source="loom", scope=invocation.scope)
    if entry.doubtful:
        question["why"] = DOUBT
    origin = Origin(entry.label, scope=invocation.scope, cause=entry.cause)
    return Event("requested", question, topic=REQUESTED, source="loom", origin=origin)
