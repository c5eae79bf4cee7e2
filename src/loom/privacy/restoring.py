"""Putting values back into a stream of pieces, wherever a placeholder is split."""

from __future__ import annotations

from loom.privacy.placeholders import Placeholders


class Restoring:
    """`feed` gives what no further piece can change; `flush` the rest. Together: the whole, restored."""

    __slots__ = ("_as_json", "_before", "_names", "_waiting")

    def __init__(self, names: Placeholders, as_json: bool = False) -> None:
        self._names, self._as_json = names, as_json
        self._before = self._waiting = ""

    def feed(self, text: str) -> str:
        """The next part of the restored text, perhaps empty."""
        self._waiting += text
        result, settled = self._names.settled(self._before, self._waiting, self._as_json)
        self._pass(settled)
        return result

    def flush(self) -> str:
        """What was held back at the end of the stream."""
        result = self._names.rest(self._before, self._waiting, self._as_json)
        self._pass(len(self._waiting))
        return result

    def _pass(self, size: int) -> None:
        self._before, self._waiting = (self._before + self._waiting[:size])[-1:], self._waiting[size:]
