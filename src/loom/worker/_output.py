"""What a worker printed: the last lines, bounded however much it prints."""

from __future__ import annotations

from collections import deque

WIDTH = 1000


class OutputRing:
    """The last *lines* lines of a byte stream, each cut at 1,000 characters."""

    __slots__ = ("_lines", "_rest", "total")

    def __init__(self, lines: int) -> None:
        self._lines: deque[str] = deque(maxlen=lines)
        self._rest = b""
        self.total = 0

    def feed(self, data: bytes) -> list[str]:
        """Add *data*; returns the lines that it completed."""
        *whole, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-4 * WIDTH :]
        made = [_text(line) for line in whole]
        self.total += len(made)
        self._lines.extend(made)
        return made

    def tail(self, count: int = 10) -> list[str]:
        """The last *count* lines, an unfinished one included."""
        rest = [_text(self._rest)] if self._rest.strip() else []
        return [line for line in [*self._lines, *rest] if line.strip()][-count:]


def _text(line: bytes) -> str:
    text = line[: 4 * WIDTH].decode("utf-8", "replace").rstrip("\r")
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in text[:WIDTH])
