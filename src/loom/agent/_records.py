"""What a step asked for at once and what came back, kept so that the step asks only once however often it runs."""

from __future__ import annotations

from typing import Any, NamedTuple

from loom.event import PUBLIC, Event, Label


class Record(NamedTuple):
    """One result. ``mark`` is the hash of what was asked, ``asked`` how many calls had begun when it came back.

    ``alone`` says that no other call was under way meanwhile.
    """

    mark: str
    result: Any
    error: Exception | None
    asked: int
    alone: bool


class Records:
    """The results of one event's attempts, by the number of the call; calls that overlapped may change places."""

    __slots__ = ("_kept", "_used")

    def __init__(self) -> None:
        self._kept: dict[int, Record] = {}
        self._used: set[int] = set()

    def __len__(self) -> int:
        return len(self._kept)

    def rewind(self) -> None:
        """Another attempt begins."""
        self._used.clear()

    def find(self, number: int, mark: str) -> Record | None:
        """What call *number* gave in an earlier attempt; raises LookupError if that call was for something else."""
        expected = None if number in self._used else self._kept.get(number)
        if expected is None or expected.mark != mark:
            same = (n for n, r in self._kept.items() if r.mark == mark and n not in self._used)
            other = next(same, None)
            if other is None and expected is not None and expected.alone:
                raise LookupError(number)
            if other is None:
                return None
            number = other
        self._used.add(number)
        return self._kept[number]

    def keep(self, number: int, record: Record, label: Label = PUBLIC) -> int:
        """Remember how call *number* ended; returns the number under which it is. *label* is that of the result."""
        if number in self._kept:
            number = max(self._kept) + 1
        self._kept[number] = record
        self._used.add(number)
        return number

    def forget_failure(self, failure: BaseException, asked: int) -> list[int]:
        """Forget the errors that made the step fail, so that the next attempt asks again; returns their numbers.

        An error after which the step went on and asked for something else has been dealt with: it is kept.
        """
        causes = _chain(failure, set())
        gone = [
            number
            for number, record in self._kept.items()
            if record.error is not None and record.asked == asked and id(record.error) in causes
        ]
        for number in gone:
            del self._kept[number]
        return gone

    def discard(self) -> None:
        """The step will not run again, and commits nothing: these are in memory only, and go with it."""


def _chain(error: BaseException | None, seen: set[int]) -> set[int]:
    if error is None or id(error) in seen:
        return seen
    seen.add(id(error))
    _chain(error.__cause__, seen)
    _chain(error.__context__, seen)
    for part in getattr(error, "exceptions", ()):
        _chain(part, seen)
    return seen


def fingerprint(what: object) -> str:
    """A stable hash of what a step asked for; payloads without a stable text count by their type."""
    import hashlib

    return hashlib.blake2b(_canonical(what).encode("utf-8", "replace"), digest_size=12).hexdigest()


_LONG = 4096  # bytes: longer ones count by their own hash, for their text would be four times as long


def _canonical(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{_canonical(k)}:{_canonical(v)}" for k, v in value.items())) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_canonical(v) for v in value) + "]"
    if isinstance(value, bytes) and len(value) > _LONG:
        import hashlib

        return f"bytes {len(value)} {hashlib.blake2b(value, digest_size=16).hexdigest()}"
    if isinstance(value, Event):
        return f"event {value.topic} {_canonical(value.payload)}"
    if isinstance(value, str | int | float | bool | bytes | None) or type(value).__module__ == "datetime":
        return f"{type(value).__name__} {value!r}"
    return f"object {type(value).__module__}.{type(value).__qualname__}"
