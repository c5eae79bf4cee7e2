"""Requests that wait for replies: who asked, whom, and what came back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from loom.errors import Overloaded, RequestFailed, RequestTimeout
from loom.event import Event

REPLY_TO = "loom-reply-to"


@dataclass(eq=False, slots=True)
class Pending:
    """One open request: how many replies it wants, how many may still come, and those that did."""

    future: asyncio.Future[list[Event]]
    wanted: int
    expected: int
    owners: tuple[Any, ...]
    replies: list[Event] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Requests:
    """The open requests of a runtime, at most *capacity* of them."""

    __slots__ = ("_capacity", "_open", "_serial")

    def __init__(self, capacity: int = 10_000) -> None:
        self._open: dict[str, Pending] = {}
        self._capacity = capacity
        self._serial = count(1).__next__

    def __len__(self) -> int:
        return len(self._open)

    def open(self, wanted: int, expected: int, owners: tuple[Any, ...]) -> tuple[str, Pending]:
        """Begin to wait for *wanted* of *expected* replies; raises Overloaded when too many requests are open."""
        if len(self._open) >= self._capacity:
            raise Overloaded("loom", "request", len(self._open))
        number = str(self._serial())
        pending = Pending(asyncio.get_running_loop().create_future(), wanted, expected, owners)
        self._open[number] = pending
        return number, pending

    def answer(self, number: str, reply: Event) -> bool:
        """Hand in a reply; False if nobody waits for it any more."""
        pending = self._open.get(number)
        if pending is None or pending.future.done():
            return False
        pending.replies.append(reply)
        self._judge(pending)
        return True

    def fail(self, number: str, error: str) -> None:
        """Hand in the error of a receiver that gave the request up."""
        pending = self._open.get(number)
        if pending is not None and not pending.future.done():
            pending.errors.append(error)
            self._judge(pending)

    async def wait(self, number: str, topic: str, timeout: float) -> list[Event]:
        """The replies; raises RequestTimeout after *timeout* seconds, RequestFailed when too few can still come."""
        pending = self._open[number]
        try:
            async with asyncio.timeout(timeout):
                return await pending.future
        except TimeoutError:
            raise RequestTimeout(
                f"request on {topic!r}: {len(pending.replies)} of {pending.wanted} replies after {timeout} s"
            ) from None
        finally:
            self._open.pop(number, None)

    def forget(self, number: str) -> None:
        """Stop waiting for a request that never got out."""
        self._open.pop(number, None)

    def _judge(self, pending: Pending) -> None:
        if len(pending.replies) >= pending.wanted:
            pending.future.set_result(pending.replies)
        elif pending.expected - len(pending.errors) < pending.wanted:
            pending.future.set_exception(RequestFailed(f"the request was given up: {pending.errors[-1]}"))
