"""Waiting for room in several queues at once, in line, with a timeout and without leaking a place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from loom.bus._queue import Queue
from loom.bus._ticket import Ticket
from loom.errors import Closed, Overloaded
from loom.event import Event


class Line:
    """One event's places before the full queues it still has to enter.

    Each of *choices* is a queue, or the members of a group: the first of them that has room takes the event.
    """

    __slots__ = ("_done", "_left", "_places")

    def __init__(self, event: Event, choices: Sequence[Sequence[Queue]]) -> None:
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = len(choices)
        self._places: list[tuple[Queue, Ticket]] = []
        for queues in choices:
            ticket = Ticket(event, self._one_done)
            self._places.append((queues[0], ticket))
            for queue in queues:
                if not ticket.granted:
                    queue.stand_in_line(ticket)

    async def wait(self, timeout: float | None) -> None:
        """Return when the event is in every queue; raise Overloaded at *timeout* seconds, Closed if a queue closed."""
        try:
            async with asyncio.timeout(timeout):
                await self._done
        except TimeoutError:
            late = self._leave()
            if late is not None:
                raise Overloaded(
                    late.name, late.qos, len(late.items), f"stayed full for {timeout} s"
                ) from None
        except BaseException:  # cancellation: give the places back, then let it pass
            self._leave()
            raise
        gone = next((q for q, t in self._places if not t.granted), None)
        if gone is not None:
            raise Closed(f"{gone.name!r} was closed while a publisher waited for room in it")

    def _one_done(self) -> None:
        self._left -= 1
        if not self._left and not self._done.done():
            self._done.set_result(None)

    def _leave(self) -> Queue | None:
        """Leave every line; the first queue that had no room yet."""
        left = [
            queue for queue, ticket in self._places if ticket.places and ticket.places[0].leave_line(ticket)
        ]
        return left[0] if left else None
