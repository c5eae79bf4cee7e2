"""Typed answers: schemas of types, JSON found in what a model says, and objects made of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Optional, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ConfigError
from loom.router.tools import Unfit, find_json, shape_of
from loom.router.tools._json_schema import fault


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


@dataclasses.dataclass
class Item:
    """One thing to buy."""

    name: str
    price: float
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Order:
    items: list[Item]
    mood: Mood
    kind: Literal["now", "later"] = "now"
    note: str | None = None
    due: dt.date | None = None
    extra: dict[str, int] = dataclasses.field(default_factory=dict)
    made: int = dataclasses.field(default=0, init=False)


class Address(TypedDict):
    street: str
    number: NotRequired[int]


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclasses.dataclass
class Careful:
    age: int

    def __post_init__(self) -> None:
        if self.age < 0:
            raise ValueError("nobody is younger than nothing")


class Corner(enum.Enum):
    LEFT = (0, 1)


@dataclasses.dataclass
class Misspelt:
    due: dt.daet  # type: ignore[name-defined]  # the misspelling is what is tried


@dataclasses.dataclass
class Unfinished:
    due: "int |"  # type: ignore[syntax]  # noqa: F722 - what is no expression is what is tried


@dataclasses.dataclass
class Node:
    next: Optional[Node]  # noqa: UP045 - a name that is not yet known


def test_a_dataclass_is_a_schema_and_comes_back_as_an_object() -> None:
    shape = shape_of(Order)
    assert shape.schema["required"] == ["items", "mood"]
    assert shape.schema["additionalProperties"] is False
    assert shape.schema["properties"]["items"]["items"] == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "price": {"type": "number"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["name", "price"],
        "additionalProperties": False,
        "description": "One thing to buy.",
    }
    items = '[{"name": "tea", "price": 3}]'
    text = f'{{"items": {items}, "mood": "good", "note": null, "due": "2026-11-23", "extra": {{"a": 1}}}}'
    assert shape.read(text) == Order(
        [Item("tea", 3.0)], Mood.GOOD, note=None, due=dt.date(2026, 11, 23), extra={"a": 1}
    )
    assert type(shape.read(text).items[0].price) is float


@pytest.mark.parametrize(
    ("wanted", "text", "value"),
    [
        (list[Item], '[{"name": "a", "price": 1}]', [Item("a", 1.0)]),
        (list[Item], '{"value": [{"name": "a", "price": 1}]}', [Item("a", 1.0)]),
        (Mood, '{"value": "bad"}', Mood.BAD),
        (Literal["yes", "no"], '"yes"', "yes"),
        (bool, "true", True),
        (int, "7", 7),
        (int, "7.0", 7),
        (Address, '{"street": "x"}', {"street": "x"}),
        (Point, '{"x": 1}', Point(1)),
        (tuple[int, str], '[1, "a"]', (1, "a")),
        (set[int], "[1, 1, 2]", {1, 2}),
        (int | None, "null", None),
        (str | int, '"7"', "7"),
        (dict[str, float], '{"a": 1}', {"a": 1.0}),
        (Annotated[int, "how many"], '{"value": 3}', 3),
        (Any, '{"a": [1]}', {"a": [1]}),
        (bytes, '{"value": "aGk="}', b"hi"),
        (dict, '{"a": 1}', {"a": 1}),
        (dict[int, str], '{"1": "a", "-2": "b"}', {1: "a", -2: "b"}),
        (dict[Mood, int], '{"good": 1}', {Mood.GOOD: 1}),
        (dict[dt.date, bool], '{"2026-11-23": true}', {dt.date(2026, 11, 23): True}),
        (dict[str | int, int], '{"1": 2}', {"1": 2}),
        (Literal[Mood.GOOD, "other"], '{"value": "good"}', Mood.GOOD),
        (Literal[1, 2], "1.0", 1),
        ({"type": "object", "properties": {"n": {"type": "integer"}}}, '{"n": 1}', {"n": 1}),
        ({"enum": ["a", "b"]}, '{"value": "b"}', "b"),
        ({"$ref": "#/definitions/N", "definitions": {"N": {"type": ["integer", "null"]}}}, '{"value": 4}', 4),
        ({"$ref": "#/$defs/N", "$defs": {"N": {"type": "integer"}}}, '{"value": 4}', 4),
    ],
)
def test_everything_with_a_json_form_comes_back(wanted: Any, text: str, value: Any) -> None:
    shape = shape_of(wanted)
    assert shape.schema["type"] == "object", "which every backend wants at the root"
    found = shape.read(text)
    assert found == value
    assert type(found) is type(value)
    json.dumps(shape.schema)


def test_what_a_schema_refers_to_goes_along() -> None:
    parts = {"N": {"type": "integer"}}
    assert shape_of({"$ref": "#/definitions/N", "definitions": parts}).schema["definitions"] == parts
    assert shape_of({"$ref": "#/$defs/N", "$defs": parts}).schema["$defs"] == parts


@pytest.mark.parametrize(
    ("wanted", "text", "problem"),
    [
        (Item, "", "the answer is empty"),
        (Item, "Sorry, I cannot.", "the answer is no JSON"),
        (Item, "[1]", "answer must be an object, not [1]"),
        (Item, '{"name": "a"}', "answer.price is missing"),
        (Item, '{"name": "a", "price": "3"}', 'answer.price must be a number, not "3"'),
        (Item, '{"name": "a", "price": true}', "answer.price must be a number, not true"),
        (Item, '{"name": "a", "price": NaN}', "NaN is no JSON"),
        (
            Item,
            '{"name": "a", "price": 1, "cost": 2}',
            'answer["cost"] is not known; it takes name, price, tags',
        ),
        (Item, '{"name": "a", "price": 1, "tags": ["x", 7]}', "answer.tags[1] must be text, not 7"),
        (Order, '{"items": [{"name": "a"}], "mood": "good"}', "answer.items[0].price is missing"),
        (Order, '{"items": [], "mood": "odd"}', 'answer.mood must be one of "good", "bad", not "odd"'),
        (
            Order,
            '{"items": [], "mood": "bad", "due": "soon"}',
            "answer.due must be a date as ISO 8601 has it",
        ),
        (Careful, '{"age": -1}', "answer is refused by Careful: nobody is younger than nothing"),
        (dict[int, str], '{"one": "a"}', 'a name in answer must be a whole number, not "one"'),
        (dict[Mood, int], '{"odd": 1}', 'answer["odd"] is not known; it takes good, bad'),
        (list[int], '{"value": [1, "2"]}', 'answer[1] must be a whole number, not "2"'),
        (tuple[int, str], "[1]", "at least 2 items, not 1"),
        (bytes, '{"value": "%%"}', "answer must be base64"),
        (float, "1e999", "1e999 is no JSON"),
        ({"type": "integer", "minimum": 3}, '{"value": 2}', "answer must be at least 3, not 2"),
        ({"type": "string", "maxLength": 2}, '{"value": "abc"}', "at most 2 characters"),
        ({"type": "string", "pattern": "^a"}, '{"value": "b"}', "must match ^a"),
    ],
)
def test_what_does_not_follow_is_told_with_its_place(wanted: Any, text: str, problem: str) -> None:
    with pytest.raises(Unfit) as unfit:
        shape_of(wanted).read(text)
    assert problem in str(unfit.value)
    assert len(str(unfit.value)) < 400


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "a", "price": 1}',
        '  {"name": "a", "price": 1}\n',
        'Here it is:\n```json\n{"name": "a", "price": 1}\n```\nAnything else?',
        '```\n{"name": "a", "price": 1}```',
        'Sure! {"name": "a", "price": 1} I hope this helps.',
        'As [1] says: {"name": "a", "price": 1}',
        'The set {} is empty, but {"name": "a", "price": 1} is not.',
    ],
)
def test_json_is_found_in_text_and_code_fences(text: str) -> None:
    if "empty" in text:  # the first object is what counts
        assert find_json(text, dict) == {}
        return
    assert shape_of(Item).read(text) == Item("a", 1.0)


@pytest.mark.parametrize(
    "text", ["{" * 5000, "[" * 100_000, '{"a":' * 3000, "1" * 10_000, "x" * 1_000_001, "\0", "```json\n```"]
)
def test_hostile_text_is_refused_quickly(text: str) -> None:
    with pytest.raises(Unfit):
        shape_of(Item).read(text)


def test_what_begins_at_many_places_is_not_read_to_its_end_from_each() -> None:
    """A hundred places and a million characters: seconds in which nothing else runs."""
    good = '{"name": "a", "price": 1}'
    assert shape_of(Item).read("[1," * 50 + good) == Item("a", 1.0)
    with pytest.raises(Unfit):
        shape_of(Item).read("[1," * 50 + "1," * 480_000 + good)
    assert shape_of(Item).read("```\nno\n```\n" * 50 + f"```\n{good}\n```") == Item("a", 1.0)
    assert shape_of(Point).read("```\nno\n```\n" * 50_000 + '```\n{"x": 1}\n```') == Point(1)


def test_no_more_values_are_looked_at_than_the_loop_has_time_for() -> None:
    assert len(shape_of(list[int]).read(json.dumps([1] * 90_000))) == 90_000
    with pytest.raises(Unfit, match="no more are looked at; be shorter"):
        shape_of(list[int]).read(json.dumps([1] * 110_000))


def test_alternatives_that_contain_themselves_end() -> None:
    """Two ways at each of forty levels."""
    ways = [{"type": "array", "items": {"$ref": "#/$defs/N"}, "maxItems": n} for n in (1, 2)]
    schema = {"$ref": "#/$defs/N", "$defs": {"N": {"anyOf": [*ways, {"type": "null"}]}}}
    assert fault(schema, json.loads("[" * 5 + "null" + "]" * 5)) is None
    assert fault(schema, json.loads("[" * 40 + "7" + "]" * 40)) is not None


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Node, "contains itself"),
        (object(), "no JSON form"),
        (print, "no JSON form"),
        (complex, "no JSON form"),
        (list[complex], "no JSON form"),
        (Misspelt, "an annotation of Misspelt cannot be resolved"),
        (Unfinished, "an annotation of Unfinished cannot be resolved"),
        (Corner, r"has \(0, 1\), which has no JSON form"),
        (Literal[b"x"], "has b'x', which has no JSON form"),
        ({"type": object()}, "no JSON schema"),
        ({"type": 7}, "no JSON schema: it.type is 7"),
        ({"type": "object", "properties": ["a"]}, r"it.properties is \["),
        ({"type": "object", "required": "a"}, r'it.required is "a"'),
        (
            {"properties": {"a": {"items": {"type": "strin"}}}},
            r'it.properties.a.items.type is "strin"; there are',
        ),
        ({"anyOf": [{"type": "array", "prefixItems": 3}]}, r"it.anyOf\[0\].prefixItems is 3"),
        ({"$defs": {"N": "text"}}, r'it.\$defs.N is "text"'),
    ],
)
def test_what_has_no_json_form_is_a_config_error(wanted: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        shape_of(wanted)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@given(VALUES)
def test_any_json_follows_the_schema_of_anything_and_is_found_whole(value: Any) -> None:
    assert fault({}, value) is None
    assert find_json(f"\n{json.dumps(value)} ") == value


@given(st.text(max_size=200))
def test_no_text_makes_anything_but_an_item_or_a_refusal(text: str) -> None:
    try:
        assert isinstance(shape_of(Item).read(text), Item)
    except Unfit:
        pass


@given(VALUES)
def test_what_is_read_as_an_order_is_one_and_all_else_is_told(value: Any) -> None:
    shape = shape_of(Order)
    try:
        made = shape.read(json.dumps(value))
    except Unfit:
        return
    assert isinstance(made, Order)


@given(
    st.builds(
        Order,
        st.lists(
            st.builds(Item, st.text(), st.floats(allow_nan=False, allow_infinity=False), st.lists(st.text()))
        ),
        st.sampled_from(Mood),
        st.sampled_from(["now", "later"]),
        st.none() | st.text(),
        st.none() | st.dates(),
        st.dictionaries(st.text(), st.integers()),
    )
)
def test_what_is_written_as_json_is_read_back(order: Order) -> None:
    plain = dataclasses.asdict(order)
    plain.pop("made")
    text = json.dumps({**plain, "mood": order.mood.value, "due": order.due and order.due.isoformat()})
    assert shape_of(Order).read(f"Here:\n```json\n{text}\n```" if "```" not in text else text) == order


def test_a_pattern_that_a_text_could_keep_busy_is_not_tried() -> None:
    """Twenty-six letters would hold the loop for seconds, forty for hours."""
    assert fault({"type": "string", "pattern": "(a+)+$"}, "a" * 60 + "!") is None


def test_names_that_patterns_may_allow_are_let_pass() -> None:
    schema = {"type": "object", "patternProperties": {"^x-": {}}, "additionalProperties": False}
    assert fault(schema, {"x-1": 1}) is None
    assert fault({"type": "object", "additionalProperties": False}, {"x-1": 1}) is not None
