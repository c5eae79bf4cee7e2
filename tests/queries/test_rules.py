"""What the laws leave open: bounds, stamps, reasons of losses, and questions that cannot be asked."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.errors import ConfigError, InvalidTopic
from loom.event import Event
from loom.queries import Query, absence, events, held, join, sequence, threshold
from tests.queries.traces import START, Input, Reader, traces


def made(topic: str, at: int, payload: Any = None, id: str | None = None) -> Event:
    return Event(topic, payload, topic=topic, timestamp_ms=START + at, id=id or f"{topic}{at}")


def fed(query: Query[Any], *happened: Event) -> Reader:
    """A reader that was given each event at its own time, or at the newest one's if it is late."""
    reader, now = Reader(query), 0
    for event in happened:
        now = max(now, event.timestamp_ms)
        reader.clock(now)
        reader.event(event, now)
    return reader


def test_a_sequence_takes_the_nearest_and_each_event_once() -> None:
    reader = fed(
        sequence("a", "b", within=0.1), made("a", 0), made("a", 5), made("b", 9), made("b", 11), made("b", 12)
    )
    assert reader.found == [("a5", "b9"), ("a0", "b11")]


def test_what_was_used_is_not_used_again_when_it_comes_again() -> None:
    reader = fed(sequence("a", "b", within=0.1), made("a", 0), made("b", 5), made("a", 0), made("b", 6))
    assert reader.found == [("a0", "b5")]
    assert reader.lost == ["duplicate"]


def test_a_piece_that_comes_late_completes_a_sequence() -> None:
    reader = fed(sequence("a", "b", "c", within=0.1), made("a", 0), made("c", 9), made("b", 4))
    assert reader.found == [("a0", "b4", "c9")]


def test_events_of_one_moment_are_in_the_order_of_their_arrival() -> None:
    query = sequence("a", "b", within=0.1)
    assert fed(query, made("a", 5), made("b", 5)).found == [("a5", "b5")]
    assert fed(query, made("b", 5), made("a", 5)).found == []


def test_an_event_from_the_future_counts_as_now_and_does_not_make_the_others_late() -> None:
    reader = Reader(sequence("a", "b", within=0.1))
    reader.event(made("a", 10**12), START)
    reader.event(made("b", 50), START + 50)
    assert reader.found == [("a1000000000000", "b50")]
    assert reader.lost == []


def test_a_duplicate_of_an_event_from_the_future_is_one_for_as_long_as_its_stamp_says() -> None:
    reader = Reader(threshold("a", 2, window=0.01))
    for now in (START, START + 100, START + 101):
        reader.event(made("a", 5000), now)
    assert reader.lost == ["duplicate", "duplicate"]


@pytest.mark.parametrize(
    ("query", "oldest"),
    [
        (sequence("a", "b", within=0.02, lateness=0.01), 70),
        (absence("a", "b", within=0.02, lateness=0.01), 70),
        (threshold("a", 9, window=0.02), 81),
        (held("a", "payload", seconds=1, lateness=0.01), 90),
        (join("a", "b", tolerance_ms=20, lateness=0.01), 50),
    ],
)
def test_what_is_older_than_a_query_remembers_is_late_and_what_is_just_not_is_used(
    query: Query[Any], oldest: int
) -> None:
    reader = fed(query, made("a", 100), made("a", oldest), made("a", oldest - 1))
    assert [why for why in reader.lost if why != "unmatched"] == ["late"]
    assert reader.state.number == 2


def test_an_absence_is_told_once_and_by_a_newer_event_if_the_clock_is_behind() -> None:
    reader = Reader(absence("a", "b", within=0.01))
    reader.event(made("a", 0), START)
    assert reader.wake == START + 11
    reader.event(made("a", 11), START + 11)
    assert reader.found == [("a0",)]
    reader.clock(START + 500)
    assert reader.found == [("a0",), ("a11",)]


