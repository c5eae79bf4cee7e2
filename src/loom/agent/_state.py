"""Persistent state: which annotations can be kept, and a copy that checks as it copies.

A step works on the agent's own attributes; what was captured after the last commit is what a failed step returns to.
"""

from __future__ import annotations

import enum
import functools
import inspect
import types
import typing
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from loom.errors import StateError

Copier = Callable[[Any], Any]
_LEAVES: set[Any] = {bool, int, float, str, bytes, type(None)}
_LEAVES_BY_NAME = {  # kept like the others, and not imported for it
    ("datetime", "datetime"), ("datetime", "date"), ("datetime", "time"), ("datetime", "timedelta"),
    ("decimal", "Decimal"), ("uuid", "UUID"),
}  # fmt: skip
_CONTAINERS: dict[Any, type] = {
    list: list,
    set: set,
    frozenset: frozenset,
    deque: deque,
    tuple: tuple,
    dict: dict,
}
_DEPTH = 60


def is_leaf(cls: Any) -> bool:
    """Whether values of *cls* never change and are kept as they are."""
    if type(cls) is not type:
        return False
    if cls in _LEAVES:
        return True
    if (cls.__module__, cls.__qualname__) not in _LEAVES_BY_NAME:
        return False
    _LEAVES.add(cls)
    return True


class Field:
    """One persistent attribute: its name, how it is copied, and the type for which no copy is needed."""

    __slots__ = ("annotation", "copier", "default", "factory", "leaf", "name")

    def __init__(
        self, name: str, annotation: object, default: object, factory: Callable[[], Any] | None
    ) -> None:
        self.name = name
        self.annotation = annotation
        self.copier = copier_of(annotation, name)
        self.leaf: type | None = annotation if is_leaf(annotation) else None  # type: ignore[assignment]
        self.default = default
        self.factory = factory

    def initial(self) -> Any:
        """A fresh default, never shared between instances."""
        return self.copier(self.factory() if self.factory is not None else self.default)


def fields_of(cls: type, base: type) -> tuple[Field, ...]:
    """The state fields of an agent class, those of its parents first; raises StateError naming the field."""
    found: dict[str, Field] = {}
    for owner in reversed(cls.__mro__):
        if owner in base.__mro__:
            continue
        try:
            hints = typing.get_type_hints(owner, include_extras=False)
        except NameError as error:
            raise StateError(
                f"{cls.__qualname__}: an annotation cannot be resolved ({error}); import the name"
            ) from None
        for name in inspect.get_annotations(owner):
            if (
                not name.startswith("_")
                and get_origin(hints[name]) is not ClassVar
                and hints[name] is not ClassVar
            ):
                found[name] = _field(cls, name, hints[name])
    return tuple(found.values())


def ephemeral_defaults(cls: type, base: type) -> dict[str, Any]:
    """The containers that annotated underscored names begin with: like state, no two instances may share them."""
    found = {}
    for owner in reversed(cls.__mro__):
        if owner not in base.__mro__:
            for name in inspect.get_annotations(owner):
                value = vars(owner).get(name)
                if name.startswith("_") and isinstance(value, list | dict | set | deque | bytearray):
                    found[name] = value
    hints = typing.get_type_hints(cls) if found else {}
    return {
        name: value for name, value in found.items() if ClassVar not in (hints[name], get_origin(hints[name]))
    }


def _field(cls: type, name: str, annotation: object) -> Field:
    value = getattr(cls, name, _MISSING)
    if value is _MISSING:
        raise StateError(
            f"{cls.__qualname__}.{name} has no default; a state field begins with a value: {name}: ... = ..."
        )
    factory = None
    if type(value).__module__ == "dataclasses":  # field(default_factory=...)
        value, factory = _default_of(value)
    try:
        field = Field(name, annotation, value, factory)
        field.initial()
    except StateError as error:
        raise StateError(f"{cls.__qualname__}.{name}: {error}") from None
    return field


def _default_of(field: Any) -> tuple[Any, Callable[[], Any] | None]:
    from dataclasses import MISSING

    return field.default, None if field.default_factory is MISSING else field.default_factory


_MISSING = object()


def copier_of(annotation: Any, where: str, depth: int = 0) -> Copier:
    """A function that copies and checks values of *annotation*; raises StateError for a type that cannot be kept."""
    if depth > 12:
        raise StateError(f"{where} is nested too deeply")
    if annotation is None:
        annotation = type(None)
    if annotation in (Any, object):
        return _copy_any
    if is_leaf(annotation):
        return _leaf(annotation, where)
    origin = get_origin(annotation) or annotation
    if origin in (Union, types.UnionType):
        return _union([copier_of(a, where, depth + 1) for a in get_args(annotation)], annotation, where)
    if origin is Literal:
        return _literal(get_args(annotation), where)
    if origin in _CONTAINERS:
        return _container(origin, get_args(annotation), where, depth)
    if isinstance(annotation, type):
        return _of_class(annotation, where, depth)
    raise StateError(_cannot(annotation, where))


