"""The oracle of the torture tests notices every kind of lie, and is content with the truth."""

from typing import Any

import pytest

from torture._oracle import Act, Book, Report, in_order, judge
from torture._plan import AGENTS, Item, items, lives


def item(number: int, kind: str = "counter", agent: int = 0, value: int = 1, hops: int = 0) -> Item:
    return Item(1, 0, number, kind, agent, value, hops)


def state(*marks: str, **more: Any) -> dict[str, Any]:
    return {"seen": list(marks), "count": len(marks), "total": len(marks), **more}


def problems(book: Book, dead: list[tuple[str, str]] | None = None, **states: Any) -> list[str]:
    return judge(book, Report({name.replace("_", "-"): s for name, s in states.items()}, dead or []))


def book(*tried: Item, unacked: tuple[int, ...] = ()) -> Book:
    return Book({i.id: i for i in tried}, {i.id for i in tried if i.number not in unacked})


def test_the_truth_has_no_problems() -> None:
    assert problems(book(item(0), item(1)), counter_0=state("0:0", "0:1")) == []


def test_what_was_not_acknowledged_may_be_there_once_or_not_at_all() -> None:
    told = book(item(0), item(1), unacked=(1,))
    assert problems(told, counter_0=state("0:0")) == []
    assert problems(told, counter_0=state("0:0", "0:1")) == []
    assert "twice" in problems(told, counter_0=state("0:0", "0:1", "0:1"))[0]


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (state("0:0"), "lost"),
        (state("0:0", "0:1", "0:1"), "twice"),
        (state("0:0", "0:1", "0:2"), "made up"),
        (state("0:1", "0:0"), "after"),
        (state("0:0", "0:1") | {"count": 3}, "counted"),
        (state("0:0", "0:1") | {"total": 3}, "summed"),
    ],
)
def test_each_lie_of_a_counter_is_noticed(seen: dict[str, Any], word: str) -> None:
    assert any(word in p for p in problems(book(item(0), item(1)), counter_0=seen))


def test_a_late_repetition_has_no_place_in_the_order() -> None:
    told = book(item(0), item(1))
    told.late.add(item(0).id)
    assert problems(told, counter_0=state("0:1", "0:0")) == []


def test_an_agent_that_is_missing_is_noticed() -> None:
    assert problems(book(item(0))) == ["counter-0 is not in the report"]


def test_derived_events_are_all_there_once_they_began() -> None:
    told = book(item(0, "ring", agent=1, hops=3), unacked=(0,))
    whole = {"ring_0": state("0:0:2"), "ring_1": state("0:0:0", "0:0:3"), "ring_2": state("0:0:1")}
    assert problems(told, **whole) == []
    assert problems(told, ring_0=state(), ring_1=state(), ring_2=state()) == []
    assert problems(told, **whole | {"ring_0": state()}) == ["ring-0: derived events: lost ['0:0:2'] of 1"]
    assert "twice" in problems(told, **whole | {"ring_2": state("0:0:1", "0:0:1")})[0]


def test_poison_ends_as_one_dead_letter() -> None:
    poison = item(0, "poisoned", value=4)
    told = book(poison)
    letter = ("poisoned-0", poison.id)
    assert problems(told, [letter], poisoned_0=state()) == []
    assert "lost" in problems(told, poisoned_0=state())[0]
    assert "twice" in problems(told, [letter, letter], poisoned_0=state())[0]
    assert "made up" in problems(book(item(0)), [("counter-0", item(0).id)], counter_0=state("0:0"))[0]


def test_acts_are_done_at_least_once_under_one_key() -> None:
    told = book(item(0, "actor"))
    there = {"actor_0": state("0:0")}
    assert problems(told, **there) == ["acts: never done: [('actor-0', '0:0')]"]
    told.acts = [Act("actor-0", "0:0", "k", 1), Act("actor-0", "0:0", "k", 2)]
    assert problems(told, **there) == []
    told.acts.append(Act("actor-0", "0:0", "other", 3))
    assert "under 2 keys" in problems(told, **there)[0]
    told.acts = [Act("actor-0", "0:0", "k", 1), Act("actor-0", "0:7", "k", 2)]
    assert {"acts: done for step", "acts: one key k for"} <= {p[:19] for p in problems(told, **there)}


def test_what_must_not_be_done_twice_is_done_once_or_never() -> None:
    told = book(item(0, "careful"))
    assert problems(told, careful_0=state("0:0")) == []
    told.acts = [Act("careful-0", "0:0", "k", 1)]
    assert problems(told, careful_0=state("0:0")) == []
    told.acts.append(Act("careful-0", "0:0", "k", 2))
    assert "must not be" in problems(told, careful_0=state("0:0"))[0]


def test_a_receipt_was_given_for_the_event_it_is_kept_for() -> None:
    told = book(item(0, "caller"))
    told.acts = [Act("caller-0", "0:0", "k", 5)]
    assert problems(told, caller_0=state("0:0", receipts={"0:0": 5})) == []
    assert "nobody gave" in problems(told, caller_0=state("0:0", receipts={"0:0": 6}))[0]


def test_every_timer_rings_once() -> None:
    told = book(item(0, "ringer"), item(1, "ringer"))
    assert problems(told, ringer_0=state("0:0", "0:1", rang=["0:1", "0:0"])) == []
    assert "timer lost" in problems(told, ringer_0=state("0:0", "0:1", rang=["0:1"]))[0]


def test_the_watcher_has_counted_what_took_place() -> None:
    told = book(item(0), item(1), unacked=(1,))
    there = {"counter_0": state("0:0")}
    assert problems(told, **there, watcher={"count": 1, "total": 1}) == []
    assert "watcher" in problems(told, **there, watcher={"count": 2, "total": 2})[0]


def test_order_is_per_publisher_and_hop() -> None:
    assert list(in_order(["0:1:0", "0:0:1", "1:0:0", "0:2:0"])) == []
    assert list(in_order(["0:1:0", "0:0:0"])) == ["saw 0:0:0 after 0:1:0"]


def test_a_plan_is_the_same_for_the_same_seed() -> None:
    assert items(3, 1, 50) == items(3, 1, 50) != items(4, 1, 50)
    assert lives(3, 4) == lives(3, 4)
    assert AGENTS > 200


def test_what_only_some_kinds_do_is_checked_too() -> None:
    kept = item(0, "keeper")
    right = state("0:0", texts={"0:0": kept.text})
    assert problems(book(kept), keeper_0=right) == []
    assert "wrong text" in problems(book(kept), keeper_0=right | {"texts": {"0:0": "else"}})[0]
    assert (
        "other texts"
        in problems(book(kept, item(1, "keeper")), keeper_0=state("0:0", "0:1", texts=right["texts"]))[0]
    )
    assert (
        "wrong answers"
        in problems(book(item(0, "asker")), asker_0=state("0:0", answers={"0:0": "re 0:1"}))[0]
    )
    assert "twice" in problems(book(item(0, "mixed")), mixed_0=state("0:0", now=["0:0", "0:0"]))[0]
    cancelled = state("0:0", rang=["0:0"], cancelled=["0:0"])
    assert "timer saw twice" in problems(book(item(0, "canceller")), canceller_0=cancelled)[0]
