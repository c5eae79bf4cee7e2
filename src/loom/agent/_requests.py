"""Requests that wait for replies: who asked, whom, and what came back."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from loom.errors import Overloaded, RequestFailed
from loom.event import Event

REPLY_TO = "loom-reply-to"


class Pending:
    """One open request: how many replies it wants (None: of everybody who answers), and what came so far."""

    __slots__ = ("errors", "future", "owners", "replies", "silent", "wanted")

    def __init__(
        self, future: asyncio.Future[list[Event]], wanted: int | None, owners: tuple[Any, ...]
    ) -> None:
        self.future = future
        self.wanted = wanted
        self.owners = owners
        self.silent = 0
        self.replies: list[Event] = []
        self.errors: list[str] = []

    @property
    def left(self) -> int:
        """How many receivers may still answer."""
        return len(self.owners) - len(self.replies) - len(self.errors) - self.silent

    def judge(self) -> None:
        """End the waiting when enough replies are there, or too few can still come."""
        if self.future.done():
            return
        if self.wanted is None:
            if self.errors:
                self._fail()
            elif self.left <= 0:
                self.future.set_result(self.replies)
        elif len(self.replies) >= self.wanted:
            self.future.set_result(self.replies)
        elif len(self.replies) + self.left < self.wanted:
            self._fail()

    def _fail(self) -> None:
        why = (
            self.errors[-1]
            if self.errors
            else f"{len(self.replies)} of {self.wanted} handlers gave an answer"
        )
        self.future.set_exception(RequestFailed(f"the request was given up: {why}"))
        self.future.exception()  # whoever waits gets it; the waiter may be gone


class Requests:
    """The open requests of a runtime, at most *capacity* of them."""

    __slots__ = ("_capacity", "_open", "_serial")

    def __init__(self, capacity: int = 10_000) -> None:
        self._open: dict[str, Pending] = {}
        self._capacity = capacity
        self._serial = count(1).__next__

    def __len__(self) -> int:
        return len(self._open)

    def open(self, wanted: int | None, owners: tuple[Any, ...]) -> tuple[str, Pending]:
        """Begin to wait for *wanted* replies of *owners*; raises Overloaded when too many requests are open."""
        if len(self._open) >= self._capacity:
            raise Overloaded("loom", "request", len(self._open))
        number = str(self._serial())
        pending = Pending(asyncio.get_running_loop().create_future(), wanted, owners)
        self._open[number] = pending
        return number, pending

    def close(self, number: str) -> None:
        """Wait no more."""
        self._open.pop(number, None)

    def answer(self, number: str, reply: Event) -> bool:
        """Hand in a reply; False if nobody waits for it any more."""
        pending = self._open.get(number)
        if pending is None or pending.future.done():
            return False
        pending.replies.append(reply)
        pending.judge()
        return True

    def fail(self, number: str, error: str) -> None:
        """Hand in the error of a receiver that gave the request up."""
        if (pending := self._open.get(number)) is not None:
            pending.errors.append(error)
            pending.judge()

    def pass_over(self, number: str) -> None:
        """A receiver has handled the request and does not answer: one that only listens."""
        if (pending := self._open.get(number)) is not None:
            pending.silent += 1
            pending.judge()
