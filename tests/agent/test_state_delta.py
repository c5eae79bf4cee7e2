"""Changes of state: applied to what was kept they lead to what is, they are small, and history grows with new bytes."""

import json
from collections import deque
from functools import reduce
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from loom.agent._state import copier_of
from loom.agent._state_codec import StateCodec
from loom.agent._state_delta import apply, change, changes, same
from loom.errors import StoreCorrupt
from tests.agent.kept import ANNOTATIONS, Point, codec_of

RANDOM = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
SCALARS = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, -0.0, 1.0, "", "a", "ab", "abc"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
LONG = [f"item {i}" for i in range(20)]


def through(value: Any) -> Any:
    return json.loads(json.dumps(value))


def check(old: Any, new: Any) -> int:
    """The law of a change from *old* to *new*; returns its size."""
    op = change(old, new)
    if op is None:
        assert json.dumps(old) == json.dumps(new)
        return 0
    before = json.dumps(old)
    assert json.dumps(apply({"f": through(old)}, {"f": through(op)})["f"]) == json.dumps(new)
    assert json.dumps(old) == before
    size = len(json.dumps(op, separators=(",", ":")))
    assert size <= len(json.dumps(new, separators=(",", ":"))) + 16
    return size


@given(JSON, JSON)
@example([1], [True])
@example([1], [1.0])
@example([0.0], [-0.0])
@example({"a": 1, "b": 2}, {"b": 2, "a": 1})
@example({"a": "x" * 100}, {})
@example({"x" * 100: 1}, {})
@example([[1], [2]], [[1], [2, 3]])
@example(["a", "c"], ["a", "b", "c"])
def test_a_change_leads_from_one_value_to_the_other_and_is_no_longer_than_it(old: Any, new: Any) -> None:
    check(old, new)


@given(st.lists(st.integers(0, 2), max_size=8), st.lists(st.integers(0, 2), max_size=8))
def test_lists_of_few_different_items_change_into_each_other(old: list[int], new: list[int]) -> None:
    check(old, new)


@RANDOM
@given(st.data())
def test_the_change_of_two_states_leads_from_the_kept_form_of_one_to_that_of_the_other(
    data: st.DataObject,
) -> None:
    annotation, values = data.draw(ANNOTATIONS)
    copy = copier_of(annotation, "f0")
    old, new = copy(data.draw(values)), copy(data.draw(values))
    codec = codec_of(annotation, int)
    before, after = codec.encode((old, 1)), codec.encode((new, 1))
    delta = codec.delta((old, 1), (new, 1))
    if delta is None:
        assert json.dumps(before) == json.dumps(after)
    else:
        assert json.dumps(apply(through(before), through(delta))) == json.dumps(after)
        assert len(json.dumps(delta)) <= len(json.dumps(after)) + 24
    assert codec.delta((new, 1), (copy(new), 1)) is None or "nan" in repr(new)


@RANDOM
@given(st.data())
def test_containers_of_few_different_values_change_into_each_other(data: st.DataObject) -> None:
    annotation, values = data.draw(ANNOTATIONS)
    pool = [data.draw(values), data.draw(values)]
    items = st.lists(st.sampled_from(pool), max_size=5)
    old, new = data.draw(items), data.draw(items)
    both: list[Any] = [list[annotation], deque[annotation], dict[str, annotation], tuple[annotation, ...]]  # type: ignore[valid-type]
    codec = codec_of(*both)
    states = [
        tuple(copier_of(a, "f")(v) for a, v in zip(both, shapes(items), strict=True)) for items in (old, new)
    ]
    before, after = map(codec.encode, states)
    delta = codec.delta(states[0], states[1])
    assert json.dumps(apply(through(before), through(delta or {}))) == json.dumps(after)


def shapes(items: list[Any]) -> tuple[Any, ...]:
    """The items as a list, a deque, a dict and a tuple."""
    return items, deque(items, 5), {str(i): item for i, item in enumerate(items)}, tuple(items)


def test_what_did_not_change_is_no_change() -> None:
    codec = codec_of(int, list[str], dict[str, int], list[Point])
    state = (1, ["a"], {"b": 1}, [Point(1)])
    assert codec.delta(state, (1, ["a"], {"b": 1}, [Point(1)])) is None
    assert codec.delta(state, (2, ["a"], {"b": 1}, [Point(1)])) == {"f0": ["=", 2]}
    assert StateCodec(()).delta((), ()) is None


