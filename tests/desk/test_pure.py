"""Vectors as bytes, summaries, and the choice of an answer."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loom.desk.answer import THRESHOLD, Hit, best, grounded, is_heading, overlap, prompt, words
from loom.desk.shelf import Paper, search
from loom.desk.summary import LONGEST, outline, summarise
from loom.desk.vectors import centrality, cosines, pack

VECTOR = st.lists(st.floats(-1, 1, width=32), min_size=16, max_size=16).filter(
    lambda v: max(map(abs, v)) > 0.01
)


def hit(score: float, text: str = "some words", name: str = "a.txt", first: int = 1) -> Hit:
    return Hit(name, first, first, text, score)


@given(VECTOR, VECTOR)
def test_a_packed_cosine_is_nearly_the_real_one(a: list[float], b: list[float]) -> None:
    real = float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))
    [packed] = cosines(pack([a]), pack([b]))
    assert math.isclose(packed, real, abs_tol=0.03)


def test_nothing_packed_has_no_cosine_and_zeros_have_none_either() -> None:
    assert cosines(pack([[1.0, 0.0]]), b"") == []
    assert cosines(pack([[0.0, 0.0]]), pack([[1.0, 0.0]])) == [0.0]
    assert centrality(b"", 0) == []


def test_a_summary_is_the_sentence_in_the_middle_of_all_and_keeps_their_order() -> None:
    said = ["An aside.", "Tea is warm.", "Tea is hot.", "Tea is brewed."]
    packed = pack([[0.0, 1.0], [1.0, 0.1], [1.0, 0.0], [1.0, -0.1]])
    assert summarise(said, centrality(packed, 4)) == "Tea is warm. Tea is hot."
    assert len(summarise(["word " * 60, "short one."], [1.0, 0.1])) <= LONGEST
    assert summarise(["word " * 60], [1.0]).endswith("…")
    assert summarise([], []) == ""


def test_what_is_no_prose_is_told_by_its_outline() -> None:
    assert outline("table", "who; what\nwho: Ann\n\nwho: Bob") == "2 rows of who; what"
    assert outline("data", '{"a": 1, "b": 2}') == "an object with a, b"
    assert outline("data", '[{"a": 1}, {"a": 2}]') == "a list of 2, each with a"
    assert outline("code", "class A:\n    def f(self): ...\n    def f(self): ...") == "defines A, f"
    assert outline("", "prose") == ""


def test_nothing_is_shown_when_even_the_best_is_not_about_the_question() -> None:
    assert best([hit(THRESHOLD - 0.01)]) == []
    assert best([]) == []


def test_only_what_is_near_the_best_is_shown_best_first() -> None:
    shown = best([hit(0.5, "a"), hit(0.9, "b"), hit(0.8, "c"), hit(0.31, "d")])
    assert [each.score for each in shown] == [0.9, 0.8]


def test_the_same_words_are_shown_once_where_they_fit_best() -> None:
    shown = best([hit(0.85, "b"), hit(0.8, "a", first=2), hit(0.9, "a", first=7)])
    assert [(each.text, each.score) for each in shown] == [("a", 0.9), ("b", 0.85)]


def test_words_that_mean_nothing_and_plurals_do_not_count() -> None:
    assert words("How many of the lentils are in the soups?") == ["lentil", "soup"]
    assert overlap(words("lentil soup"), "Soups of lentils") == 1.0
    assert overlap([], "anything") == 0.0


def test_a_model_that_says_a_number_or_words_that_stand_nowhere_is_not_believed() -> None:
    source = [hit(0.9, "Total: 154.40, payable within 30 days")]
    assert grounded("The total is 154.40, payable within 30 days.", source, "What is the total?")
    assert not grounded("The total is 145, payable within 30 days.", source, "What is the total?")
    assert not grounded("Penguins live happily near cold oceans.", source, "What is the total?")
    assert not grounded(" ", source, "What is the total?")


def test_the_prompt_holds_the_question_and_the_passages_and_changes_with_them() -> None:
    one, other = prompt("How long?", [hit(0.9, "20 minutes")]), prompt("How far?", [hit(0.9, "18 km")])
    assert one != other
    assert "20 minutes" in one[1]["content"]
    assert "How long?" in one[1]["content"]


def test_headings_are_known() -> None:
    assert is_heading(hit(1, "# Soup"))
    assert is_heading(hit(1, "Packing list for the hut"))
    assert not is_heading(hit(1, "The soup simmers.", first=3))
    assert not is_heading(hit(1, "Total: 154.40"))
    assert not is_heading(hit(1, "boots and a rain jacket"))


def paper(name: str, *vectors: list[float]) -> Paper:
    count = len(vectors)
    texts = [f"text {number}" for number in range(count)]
    return Paper(
        name, "text", "", "", True, 0, texts, [*range(1, count + 1)], [*range(1, count + 1)], pack(vectors)
    )


def test_the_nearest_passage_is_found_with_its_lines_and_words_decide_between_equals() -> None:
    papers = {"/a": paper("a.txt", [1.0, 0.0], [0.0, 1.0]), "/b": paper("b.txt", [0.0, 1.0])}
    first, *_ = search(papers, pack([[1.0, 0.1]]), [], 3)
    assert (first.name, first.first, first.path) == ("a.txt", 1, "/a")
    first, *_ = search(papers, pack([[0.0, 1.0]]), ["b"], 3)
    assert first.name == "b.txt"


def test_vectors_of_another_model_are_left_out_and_nothing_breaks() -> None:
    papers = {"/a": paper("a.txt", [1.0, 0.0]), "/b": paper("b.txt", [1.0, 0.0, 0.0])}
    assert [each.name for each in search(papers, pack([[1.0, 0.0]]), [], 3)] == ["a.txt"]
    assert search({}, pack([[1.0, 0.0]]), [], 3) == []
    assert search(papers, b"", [], 3) == []
