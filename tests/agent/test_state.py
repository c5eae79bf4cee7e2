"""State: what can be kept, what is refused by name, and that a restore gives back exactly what was captured."""

import enum
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Literal, NamedTuple, TypedDict
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom import Agent
from loom.agent import spec_of
from loom.errors import StateError


class Mood(enum.Enum):
    CALM = 1
    BUSY = 2


@dataclass
class Point:
    x: int = 0
    tags: list[str] = field(default_factory=list)


@dataclass
class Circle(Point):
    radius: float = 1.0


@dataclass(frozen=True)
class Fixed:
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class Slotted:
    table: dict[str, int] = field(default_factory=dict)


class Pair(NamedTuple):
    name: str
    items: list[int]


class Facts(TypedDict):
    a: int


class Everything(Agent):
    flag: bool = True
    count: int = 1
    size: float = 1.5
    text: str = "a"
    data: bytes = b"\x00"
    nothing: None = None
    moment: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    day: date = date(2026, 1, 1)
    hour: time = time(7, 30)
    span: timedelta = timedelta(seconds=1)
    price: Decimal = Decimal("1.10")
    uid: UUID = UUID(int=1)
    mood: Mood = Mood.CALM
    mode: Literal["a", "b"] = "a"
    maybe: int | None = None
    numbers: list[int] = [1, 2]
    table: dict[str, list[int]] = {"z": [1], "a": [2]}
    nested: dict[str, dict[str, set[int]]] = {"x": {"y": {1}}}
    few: tuple[int, str] = (1, "a")
    many: tuple[int, ...] = (1, 2, 3)
    bag: set[str] = {"x"}
    fixed_bag: frozenset[int] = frozenset({1})
    line: deque[int] = deque([1, 2], maxlen=3)
    bare: dict = {"a": [1, {"b": (2, None)}]}  # type: ignore[type-arg]
    anything: Any = None
    point: Point = field(default_factory=Point)
    frozen: Fixed = Fixed(("a",))
    slotted: Slotted = field(default_factory=Slotted)
    pair: Pair = Pair("p", [1])
    facts: Facts = {"a": 1}
    TABLE: ClassVar[dict[str, int]] = {}


def test_every_allowed_type_is_kept_and_copied() -> None:
    snapshot = spec_of(Everything).snapshot
    one, other = Everything(), Everything()
    assert "TABLE" not in snapshot.names
    state = snapshot.capture(one.__dict__)
    assert state == tuple(getattr(one, name) for name in snapshot.names)
    kept = dict(zip(snapshot.names, state, strict=True))
    for name in ("numbers", "table", "nested", "bag", "line", "bare", "point", "slotted", "facts"):
        assert getattr(one, name) is not getattr(other, name), (
            f"{name}: defaults are copied for each instance"
        )
        assert getattr(one, name) is not kept[name]
    one.table["z"].append(9)
    one.nested["x"]["y"].add(9)
    one.pair.items.append(9)
    one.point.tags.append("changed")
    one.slotted.table["k"] = 1
    one.bare["a"][1]["c"] = 3
    one.line.extend([3, 4])
    assert kept["line"].maxlen == 3
    assert Everything().pair.items == [1]
    snapshot.restore(one.__dict__, state)
    assert snapshot.capture(one.__dict__) == snapshot.capture(other.__dict__)


def test_a_restore_keeps_the_order_of_dictionaries_and_the_capture() -> None:
    snapshot = spec_of(Everything).snapshot
    agent = Everything()
    state = snapshot.capture(agent.__dict__)
    agent.table.clear()
    agent.table.update(a=[1], z=[2])
    snapshot.restore(agent.__dict__, state)
    assert list(agent.table) == ["z", "a"]
    agent.table["z"].append(3)
    assert state[snapshot.names.index("table")]["z"] == [1]


def test_a_dataclass_that_extends_the_annotated_one_comes_back_whole() -> None:
    snapshot = spec_of(Everything).snapshot
    agent = Everything()
    agent.point = Circle(1, ["a"], 2.5)
    state = snapshot.capture(agent.__dict__)
    agent.point.radius = 9
    snapshot.restore(agent.__dict__, state)
    assert agent.point == Circle(1, ["a"], 2.5)


def test_named_tuples_in_containers_do_not_share_what_they_hold() -> None:
    snapshot = spec_of(Everything).snapshot
    agent = Everything()
    agent.anything = [Pair("p", [1])]
    state = snapshot.capture(agent.__dict__)
    agent.anything[0].items.append(2)
    assert state[snapshot.names.index("anything")] == [Pair("p", [1])]
    assert isinstance(state[snapshot.names.index("anything")][0], Pair)


WRONG: list[tuple[str, Any]] = [
    ("flag", 1),
    ("count", "1"),
    ("count", True),
    ("count", 1.0),
    ("size", "x"),
    ("text", b"x"),
    ("data", "x"),
    ("moment", "2026-01-01"),
    ("mood", 1),
    ("mode", "c"),
    ("maybe", "x"),
    ("numbers", [1, "x"]),
    ("numbers", (1, 2)),
    ("table", {"a": ["x"]}),
    ("table", {1: [1]}),
    ("table", defaultdict(list)),
    ("table", OrderedDict()),
    ("bare", Counter()),
    ("few", (1,)),
    ("few", (1, 2)),
    ("many", [1]),
    ("bag", {1}),
    ("line", [1]),
    ("point", {"x": 1}),
    ("point", Point("x")),  # type: ignore[arg-type]
    ("anything", object()),
    ("anything", [lambda: 1]),
    ("facts", [1]),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda v: repr(v)[:30])
