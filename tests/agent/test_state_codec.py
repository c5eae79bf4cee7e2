"""State as JSON: what was kept comes back the same for every annotation, and what could not come back is refused."""

import contextlib
import dataclasses
import enum
import json
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypedDict, get_origin
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom import Agent
from loom.agent import spec_of
from loom.agent._state import copier_of
from loom.errors import StateError
from tests.agent.kept import (
    ANNOTATIONS,
    CLASSES,
    HASHABLE,
    Circle,
    Fixed,
    Level,
    Mood,
    Pair,
    Point,
    Word,
    codec_of,
    identity,
)

RANDOM = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


def there(annotation: Any, value: Any) -> Any:
    """What is kept of a value."""
    return codec_of(annotation).encode((value,))["f0"]


def back(annotation: Any, kept: Any) -> Any:
    """The value of what is kept."""
    return codec_of(annotation).decode({"f0": kept})[0]


def round_trip(annotation: Any, value: Any) -> Any:
    return back(annotation, json.loads(json.dumps(there(annotation, value))))


@RANDOM
@given(st.data())
def test_what_is_kept_comes_back_the_same_for_every_annotation(data: st.DataObject) -> None:
    annotation, values = data.draw(ANNOTATIONS)
    value = copier_of(annotation, "f0")(data.draw(values))
    codec = codec_of(annotation)
    kept = codec.encode((value,))
    text = json.dumps(kept)
    assert json.dumps(json.loads(text)) == text
    assert identity(codec.decode(json.loads(text))[0]) == identity(value)
    assert json.dumps(codec.encode(codec.decode(json.loads(text)))) == text or "$set" in text or "nan" in text


@RANDOM
@given(st.data())
def test_kept_values_of_other_annotations_are_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    (annotation, values), (other, _) = data.draw(ANNOTATIONS), data.draw(ANNOTATIONS)
    kept = there(annotation, copier_of(annotation, "f0")(data.draw(values)))
    with contextlib.suppress(StateError):
        copier_of(other, "f0")(back(other, json.loads(json.dumps(kept))))


@pytest.mark.parametrize(
    ("annotation", "value", "kept"),
    [
        (bool, True, True),
        (int, 2**64, 2**64),
        (float, 1.5, 1.5),
        (float, 1, 1),
        (float, float("inf"), {"$float": "inf"}),
        (float, float("-inf"), {"$float": "-inf"}),
        (str, "ä😀", "ä😀"),
        (bytes, b"\x00", {"$bytes": "AA=="}),
        (datetime, datetime(2026, 1, 1, tzinfo=UTC), {"$datetime": "2026-01-01T00:00:00+00:00"}),
        (
            datetime,
            datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
            {"$datetime": "2026-10-25T02:30:00[Europe/Berlin][fold]"},
        ),
        (date, date(2026, 1, 1), {"$date": "2026-01-01"}),
        (date, datetime(2026, 1, 1), {"$datetime": "2026-01-01T00:00:00"}),  # noqa: DTZ001
        (time, time(7, 30), {"$time": "07:30:00"}),
        (timedelta, timedelta(days=-1, microseconds=5), {"$timedelta": [-1, 0, 5]}),
        (Decimal, Decimal("1.10"), {"$decimal": "1.10"}),
        (UUID, UUID(int=1), {"$uuid": "00000000-0000-0000-0000-000000000001"}),
        (Mood, Mood.CALM, {"$enum": "CALM"}),
        (Literal["a", 1], "a", "a"),
        (Literal[Mood.CALM, 1], Mood.CALM, {"$enum": "Mood.CALM"}),
        (list[int], [1, 2], [1, 2]),
        (tuple[int, str], (1, "a"), {"$tuple": [1, "a"]}),
        (set[str], {"b", "a"}, {"$set": ["a", "b"]}),
        (frozenset[int], frozenset({10, 9}), {"$frozenset": [9, 10]}),
        (deque[int], deque([1], 3), {"$deque": {"maxlen": 3, "items": [1]}}),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (dict[str, int], {"$set": 1}, {"$dict": [["$set", 1]]}),
        (dict[int, str], {1: "a"}, {"$dict": [[1, "a"]]}),
        (Point, Point(1, ["t"]), {"x": 1, "tags": ["t"]}),
        (Point, Circle(1, [], 2.0), {"$:Circle": {"x": 1, "tags": [], "radius": 2.0}}),
        (Pair, Pair("p", [1]), {"name": "p", "items": [1]}),
        (Point | None, Point(), {"x": 0, "tags": []}),
        (Point | Fixed, Point(), {"$:Point": {"x": 0, "tags": []}}),
        (list[int] | list[str], ["a"], {"$list#2": ["a"]}),
        (Any, (1, {2: {b"x"}}), {"$tuple": [1, {"$dict": [[2, {"$set": [{"$bytes": "eA=="}]}]]}]}),
    ],
)
def test_the_kept_form_says_what_it_is(annotation: Any, value: Any, kept: Any) -> None:
    assert there(annotation, value) == kept
    assert identity(back(annotation, json.loads(json.dumps(kept)))) == identity(value)


