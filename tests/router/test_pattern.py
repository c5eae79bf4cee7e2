"""Patterns out of a file: those that a text could keep busy for ever are refused, the others are taken."""

import pytest

from loom.errors import ConfigError
from loom.router.pattern import LONGEST, SEEN, compiled, window


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b(a*)*c", "(?:x+y?)*z", "((ab)*)*", "(.*)*x", "(\\w+\\s?)+!", "(?:[a-z]+)*1"]
)
def test_a_repeat_of_a_repeat_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="repeats what repeats"):
        compiled(pattern, "x")


@pytest.mark.parametrize(
    "pattern", ["money\\s+back", "(?i)^(please|now)\\b.{0,48}x", "(?:(?:please|then)\\s+)*go", "a{2,9}b+"]
)
def test_a_usual_pattern_is_taken(pattern: str) -> None:
    assert compiled(pattern, "x").pattern == pattern


@pytest.mark.parametrize("pattern", ["(", "a{2", "[z-a]", "(?P<x", "\\", "a" * (LONGEST + 1), "(" * 300])
def test_what_is_no_pattern_is_refused_or_taken_as_text(pattern: str) -> None:
    if pattern == "a{2":  # to Python that is four characters
        assert compiled(pattern, "x").search("a{2")
        return
    with pytest.raises(ConfigError, match=r"^here: "):
        compiled(pattern, "here")


def test_of_a_long_text_the_beginning_and_the_end_are_looked_at() -> None:
    text = "first" + "x" * 1_000_000 + "last"
    seen = window(text)
    assert len(seen) <= SEEN + 1
    assert seen.startswith("first")
    assert seen.endswith("last")
    assert window("short") == "short"