def test_a_value_of_a_wrong_type_is_refused_by_the_fields_name(name: str, value: Any) -> None:
    agent = Everything()
    setattr(agent, name, value)
    with pytest.raises(StateError) as caught:
        spec_of(Everything).snapshot.capture(agent.__dict__)
    if name not in ("anything", "bare"):
        assert name in str(caught.value)


def test_a_value_that_contains_itself_is_refused() -> None:
    agent = Everything()
    agent.anything = []
    agent.anything.append(agent.anything)
    with pytest.raises(StateError, match="contains itself"):
        spec_of(Everything).snapshot.capture(agent.__dict__)


def test_a_deleted_field_is_named() -> None:
    agent = Everything()
    del agent.count
    with pytest.raises(StateError, match="'count' has no value"):
        spec_of(Everything).snapshot.capture(agent.__dict__)


class Stranger:
    pass


@dataclass
class Holder:
    inner: Stranger


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (Stranger, None, r"field is annotated Stranger, which cannot be kept"),
        (list[Stranger], [], r"field\[\.\.\.\] is annotated Stranger"),
        (dict[str, Stranger], {}, r"Stranger"),
        (Holder, None, r"field\.inner is annotated Stranger"),
        (int | Stranger, 1, r"Stranger"),
        (int, "x", r"field is annotated int but holds 'x'"),
        (list[int], ["x"], r"field\[\.\.\.\] is annotated int"),
        (defaultdict, defaultdict(int), r"defaultdict"),
        (dict[str, int], defaultdict(int), r"holds defaultdict"),
    ],
    ids=str,
)
def test_a_type_that_cannot_be_kept_is_refused_by_name(annotation: Any, value: Any, message: str) -> None:
    cls = type("Bad", (Agent,), {"__annotations__": {"field": annotation}, "field": value})
    with pytest.raises(StateError, match=r"Bad\.field.*" + message):
        spec_of(cls)


def test_a_field_without_a_value_is_refused_by_name() -> None:
    with pytest.raises(StateError, match=r"Bad\.field has no default"):
        spec_of(type("Bad", (Agent,), {"__annotations__": {"field": int}}))


def test_no_two_instances_share_an_ephemeral_container() -> None:
    class Cached(Agent):
        _cache: dict[str, int] = {"a": 1}
        _lists: defaultdict[str, list[int]] = defaultdict(list)
        _shared: ClassVar[list[int]] = []

    one, other = Cached(), Cached()
    one._cache["b"] = 2
    one._lists["x"].append(1)
    one._shared.append(1)
    assert (other._cache, dict(other._lists), other._shared) == ({"a": 1}, {}, [1])
    assert Cached._cache == {"a": 1}


def test_underscored_names_are_no_state() -> None:
    class Ephemeral(Agent):
        _socket: Stranger | None = None
        kept: int = 0

    assert spec_of(Ephemeral).snapshot.names == ("kept",)


def test_fields_are_inherited_and_can_be_given_another_default() -> None:
    class Base(Agent):
        a: int = 1
        b: list[int] = [1]

    class Derived(Base):
        b: list[int] = [2]
        c: str = "x"

    assert [f.name for f in spec_of(Derived).snapshot.fields] == ["a", "b", "c"]
    assert Derived().__dict__ == {"a": 1, "b": [2], "c": "x"}
    assert Base().b == [1]


def test_an_instance_begins_with_the_fields_it_is_given() -> None:
    class Room(Agent):
        name: str = ""
        seats: list[int] = []

    seats = [1]
    room = Room(name="hall", seats=seats)
    seats.append(2)
    assert (room.name, room.seats) == ("hall", [1])
    with pytest.raises(StateError, match="name is annotated str"):
        Room(name=1)
    with pytest.raises(StateError, match="no state field 'nmae'"):
        Room(nmae="x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


class Free(Agent):
    value: Any = None


def _paths(value: Any) -> str:
    """Everything about a value, the order of dictionaries and the types too."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{k!r}:{_paths(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return type(value).__name__ + "[" + ",".join(map(_paths, value)) + "]"
    return f"{type(value).__name__} {value!r}"


def _scramble(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _scramble(item)
        value.append("scrambled")
    elif isinstance(value, dict):
        for item in value.values():
            _scramble(item)
        value["scrambled"] = 1
    elif isinstance(value, tuple):
        for item in value:
            _scramble(item)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON)
def test_whatever_happens_to_the_value_the_capture_comes_back_as_it_was(value: Any) -> None:
    snapshot = spec_of(Free).snapshot
    agent = Free()
    agent.value = value
    before = _paths(value)
    state = snapshot.capture(agent.__dict__)
    _scramble(agent.value)
    snapshot.restore(agent.__dict__, state)
    assert _paths(agent.value) == before
    _scramble(agent.value)
    assert _paths(state[0]) == before
