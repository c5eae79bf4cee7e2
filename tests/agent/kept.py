"""Annotations that state can have, drawn at random with values of them, and what makes two values the same."""

import enum
from collections import deque
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, NamedTuple, NotRequired, Optional, TypedDict, Union
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from loom.agent._state import Field
from loom.agent._state_codec import StateCodec

Drawn = tuple[Any, Any]  # an annotation and a strategy of its values


class Mood(enum.Enum):
    CALM = 1
    BUSY = 2


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    YES = "yes"


class Right(enum.Flag):
    READ = 1
    WRITE = 2


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
    mood: Mood | None = None


@dataclass(slots=True)
class Slotted:
    table: dict[str, Point] = field(default_factory=dict)


@dataclass(slots=True)
class Wide(Slotted):
    fixed: Fixed | int = 0


class Pair(NamedTuple):
    name: str
    items: list[int]


class Tree(NamedTuple):
    value: float
    kids: "list[Tree]" = []


class Facts(TypedDict):
    a: int
    point: NotRequired[Point]


TEXTS = st.text(st.characters(), max_size=8) | st.sampled_from(["$set", "$", "\ud83d\ude00", "ä" * 5])
INTEGERS = st.integers() | st.sampled_from([10**700, -(10**600), 2**64])
FLOATS = st.floats() | st.integers(-5, 5)
ZONES = st.sampled_from(
    [
        None,
        UTC,
        timezone(timedelta(hours=2)),
        timezone(timedelta(minutes=-30), "odd [%]"),
        ZoneInfo("Europe/Berlin"),
    ]
)
DATETIMES = st.builds(lambda d, z, f: d.replace(tzinfo=z, fold=f), st.datetimes(), ZONES, st.integers(0, 1))
TIMES = st.builds(lambda t, z: t.replace(tzinfo=z), st.times(), ZONES)
ALLOWED = ("a", 1, True, None, Mood.CALM, b"x")

HASHABLE: list[Drawn] = [
    (bool, st.booleans()),
    (int, INTEGERS),
    (float, FLOATS),
    (str, TEXTS),
    (bytes, st.binary(max_size=8)),
    (type(None), st.none()),
    (datetime, DATETIMES),
    (date, st.dates() | DATETIMES),
    (time, TIMES),
    (timedelta, st.timedeltas()),
    (Decimal, st.decimals(allow_nan=False) | st.sampled_from([Decimal("1.10"), Decimal("1E+9")])),
    (UUID, st.uuids()),
    (Mood, st.sampled_from(Mood)),
    (Level, st.sampled_from(Level)),
    (Word, st.just(Word.YES)),
    (Right, st.sampled_from([Right(0), Right.READ, Right.READ | Right.WRITE])),
    (Literal["a", 1, True, None, Mood.CALM, b"x"], st.sampled_from(ALLOWED)),
    (Fixed, st.builds(Fixed, st.tuples(TEXTS), st.none() | st.sampled_from(Mood))),
]
POINTS = st.builds(Point, INTEGERS, st.lists(TEXTS, max_size=3)) | st.builds(
    Circle, st.integers(), st.lists(TEXTS, max_size=2), FLOATS
)
SLOTTED = st.dictionaries(TEXTS, POINTS, max_size=2)
OPEN = st.recursive(
    st.one_of(*(values for cls, values in HASHABLE[:12])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(TEXTS | st.integers() | st.tuples(st.integers()), inner, max_size=3),
        st.builds(deque, st.lists(inner, max_size=3), st.none() | st.integers(3, 5)),
        st.sets(TEXTS | st.integers(), max_size=3),
        st.frozensets(st.dates(), max_size=3),
    ),
    max_leaves=6,
)
CLASSES: list[Drawn] = [
    (Any, OPEN),
    (Point, POINTS),
    (Slotted, st.builds(Slotted, SLOTTED) | st.builds(Wide, SLOTTED, st.integers() | st.builds(Fixed))),
    (Pair, st.builds(Pair, TEXTS, st.lists(st.integers(), max_size=3))),
    (Tree, st.recursive(st.builds(Tree, FLOATS), lambda t: st.builds(Tree, FLOATS, st.lists(t, max_size=2)))),
    (Facts, st.fixed_dictionaries({"a": st.integers()}, optional={"point": POINTS, "$x": st.integers()})),
    (dict, st.dictionaries(TEXTS | st.booleans(), OPEN, max_size=3)),
    (list, st.lists(OPEN, max_size=3)),
]


def _containers(inner: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
    def of_keys(key: Drawn, value: Drawn) -> Drawn:
        return dict[key[0], value[0]], st.dictionaries(key[1], value[1], max_size=4)  # type: ignore[valid-type]

    def union(a: Drawn, b: Drawn) -> Drawn:
        return Union[a[0], b[0]], a[1] | b[1]  # noqa: UP007

    def deques(a: Drawn) -> Drawn:
        return deque[a[0]], st.builds(deque, st.lists(a[1], max_size=4), st.none() | st.integers(1, 5))  # type: ignore[valid-type]

    keys = st.sampled_from(HASHABLE)
    return st.one_of(
        inner.map(lambda a: (list[a[0]], st.lists(a[1], max_size=5))),  # type: ignore[valid-type]
        inner.map(lambda a: (tuple[a[0], ...], st.lists(a[1], max_size=4).map(tuple))),  # type: ignore[valid-type]
        st.builds(lambda a, b: (tuple[a[0], b[0]], st.tuples(a[1], b[1])), inner, inner),
        keys.map(lambda a: (set[a[0]], st.sets(a[1], max_size=5))),  # type: ignore[valid-type]
        keys.map(lambda a: (frozenset[a[0]], st.frozensets(a[1], max_size=5))),  # type: ignore[valid-type]
        inner.map(deques),
        st.builds(of_keys, keys, inner),
        inner.map(lambda a: (Optional[a[0]], st.none() | a[1])),  # noqa: UP045
        st.builds(union, inner, inner),
    )


ANNOTATIONS: st.SearchStrategy[Drawn] = st.recursive(
    st.sampled_from(HASHABLE + CLASSES), _containers, max_leaves=4
)


def codec_of(*annotations: Any, default: Any = None) -> StateCodec:
    """A codec of fields f0, f1 ... with these annotations."""
    return StateCodec(tuple(Field(f"f{i}", a, default, None) for i, a in enumerate(annotations)))


def identity(value: Any) -> Any:
    """What two values share when they are the same in type and content, down to the sign of zero and the time zone."""
    kind = type(value)
    if is_dataclass(value):
        return kind, tuple((f.name, identity(getattr(value, f.name))) for f in fields(value))
    if isinstance(value, datetime):
        return kind, value.replace(tzinfo=None), value.fold, repr(value.tzinfo)
    if isinstance(value, dict):
        return kind, tuple((identity(k), identity(v)) for k, v in value.items())
    if isinstance(value, set | frozenset):
        return kind, frozenset(map(identity, value))
    if isinstance(value, list | tuple | deque):
        return kind, getattr(value, "maxlen", None), tuple(map(identity, value))
    return kind, repr(value) if not isinstance(value, int) else value
