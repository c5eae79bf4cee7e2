"""Time as a dependency: nothing in Loom asks the operating system for the time except through a Clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from random import Random


class Clock(Protocol):
    """Two readings of time: the calendar for timestamps, a steady one for durations."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment, never going back."""
        ...


class SystemClock:
    """The clock of the operating system."""

    __slots__ = ()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


class Chance:
    """Chance as a dependency: a ``random.Random`` made from *seed* (None: the system's) when first asked for."""

    __slots__ = ("_random", "_seed")

    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed
        self._random: Random | None = None

    @property
    def random(self) -> Random:
        """The generator, always the same one."""
        if self._random is None:
            from random import Random

            self._random = Random(self._seed)
        return self._random
