"""The worker's end of the socket: blocking, without an event loop, safe for the heartbeat thread."""

from __future__ import annotations

import select
import socket
import threading
from collections import deque
from typing import Any

from loom.worker import _wire
from loom.worker._framing import FrameDecoder, frame

CHUNK = 1 << 16


class Link:
    """Envelopes to and from the host. Sends may come from several threads, receives from one."""

    def __init__(self, sock: socket.socket, max_frame: int) -> None:
        sock.setblocking(True)
        self._socket = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._decoder = FrameDecoder(max_frame)
        self._chunk = bytearray(CHUNK)
        self._view = memoryview(self._chunk)
        self._inbox: deque[tuple[str, Any]] = deque()
        self._sending = threading.Lock()
        self.max_frame = max_frame

    def resize(self, max_frame: int) -> None:
        """Use the maximum that the host announced."""
        self.max_frame = max_frame
        self._decoder = FrameDecoder(max_frame)

    def send(self, **message: Any) -> None:
        """Send one Envelope; raises PayloadTooLarge before a byte of it has left."""
        data = frame(_wire.envelope(**message), self.max_frame, "the worker's socket")
        with self._sending:
            self._socket.sendall(data)

    def receive(self) -> tuple[str, Any] | None:
        """The next message, waiting for it; None when the host is gone."""
        while not self._inbox:
            if not self._read():
                return None
        return self._inbox.popleft()

    def poll(self, seconds: float = 0.0) -> tuple[str, Any] | None:
        """The next message if there is one within *seconds*. When the host is gone the process ends."""
        if (
            not self._inbox
            and select.select([self._socket], [], [], max(seconds, 0.0))[0]
            and not self._read()
        ):
            raise SystemExit(0)
        return self._inbox.popleft() if self._inbox else None

    def _read(self) -> bool:
        size = self._socket.recv_into(self._chunk)
        self._inbox.extend(_wire.parse(each) for each in self._decoder.feed(self._view[:size]))
        return size > 0