def test_nan_and_numbers_of_thousands_of_digits_and_halves_of_a_character_come_back() -> None:
    assert repr(round_trip(float, float("nan"))) == "nan"
    assert round_trip(int, 10**5000) == 10**5000
    assert round_trip(list[int], [1, -(10**5000)]) == [1, -(10**5000)]
    for text in ("\ud800", "\ud83d\ude00"):
        assert round_trip(str, text) == text
        assert round_trip(list[str], ["a", text]) == ["a", text]
        assert round_trip(dict[str, str], {text: text}) == {text: text}


def test_what_is_annotated_a_number_or_text_comes_back_as_one() -> None:
    class Size(float):
        pass

    assert identity(round_trip(int, Level.HIGH)) == identity(2)
    assert identity(round_trip(str, Word.YES)) == identity("yes")
    assert identity(round_trip(list[str], [Word.YES])) == identity(["yes"])
    assert identity(round_trip(float, Size(1.5))) == identity(1.5)
    assert identity(round_trip(Any, [Size(1.5)])) == identity([1.5])


def test_plain_leaves_and_lists_of_them_are_written_as_they_are() -> None:
    words, table = ["a", "b"], {"a": 1.5}
    kept = codec_of(list[str], dict[str, float]).encode((words, table))
    assert kept["f0"] is words
    assert kept["f1"] is table


def test_sets_are_written_in_one_order_whatever_the_hashes() -> None:
    code = (
        "from tests.agent.kept import *; import json\n"
        "c = codec_of(set[str], set[Mood], set[float])\n"
        "print(json.dumps(c.encode(({'ab', 'c', 'd', 'e'}, set(Mood), {1.5, 2, 0.25}))))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(seen) == 1


class Offset(tzinfo):
    pass


class Plain(NamedTuple):
    a: Any


@pytest.mark.parametrize("value", [Point(), Mood.CALM, Pair("p", []), Level.LOW, Word.YES])
@pytest.mark.parametrize("shape", [lambda v: v, lambda v: [v], lambda v: {"k": (v,)}])
def test_what_needs_its_class_to_be_read_is_refused_where_no_annotation_says_it(
    value: Any, shape: Callable[[Any], Any]
) -> None:
    with pytest.raises(StateError, match=r"f0.* could not be read back; say it in the annotation.*list\["):
        there(Any, shape(value))


def test_a_refusal_says_what_to_write_instead() -> None:
    with pytest.raises(StateError) as refused:
        there(dict[str, Any], {"k": Point()})
    assert str(refused.value) == (
        "f0[...] has no stated type for Point(x=0, tags=[]): Point could not be read back; "
        "say it in the annotation, as in Point, list[Point] or Point | str"
    )
    with pytest.raises(StateError, match=r"time zone of class Offset.*use datetime\.UTC"):
        there(datetime, datetime(2026, 1, 1, tzinfo=Offset()))
    with pytest.raises(StateError, match=r"Plain\.a has no stated type"):
        there(Plain, Plain(Point()))


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Pair, Pair("p", ["no number"])),  # type: ignore[list-item]
        (enum.Enum, Mood.CALM),
        (TypedDict("Odd", {"a": int}), {1: 1}),
        (int | bytes, "text"),
        (list[Mood], [Level.LOW]),
        (tuple[int, int], (1,)),
    ],
)
def test_a_value_that_is_none_of_its_annotation_is_refused(annotation: Any, value: Any) -> None:
    with pytest.raises(StateError, match=r"\Af0"):
        there(annotation, value)


@pytest.mark.parametrize(("annotation", "values"), HASHABLE + CLASSES)
@pytest.mark.parametrize("shape", [lambda a: a, lambda a: list[a], lambda a: dict[str, a]])  # type: ignore[valid-type]
def test_an_object_of_another_class_is_refused_whatever_the_annotation(
    annotation: Any, values: Any, shape: Callable[[Any], Any]
) -> None:
    for value in (object(), [object()], {"k": object()}):
        with pytest.raises(StateError, match=r"\Af0"):
            there(shape(annotation), value)


@pytest.mark.parametrize(
    "cls", [list[int], tuple[int, ...], tuple[int], deque[int], set[int], dict[str, int]]
)
def test_a_container_of_another_class_is_refused(cls: Any) -> None:
    for value in ([], (1, 2), {1: 2}, {1.5}):
        if type(value) is not get_origin(cls):
            with pytest.raises(StateError, match=r"\Af0"):
                there(cls, value)