def test_the_oldest_that_waits_is_told_when_its_time_is_over() -> None:
    reader = fed(absence("a", "b", within=0.01), made("a", 0), made("a", 7))
    reader.clock(START + 11)
    assert reader.found == [("a0",)]


def test_what_comes_exactly_at_the_end_still_answers() -> None:
    assert fed(absence("a", "b", within=0.01), made("a", 0), made("b", 10)).wake is None
    assert fed(absence("a", "b", within=0.01), made("a", 0), made("b", 11)).found == [("a0",)]


def test_a_threshold_is_told_once_for_each_crossing() -> None:
    at = [0, 1, 2, 3, 4, 40, 41, 42]
    reader = fed(threshold("a", 3, window=0.01), *(made("a", t) for t in at))
    assert reader.found == [("a0", "a1", "a2"), ("a40", "a41", "a42")]
    assert reader.values == [3.0, 3.0]


def test_a_level_that_was_lost_while_nothing_came_is_crossed_again() -> None:
    assert fed(threshold("a", 1, window=0.01), made("a", 0), made("a", 5), made("a", 50)).found == [
        ("a0",),
        ("a50",),
    ]


def test_a_mean_may_fall_below_a_level() -> None:
    query = threshold("a", 10, window=1, of="mean", value="payload.n", below=True)
    reader = fed(
        query, made("a", 0, {"n": 30}), made("a", 1, {"n": 1}), made("a", 2, {"n": -4}), made("a", 3, {})
    )
    assert reader.found == [("a0", "a1", "a2")]
    assert reader.values == [9.0]
    assert reader.lost == ["unusable"]


@pytest.mark.parametrize("n", [True, "3", None, float("nan"), float("inf")])
def test_what_is_no_number_is_not_measured(n: Any) -> None:
    reader = fed(threshold("a", 1, window=1, of="sum", value="payload.n"), made("a", 0, {"n": n}))
    assert (reader.lost, reader.found) == (["unusable"], [])


def test_what_holds_is_told_with_the_event_it_began_with_and_again_after_a_break() -> None:
    query = held("a", "payload > 30", seconds=0.01)
    reader = fed(
        query, *(made("a", t, n) for t, n in [(0, 31), (5, 40), (10, 20), (11, 35), (12, 20), (13, 50)])
    )
    assert reader.found == [("a0",)]  # until 10, when it broke: exactly as long as asked for
    reader.clock(START + 100)
    assert reader.found == [("a0",), ("a13",)]


def test_a_break_that_comes_late_breaks_if_it_is_not_too_late() -> None:
    reader = fed(
        held("a", "payload", seconds=0.03, lateness=0.02), made("a", 0, 1), made("a", 20, 1), made("a", 5, 0)
    )
    reader.clock(START + 69)
    assert reader.found == []
    reader.clock(START + 70)
    assert reader.found == [("a20",)]


def test_a_join_uses_each_event_once() -> None:
    query = join("cam", "imu", tolerance_ms=20)
    reader = fed(query, made("cam", 100), made("imu", 102), made("cam", 104), made("imu", 200))
    assert reader.found == [("cam100", "imu102")]
    assert reader.lost == ["unmatched"]


def test_a_join_waits_for_one_that_may_be_nearer() -> None:
    query = join("cam", "imu", tolerance_ms=20)
    reader = fed(query, made("imu", 90), made("cam", 100))
    assert reader.found == []
    reader.event(made("imu", 105), START + 105)
    assert reader.found == [("cam100", "imu105")]
    assert fed(query, made("imu", 99), made("cam", 100), made("imu", 104)).found == [("imu99", "cam100")]


def test_a_join_takes_what_there_is_when_the_time_is_over() -> None:
    reader = fed(join("cam", "imu", tolerance_ms=20, lateness=0.5), made("imu", 90), made("cam", 100))
    reader.clock(START + 620)
    assert reader.found == []
    reader.clock(START + 621)
    assert reader.found == [("imu90", "cam100")]


