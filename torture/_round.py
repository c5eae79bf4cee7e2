"""One round: a data folder, a few lives of the runtime that end by force, a last one that drains, and the verdict."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torture._actuator import Actuator
from torture._oracle import Act, Report, judge
from torture._plan import ALL, Life, lives
from torture._process import Gone, Process
from torture._publishers import Publishers

PATIENCE = 90.0
FIRST = 10.0  # seconds for the first acknowledgement of a life
PUBLISHERS = 8


@dataclass(frozen=True)
class Terms:
    """What a round is made of."""

    seed: int
    backend: str = "sqlite"
    kills: int = 4
    count: int = 100
    """Events of each publisher."""
    kinds: frozenset[str] = ALL

    @property
    def tidy(self) -> bool:
        """Whether the journal keeps next to nothing of what is handled, so that an id is soon forgotten."""
        return self.seed % 4 == 3


@dataclass
class Outcome:
    """What came of a round."""

    terms: Terms
    folder: Path
    problems: list[str] = field(default_factory=list)
    published: int = 0
    acked: int = 0
    acts: int = 0
    repeats: int = 0
    killed: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def line(self) -> str:
        """One line about it."""
        terms, wrong = self.terms, len(self.problems)
        how = ", tidy" if terms.tidy else ""
        return (
            f"seed {terms.seed} {terms.backend}{how}: killed while {', '.join(self.killed) or 'never'}; "
            f"{self.published} published, {self.acked} acknowledged, {self.repeats} repeated, {self.acts} acts; "
            f"{f'{wrong} PROBLEMS' if wrong else 'ok'}, {self.seconds:.1f} s"
        )


class Stuck(Exception):
    """The runtime did not do in time what it was asked to."""


class Round:
    """Plays one round; ``play`` never raises for what the runtime does wrong, the outcome says it."""

    def __init__(self, terms: Terms, folder: Path | None = None) -> None:
        self.terms = terms
        self.folder = folder or Path(tempfile.mkdtemp(prefix=f"loom-torture-{terms.seed}-"))
        self.outcome = Outcome(terms, self.folder)
        self.publishers = Publishers(terms.seed, PUBLISHERS, terms.count, terms.kinds)
        self.publishers.repeating = not terms.tidy
        self.actuator = Actuator(self.folder / "actuator", terms.seed)

    def play(self) -> Outcome:
        """All lives and the verdict; the folder is kept when there is a problem."""
        began, outcome = time.monotonic(), self.outcome
        try:
            *short, last = lives(self.terms.seed, self.terms.kills, self.terms.kinds)
            for life in short:
                self._short(life)
            self._last(last)
            report = self._report(last)
            outcome.problems += judge(self._book(), report)
        except (Stuck, Gone) as error:
            outcome.problems.append(str(error))
        finally:
            self.actuator.close()
        book = self.publishers.book
        outcome.published, outcome.acked = len(book.tried), len(book.acked)
        outcome.acts, outcome.repeats = len(self.actuator.acts), sum(self.publishers.repeats.values())
        outcome.seconds = time.monotonic() - began
        if not outcome.problems:
            shutil.rmtree(self.folder, ignore_errors=True)
        return outcome

    def _book(self) -> Any:
        self.publishers.book.acts = [Act(*act) for act in self.actuator.acts]
        return self.publishers.book

    def _spawn(self, life: Life) -> Process:
        arguments = ["torture._subject", self.terms.backend, str(self.folder / "data"), str(life.version)]
        return Process(arguments, self.folder / "stderr", self._environment())

    def _environment(self) -> dict[str, str]:
        tidy = {"TORTURE_TIDY": "1"} if self.terms.tidy else {}
        return {"TORTURE_ACTUATOR": str(self.actuator.path)} | tidy

    # --- lives that are cut short --------------------------------------------------------------------------------

    def _short(self, life: Life) -> None:
        process = self._spawn(life)
        try:
            if life.phase == "starting":
                self._serve(process, life.after)
            else:
                self._until(process, "up")
                self._work(process, life)
        finally:
            process.kill()
            for told in process.last_words():
                self.publishers.take(told)
            self.publishers.died()
            stopped = ", stopped before" if life.stop_at is not None else ""
            self.outcome.killed.append(f"{life.phase} ({len(self.publishers.book.acked)}{stopped})")

    def _work(self, process: Process, life: Life) -> None:
        if life.phase != "recovering":
            self._serve(process, FIRST, feed=True, until_acked=True)
        if life.stop_at is not None:
            self._serve(process, life.stop_at, feed=True)
            process.stop_for(life.stop_for)
        self._serve(process, life.after - (life.stop_at or 0.0), feed=True)
        if life.phase == "leaving":
            process.say(do="leave")
            self._serve(process, life.after / 4, leaving=True)

    def _serve(
        self,
        process: Process,
        seconds: float,
        feed: bool = False,
        leaving: bool = False,
        until_acked: bool = False,
    ) -> None:
        """Feed and listen for *seconds*, or until something is acknowledged."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if feed:
                self.publishers.feed(process)
            try:
                told = process.hear(min(left, 0.01))
            except Gone:
                if leaving:
                    return
                raise
            if told is not None and self.publishers.take(told) and until_acked:
                return

    # --- the last life and the report ----------------------------------------------------------------------------

    def _until(self, process: Process, word: str) -> Any:
        """What it says under *word*; acknowledgements before it are noted. Raises Stuck."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                told = process.hear(1.0)
            except Gone as error:
                raise Stuck(f"waiting for {word!r}: {error}\n{process.trace()}") from error
            if told is not None and not self.publishers.take(told) and word in told:
                return told[word]
        raise Stuck(f"no {word!r} within {PATIENCE:.0f} s\n{process.trace()}")

    def _last(self, life: Life) -> None:
        process = self._spawn(life)
        try:
            self._until(process, "up")
            until = time.monotonic() + PATIENCE
            while self.publishers.waiting:
                self.publishers.feed(process, last=True)
                told = process.hear(0.01)
                if told is not None:
                    self.publishers.take(told)
                if time.monotonic() > until:
                    raise Stuck(f"{self.publishers.waiting} were not acknowledged\n{process.trace()}")
            process.say(do="drain")
            if not self._until(process, "drain"):
                raise Stuck(f"it does not come to rest\n{process.trace()}")
            process.say(do="leave")
            left = self._until(process, "left")
            if left:
                self.outcome.problems.append(f"it left {left} events undone when it was asked to stop")
            if process.wait(PATIENCE) != 0:
                raise Stuck(f"it did not end well: {process.wait(0)}\n{process.trace()}")
        finally:
            process.kill()

    def _report(self, life: Life) -> Report:
        """What a new life knows, before anything new happens."""
        process = self._spawn(life)
        try:
            self._until(process, "up")
            process.say(do="report")
            found = self._until(process, "report")
        finally:
            process.kill()
        return Report(found["agents"], [(agent, event) for agent, event in found["dead"]])
