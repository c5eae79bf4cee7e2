"""Arguments, results and errors as JSON and back."""

import datetime as dt
import enum
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom import Event, action, errors
from loom.agent._ledger_values import Values, read_error, read_events, write_error, write_events
from loom.errors import ActionFailed, LoomError, NoResponders, StateError, StoreCorrupt
from loom.event import Confidentiality, Label

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=20)
    | st.datetimes(timezones=st.just(dt.UTC)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(plain)
def test_a_result_comes_back_as_it_was(value: Any) -> None:
    values = Values()
    kept = values.write(value)
    assert kept is not None
    found = values.read(json.loads(kept))
    assert (found, type(found)) == (value, type(value))


class Strange:
    pass


@pytest.mark.parametrize("value", [object(), Strange(), {"deep": [Strange()]}, Strange])
def test_a_result_without_a_form_is_none(value: object) -> None:
    assert Values().write(value) is None


def test_a_result_that_contains_itself_is_none() -> None:
    ring: list[Any] = []
    ring.append(ring)
    assert Values().write(ring) is None


class Colour(enum.Enum):
    RED = 1


def test_arguments_go_by_their_annotations_and_else_by_themselves() -> None:
    @action("paint")
    def paint(colour: Colour, what: Any, size: int = 1) -> None: ...

    made = paint.__loom_action__  # type: ignore[attr-defined]
    values = Values()
    for arguments in (
        {"colour": Colour.RED, "what": (1, b"x")},
        {"colour": "no colour", "what": 1, "size": "big"},
    ):
        kept = values.arguments(made, arguments)
        assert values.restored(made, json.loads(kept)) == arguments
    with pytest.raises(StateError, match="argument 'what' of action 'paint' cannot be kept"):
        values.arguments(made, {"colour": Colour.RED, "what": object()})
    assert json.loads(values.described(made, {"colour": Colour.RED, "what": Strange}))["what"].startswith(
        "<class"
    )


@pytest.mark.parametrize(
    "error",
    [
        ActionFailed("no", retryable=True),
        NoResponders("nobody"),
        errors.Overloaded("a", "BATCHED", 3),
        KeyError("x"),
        ValueError("a", 2),
        TimeoutError(),
        FileNotFoundError(2, "gone"),
        errors.PayloadTooLarge(10, 5),
    ],
)
def test_an_error_of_loom_or_of_python_comes_back_as_what_it_was(error: Exception) -> None:
    found = read_error(json.loads(json.dumps(write_error(error))))
    assert (type(found), str(found)) == (type(error), str(error))
    assert getattr(found, "retryable", None) == getattr(error, "retryable", None)


def test_an_error_of_somebody_else_comes_back_by_its_name() -> None:
    class Odd(Exception):
        pass

    found = read_error(write_error(Odd("hm")))
    assert (type(found), str(found)) == (LoomError, "Odd: hm")


def test_replies_come_back_with_their_labels_and_what_is_no_list_of_events_is_none() -> None:
    label = Label(Confidentiality.PRIVATE, True)
    events = [Event("a", {"x": 1}, topic="t.a", label=label, id="one"), Event("b", b"raw", topic="t.b")]
    found = read_events(write_events(events) or [])
    assert [(e.id, e.topic, e.payload, e.label) for e in found] == [
        (e.id, e.topic, e.payload, e.label) for e in events
    ]
    assert write_events([1]) is None
    assert write_events([]) is None
    assert write_events([Event("a", object(), topic="t")]) is None
    with pytest.raises(StoreCorrupt):
        read_events(["0 AAAA"])