def _of_class(cls: type, where: str, depth: int) -> Copier:
    if issubclass(cls, enum.Enum):
        return _leaf(cls, where)
    if getattr(cls, "__loom_immutable__", False):  # it promises never to change: a capture may share it
        return _leaf(cls, where)
    if hasattr(cls, "__dataclass_fields__"):
        return _dataclass(cls, where, depth)
    if typing.is_typeddict(cls):
        return _exactly(dict, where, _copy_any)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _instance(cls, where, _copy_any)
    raise StateError(_cannot(cls, where))


def _cannot(annotation: object, where: str) -> str:
    name = getattr(annotation, "__qualname__", None) or str(annotation)
    return (
        f"{where} is annotated {name}, which cannot be kept; use str, numbers, bytes, datetimes, enums, dataclasses or "
        f"containers of these, or make it ephemeral by a leading underscore (_{where.split('[')[0]})"
    )


def _wrong(value: object, wanted: object, where: str) -> StateError:
    name = getattr(wanted, "__qualname__", None) or str(wanted)
    return StateError(f"{where} is annotated {name} but holds {value!r:.80} ({type(value).__qualname__})")


def _leaf(cls: type, where: str) -> Copier:
    def copy(value: Any) -> Any:
        if isinstance(value, cls) and (cls is not int or not isinstance(value, bool)):
            return value
        if cls is float and type(value) is int:
            return value
        raise _wrong(value, cls, where)

    return copy


def _literal(allowed: tuple[Any, ...], where: str) -> Copier:
    def copy(value: Any) -> Any:
        if value in allowed:
            return value
        raise StateError(f"{where} must be one of {', '.join(map(repr, allowed))}, not {value!r:.80}")

    return copy


def _instance(cls: type, where: str, copy_it: Copier) -> Copier:
    def copy(value: Any) -> Any:
        if isinstance(value, cls):
            return copy_it(value)
        raise _wrong(value, cls, where)

    return copy


def _exactly(cls: type, where: str, copy_it: Copier) -> Copier:
    """For containers: one of a subclass (a defaultdict, a Counter) would come back from a rollback as a plain one."""

    def copy(value: Any) -> Any:
        if type(value) is cls:
            return copy_it(value)
        raise _wrong(value, cls, where)

    return copy


def _union(members: list[Copier], annotation: object, where: str) -> Copier:
    def copy(value: Any) -> Any:
        for member in members:
            try:
                return member(value)
            except StateError:
                continue
        raise _wrong(value, annotation, where)

    return copy


def _container(origin: Any, args: tuple[Any, ...], where: str, depth: int) -> Copier:
    if not args:
        return _exactly(origin, where, _copy_any)
    if origin is dict:
        key, value = (copier_of(a, f"{where}[...]", depth + 1) for a in args)
        return _exactly(dict, where, lambda v: {key(k): value(x) for k, x in v.items()})
    if origin is tuple and args[-1] is not Ellipsis:
        items = [copier_of(a, f"{where}[{i}]", depth + 1) for i, a in enumerate(args)]
        return _exactly(tuple, where, lambda v: _fixed_tuple(v, items, where))
    item = copier_of(args[0], f"{where}[...]", depth + 1)
    if origin is deque:
        return _exactly(deque, where, lambda v: deque((item(x) for x in v), v.maxlen))
    make = _CONTAINERS[origin]
    return _exactly(make, where, lambda v: make([item(x) for x in v]))


def _fixed_tuple(value: tuple[Any, ...], items: list[Copier], where: str) -> tuple[Any, ...]:
    if len(value) != len(items):
        raise StateError(f"{where} must have {len(items)} items, not {len(value)}")
    return tuple(copy(x) for copy, x in zip(items, value, strict=True))


def _dataclass(cls: type, where: str, depth: int) -> Copier:
    from dataclasses import fields

    hints = typing.get_type_hints(cls)
    parts = [(f.name, copier_of(hints[f.name], f"{where}.{f.name}", depth + 1)) for f in fields(cls)]

    def copy(value: Any) -> Any:
        kind: Any = type(value)
        if kind is not cls:
            return _copier_of_class(kind)(value)
        twin = object.__new__(cls)
        for name, part in parts:
            object.__setattr__(twin, name, part(getattr(value, name)))
        return twin

    return _instance(cls, where, copy)