def test_values_that_are_equal_and_not_the_same_are_a_change() -> None:
    codec = codec_of(int | bool, float, list[float | bool], dict[str, int])
    old = (1, 0.0, [1.0], {"a": 1, "b": 2})
    delta = codec.delta(old, (True, -0.0, [True], {"b": 2, "a": 1}))
    assert delta is not None
    assert delta.keys() == {"f0", "f1", "f2", "f3"}
    assert same([1, {"a": 1.5}], [1, {"a": 1.5}])


@pytest.mark.parametrize(
    ("old", "new", "op"),
    [
        (["a"], ["a", "b"], ["+", ["b"]]),
        ("streamed", "streamed text", ["+", " text"]),
        (LONG[:20], [*LONG[3:20], 1, 2], ["~", 3, [1, 2]]),
        (LONG, LONG[:-1], ["|", 19, 1, []]),
        (LONG, [*LONG[:7], 9, *LONG[7:]], ["|", 7, 0, [9]]),
        ({"a": 1, "b": [1]}, {"a": 1, "b": [1, 2]}, ["{", {"b": ["+", [2]]}]),
        ({"a": 1, "b": 2}, {"a": 1, "c": "x"}, ["{", {"c": ["=", "x"]}, ["b"]]),
        (["m", {"t": "h" * 30}], ["m", {"t": "h" * 30 + "lo"}], ["[", {"1": ["{", {"t": ["+", "lo"]}]}]),
        (list(range(0, 90, 2)), [1, *range(2, 88, 2), 99], ["s", [0, 88], [1, 99]]),
    ],
)
def test_each_way_in_which_values_grow_has_its_short_form(old: Any, new: Any, op: Any) -> None:
    if isinstance(new, dict):
        old, new = {"p": "x" * 200, **old}, {"p": "x" * 200, **new}
    assert change(old, new) == op


def test_a_hundred_messages_of_2_kb_grow_by_what_is_new() -> None:
    codec = codec_of(list[str], list[Point], deque[str])
    state: tuple[Any, ...] = ([], [], deque(maxlen=10))
    base, deltas = codec.encode(state), []
    for i in range(100):
        text = f"{i:04}" * 512
        recent = deque(state[2], 10)
        recent.append(text)
        following = ([*state[0], text], [*state[1], Point(i, [text])], recent)
        deltas.append(through(codec.delta(state, following)))
        state = following
    assert max(len(json.dumps(delta)) for delta in deltas) < 3 * (2048 + 100)
    assert codec.decode(reduce(apply, deltas, through(base))) == state


def test_one_key_of_ten_thousand_is_a_short_change() -> None:
    codec = codec_of(dict[str, list[int]], dict[int, str], set[str])
    old = (
        {f"k{i}": [i] for i in range(10_000)},
        dict.fromkeys(range(2000), "v"),
        {str(i) for i in range(2000)},
    )
    new = ({**old[0], "k77": [77, 78]}, {**old[1], 5: "w"}, (old[2] | {"new", "other"}) - {"7"})
    delta = codec.delta(old, new)
    assert len(json.dumps(delta)) < 300
    assert codec.decode(apply(codec.encode(old), delta or {})) == new


def test_a_list_of_equal_items_rolls_in_one_pass() -> None:
    assert change([0] * 5000, [*[0] * 4999, 1]) == ["|", 4999, 1, [1]]
    assert check([0, 1] * 2000, [*([0, 1] * 2000)[3:], 5, 6, 7]) < 40


def test_a_new_field_is_whole_and_states_are_not_touched() -> None:
    old = {"a": [1]}
    delta = changes(old, {"a": [1, 2], "b": {"c": 1}})
    assert delta == {"a": ["+", [2]], "b": ["=", {"c": 1}]}
    assert apply(old, delta) == {"a": [1, 2], "b": {"c": 1}}
    assert old == {"a": [1]}


@pytest.mark.parametrize(
    "delta",
    [
        {"a": ["+", 5]},
        {"b": ["+", [1]]},
        {"a": ["|", 0, 9, []]},
        {"a": ["~", 9, []]},
        {"a": ["[", {"7": ["=", 1]}]},
        {"a": ["{", {}, ["x"]]},
        {"a": ["?", 1]},
        {"a": []},
        {"a": 5},
        {"a": ["s", [1], 5]},
    ],
)
def test_a_change_that_does_not_fit_is_corrupt_and_names_the_field(delta: Any) -> None:
    with pytest.raises(StoreCorrupt, match=f"state field '{next(iter(delta))}'"):
        apply({"a": [1]}, delta)
