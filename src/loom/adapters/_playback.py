"""What sounds next: plays one after the other, held, gone on with, dropped. No device, no clock; any thread may ask."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import NamedTuple


class Block(NamedTuple):
    """One block of sound: *pcm* to be heard, and the plays whose last sample is in it. *sounding*: it is no silence."""

    pcm: bytes
    ended: tuple[int, ...] = ()
    sounding: bool = False


class Playback:
    """Plays in the order they came, cut into blocks of *size* bytes without a gap between them.

    While it is held, blocks are silence, and nothing of what waits is lost: it goes on after the last sound played.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.held = False
        self._plays: deque[tuple[int, memoryview]] = deque()
        self._serial = 0
        self._lock = Lock()

    def add(self, pcm: bytes) -> int:
        """Let *pcm* sound after all that waits; the number of this play."""
        with self._lock:
            self._serial += 1
            self._plays.append((self._serial, memoryview(pcm)))
            return self._serial

    def drop(self, play: int) -> bool:
        """Let nothing more of *play* be heard; False if all of it was."""
        with self._lock:
            left = deque(each for each in self._plays if each[0] != play)
            found = len(left) < len(self._plays)
            self._plays = left
            return found

    def clear(self) -> tuple[int, ...]:
        """Let nothing more of any play be heard, and hold no longer; the plays that were not over."""
        with self._lock:
            cut = tuple(number for number, _ in self._plays)
            self._plays.clear()
            self.held = False
            return cut

    def block(self) -> Block:
        """The next block."""
        with self._lock:
            return self._next() if self._plays and not self.held else Block(bytes(self.size))

    def _next(self) -> Block:
        parts: list[bytes] = []
        ended: list[int] = []
        room = self.size
        while self._plays and (room or not self._plays[0][1]):
            number, rest = self._plays[0]
            parts.append(bytes(rest[:room]))
            room -= len(parts[-1])
            if len(parts[-1]) == len(rest):
                self._plays.popleft()
                ended.append(number)
            else:
                self._plays[0] = (number, rest[len(parts[-1]) :])
        return Block(b"".join(parts) + bytes(room), tuple(ended), room < self.size)

    def __len__(self) -> int:
        """How many plays are not over."""
        return len(self._plays)

    @property
    def waiting(self) -> int:
        """Bytes that have not been heard yet."""
        with self._lock:
            return sum(len(rest) for _, rest in self._plays)
