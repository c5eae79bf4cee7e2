"""What is seen of a text: the same for the same text, bounded in time and value, whatever comes."""

from __future__ import annotations

from math import isfinite, log1p

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.router.learned import features
from loom.router.learned.features import KIND, LISTS, LOOKED_AT, Features, features_of, text_of

QUESTION = """Which of these is NOT true, if both statements hold?
A. It is a cat
B. It is a dog
C. 42
D. 17
Answer:"""


def test_a_question_is_seen_as_what_it_is() -> None:
    seen = features_of(QUESTION)
    assert seen.length == log1p(len(QUESTION))
    assert (seen.options, seen.reckoned) == (log1p(4), 0.5)
    assert seen.negations == log1p(1)
    assert seen.combinations == log1p(2)
    assert seen.conditions == log1p(1)
    assert seen.alike == pytest.approx(1 - 7 / 10)
    assert seen.steps == 0  # there is something to choose from


def test_a_calculation_is_no_question_for_a_fact() -> None:
    fact = features_of("What is the capital of France?")
    worked = features_of("He has 48 clips, buys 12 and gives away 7. What is left?")
    assert fact.facts > 0 == worked.facts
    assert worked.steps == log1p(2 + 3)


def test_code_and_symbols_are_seen() -> None:
    seen = features_of("def f(x):\n    return {x: x == 2};\n")
    assert seen.code >= log1p(4)
    assert features_of("∑ x^2 ≤ √2").symbols == log1p(4)


def test_a_word_belongs_to_one_list() -> None:
    words = [word for line in LISTS for word in line.split()]
    assert len(words) == len(set(words)) == len(KIND)


@given(st.text(max_size=300), st.integers(0, 10**9))
def test_all_of_it_is_finite_and_not_negative(text: str, history: int) -> None:
    seen = features_of(text, history)
    assert all(isfinite(each) and each >= 0 for each in seen)
    assert len(seen) == len(Features._fields)


def test_half_characters_are_text_too() -> None:
    assert features_of("\ud800 what \udfff").foreign > 0


def test_of_a_long_text_two_ends_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "if " * 100 + "x" * 10_000_000 + " unless" * 10
    lengths: list[int] = []

    class Word:
        def findall(self, text: str) -> list[str]:
            lengths.append(len(text))
            return text.split()

    monkeypatch.setattr(features, "_WORD", Word())
    seen = features_of(long)
    assert seen.conditions == log1p(110)
    assert seen.length == log1p(len(long))
    assert max(lengths) <= LOOKED_AT + 1


def test_the_last_that_a_user_said_is_what_is_asked() -> None:
    chat = [
        {"role": "system", "content": "abc"},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": "who?"},
        {"role": "tool", "content": "x", "tool_call_id": "1"},
    ]
    assert text_of(chat) == ("who?", 10)
    assert text_of("plain") == ("plain", 0)


@pytest.mark.parametrize(
    "input",
    [None, b"\x00\x01", 7, [], [1, "a"], [{"role": "user"}], [{"role": "user", "content": [1]}], {"a": 1}],
)
def test_what_has_no_text_has_an_empty_one(input: object) -> None:
    assert text_of(input) == ("", 0)