@functools.lru_cache(maxsize=256)
def _copier_of_class(cls: type) -> Copier:
    """For a dataclass that only the value names: a subclass of the annotated one, or an item of a bare container."""
    if not hasattr(cls, "__dataclass_fields__"):
        raise StateError(
            f"an object of {cls.__qualname__} cannot be kept in state; make the class a dataclass too"
        )
    return _dataclass(cls, cls.__qualname__, 0)


def _copy_any(value: Any, depth: int = 0) -> Any:
    """Copy a value of a container without a stated item type: anything made of the types that can be kept."""
    kind: Any = type(value)
    if is_leaf(kind) or isinstance(value, enum.Enum):
        return value
    if depth > _DEPTH:
        raise StateError(f"a value is nested deeper than {_DEPTH} levels, or contains itself")
    if kind is dict:
        return {_copy_any(k, depth + 1): _copy_any(v, depth + 1) for k, v in value.items()}
    if kind is deque:
        return deque((_copy_any(v, depth + 1) for v in value), value.maxlen)
    if kind in _CONTAINERS:
        return kind(_copy_any(v, depth + 1) for v in value)
    if hasattr(kind, "__dataclass_fields__"):
        return _copier_of_class(kind)(value)
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return kind(*(_copy_any(v, depth + 1) for v in value))
    if any(is_leaf(base) for base in kind.__mro__):
        return value
    raise StateError(f"{value!r:.80} of type {kind.__qualname__} cannot be kept in state")


class Snapshot:
    """Captures and restores the fields of one class. A capture is the tuple of their values, in the order of ``names``.

    ``capture(attributes)`` returns a checked copy of the state in an instance's attributes; it raises StateError naming
    the field that holds a wrong type. It runs after every step and is therefore compiled for the class.
    """

    __slots__ = ("_copiers", "capture", "fields", "names")

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self.fields = fields
        self.names = tuple(f.name for f in fields)
        self._copiers = [f.copier for f in fields]
        self.capture = _compile_capture(fields)

    def restore(self, attributes: dict[str, Any], state: Sequence[Any]) -> None:
        """Put a captured state back and take away public attributes that are no fields; the capture is not touched."""
        for name, copier, value in zip(self.names, self._copiers, state, strict=True):
            attributes[name] = copier(value)
        for name in self.strangers(attributes):
            del attributes[name]

    def adopt(self, kept: Mapping[str, Any]) -> tuple[Any, ...]:
        """The capture for what a store kept by name; a field that it lacks begins with its default."""
        return tuple(f.copier(kept[f.name]) if f.name in kept else f.initial() for f in self.fields)

    def strangers(self, attributes: dict[str, Any]) -> list[str]:
        """Public attributes that were assigned without being annotated."""
        return [n for n in attributes if not n.startswith("_") and n not in self.names]


def _compile_capture(fields: tuple[Field, ...]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """A capture without loops: a leaf of the stated type is taken as it is, everything else goes through its copier.

    Classes whose fields are the same leaves share one: a thousand agents then run the same few instructions.
    """
    shape = tuple((field.name, field.leaf) for field in fields)
    if shape in _captures:
        return _captures[shape]
    scope: dict[str, Any] = {"missing": _missing}
    lines, values = [], []
    for i, field in enumerate(fields):
        scope[f"copy{i}"], scope[f"leaf{i}"] = field.copier, field.leaf
        values.append(f"v{i}")
        lines.append(f"v{i} = attributes[{field.name!r}]")
        test = "" if field.leaf is None else f"if type(v{i}) is not leaf{i}: "
        lines.append(f"{test}v{i} = copy{i}(v{i})")
    body = "".join(f"        {line}\n" for line in lines)
    result = f"({', '.join(values)},)" if values else "()"
    source = f"def capture(attributes):\n    try:\n{body}        return {result}\n"
    source += "    except KeyError as error:\n        raise missing(error, attributes) from error\n"
    exec(source, scope)  # noqa: S102 - made of identifiers alone, as dataclasses do
    capture: Callable[[dict[str, Any]], tuple[Any, ...]] = scope["capture"]
    if all(field.leaf is not None for field in fields):
        _captures[shape] = capture
    return capture


_captures: dict[tuple[tuple[str, type | None], ...], Callable[[dict[str, Any]], tuple[Any, ...]]] = {}


def _missing(error: KeyError, attributes: dict[str, Any]) -> Exception:
    name = error.args[0]
    if name in attributes:
        return error
    return StateError(
        f"state field {name!r} has no value: it was deleted, or __init__ left out super().__init__()"
    )
