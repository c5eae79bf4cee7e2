"""What is believed of each backend, task by task, and its form in bytes."""

from __future__ import annotations

import sys
from array import array
from collections import OrderedDict
from collections.abc import Callable, Sequence
from struct import Struct, error
from zlib import crc32

from loom.router.learned.difficulty import prior
from loom.router.learned.posterior import NOISE, Posterior

MOST = 24
"""Beliefs that are held; the one that was used longest ago goes first."""
LARGEST = 64 * 1024
"""Bytes of all of them, as a Keep takes them."""
LONGEST = 128
"""Bytes of the name of a backend, or of a task, whose belief outlives a restart."""

MOST_PULL = 3.0
"""How much one reward may move what is remembered, in units of 1 / NOISE: inputs and rewards are at most 1."""

_HEAD = Struct("<4sBBHI")
_ROW = Struct("<BBI")
_MAGIC, _VERSION = b"Llrn", 1

Key = tuple[str, str]
"""A backend and a task."""


class Beliefs:
    """A bounded map from backend and task to what is believed; *size* inputs, *fade* as in `Posterior`.

    *doubt* is the standard deviation of a prior quality, *room* that of what each input may change it by.
    """

    def __init__(self, size: int, fade: float = 0.9995, doubt: float = 0.15, room: float = 0.08) -> None:
        self.size, self._fade = size, fade
        self._spread = [doubt, *[room] * (size - 1)]
        self._rows: OrderedDict[Key, Posterior] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, key: Key, quality: float) -> Posterior:
        """The belief for *key*; a new one begins with *quality*."""
        found = self._rows.get(key)
        if found is None:
            weights = prior(quality)
            weights += [0.0] * (self.size - len(weights))
            found = self._rows[key] = Posterior(weights, self._spread, self._fade)
            while len(self._rows) > MOST:
                self._rows.popitem(last=False)
        self._rows.move_to_end(key)
        return found

    def counts(self) -> dict[Key, int]:
        """How much each has learnt from."""
        return {key: row.count for key, row in self._rows.items()}

    def encoded(self) -> bytes:
        """What was learnt, without the priors; the oldest are left out where it is more than LARGEST bytes."""
        rows: list[bytes] = []
        room = LARGEST - _HEAD.size
        for key, row in reversed(self._rows.items()):
            each = _encoded(key, row) if row.count else b""
            if len(each) > room:
                break
            room -= len(each)
            rows.append(each)
        body = b"".join(reversed(rows))
        return _HEAD.pack(_MAGIC, _VERSION, self.size, 0, crc32(body)) + body

    def decode(self, state: bytes, qualities: Callable[[Key], float]) -> str:
        """Take up what `encoded` told; "" or, where it is damaged or of another kind, why nothing was taken up.

        *qualities* says which quality the belief of a key began with.
        """
        if len(state) < _HEAD.size or len(state) > LARGEST:
            return f"{len(state):,} bytes are no learnt state"
        magic, version, size, _, check = _HEAD.unpack_from(state)
        body = state[_HEAD.size :]
        if magic != _MAGIC or version != _VERSION or size != self.size:
            return f"it is of version {version} with {size} inputs, not {_VERSION} with {self.size}"
        if crc32(body) != check:
            return "it is damaged: its check sum differs"
        return self._take(body, qualities)

    def _take(self, body: bytes, qualities: Callable[[Key], float]) -> str:
        fresh = Beliefs(self.size, self._fade, self._spread[0], self._spread[-1])
        place = 0
        while place < len(body):
            try:
                key, count, values, place = _decoded(body, place, self.size)
            except (error, ValueError) as problem:
                return f"it is damaged: {problem}"
            row = fresh.of(key, qualities(key))
            most = MOST_PULL * count / NOISE
            if any(abs(each) > most for each in values) or not row.recall(
                values[: -self.size], values[-self.size :], count
            ):
                return f"what it says of {key[0]!r} is nothing that can be learnt"
        self._rows = fresh._rows
        return ""


def _encoded(key: Key, row: Posterior) -> bytes:
    names = [each.encode(errors="replace") for each in key]
    if max(map(len, names)) > LONGEST:
        return b""
    data, pull = row.remembered()
    values = array("f", [*data, *pull])
    if sys.byteorder == "big":
        values.byteswap()
    head = _ROW.pack(len(names[0]), len(names[1]), min(row.count, 2**32 - 1))
    return head + b"".join(names) + values.tobytes()


def _decoded(body: bytes, place: int, size: int) -> tuple[Key, int, Sequence[float], int]:
    first, second, count = _ROW.unpack_from(body, place)
    place += _ROW.size
    names = body[place : place + first].decode(), body[place + first : place + first + second].decode()
    place += first + second
    values = array("f")
    end = place + 4 * (size * (size + 1) // 2 + size)
    if end > len(body):
        raise ValueError("it ends too soon")
    values.frombytes(body[place:end])
    if sys.byteorder == "big":
        values.byteswap()
    return names, count, values, end
