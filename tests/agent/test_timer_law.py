"""The timer book against a naive list of timers: over crashes, failed writes, and news that comes out of order."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from loom.agent._schedule import ONCE, Every, Schedule, at_schedule, due_runs
from loom.agent._timer_book import HOLD_MS, TimerBook
from loom.agent._timer_row import StoredTimer, decode_timer, due_key, row_key
from loom.store import Family, Put
from tests.agent.desk import NOW
from tests.store.shelf import Shelf

IDS = st.sampled_from([f"t{n}" for n in range(3)])
SPECS: list[Schedule] = [ONCE, Every(700), Every(90_000), at_schedule("00:01", "Europe/Berlin")]


class BookMachine(RuleBasedStateMachine):
    """Transactions are begun, written in order or lost, told in any order; the process may die at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf()
        self.now = NOW
        self.shift = 0
        self.kept_shift = 0
        self.begun: list[list[Put]] = []
        self.written: list[list[Put]] = []
        self.reports: list[str] = []
        self.start()

    def start(self) -> None:
        self.book = TimerBook(self.shelf, self.reports.append, window=4)

    def naive(self) -> dict[str, StoredTimer]:
        """What is in the store: the truth."""
        rows = self.shelf.kept[Family.TIMERS]
        return {t.id: t for t in (decode_timer(key, row) for key, row in rows.items())}

    def wall(self, timer: StoredTimer) -> int:
        return timer.due_ms + (self.shift if timer.steady else 0)

    @rule(
        id=IDS, seconds=st.integers(0, 60), calendar=st.booleans(), policy=st.sampled_from(["once", "skip"])
    )
    def set_once(self, id: str, seconds: int, calendar: bool, policy: str) -> None:
        if calendar:
            self.begun.append(self.book.set_at("a", id, self.now + seconds * 1000, b"e", policy))
        else:
            self.begun.append(self.book.set_after("a", id, seconds, b"e", policy, self.now))

    @rule(id=IDS, schedule=st.sampled_from(SPECS[1:]), policy=st.sampled_from(["coalesce", "catch_up"]))
    def set_again_and_again(self, id: str, schedule: Schedule, policy: str) -> None:
        self.begun.append(self.book.set_every("a", id, schedule, b"e", policy, self.now))

    @rule(id=IDS)
    def cancel(self, id: str) -> None:
        known = self.book.get("a", id)
        puts = self.book.puts_for_gone("a", id)
        assert bool(puts) is (known is not None)
        self.begun.append(puts)
        assert self.book.get("a", id) is None

    @rule(milliseconds=st.integers(0, 100_000))
    def pass_time(self, milliseconds: int) -> None:
        self.now += milliseconds

    @rule(by=st.sampled_from([5_000, -5_000, 90_000_000, -90_000_000]))
    def jump(self, by: int) -> None:
        self.now += by
        self.shift += by
        self.begun.append(self.book.jumped(by, self.now))

    @rule()
    def land_all(self) -> None:
        while self.begun:
            self.write_one()
        while self.written:
            self.book.landed(self.written.pop(0))

    @rule()
    def write_one(self) -> None:
        if self.begun:
            self.written.append(self.begun.pop(0))
            self.shelf.write(self.written[-1])
            for put in self.written[-1]:
                if put.family is Family.META:
                    assert put.value is not None
                    self.kept_shift = int(put.value)

    @rule()
    def lose_one(self) -> None:
        if self.begun:
            self.book.dropped(self.begun.pop(0), self.now)

    @rule(data=st.data())
    def tell_one(self, data: Any) -> None:
        if self.written:
            self.book.landed(self.written.pop(data.draw(st.integers(0, len(self.written) - 1))))

    @rule()
    def ring(self) -> None:
        """Fire what is due; the transactions are begun and end as the others do."""
        known = self.naive()
        pending = {p.key for puts in (*self.begun, *self.written) for p in puts if p.family is Family.TIMERS}
        for timer in self.book.due(self.now):
            assert known[timer.id] == timer, "what fires is in the store"
            assert self.wall(timer) <= self.now
            assert row_key("a", timer.id) not in pending, "and nothing of it is on its way"
            self.begun.append(self.book.firing(timer, self.now).puts)

    @rule()
    def crash(self) -> None:
        self.begun, self.written = [], []
        self.shift = self.kept_shift
        self.start()

    @rule(data=st.data())
    def come_to_rest(self, data: Any) -> None:
        """When everything has landed, exactly the timers of the naive list fire, in order, with the same runs."""
        while self.begun:
            self.write_one()
        while self.written:
            self.tell_one(data)
        self.now += HOLD_MS
        known = self.naive()
        wanted = sorted((self.wall(t), t.id) for t in known.values() if self.wall(t) <= self.now)
        nearest = min((self.wall(t) for t in known.values()), default=None)
        told = self.book.next_due_ms()
        assert (told is None) is (nearest is None)
        assert nearest is None or told == nearest or (told is not None and told <= self.now >= nearest)
        given = self.book.due(self.now)
        while more := self.book.due(self.now):
            given += more
        assert sorted((self.wall(t), t.id) for t in given) == wanted
        for timer in given:
            shift = self.shift if timer.steady else 0
            runs = due_runs(timer.schedule, timer.policy, timer.due_ms, self.now - shift)
            firing = self.book.firing(timer, self.now)
            assert [r.due_ms for r in firing.runs] == [r.due_ms + shift for r in runs.fire]
            self.begun.append(firing.puts)

    @invariant()
    def the_store_is_whole(self) -> None:
        due = {due_key(t) for t in self.naive().values()}
        assert set(self.shelf.kept[Family.DUE]) == due
        assert self.reports == []

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.book._steady) <= 4
        assert len(self.book._calendar) <= 4


TestBook = BookMachine.TestCase
TestBook.settings = settings(
    deadline=None, max_examples=200, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow]
)