@pytest.mark.parametrize(
    ("annotation", "kept"),
    [
        (int, "1"), (int, True), (int, 1.5), (int, {"$int": "no"}), (int, {"$int": 5}), (str, 1), (str, {"$str": "%"}),
        (bool, 1), (type(None), 0), (float, "1"), (float, {"$float": []}), (bytes, "AA=="), (bytes, {"$bytes": "*"}),
        (datetime, {"$datetime": "yesterday"}), (datetime, {"$datetime": "2026-01-01T00:00[No/Zone]"}),
        (datetime, {"$datetime": "2026-01-01T00:00[fold"}), (datetime, {"$datetime": 5}), (time, {"$time": "25:00"}),
        (timedelta, {"$timedelta": [1]}), (timedelta, {"$timedelta": [10**12, 0, 0]}), (date, {"$date": "x"}),
        (Decimal, {"$decimal": "x"}), (Decimal, {"$decimal": 1.5}), (UUID, {"$uuid": "x"}), (UUID, {"$uuid": 1}),
        (Mood, {"$enum": "GONE"}), (Mood, {"$enum": 7}), (Mood, {"$enum": []}), (Mood, "CALM"), (Literal["a"], "b"),
        (list[int], {"$tuple": [1]}), (list[int], [1, "a"]), (tuple[int, int], {"$tuple": [1]}), (set[int], [1]),
        (set[Any], {"$set": [[1]]}), (set[int], {"$set": 5}), (deque[int], {"$deque": {"items": [], "maxlen": -1}}),
        (deque[int], {"$deque": []}), (dict[str, int], []), (dict[str, int], {"$dict": [[1]]}),
        (dict[int, int], {"1": 1}),
        (dict[Any, int], {"$dict": [[[1], 1]]}), (Point, {"x": 1, "tags": [], "gone": 1}), (Point, {"x": "1"}),
        (Point, {"$:Gone": {}}), (Point, {"$:Fixed": {}}), (Point, [1]), (Pair, {"name": "p"}), (int | bytes, "x"),
        (Any, {"$:Point": {}}), (Any, {"$enum": "CALM"}), (Any, {"$what": 1}), (set[int] | set[str], 5),
    ],
)  # fmt: skip
def test_what_is_kept_and_makes_no_sense_is_a_state_error(annotation: Any, kept: Any) -> None:
    with pytest.raises(StateError, match=r"\Af0"):
        back(annotation, kept)


def test_only_loaded_subclasses_of_an_annotated_class_are_found_by_name() -> None:
    with pytest.raises(StateError, match=r"no subclass 'Path' of Point is loaded; import its module before"):
        back(Point, {"$:Path": {}})
    with pytest.raises(StateError, match="no subclass"):
        back(Point, {"$:subprocess:Popen": {"args": "true"}})
    assert "antigravity" not in sys.modules
    with pytest.raises(StateError):
        back(Any, {"$:antigravity:x": {}})
    assert "antigravity" not in sys.modules


def test_subclasses_of_one_name_are_told_apart_by_their_module() -> None:
    twin = dataclasses.make_dataclass("Disc", [("radius", float, 1.0)], bases=(Point,))
    twin.__module__ = "elsewhere"
    assert there(Point, twin(1, [], 2.0)) == {"$:Disc": {"x": 1, "tags": [], "radius": 2.0}}
    other = dataclasses.make_dataclass("Disc", [("radius", float, 1.0)], bases=(Point,))
    other.__module__ = "here"
    assert there(Point, twin(1, [], 2.0)) == {"$:elsewhere:Disc": {"x": 1, "tags": [], "radius": 2.0}}
    assert type(round_trip(Point, other(1))) is other
    with pytest.raises(StateError, match="there are two of that name: elsewhere, here"):
        back(Point, {"$:Disc": {"x": 1, "tags": [], "radius": 2.0}})


def test_a_subclass_defined_again_counts_once() -> None:
    made = [dataclasses.make_dataclass("Again", [], bases=(Point,), slots=True) for _ in range(2)]
    assert type(round_trip(Point, made[1](1))) is made[1]


def test_a_new_field_of_a_dataclass_begins_with_its_default() -> None:
    assert back(Point, {"x": 1}) == Point(1)
    assert back(Pair | None, None) is None


def test_a_value_kept_before_its_annotation_was_widened_still_fits() -> None:
    assert back(Point | None, there(Point, Point(1))) == Point(1)
    assert back(Point | Fixed, there(Point, Point(1))) == Point(1)
    assert back(int | str, there(int, 1)) == 1
    assert back(set[int] | bytes, there(set[int], {1})) == {1}

    @dataclass
    class Twin(Point):
        pass

    with pytest.raises(StateError, match="more than one of them takes it"):
        back(Point | Twin, there(Point, Point(1)))


class Keeper(Agent):
    count: int = 1
    words: list[str] = []
    point: Point | None = None


def test_an_agents_codec_is_made_once_and_knows_its_fields() -> None:
    spec = spec_of(Keeper)
    assert spec.codec is spec.codec
    assert spec.codec.names == ("count", "words", "point")
    state = spec.snapshot.capture(vars(Keeper(point=Circle(2))))
    assert spec.codec.encode(state) == {
        "count": 1, "words": [], "point": {"$:Circle": {"x": 2, "tags": [], "radius": 1.0}},
    }  # fmt: skip
    assert spec.codec.decode({"count": 5}) == (5, [], None)
    with pytest.raises(StateError, match=r"no field 'gone' any more; kept is 1 \(int\)"):
        spec.codec.decode({"gone": 1})
