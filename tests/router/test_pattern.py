"""Patterns out of a file: those that a text could keep busy for ever are refused, the others are taken."""

import pytest

from loom.errors import ConfigError
from loom.router.pattern import LONGEST, SEEN, SEEN_TWICE, compiled, window


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b(a*)*c", "(?:x+y?)*z", "((ab)*)*", "(.*)*x", "(\\w+\\s?)+!", "(?:[a-z]+)*1"]
)
def test_a_repeat_of_a_repeat_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="repeats what repeats"):
        compiled(pattern, "x")


@pytest.mark.parametrize(
    "pattern",
    [
        "(a|a)*b", "(a|aa)+$", "(?:a|b|ab)*c", "(?:(?:a|b)|[ab])*c", "(?:\\w\\w|[0-9_]b)*!", "(?i:(ab|Ab)*)c",
        "(a|a){0,100}b", "(a{0,100})*b", "(a{1,128}){1,128}b", "(?:a?){0,100}b", "(.*a){20}", "a?" * 40 + "a" * 40,
        "(a)?(?(1)(a+)+b|x)", "(?>(a+)+b)", "(?=(a+)+b)", "(?:(a+)+b)?+c", "(a)(?:\\1|a)*b",
        "a*a*a*a*a*b", ".*.*.*.*x", "foo.*bar.*baz.*x", "\\w+a.*b\\w+!", "(\\s*word\\s*){1,30}x",
        "([\u0430-\u044f]x|\u0431x)*!",
    ],
)  # fmt: skip
def test_what_matches_in_too_many_ways_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="keep it busy for ever"):
        compiled(pattern, "x")


def test_a_pattern_that_takes_long_to_look_through_is_refused() -> None:
    ranges = "".join(f"{chr(0x4E00 + 3 * n)}-{chr(0x4E01 + 3 * n)}" for n in range(6_000))
    with pytest.raises(ConfigError, match="too large"):
        compiled(f"[{ranges}]+x", "x")


@pytest.mark.parametrize(
    "pattern", ["money\\s+back", "(?i)^(please|now)\\b.{0,48}x", "(?:(?:please|then)\\s+)*go", "a{2,9}b+", "foo.*bar",
     "foo.*bar.*baz", "ignore.*(previous|prior).*instructions",
     "(?:(?:das|der|dein|deine)\\s+)*haus", "^[^,]+(,[^,]+)*$", '"(?:[^"\\\\]|\\\\.)*"', "^[a-z0-9]+(?:-[a-z0-9]+)*$",
     "^(?=.*[a-z])(?=.*\\d).{8,}$", "\\b[A-Z0-9._%+-]+@[A-Z0-9.-]+\\.[A-Z]{2,}\\b", "(?:a|b)*c", "[[a]b", "(?!)x"],
)  # fmt: skip
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
    for pattern, most in (
        ("a.*b", SEEN),
        ("a.*b.*c", SEEN_TWICE),
        ("\\w+a\\w+!x", SEEN_TWICE),
        ("[a-z]+@[a-z.]+\\.com", SEEN),
        ("\\w+@\\w+!", SEEN),
        ("(?i)[[a]b", SEEN),
    ):
        wanted = compiled(pattern, "x")
        seen = window(text, wanted)
        assert len(seen) == most + 1
        assert seen.startswith("first")
        assert seen.endswith("last")
        assert window("short", wanted) == "short"
