"""Cutting texts: nothing is lost, nothing is too long, and every passage says truly on which lines it stands."""

from hypothesis import given
from hypothesis import strategies as st

from loom.desk.answer import Hit, lines
from loom.desk.passages import passages, sentences

TEXTS = st.text(st.sampled_from("ab .!?\n#-é"), max_size=400)


def ink(text: str) -> str:
    return "".join(text.split())


@given(TEXTS, st.integers(5, 60))
def test_the_passages_of_a_text_are_all_of_it_in_order_and_none_is_too_long(text: str, longest: int) -> None:
    found = passages(text, longest)
    assert "".join(ink(each.text) for each in found) == ink(text)
    assert all(0 < len(each.text) <= longest for each in found)


@given(TEXTS, st.integers(5, 60))
def test_a_passage_stands_on_the_lines_that_it_names(text: str, longest: int) -> None:
    source = text.split("\n")
    for each in passages(text, longest):
        assert 1 <= each.first <= each.last <= len(source)
        for number, line in enumerate(each.text.split("\n"), each.first):
            assert ink(line) in ink(source[number - 1])


@given(TEXTS)
def test_a_line_that_is_quoted_stands_where_it_is_said_to_stand(text: str) -> None:
    source = text.split("\n")
    for each in passages(text):
        for line in lines(Hit("x", each.first, each.last, each.text, 1.0), most=1000):
            assert ink(line.text) in ink("".join(source[line.first - 1 : line.last]))


def test_a_heading_begins_a_passage_of_its_own() -> None:
    text = "# One\n" + "word " * 60 + "\n# Two\nmore"
    assert [each.text.split("\n")[0] for each in passages(text)] == ["# One", "# Two"]


def test_sentences_say_something_and_run_over_lines() -> None:
    text = "# Title of it all\n\nThe first sentence is\nbroken. Short. And the last one follows!"
    assert sentences(text) == [
        "Title of it all",
        "The first sentence is broken.",
        "And the last one follows!",
    ]
    assert len(sentences("One two three. " * 100, most=7)) == 7


def test_a_sentence_that_runs_over_the_end_of_a_line_is_quoted_whole() -> None:
    text = "The heating in the bedroom has not worked since the\nfirst frost in November. It is cold.\nmilk\nand tea"
    found = lines(Hit("x", 4, 7, text, 1.0))
    assert [(each.first, each.last) for each in found] == [(4, 5), (5, 5), (6, 6), (7, 7)]
    assert found[0].text.endswith("since the first frost in November.")