@pytest.mark.parametrize(
    "query",
    [
        sequence("a", "b", "c", within=1, limit=4),
        absence("a", "b", within=1, limit=4),
        threshold("*", 4, window=1, limit=4),
        held("*", "payload.n > 20", seconds=1, lateness=1, limit=4),
        join("a", "b", tolerance_ms=500, limit=4),
    ],
    ids=lambda query: query.kind,
)
@settings(deadline=None)
@given(trace=traces())
def test_what_is_remembered_is_bounded_and_every_loss_is_counted(
    query: Query[Any], trace: list[Input]
) -> None:
    reader = Reader(query)
    many = [i._replace(event=i.event.replace(id=f"{i.event.id}.{n}")) for n in range(4) for i in trace]
    for now, event, _ in sorted(many, key=lambda i: i.now):
        reader.clock(now)
        reader.event(event, now)
        assert len(reader.state.kept) <= 4
        assert len(reader.state.ids) <= 16
    accepted = reader.state.number
    assert accepted + len([why for why in reader.lost if why in ("late", "duplicate", "unusable")]) == len(
        many
    )


def test_the_oldest_goes_first() -> None:
    query = replace(sequence("a", "b", within=1), limit=2)
    reader = fed(query, made("a", 0), made("a", 1), made("a", 2), made("b", 3), made("b", 4), made("b", 5))
    assert reader.found == [("a2", "b3"), ("a1", "b4")]
    assert reader.lost == ["dropped"]


@settings(deadline=None)
@given(st.sampled_from(["duplicate", "late", "unusable"]))
def test_what_is_not_used_changes_nothing(why: str) -> None:
    reader = fed(sequence(events("a", "payload > 0"), "b", within=0.01), made("a", 0, 1), made("b", 100))
    before = reader.state
    bad = {"duplicate": made("b", 100), "late": made("b", 89), "unusable": made("a", 101, -1)}[why]
    reader.event(bad, START + 101)
    assert reader.lost == [why]
    assert reader.state == before


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: sequence("a", within=1), "two topics"),
        (lambda: sequence("a", "b", within=0), "within"),
        (lambda: sequence("a", "b", within=float("nan")), "within"),
        (lambda: sequence("a", "b", "c", within=1, limit=2), "limit=2"),
        (lambda: sequence("a", "b", within=1, keys=0), "keys=0"),
        (lambda: sequence("a", "b", within=1, lateness=-1), "lateness=-1"),
        (lambda: sequence("a", "b", within=1, by="nothing.x"), "nothing"),
        (lambda: absence("a", "b", within=-1), "within"),
        (lambda: threshold("a", 3, window=0), "window"),
        (lambda: threshold("a", 3, window=1, lateness=1), "lateness=1"),
        (lambda: threshold("a", 0, window=1), "level=0"),
        (lambda: threshold("a", 300, window=1), "level=300"),
        (lambda: threshold("a", 3, window=1, below=True), "absence"),
        (lambda: threshold("a", 3, window=1, of="sum"), "path"),
        (lambda: threshold("a", 3, window=1, value="payload.n"), "path"),
        (lambda: threshold("a", 3, window=1, of="median", value="payload.n"), "median"),  # type: ignore[arg-type]
        (lambda: threshold("a", 3, window=1, of="sum", value="n"), "path 'n'"),
        (lambda: held("a", "payload >", seconds=1), "payload >"),
        (lambda: held("a", "payload > 3", seconds=0), "seconds"),
        (lambda: join("a", tolerance_ms=3), "two topics"),
        (lambda: join("a", "b", tolerance_ms=-1), "tolerance_ms"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(ask: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ask()


def test_topics_are_checked_when_the_question_is_asked() -> None:
    with pytest.raises(InvalidTopic):
        sequence("a..b", "c", within=1)
