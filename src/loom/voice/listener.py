"""What is made of one stream of sound: who woke the assistant, where somebody spoke, what is worth understanding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from loom.voice.endpoint import Ended, Endpointer, Ends, Started
from loom.voice.recording import WIDTH, Recording


@dataclass(frozen=True, slots=True)
class Habits:
    """How one listens; seconds.

    After the wake phrase a question may begin within *patience*. What is cut out begins *before* the speech and goes on
    *after* it, so that no consonant is lost. What follows the wake phrase is a question if it is *shortest* long:
    detectors go on for about 0.6 s after a voice, so the phrase alone ends 0.4 to 0.75 s after it was noticed.
    """

    ends: Ends = field(default_factory=Ends)
    patience: float = 6.0
    before: float = 0.3
    after: float = 0.15
    shortest: float = 0.65
    kept: float = 30.0


class Woke(NamedTuple):
    """The wake *phrase* ended just before *at*, seconds of the stream."""

    at: float
    phrase: str


class Began(NamedTuple):
    """Somebody began to speak; *number* counts what was spoken on this stream."""

    number: int
    at: float


class Spoke(NamedTuple):
    """They have finished at *end*; *pcm* is the question if it is one, else it is empty.

    *woken* says that the wake phrase came first; *start* is where the question begins.
    """

    number: int
    start: float
    end: float
    pcm: bytes
    woken: bool


Noticed = Woke | Began | Spoke


class Listener:
    """Notices speech on one stream. Each `Began` is followed by exactly one `Spoke` with its number."""

    def __init__(self, habits: Habits | None = None, rate: int = 16_000) -> None:
        self.habits = habits or Habits()
        self.number = 0
        self._ends = Endpointer(self.habits.ends)
        self._recording = Recording(self.habits.kept, rate)
        self._woke: float | None = None
        self._wanted = 0  # the number of what somebody wants to understand without a wake phrase
        self._reused = -1.0  # where a phrase ended that is good for a second try
        self._alone: tuple[int, float] | None = None  # number and end of what may have been the phrase alone

    @property
    def speaking(self) -> bool:
        """Whether somebody is speaking now."""
        return self._ends.since is not None

    @property
    def end(self) -> float:
        """How far the sound goes that was heard, seconds."""
        return self._recording.end

    def hear(self, at: float, pcm: bytes, speech: Sequence[float], phrase: str = "") -> list[Noticed]:
        """One chunk that begins *at* seconds: its values of *speech*, and the wake *phrase* if that ended in it.

        An empty one says nothing, not even that it was silent.
        """
        if not pcm:
            return []
        self._recording.add(at, pcm)
        length = len(pcm) / WIDTH / self._recording.rate
        noticed: list[Noticed] = []
        if phrase:
            self._woke, self._alone = self._recording.end, None
            noticed.append(Woke(self._woke, phrase))
        values = speech or [0.0]
        return noticed + self._marked(self._ends.feed(values, length / len(values), at))

    def want(self, number: int) -> bool:
        """Understand what is being spoken although no wake phrase came; False when it is over already."""
        if number != self.number or not self.speaking:
            return False
        self._wanted = number
        return True

    def again(self, number: int) -> bool:
        """Nobody found words in *number* after the wake phrase: it was the phrase alone, the question comes yet.

        False when it is too late for that, or was the case before: one phrase is good for one question.
        """
        alone, self._alone = self._alone, None
        if alone is None or alone[0] != number or self.number > number + self.speaking:
            return False
        begun = self._ends.now if self._ends.since is None else self._ends.since
        if begun - alone[1] > self.habits.patience:
            return False
        self._woke = self._reused = alone[1]
        return True

    def finish(self) -> list[Noticed]:
        """The stream has ended, or nothing comes any more: whoever was speaking has spoken."""
        noticed = self._marked(self._ends.finish())
        self._woke = None
        return noticed

    def _marked(self, marks: Sequence[Started | Ended]) -> list[Noticed]:
        return [self._began(mark) if isinstance(mark, Started) else self._spoke(mark) for mark in marks]

    def _began(self, mark: Started) -> Began:
        self.number += 1
        if self._woke is not None and mark.at - self._woke > self.habits.patience:
            self._woke = None
        return Began(self.number, mark.at)

    def _spoke(self, mark: Ended) -> Spoke:
        start, woke = mark.start - self.habits.before, self._woke
        wanted = self._wanted == self.number
        if woke is not None and mark.end - max(woke, mark.start) < self.habits.shortest:
            woke = None  # the phrase alone: the question comes yet
        else:
            self._woke = None
        if woke is not None:
            start = max(start, woke - self.habits.after)
        if woke is None and not wanted:
            return Spoke(self.number, start, mark.end, b"", False)
        if woke is not None and woke != self._reused:
            self._alone = self.number, mark.end
        pcm = self._recording.cut(start, mark.end + self.habits.after)
        return Spoke(self.number, start, mark.end, pcm, woke is not None)
