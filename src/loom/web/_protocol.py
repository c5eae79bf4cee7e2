"""uvicorn's HTTP/1.1, with bounds that it does not have: connections, time for the head of a request."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from loom.web.refusal import Refusal

HEAD_S = 10.0
"""Seconds in which the head of a request must have come."""


def protocol(most: int) -> type[H11Protocol]:
    """The protocol for a server of at most *most* connections."""
    return type("Bounded", (GuardedProtocol,), {"most": most})


class GuardedProtocol(H11Protocol):
    """One connection."""

    most = 256
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take it, or say that there are too many."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "cut": transport.abort}
        if len(self.connections) > self.most:
            self._say(
                Refusal(
                    503, "overloaded", f"{self.most} connections are open, which is the most", retry_after=1
                )
            )
            return
        self._late = self.loop.call_later(HEAD_S, self._too_late)

    def data_received(self, data: bytes) -> None:
        """More of a request; the first part of one starts its time."""
        super().data_received(data)
        if not self._waits():
            self._stop_waiting()
        elif self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(HEAD_S, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or has a head that is too long."""
        self._say(Refusal(400, "invalid_request", msg))

    def _waits(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _too_late(self) -> None:
        self._late = None
        if self._waits():
            self.transport.abort()

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _say(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        if (
            not self._waits() and self.cycle.response_started
        ):  # in the middle of an answer: nothing can be said
            self.transport.abort()
            return
        body = json.dumps(refusal.openai()).encode()
        phrase = {400: "Bad Request", 503: "Service Unavailable"}[refusal.status]
        again = "retry-after: 1\r\n" if refusal.retry_after else ""
        head = (
            f"HTTP/1.1 {refusal.status} {phrase}\r\ncontent-type: application/json\r\n{again}"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
