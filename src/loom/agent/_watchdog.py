"""The watchdog: names the handler that blocks the loop, with its stack, while it still does."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import NamedTuple

log = logging.getLogger("loom.watchdog")


class Blocked(NamedTuple):
    """A loop that does not turn: for how long (seconds), which handler was running, and where it stood."""

    seconds: float
    handler: str
    stack: str


class Beat:
    """The pure part: when was the loop last seen turning, and is it time to complain?"""

    __slots__ = ("_asked", "_due", "_limit")

    def __init__(self, limit: float) -> None:
        self._limit = self._due = limit
        self._asked: float | None = None

    def ask(self, now: float) -> None:
        """The loop was asked for a beat at *now*."""
        if self._asked is None:
            self._due = self._limit
            self._asked = now

    def answered(self, now: float) -> float:
        """The loop turned; seconds it was silent before."""
        asked, self._asked = self._asked, None
        return 0.0 if asked is None else now - asked

    @property
    def open(self) -> bool:
        """Whether an answer is outstanding."""
        return self._asked is not None

    def overdue(self, now: float) -> float | None:
        """Seconds the loop has been silent if it is time to say so: at the limit, and each time they have doubled."""
        asked = self._asked  # the loop's thread may answer at any moment
        if asked is None or now - asked < self._due:
            return None
        self._due = 2 * (now - asked)
        return now - asked


def blame(frame: FrameType | None, handlers: Mapping[CodeType, str]) -> str:
    """The name of the handler on the stack that ends in *frame*; ``the loop`` if none is."""
    while frame is not None:
        if frame.f_code in handlers:
            return handlers[frame.f_code]
        frame = frame.f_back
    return "the loop"


def is_waiting(frame: FrameType | None) -> bool:
    """Whether the thread of *frame* waits for input and timers, as a loop with nothing to do does."""
    return frame is not None and frame.f_globals.get("__name__") == "selectors"


class Watchdog:
    """A thread that asks the loop for a beat and, when none comes within *limit* seconds, looks who is in the way.

    It logs that itself, at once and each time the silence has doubled: the loop may never turn again. If it does,
    *report* is called on it, once for each silence.
    """

    def __init__(
        self,
        limit: float,
        handlers: Mapping[CodeType, str],
        report: Callable[[Blocked], None],
        now: Callable[[], float],
    ) -> None:
        self._beat = Beat(limit)
        self._limit = limit
        self._handlers = handlers
        self._report = report
        self._now = now
        self._last: Blocked | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, name="loom-watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching; the thread ends by itself, and nobody blocks the loop to see it."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(self._limit / 2):
            if not self._beat.open:
                self._beat.ask(self._now())
                try:
                    self._loop.call_soon_threadsafe(self._turned)
                except RuntimeError:  # the loop was closed: nothing left to watch
                    return
                continue
            silent = self._beat.overdue(self._now())
            if silent is not None:
                self._tell(silent)

    def _tell(self, silent: float) -> None:
        frame = sys._current_frames().get(self._thread_id)
        if is_waiting(frame):  # nobody's code is in the way: the machine has not let the process run
            return
        stack = "".join(traceback.format_stack(frame, limit=6)) if frame is not None else ""
        blocked = Blocked(silent, blame(frame, self._handlers), stack)
        with self._lock:
            if not self._beat.open:  # it turned while we looked: whom we saw may be innocent
                return
            self._last = blocked
        log.warning(
            "%s has blocked the loop for %.2f s; it stands at\n%s", blocked.handler, silent, blocked.stack
        )

    def _turned(self) -> None:
        with self._lock:
            silent = self._beat.answered(self._now())
            blocked, self._last = self._last, None
        if blocked is not None:
            self._report(blocked._replace(seconds=silent))
