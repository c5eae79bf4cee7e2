"""Text is cut into pieces that are the text when joined, none too long, the first one short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.models._sentences import FIRST, LONGEST, pieces
from loom.models._spoken import LONGEST_WORD, is_prose, letters, spoken

PROSE = st.lists(
    st.sampled_from(
        ["Dr. Smith", "no", "ten", ".", "!", "?", ",", ";", " - ", "\n", "\n\n", " ", "...", "word", "e.g."]
    )
).map(" ".join)


@given(st.text() | PROSE, st.integers(1, 80), st.integers(1, 300))
def test_pieces_joined_are_the_text_and_none_is_too_long(text: str, first: int, longest: int) -> None:
    made = list(pieces(text, first, longest))
    assert "".join(made) == text
    assert all(0 < len(piece) <= longest for piece in made)
    assert len(made[0]) <= first if made else text == ""


@given(st.text(st.characters(categories=["L", "Nd", "P", "Zs"]), min_size=500, max_size=2000))
def test_the_first_piece_is_short_and_pieces_come_one_by_one(text: str) -> None:
    coming = pieces(text)
    assert len(next(coming)) <= FIRST
    assert all(len(piece) <= LONGEST for piece in coming)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It is ten. Good night.", ["It is ten. ", "Good night."]),
        (
            "Well, it is ten o'clock in the evening, and dark.",
            ["Well, it is ten o'clock in the evening, ", "and dark."],
        ),
        ("Dr. Smith is here. He waits.", ["Dr. Smith is here. ", "He waits."]),
        ("J. K. Rowling wrote it.", ["J. K. Rowling wrote it."]),
        ("one\ntwo\n\n\nthree", ["one\n", "two\n\n\n", "three"]),
        ("... and then?", ["... and then?"]),
        ("word", ["word"]),
        ("", []),
    ],
)
def test_sentences_and_an_early_clause(text: str, wanted: list[str]) -> None:
    assert list(pieces(text)) == wanted


def test_a_long_sentence_is_cut_between_words() -> None:
    text = " ".join(["longer"] * 100)
    assert all(piece.endswith("longer ") for piece in list(pieces(text))[:-1])


@given(st.text(max_size=400))
def test_what_is_said_has_no_long_word_no_markup_and_nothing_without_a_sound(text: str) -> None:
    made = spoken(text)
    assert all(len(word) <= max(LONGEST_WORD, 6) for word in made.split(" "))
    assert not set(made) & set("[](){}<>|\\`*_\n\x00")
    assert not made or any(map(str.isalnum, made))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[x](/y/)", "x /y/"),
        (
            "call 12345678901234567",
            "call one two three four five six seven eight nine zero one two three four five six seven",
        ),
        ("\u0663 apples", "3 apples"),
        ("see https://example.org/a", "see example.org/a"),
        ("\U0001f600!?", ""),
        ("a\x00b", "a b"),
    ],
)
def test_text_as_it_is_said(text: str, wanted: str) -> None:
    assert spoken(text) == wanted


@pytest.mark.parametrize(
    ("text", "prose"), [("it is a book", True), ("", True), ("9 9 9 IV", False), ("1,2", False)]
)
def test_prose_is_told_from_figures(text: str, prose: bool) -> None:
    assert is_prose(text) is prose


def test_letters_are_what_is_left_in_need() -> None:
    assert letters("a-b's 12 \u00e9") == "a b s 1 2"
