"""The timer book against a naive list of timers: over crashes, failed writes, and news that comes out of order."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from loom.agent._schedule import ONCE, Every, Schedule, at_schedule, cron_schedule, due_runs
from loom.agent._timer_book import HOLD_MS, TimerBook
from loom.agent._timer_row import STEADY, StoredTimer, decode_timer, due_key, encode_timer, row_key
from loom.agent._timer_window import Window
from loom.errors import InvalidEvent, StoreCorrupt, StoreError
from loom.store import Family, Put
from loom.store.families import join, number
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


# --- what it does ----------------------------------------------------------------------------------------------------


def test_timers_fire_in_order_each_once() -> None:
    desk = Desk()
    for id, seconds in (("c", 30), ("a", 10), ("b", 20.0005)):
        desk.after(id, seconds)
    desk.at("d", NOW + 25_000)
    assert desk.book.next_due_ms() == NOW + 10_000
    assert desk.fire(NOW + 9_999) == []
    assert desk.fire(NOW + 60_000) == [
        ("a", NOW + 10_000),
        ("b", NOW + 20_000),
        ("d", NOW + 25_000),
        ("c", NOW + 30_000),
    ]
    assert desk.book.next_due_ms() is None
    assert len(desk.book) == 0
    assert desk.shelf.kept[Family.DUE] == {}


def test_timers_survive_a_crash_and_fire_late() -> None:
    desk = Desk()
    desk.after("a", 10)
    desk.keep(desk.book.set_every("a", "b", Every(1000), b"e", "coalesce", NOW))
    desk.open()
    assert sorted(desk.fire(NOW + DAY)) == [("a", NOW + 10_000), ("b", NOW + DAY)]
    assert desk.book.next_due_ms() == NOW + DAY + 1000


def test_what_fires_tells_what_was_missed() -> None:
    desk = Desk()
    desk.keep(desk.book.set_every("a", "t", Every(1000), b"e", "coalesce", NOW))
    (timer,) = desk.book.due(NOW + 10_500)
    firing = desk.book.firing(timer, NOW + 10_500)
    (run,) = firing.runs
    assert run.metadata["missed"] == "10"
    assert firing.missed == 9
    assert desk.book.firing(timer, NOW + 10_500).runs == (), "it is on its way already"
    assert desk.book.due(NOW + DAY) == [], "what is on its way is not given out again"


def test_a_timer_does_not_fire_before_it_has_landed_nor_while_it_is_being_cancelled() -> None:
    desk = Desk()
    puts = desk.book.set_after("a", "t", 1, b"e", "once", NOW)
    assert desk.book.get("a", "t") is not None
    assert desk.book.due(NOW + DAY) == []
    desk.keep(puts)
    gone = desk.book.puts_for_gone("a", "t")
    assert desk.book.get("a", "t") is None
    assert desk.book.puts_for_gone("a", "t") == []
    assert desk.book.due(NOW + DAY) == []
    desk.book.dropped(gone, NOW)
    assert desk.book.get("a", "t") is not None
    assert [t.id for t in desk.book.due(NOW + DAY)] == ["t"]


def test_a_firing_that_could_not_be_kept_is_tried_again_after_a_pause() -> None:
    desk = Desk()
    desk.after("t", 1)
    now = NOW + 2000
    (timer,) = desk.book.due(now)
    desk.book.dropped(desk.book.firing(timer, now).puts, now)
    assert desk.book.next_due_ms() == now + HOLD_MS
    assert desk.book.due(now + HOLD_MS - 1) == []
    (again,) = desk.book.due(now + HOLD_MS)
    assert again == timer
    desk.book.back([again], now + HOLD_MS)
    assert desk.book.next_due_ms() == now + 2 * HOLD_MS


def test_a_timer_that_is_set_again_takes_the_place_of_the_first() -> None:
    desk = Desk()
    desk.after("t", 10)
    desk.after("t", 30)
    assert desk.book.next_due_ms() == NOW + 30_000
    assert len(desk.shelf.kept[Family.DUE]) == len(desk.book) == 1


def test_owners_have_their_own_timers_and_so_have_the_keys_of_an_agent() -> None:
    desk = Desk()
    for owner in ("room", "room\0kitchen", "room\0hall", "roomy"):
        desk.after("t", 10, owner)
    assert [t.owner for t in desk.book.of_owner("room")] == ["room"]
    assert [t.owner for t in desk.book.of_owner("room\0hall")] == ["room\0hall"]
    ahead = desk.book.set_after("room", "u", 5, b"", "once", NOW)
    assert [t.id for t in desk.book.of_owner("room")] == ["t", "u"]
    desk.book.dropped(ahead, NOW)
    assert [t.id for t in desk.book.of_owner("room")] == ["t"]


def test_names_that_cannot_be_kept_are_refused() -> None:
    for id in ("", "a\0b"):
        with pytest.raises(InvalidEvent, match="cannot have the id"):
            Desk().book.set_after("a", id, 1, b"", "once", NOW)


# --- clocks that jump ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [HOUR, -HOUR, 400 * DAY, -400 * DAY])
def test_after_follows_the_steady_clock_when_the_calendar_jumps_and_over_a_crash(by: int) -> None:
    desk = Desk()
    desk.after("before", 60)
    desk.keep(desk.book.jumped(by, NOW + by))
    desk.after("behind", 90, now=NOW + by)
    if by == HOUR:
        desk.open()
    assert desk.book.next_due_ms() == NOW + by + 60_000
    assert desk.fire(NOW + by + 59_999) == []
    assert desk.fire(NOW + by + 90_000) == [("before", NOW + by + 60_000), ("behind", NOW + by + 90_000)]


def test_a_jump_is_kept_with_the_next_change_if_nobody_kept_it_before() -> None:
    desk = Desk()
    desk.book.jumped(HOUR, NOW + HOUR)
    desk.after("t", 60, now=NOW + HOUR)
    assert desk.open().next_due_ms() == NOW + HOUR + 60_000
    desk.shelf.write([Put(Family.META, b"timers.shift", b"x" * 9999)])
    desk.open()
    assert "no number" in desk.reports[-1]


def test_a_moment_of_the_calendar_comes_early_when_the_calendar_jumps() -> None:
    desk = Desk()
    desk.at("t", NOW + HOUR)
    desk.book.jumped(2 * HOUR, NOW + 2 * HOUR)
    assert desk.fire(NOW + 2 * HOUR) == [("t", NOW + HOUR)]


def test_a_run_that_was_fired_is_not_fired_again_when_the_clock_goes_back() -> None:
    desk = Desk()
    beats: dict[str, tuple[Schedule, str]] = {"@b": (cron_schedule("0 * * * *", "UTC"), "once")}
    desk.keep(desk.book.beats("a", beats, NOW - 1))
    assert desk.fire(NOW) == [("@b", NOW)]
    desk.keep(desk.book.jumped(-HOUR // 2, NOW - HOUR // 2))
    assert desk.fire(NOW) == []
    assert desk.fire(NOW + HOUR) == [("@b", NOW + HOUR)]


def test_a_beat_is_not_silent_for_a_year_because_the_clock_was_wrong_by_one() -> None:
    desk = Desk()
    beats: dict[str, tuple[Schedule, str]] = {"@b": (cron_schedule("0 * * * *", "UTC"), "once")}
    desk.keep(desk.book.beats("a", beats, NOW - 1))
    wrong = NOW + 365 * DAY
    desk.keep(desk.book.jumped(365 * DAY, wrong))
    assert desk.fire(wrong) == [("@b", wrong)]
    desk.keep(desk.book.jumped(-365 * DAY, NOW + 1))
    assert desk.fire(NOW + HOUR) == [("@b", NOW + HOUR)]


# --- beats -----------------------------------------------------------------------------------------------------------


def test_beats_fire_when_their_handlers_are_there_and_go_on_where_they_were() -> None:
    desk = Desk()
    daily = at_schedule("07:30", "UTC")
    desk.keep(desk.book.beats("a", {"@d": (daily, "catch_up")}, NOW))
    due = NOW + 7 * HOUR + HOUR // 2
    desk.open()
    assert desk.fire(NOW + 3 * DAY) == [], "nobody is there yet"
    assert desk.book.next_due_ms() is None
    assert desk.book.beats("a", {"@d": (daily, "catch_up")}, NOW + 3 * DAY) == []
    assert desk.fire(NOW + 3 * DAY) == [("@d", due), ("@d", due + DAY), ("@d", due + 2 * DAY)]


def test_a_beat_whose_schedule_has_changed_begins_anew_and_one_without_a_handler_goes() -> None:
    desk = Desk()
    desk.keep(desk.book.beats("a", {"@d": (Every(1000), "once"), "@e": (Every(1000), "once")}, NOW))
    desk.after("mine", 5)
    desk.open()
    desk.keep(desk.book.beats("a", {"@d": (Every(2000), "once")}, NOW + DAY))
    assert [t.id for t in desk.book.of_owner("a")] == ["@d", "mine"]
    beat = desk.book.get("a", "@d")
    assert beat is not None
    assert beat.due_ms == NOW + DAY + 2000
    desk.keep(desk.book.beats("a", {"@d": (Every(2000), "skip")}, NOW + DAY + 1000))
    changed = desk.book.get("a", "@d")
    assert changed == beat._replace(policy="skip"), "the policy alone does not move it"


def test_silence_keeps_beats_without_firing_them() -> None:
    desk = Desk()
    desk.keep(desk.book.beats("a", {"@d": (Every(1000), "once")}, NOW))
    desk.keep(desk.book.beats("a\0k", {"@d": (Every(1000), "once")}, NOW))
    desk.book.silence("a")
    assert [t.owner for t in desk.book.due(NOW + 1000)] == ["a\0k"]
    assert desk.book.get("a", "@d") is not None


# --- what is broken --------------------------------------------------------------------------------------------------

BAD = [
    b"",
    b"{",
    b"null",
    b"[1]",
    b'{"k":"after"}',
    b'{"k":"never","d":1,"m":"once"}',
    b'{"k":"after","d":1,"m":"maybe"}',
    b'{"k":"after","d":-1,"m":"once"}',
    b'{"k":"after","d":1.5,"m":"once"}',
    b'{"k":"after","d":true,"m":"once"}',
    b'{"k":"after","d":' + b"9" * 5000 + b',"m":"once"}',
    b'{"k":"after","d":%d,"m":"once"}' % STEADY,
    b'{"k":["after"],"d":1,"m":"once"}',
    b'{"k":"after","d":1,"m":"once","e":"***"}',
    b'{"k":"after","d":1,"m":"once","e":7}',
    b'{"k":"after","d":1,"m":"once","f":"x"}',
    b'{"k":"every","d":1,"m":"once","s":{"every_ms":0}}',
    b'{"k":"beat","d":1,"m":"once","s":{"cron":"* *"}}',
    b'{"k":"beat","d":1,"m":"once","s":{"at":"07:30","tz":"Mars/Phobos"}}',
    b'{"k":"beat","d":1,"m":"once","s":7}',
    b"[" * 100_000,
    b"\xff\xfe",
]


@pytest.mark.parametrize("row", BAD, ids=range(len(BAD)))
def test_a_bad_row_is_reported_and_skipped_and_stays(row: bytes) -> None:
    desk = Desk()
    desk.shelf.write(
        [Put(Family.TIMERS, b"a\0bad", row), Put(Family.DUE, join(number(NOW | STEADY), "a", "bad"), b"")]
    )
    desk.after("good", 10)
    assert desk.fire(NOW + DAY) == [("good", NOW + 10_000)]
    assert len(desk.reports) == 1
    assert "a\\x00bad" in desk.reports[0]
    assert desk.shelf.kept[Family.TIMERS][b"a\0bad"] == row
    assert next(puts for _, puts in desk.book.faults()) == []


@settings(deadline=None)
@given(st.dictionaries(st.binary(max_size=30), st.binary(max_size=60), max_size=8), st.binary(max_size=60))
def test_any_bytes_are_survived(keys: dict[bytes, bytes], row: bytes) -> None:
    desk = Desk(window=4)
    for key in keys:
        desk.shelf.write([Put(Family.DUE, key, b""), Put(Family.TIMERS, key[9:], row)])
    desk.after("good", 10)
    fired: list[tuple[str, int]] = []
    for _ in range(5):
        fired += desk.fire(STEADY - 1)
    assert ("good", NOW + 10_000) in fired
    list(desk.book.faults())


def test_faults_are_found_and_can_be_mended() -> None:
    desk = Desk()
    desk.after("deaf", 10)
    desk.after("fine", 20)
    desk.after("twice", 30)
    twice = desk.book.get("a", "twice")
    assert twice is not None
    (deaf,) = (k for k in desk.shelf.kept[Family.DUE] if k.endswith(b"deaf"))
    desk.shelf.write(
        [
            Put(Family.DUE, deaf, None),
            Put(Family.DUE, join(number(5), "a", "ghost"), b""),
            Put(Family.DUE, due_key(twice._replace(due_ms=7)), b""),
        ]
    )
    desk.open()
    assert desk.fire(NOW + DAY) != []
    assert any("ghost" in report for report in desk.reports)
    found = list(desk.book.faults())
    assert ["deaf" in told for told, _ in found].count(True) == 1
    desk.shelf.write([put for _, puts in found for put in puts])
    assert list(desk.open().faults()) == []
    assert desk.fire(NOW + DAY) == [("deaf", NOW + 10_000)]


class Moody(Shelf):
    """A shelf that cannot be read when told."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    def get(self, family: Family, key: bytes) -> bytes | None:
        if self.broken:
            raise StoreError("the shelf cannot be read")
        return super().get(family, key)


