"""Disks that are full, read-only or broken for a while: calls fail under a runtime at work, then they work again."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

from torture._plan import Life
from torture._powerlog import Fault, environment
from torture._process import Gone, Process
from torture._round import Outcome, Round, Terms

MODES = {"full": Fault.FULL, "half": Fault.HALF, "read-only": Fault.READ_ONLY, "broken": Fault.BROKEN}


class Ballast:
    """A real small file system in memory, filled to the brim and emptied again; needs the right to mount."""

    def __init__(self, folder: Path, size: str = "24m") -> None:
        self.folder = folder
        self._weight = folder / "LOG-ballast"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)

    def set(self, mode: int) -> None:
        """Take all space there is, or give it back."""
        if mode == Fault.WORKS:
            self._weight.unlink(missing_ok=True)
            return
        with self._weight.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def close(self) -> None:
        """Unmount it, with all that is in it."""
        subprocess.run(["umount", str(self.folder)], check=True)


class FullRound(Round):
    """A round whose lives meet a disk without space, or one that may not be written, and sometimes die of it.

    A publisher that is told StoreFull may rely on it: what it gives up then must not be there in the end.
    """

    def __init__(self, terms: Terms, folder: Path | None = None) -> None:
        super().__init__(terms, folder)
        (self.folder / "data").mkdir(mode=0o700)
        self.fault = Fault(self.folder / "fault")
        self.chance = random.Random(f"{terms.seed} full")
        self.modes = MODES

    def _environment(self) -> dict[str, str]:
        faulty = environment(self.folder / "data", None, control=self.fault.path)
        return super()._environment() | faulty

    def _switch(self, mode: int) -> None:
        self.fault.set(mode)

    def _short(self, life: Life) -> None:
        process = self._spawn(life)
        name = self.chance.choice(sorted(self.modes))
        killed = (
            life.phase != "working" or name == "broken"
        )  # a disk that failed is trusted again after a restart
        try:
            self._until(process, "up")
            self._serve(process, 10.0, feed=True, until_acked=True)
            self._serve(process, life.after, feed=True)
            self._switch(self.modes[name])
            self._serve(process, 0.2 + life.after, feed=True)
            if killed:
                self._die(process)
                self._start_without_space(life)
            self._switch(Fault.WORKS)
            if not killed:
                self.publishers.try_again()
                self._serve(process, 1.0, feed=True, until_acked=True)
                self._serve(process, life.after, feed=True)
        finally:
            self._die(process)
            self._switch(Fault.WORKS)
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


class MountRound(FullRound):
    """A FullRound on a file system that is really full."""

    def __init__(self, terms: Terms, folder: Path | None = None) -> None:
        super().__init__(terms, folder)
        self.ballast = Ballast(self.folder / "data")
        self.modes = {"full": Fault.FULL}

    def _environment(self) -> dict[str, str]:
        return Round._environment(self)

    def play(self) -> Outcome:
        """As any round; what is in the file system goes with it."""
        try:
            return super().play()
        finally:
            self.ballast.close()

    def _switch(self, mode: int) -> None:
        self.ballast.set(mode)
