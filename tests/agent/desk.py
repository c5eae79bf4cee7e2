"""A timer book over a shelf whose puts are written and told at once, for the tests of both."""

from loom.agent._timer_book import TimerBook
from loom.store import Put
from tests.store.shelf import Shelf

NOW = 1_767_225_600_000
HOUR = 3_600_000
DAY = 24 * HOUR


class Desk:
    """A book over a shelf, whose puts are written and told at once."""

    def __init__(self, window: int = 1024) -> None:
        self.shelf = Shelf()
        self.window = window
        self.reports: list[str] = []
        self.open()

    def open(self) -> TimerBook:
        self.book = TimerBook(self.shelf, self.reports.append, self.window)
        return self.book

    def keep(self, puts: list[Put]) -> list[Put]:
        self.shelf.write(puts)
        self.book.landed(puts)
        return puts

    def after(self, id: str, seconds: float, owner: str = "a", now: int = NOW) -> None:
        self.keep(self.book.set_after(owner, id, seconds, b"e", "once", now))

    def at(self, id: str, moment: int, policy: str = "once") -> None:
        self.keep(self.book.set_at("a", id, moment, b"e", policy))

    def fire(self, now: int) -> list[tuple[str, int]]:
        """Fire all that is due at *now*: the ids, and the moments at which their runs were due."""
        fired = []
        while timers := self.book.due(now):
            for timer in timers:
                firing = self.book.firing(timer, now)
                fired += [(timer.id, run.due_ms) for run in firing.runs]
                self.keep(firing.puts)
        return fired