def test_what_could_not_be_read_is_read_again() -> None:
    shelf = Moody()
    book = TimerBook(shelf)
    puts = [*book.set_after("a", "s", 1, b"", "once", NOW), *book.set_after("a", "t", 1, b"", "once", NOW)]
    shelf.write(puts)
    book.landed(puts)
    shelf.broken = True
    with pytest.raises(StoreError):
        book.due(NOW + 1000)
    shelf.broken = False
    assert book.next_due_ms() == NOW + 1000
    assert sorted(t.id for t in book.due(NOW + 1000 + HOLD_MS)) == ["s", "t"]
    for timer in (book.get("a", "s"), book.get("a", "t")):
        assert timer is not None
        puts = book.firing(timer, NOW + 2000).puts
        shelf.broken = True
        book.dropped(puts, NOW + 2000)
        shelf.broken = False
    assert sorted(t.id for t in book.due(NOW + 9000)) == ["s", "t"]


# --- many ------------------------------------------------------------------------------------------------------------


class Counting(Shelf):
    """A shelf that counts what is asked of it and can find its place without sorting."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0
        self._sorted: list[bytes] | None = None

    def get(self, family: Family, key: bytes) -> bytes | None:
        self.read += 1
        return super().get(family, key)

    def scan(
        self, family: Family, start: bytes = b"", end: bytes | None = None, limit: int = 256
    ) -> list[tuple[bytes, bytes]]:
        self.read += limit
        return super().scan(family, start, end, limit)


def test_of_many_timers_only_the_nearest_are_in_memory_and_looking_reads_nothing() -> None:
    shelf = Counting()
    book = TimerBook(shelf, window=64)
    for n in range(5000):
        puts = book.set_after("a", f"t{n * 7919 % 5000}", n * 7919 % 5000, b"", "once", NOW)
        shelf.write(puts)
        book.landed(puts)
        assert len(book._steady) <= 64
    assert book.next_due_ms() == NOW
    shelf.read = 0
    for _ in range(1000):
        book.next_due_ms()
    assert shelf.read == 0
    fired: list[str] = []
    while timers := book.due(NOW + 10**7):
        assert len(timers) <= 256
        for timer in timers:
            puts = book.firing(timer, NOW + 10**7).puts
            shelf.write(puts)
            book.landed(puts)
            fired.append(timer.id)
        assert len(book._steady) <= 64
    assert fired == [f"t{n}" for n in range(5000)]
    assert shelf.read < 5 * 5000


def test_a_window_forgets_what_was_cancelled() -> None:
    window = Window(Shelf(), b"", None, 1024)  # type: ignore[arg-type]
    assert window.head() is None
    for n in range(10_000):
        window.add(number(n) + b"\0a\0b")
        window.discard(number(n) + b"\0a\0b")
    assert len(window) == 0
    assert len(window._heap) <= 65


# --- rows ------------------------------------------------------------------------------------------------------------

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
TIMERS = st.builds(
    StoredTimer,
    st.builds("\0".join, st.lists(NAMES, min_size=1, max_size=2)),
    NAMES,
    st.sampled_from(["after", "every", "at", "beat"]),
    st.sampled_from(
        [{}, {"every_ms": 5}, {"at": "07:30:00", "tz": "UTC"}, {"cron": "5 5 * * *", "tz": "UTC"}]
    ),
    st.integers(0, STEADY - 1),
    st.sampled_from(["once", "skip", "catch_up", "coalesce"]),
    st.binary(max_size=20),
    st.none() | st.integers(0, STEADY - 1),
)


@settings(deadline=None)
@given(TIMERS, TIMERS)
def test_a_timer_comes_back_from_its_row_and_keys_sort_by_moment(one: StoredTimer, two: StoredTimer) -> None:
    assert decode_timer(row_key(one.owner, one.id), encode_timer(one)) == one
    if one.steady is two.steady and one.due_ms != two.due_ms:
        assert (due_key(one) < due_key(two)) is (one.due_ms < two.due_ms)
    assert due_key(one)[9:] == row_key(one.owner, one.id)
    assert json.loads(encode_timer(one))["d"] == one.due_ms


def test_a_bad_key_is_a_corrupt_row() -> None:
    with pytest.raises(StoreCorrupt):
        decode_timer(b"", b'{"k":"after","d":1,"m":"once"}')


# --- against a naive list, with crashes ------------------------------------------------------------------------------

IDS = st.sampled_from([f"t{n}" for n in range(6)])
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
        id=IDS, seconds=st.integers(0, 300), calendar=st.booleans(), policy=st.sampled_from(["once", "skip"])
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
    deadline=None, max_examples=120, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow]
)


def test_it_works_on_a_real_store(tmp_path: Path) -> None:
    from loom.store.sqlite import SqliteBackend

    backend = SqliteBackend(tmp_path)
    book = TimerBook(backend)
    puts = [*book.set_after("a", "t", 10, b"e", "once", NOW), *book.jumped(HOUR, NOW + HOUR)]
    backend.write(puts)
    backend.close()
    backend = SqliteBackend(tmp_path)
    book = TimerBook(backend)
    assert book.next_due_ms() == NOW + HOUR + 10_000
    (timer,) = book.due(NOW + HOUR + 10_000)
    backend.write(book.firing(timer, NOW + HOUR + 10_000).puts)
    assert list(TimerBook(backend).faults()) == []
    assert len(book) == 0
    backend.close()
