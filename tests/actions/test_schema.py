"""The schema says what an action takes, and the check of arguments believes it."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from loom.actions import action
from loom.actions.schema import check_arguments, schema_of
from loom.errors import ActionFailed, SignatureError


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: float


@dataclass
class Tree:
    children: list["Tree"]


def everything(
    text: str,
    count: int,
    size: float = 1.5,
    on: bool = False,
    data: bytes = b"",
    maybe: int | None = None,
    mode: Literal["a", "b"] = "a",
    colour: Colour = Colour.RED,
    many: Sequence[str] = (),
    pair: tuple[int, str] = (0, ""),
    table: Mapping[str, int] | None = None,
    point: Point | None = None,
    anything: Any = None,
) -> None: ...


def test_the_schema_follows_the_signature() -> None:
    schema = schema_of(everything, "all")
    assert schema["required"] == ["text", "count"]
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert properties["text"] == {"type": "string"}
    assert properties["size"] == {"type": "number", "default": 1.5}
    assert properties["maybe"] == {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    assert properties["mode"] == {"enum": ["a", "b"], "default": "a"}
    assert properties["colour"] == {"enum": ["red", "blue"]}
    assert properties["many"] == {"type": "array", "items": {"type": "string"}}
    assert properties["pair"]["prefixItems"] == [{"type": "integer"}, {"type": "string"}]
    assert properties["point"]["anyOf"][0]["properties"] == {
        "x": {"type": "integer"},
        "y": {"type": "number"},
    }


GOOD: list[dict[str, Any]] = [
    {},
    {"size": 1},
    {"maybe": None},
    {"data": b"x"},
    {"mode": "b"},
    {"colour": Colour.BLUE},
    {"colour": "blue"},
    {"many": ["a", "b"]},
    {"pair": (1, "a")},
    {"table": {"a": 1}},
    {"point": Point(1, 2)},
    {"anything": object()},
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"text": 1}, "'text' must be string"),
    ({"text": b"x"}, "'text' must be string"),
    ({"count": True}, "'count' must be integer"),
    ({"count": 1.0}, "'count' must be integer"),
    ({"on": 1}, "'on' must be boolean"),
    ({"data": "x"}, "'data' must be bytes"),
    ({"mode": "c"}, "one of"),
    ({"many": [1]}, "'many' must be array"),
    ({"many": "ab"}, "'many' must be array"),
    ({"pair": ("a", 1)}, "'pair' must be array"),
    ({"pair": (1,)}, "'pair' must be array"),
    ({"table": {"a": "b"}}, "'table' must be object or null"),
    ({"maybe": "1"}, "'maybe' must be integer or null"),
    ({"volume": 1}, "no argument 'volume'; it takes text, count"),
]


@pytest.mark.parametrize("arguments", GOOD, ids=str)
def test_what_fits_passes(arguments: dict[str, Any]) -> None:
    check_arguments(schema_of(everything, "all"), {"text": "a", "count": 1, **arguments}, "all")


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=str)
def test_what_does_not_fit_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ActionFailed, match=message) as caught:
        check_arguments(schema_of(everything, "all"), {"text": "a", "count": 1, **arguments}, "all")
    assert not caught.value.retryable


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ActionFailed, match="needs argument 'count'"):
        check_arguments(schema_of(everything, "all"), {"text": "a"}, "all")


def test_further_keywords_are_free_when_the_function_takes_them() -> None:
    def free(**more: Any) -> None: ...

    check_arguments(schema_of(free, "free"), {"whatever": object()}, "free")


def positional(a: int, /) -> None: ...
def starred(*a: int) -> None: ...
def recursive(tree: Tree) -> None: ...


@pytest.mark.parametrize("function", [positional, starred, recursive])
def test_a_signature_without_a_schema_is_refused_when_decorated(function: Any) -> None:
    with pytest.raises(SignatureError):
        action("bad.one")(function)


def test_generators_are_refused() -> None:
    with pytest.raises(SignatureError, match="plain or async function"):

        @action("bad.two")
        async def stream() -> Any:
            yield 1


def test_the_idempotency_key_is_no_argument_of_the_schema() -> None:
    @action("pay")
    def pay(amount: int, idempotency_key: str) -> None: ...

    made = pay.__loom_action__
    assert made.takes_key
    assert list(made.schema["properties"]) == ["amount"]
    assert made.schema["required"] == ["amount"]
