"""Labels by their nearest example, and none of them when nothing is near."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ModelFailed
from loom.models.classify import examples, ranked


def test_labels_come_with_examples_or_are_their_own() -> None:
    assert examples(["cat", "dog"]) == examples({"cat": "cat", "dog": ["dog"]})
    assert examples({"a": ["x", "y"], "b": "z"}).owners == (0, 0, 1)


@pytest.mark.parametrize(
    "wrong", [None, 7, "x", {}, [], [7], [""], {"a": []}, {"a": [7]}, {"": ["x"]}, {"a": 7}]
)
def test_what_are_no_labels_is_refused(wrong: object) -> None:
    with pytest.raises(ModelFailed, match="label"):
        examples(wrong)


def test_labels_and_examples_are_bounded() -> None:
    with pytest.raises(ModelFailed, match="256"):
        examples([str(i) for i in range(257)])
    with pytest.raises(ModelFailed, match="2,048"):
        examples({"a": ["x"] * 2049})


@given(st.data())
def test_each_label_once_best_first_by_its_nearest_example(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    given_ = examples({f"l{i}": ["x"] * size for i, size in enumerate(sizes)})
    near = data.draw(st.lists(st.floats(-1, 1), min_size=len(given_.texts), max_size=len(given_.texts)))
    threshold = data.draw(st.floats(-1, 1))
    found = ranked(near, given_, threshold)
    best = [max(n for n, o in zip(near, given_.owners, strict=True) if o == i) for i in range(len(sizes))]
    none = max(best) < threshold
    assert (found[0]["label"] is None) == none
    assert {each["label"]: each["score"] for each in found[none:]} == {
        f"l{i}": round(score, 4) for i, score in enumerate(best)
    }
    assert len(found) == len(sizes) + none
    scores = [each["score"] for each in found]
    assert scores == sorted(scores, reverse=True)
