"""Rules of the journal: what fits, and which one decides."""

from __future__ import annotations

import math

import pytest

from loom.errors import ConfigError, InvalidTopic
from loom.journal.rules import AGE, DEFAULT, Rules


def test_without_a_rule_events_stay_30_days_and_are_synced() -> None:
    assert Rules().of("a.b") is DEFAULT
    assert (DEFAULT.keep, DEFAULT.sync, DEFAULT.age, DEFAULT.compact) == (None, True, 30 * 86_400, False)


def test_of_the_rules_that_match_the_last_added_decides_alone() -> None:
    rules = Rules()
    first = rules.add("a.>", count=3)
    assert rules.of("a.b") == first
    last = rules.add("*.b", age=10.0)
    assert rules.of("a.b") == last
    assert last.count is None
    assert rules.of("a.c") == first
    assert rules.of("c.c") is DEFAULT
    assert first.age == AGE


def test_many_topics_are_not_remembered_without_bound() -> None:
    rules = Rules()
    for n in range(10_000):
        rules.of(f"topic.{n}")
    assert len(rules._found) <= 8192


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"age": 0}, "age=0 must be seconds above 0"),
        ({"age": math.inf}, "age=inf"),
        ({"age": math.nan}, "age=nan"),
        ({"age": True}, "age=True"),
        ({"count": 2.5}, "count=2.5 must be a whole number of events"),
        ({"count": -1}, "count=-1"),
        ({"size": "1 MB"}, "size='1 MB' must be a whole number of bytes"),
        ({"keep": 1}, "keep=1 must be true, false or nothing"),
        ({"sync": None}, "sync=None must be true or false"),
        ({"compact": "yes"}, "compact='yes'"),
        ({"days": 3}, "a journal rule has no 'days'; it has keep, sync, age"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_and_not_kept(rule: dict[str, object], told: str) -> None:
    rules = Rules()
    with pytest.raises(ConfigError) as caught:
        rules.add("a.>", **rule)
    assert told in str(caught.value)
    assert not rules


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidTopic):
        Rules().add("a..b")


def test_rules_know_whether_anybody_limits_or_compacts() -> None:
    rules = Rules()
    assert not rules.limits
    assert not rules.compacts
    rules.add("a", size=10)
    assert rules.limits
    assert not rules.compacts
    rules.add("b", compact=True, age=None, keep=None)
    assert rules.compacts
