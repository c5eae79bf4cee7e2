"""How long a worker has had nothing to do: when it was long enough, its process may sleep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Rest:
    """Calls *over* when *seconds* have passed since `begin` without `end`; never when *seconds* is None."""

    __slots__ = ("_over", "_seconds", "_timer")

    def __init__(self, seconds: float | None, over: Callable[[], None]) -> None:
        self._seconds = seconds
        self._over = over
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """There is nothing to do from now on."""
        self.end()
        if self._seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._over)

    def end(self) -> None:
        """There is something to do, or never will be again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
