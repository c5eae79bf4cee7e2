"""Server-sent events out of bytes, as the HTML standard (9.2.6) reads them. Pure; where chunks end does not matter."""

from __future__ import annotations

import re
from typing import NamedTuple

from loom.errors import RemoteTooLarge

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"
LONGEST_RETRY = 3_600_000


class Message(NamedTuple):
    """One event of a stream: its name (``message`` when it has none), its data, and the last id told so far."""

    event: str
    data: str
    id: str


class SseParser:
    """Fed with bytes, gives messages. ``last_id`` is for Last-Event-ID, ``retry`` in ms, None until it is told."""

    def __init__(self, limit: int = 1_048_576, last_id: str = "") -> None:
        """*limit* is the largest message in bytes, and the largest line."""
        self.last_id = last_id
        self.retry: int | None = None
        self._limit = limit
        self._rest = bytearray()
        self._searched = 0
        self._size = 0
        self._started = self._skip = False
        self._id = last_id
        self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[Message]:
        """The messages that are complete now; raises RemoteTooLarge for one over the limit."""
        found: list[Message] = []
        if self._skip and chunk:  # the second half of a line end
            chunk, self._skip = chunk.removeprefix(b"\n"), False
        self._rest += chunk
        if not self._started:
            if len(self._rest) < 3 and _BOM.startswith(bytes(self._rest)):
                return found
            self._rest, self._started = self._rest.removeprefix(_BOM), True
        ends = [(end.start(), end.end()) for end in _LINE_END.finditer(self._rest, self._searched)]
        begin = 0
        for stop, after in ends:
            self._take(bytes(self._rest[begin:stop]), found)
            begin = after
        self._skip = bool(ends) and begin == len(self._rest) and self._rest[-1:] == b"\r"
        del self._rest[:begin]
        self._searched = len(self._rest)
        if len(self._rest) + self._size > self._limit:
            raise RemoteTooLarge(f"a message of the stream is over the limit of {self._limit:,} bytes")
        return found

    def _take(self, line: bytes, found: list[Message]) -> None:
        self._size += len(line)
        if self._size > self._limit:
            raise RemoteTooLarge(f"a message of the stream is over the limit of {self._limit:,} bytes")
        if not line:
            self._dispatch(found)
            return
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdecimal():
            self.retry = min(int(value[:10]), LONGEST_RETRY)
        elif not name:
            self._size -= len(line)  # a comment: streams are kept alive with them

    def _dispatch(self, found: list[Message]) -> None:
        self.last_id = self._id
        if self._data:
            found.append(Message(self._event or "message", "\n".join(self._data), self.last_id))
        self._event, self._data, self._size = "", [], 0
