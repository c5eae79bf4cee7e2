"""The timer book: what it fires and when, over crashes, jumps of the clock and writes that fail."""

from pathlib import Path

import pytest

from loom.agent._schedule import Every, at_schedule, cron_schedule
from loom.agent._timer_book import HOLD_MS, Beat, TimerBook
from loom.agent._timer_faults import timer_faults
from loom.agent._timer_window import Window
from loom.errors import InvalidEvent
from loom.store import Family, Put
from loom.store.families import number
from tests.agent.desk import DAY, HOUR, NOW, Desk
from tests.store.shelf import Shelf

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
    beats = {"@b": Beat(cron_schedule("0 * * * *", "UTC"), "once")}
    desk.keep(desk.book.beats("a", beats, NOW - 1))
    assert desk.fire(NOW) == [("@b", NOW)]
    desk.keep(desk.book.jumped(-HOUR // 2, NOW - HOUR // 2))
    assert desk.fire(NOW) == []
    assert desk.fire(NOW + HOUR) == [("@b", NOW + HOUR)]


def test_a_beat_is_not_silent_for_a_year_because_the_clock_was_wrong_by_one() -> None:
    desk = Desk()
    beats = {"@b": Beat(cron_schedule("0 * * * *", "UTC"), "once")}
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
    desk.keep(desk.book.beats("a", {"@d": Beat(daily, "catch_up")}, NOW))
    due = NOW + 7 * HOUR + HOUR // 2
    desk.open()
    assert desk.fire(NOW + 3 * DAY) == [], "nobody is there yet"
    assert desk.book.next_due_ms() is None
    assert desk.book.beats("a", {"@d": Beat(daily, "catch_up")}, NOW + 3 * DAY) == []
    assert desk.fire(NOW + 3 * DAY) == [("@d", due), ("@d", due + DAY), ("@d", due + 2 * DAY)]


def test_a_beat_whose_schedule_has_changed_begins_anew_and_one_without_a_handler_goes() -> None:
    desk = Desk()
    desk.keep(desk.book.beats("a", {"@d": Beat(Every(1000), "once"), "@e": Beat(Every(1000), "once")}, NOW))
    desk.after("mine", 5)
    desk.open()
    desk.keep(desk.book.beats("a", {"@d": Beat(Every(2000), "once")}, NOW + DAY))
    assert [t.id for t in desk.book.of_owner("a")] == ["@d", "mine"]
    beat = desk.book.get("a", "@d")
    assert beat is not None
    assert beat.due_ms == NOW + DAY + 2000
    desk.keep(desk.book.beats("a", {"@d": Beat(Every(2000), "skip")}, NOW + DAY + 1000))
    changed = desk.book.get("a", "@d")
    assert changed == beat._replace(policy="skip"), "the policy alone does not move it"


def test_silence_keeps_beats_without_firing_them() -> None:
    desk = Desk()
    desk.keep(desk.book.beats("a", {"@d": Beat(Every(1000), "once")}, NOW))
    desk.keep(desk.book.beats("a\0k", {"@d": Beat(Every(1000), "once")}, NOW))
    desk.book.silence("a")
    assert [t.owner for t in desk.book.due(NOW + 1000)] == ["a\0k"]
    assert desk.book.get("a", "@d") is not None


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
        assert book.next_due_ms() is not None
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
    assert list(timer_faults(backend)) == []
    assert len(book) == 0
    backend.close()


def test_a_clock_that_is_set_back_does_not_put_off_what_could_not_be_written() -> None:
    desk = Desk()
    desk.at("a", NOW + 1000)
    (timer,) = desk.book.due(NOW + 2000)
    desk.book.dropped(desk.book.firing(timer, NOW + 2000).puts, NOW + 2000)
    assert desk.book.next_due_ms() == NOW + 2000 + HOLD_MS
    desk.book.jumped(-500, NOW + 1500)
    assert desk.book.next_due_ms() == NOW + 1500 + HOLD_MS
