"""Disks that are full, read-only or broken for a while: calls fail under a runtime at work, then they work again."""

from __future__ import annotations

import random
import time
from pathlib import Path

from torture._plan import Life
from torture._powerlog import Fault, environment
from torture._process import Gone, Process
from torture._round import Round, Terms

MODES = {"full": Fault.FULL, "half": Fault.HALF, "read-only": Fault.READ_ONLY, "broken": Fault.BROKEN}


class FullRound(Round):
    """A round whose lives meet a disk without space, or one that may not be written, and sometimes die of it.

    A publisher that is told StoreFull may rely on it: what it gives up then must not be there in the end.
    """

    def __init__(self, terms: Terms, folder: Path | None = None) -> None:
        super().__init__(terms, folder)
        (self.folder / "data").mkdir(mode=0o700)
        self.fault = Fault(self.folder / "fault")
        self.chance = random.Random(f"{terms.seed} full")

    def _environment(self) -> dict[str, str]:
        faulty = environment(self.folder / "data", None, control=self.fault.path)
        return super()._environment() | faulty

    def _short(self, life: Life) -> None:
        process = self._spawn(life)
        name = self.chance.choice(sorted(MODES))
        killed = (
            life.phase != "working" or name == "broken"
        )  # a disk that failed is trusted again after a restart
        try:
            self._until(process, "up")
            self._serve(process, 10.0, feed=True, until_acked=True)
            self._serve(process, life.after, feed=True)
            self.fault.set(MODES[name])
            self._serve(process, 0.2 + life.after, feed=True)
            if killed:
                self._die(process)
                self._start_without_space(life)
            self.fault.set(Fault.WORKS)
            if not killed:
                self.publishers.try_again()
                self._serve(process, 1.0, feed=True, until_acked=True)
                self._serve(process, life.after, feed=True)
        finally:
            self._die(process)
            self.fault.set(Fault.WORKS)
            self.publishers.try_again()
            self.outcome.killed.append(
                f"{name}{', killed then' if killed else ''} ({self.publishers.refused} refused)"
            )

    def _die(self, process: Process) -> None:
        process.kill()
        for told in process.last_words():
            self.publishers.take(told)
        self.publishers.died()

    def _start_without_space(self, life: Life) -> None:
        """It may serve or refuse to start, but whatever it accepts stays."""
        process = self._spawn(life)
        until = time.monotonic() + 1.0
        try:
            while time.monotonic() < until:
                told = process.hear(0.1)
                if told is not None and "up" in told:
                    self._serve(process, 0.5, feed=True)
                    return
        except Gone:
            return
        finally:
            self._die(process)
