"""Where somebody begins to speak and where they have finished, found in the values of a voice activity detector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from loom.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Ends:
    """When speech begins and ends; seconds, and probabilities of speech from 0 to 1.

    Speech begins once *onset* seconds in a row were at least *loud*, and ends after *silence* seconds under *quiet*:
    two thresholds, so that a voice near one of them does not flicker. What lasts *longest* is cut there.
    """

    loud: float = 0.6
    quiet: float = 0.35
    onset: float = 0.12
    silence: float = 0.7
    longest: float = 20.0

    def __post_init__(self) -> None:
        if not 0 <= self.quiet <= self.loud <= 1:
            raise ConfigError(f"quiet {self.quiet} and loud {self.loud}: use 0 <= quiet <= loud <= 1")
        if not (self.onset > 0 and self.silence > 0 and self.longest > self.onset):
            raise ConfigError(
                f"onset {self.onset}, silence {self.silence}, longest {self.longest}: use times above 0"
            )


class Started(NamedTuple):
    """Somebody has been speaking since *at*, seconds."""

    at: float


class Ended(NamedTuple):
    """They spoke from *start* to *end*, seconds; *cut* when it was ended for its length."""

    start: float
    end: float
    cut: bool = False


Mark = Started | Ended


class Endpointer:
    """Turns probabilities into `Started` and `Ended`, which always come in pairs and in order of time."""

    def __init__(self, ends: Ends | None = None) -> None:
        self.ends = ends or Ends()
        self.since: float | None = None  # when the present speech began
        self._heard = 0.0  # seconds in a row that were loud, before it counts as speech
        self._silent = 0.0  # seconds in a row that were quiet, while it is speech
        self._at = 0.0

    @property
    def now(self) -> float:
        """Seconds of sound seen so far, gaps counted."""
        return self._at

    def feed(self, values: Iterable[float], seconds: float, at: float | None = None) -> list[Mark]:
        """What *values* of *seconds* each say; *at* is where they begin, and what is missing before it was silent.

        Time never runs backwards: an *at* before the end of what was seen is taken for that end.
        """
        marks: list[Mark] = []
        if at is not None and at > self._at:
            marks += self._step(0.0, at - self._at) if at - self._at > seconds / 2 else ()
            self._at = at
        for value in values:
            marks += self._step(value, seconds)
        return marks

    def finish(self) -> list[Mark]:
        """The sound is over: what was being said has been said."""
        if self.since is None:
            return []
        start, self.since = self.since, None
        end = max(start, self._at - self._silent)
        self._heard = self._silent = 0.0
        return [Ended(start, end)]

    def _step(self, value: float, seconds: float) -> list[Mark]:
        self._at += seconds
        return self._waiting(value, seconds) if self.since is None else self._speaking(value, seconds)

    def _waiting(self, value: float, seconds: float) -> list[Mark]:
        if value < self.ends.loud:
            self._heard = 0.0
            return []
        self._heard += seconds
        if self._heard < self.ends.onset:
            return []
        self.since, self._silent = self._at - self._heard, 0.0
        return [Started(self.since)]

    def _speaking(self, value: float, seconds: float) -> list[Mark]:
        assert self.since is not None
        self._silent = self._silent + seconds if value < self.ends.quiet else 0.0
        if self._silent >= self.ends.silence:
            return self.finish()
        if self._at - self.since < self.ends.longest:
            return []
        start, self.since = self.since, None
        self._heard = 0.0
        return [Ended(start, self._at, True)]
