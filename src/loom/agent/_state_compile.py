"""From annotations to forms: each class once, when its values are first met."""

from __future__ import annotations

import enum
import types
import typing
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

from loom.agent import _state_classes as classes
from loom.agent import _state_containers as containers
from loom.agent import _state_open as opened
from loom.agent._state import is_leaf
from loom.agent._state_form import MOST_DIGITS, Form
from loom.agent._state_leaves import leaf_form

_SEQUENCES = {set, frozenset, tuple}


class Compiler:
    """The forms of one agent class. A class that contains itself is no trouble: its form is made when first used."""

    def __init__(self) -> None:
        self._classes: dict[Any, Form] = {}

    def form(self, annotation: Any, where: str) -> Form:
        """The form of *annotation*, which is one that loom.agent._state can copy."""
        if annotation is None:
            annotation = type(None)
        if annotation in (Any, object):
            return opened.Anything(where).form
        if is_leaf(annotation):
            return leaf_form(annotation, where)
        origin = get_origin(annotation) or annotation
        if origin in (typing.Union, types.UnionType):
            return self._union(annotation, where)
        if origin is Literal:
            return classes.literal_form(get_args(annotation), opened.Anything(where).form, where)
        if origin in (list, dict, deque) or origin in _SEQUENCES:
            return self._container(origin, get_args(annotation), where)
        return self._class(annotation, where)

    def _union(self, annotation: Any, where: str) -> Form:
        members = [a for a in get_args(annotation) if a is not type(None)]
        forms = [self.form(a, where) for a in members]
        form = forms[0] if len(forms) == 1 else opened.union_form(forms, annotation, where)
        return opened.optional_form(form, where) if len(members) < len(get_args(annotation)) else form

    def _container(self, origin: Any, args: tuple[Any, ...], where: str) -> Form:
        if origin is tuple and args and args[-1] is not Ellipsis:
            items = [self.form(a, f"{where}[{i}]") for i, a in enumerate(args)]
            return containers.fixed_tuple_form(items, where)
        forms = [self.form(a, f"{where}[...]") for a in args if a is not Ellipsis]
        forms = forms or [opened.Anything(f"{where}[...]").form] * 2
        if origin is dict:
            return containers.dict_form(forms[0], forms[1], where)
        if origin in _SEQUENCES:
            return containers.sequence_form(origin, forms[0], where)
        make = containers.list_form if origin is list else containers.deque_form
        return make(forms[0], where)

    def _class(self, cls: Any, where: str) -> Form:
        if issubclass(cls, enum.Enum):
            return classes.enum_form(cls, where)
        if typing.is_typeddict(cls):
            return self._lazily(cls, where, self._typed_dict)
        if hasattr(cls, "__dataclass_fields__"):
            return self._lazily(cls, where, self._dataclass)
        return self._lazily(cls, where, self._named_tuple)

    def _lazily(self, cls: Any, where: str, make: Callable[[Any], Form]) -> Form:
        """A form of *cls* that is completed by the first value, so that a class may contain itself."""

        def complete() -> Form:
            if cls not in self._classes:
                self._classes[cls] = make(cls)
            own = self._classes[cls]
            form.encode, form.decode, form.same = own.encode, own.decode, own.same
            return own

        sorts = ["object"] if typing.is_typeddict(cls) else ["object", "$:"]
        form = Form(lambda v: complete().encode(v), lambda k: complete().decode(k), sorts, cls)
        form.same = lambda a, b: complete().same(a, b)
        return form

    def _typed_dict(self, cls: Any) -> Form:
        name = cls.__qualname__
        hints = {k: self.form(a, f"{name}[{k!r}]") for k, a in typing.get_type_hints(cls).items()}
        return classes.typed_dict_form(hints, opened.Anything(f"{name}[...]").form, cls, name)

    def _dataclass(self, cls: Any) -> Form:
        from dataclasses import MISSING, fields

        hints = typing.get_type_hints(cls)
        parts = []
        for f in fields(cls):
            initial: Callable[[], Any] | None = None
            if f.default_factory is not MISSING:
                initial = f.default_factory
            elif f.default is not MISSING:
                initial = _constantly(f.default)
            parts.append(
                classes.Part(f.name, self.form(hints[f.name], f"{cls.__qualname__}.{f.name}"), initial)
            )
        write = compile_writer([(p.name, p.form) for p in parts], "value.{name}")
        own = classes.object_form(cls, parts, _maker(cls), write)
        own.same = compile_same([(p.name, p.form) for p in parts])
        return classes.family_form(cls, own, self._own)

    def _named_tuple(self, cls: Any) -> Form:
        hints = typing.get_type_hints(cls)
        defaults = cls._field_defaults
        parts = [
            classes.Part(
                name,
                self.form(hints.get(name, Any), f"{cls.__qualname__}.{name}"),
                _constantly(defaults[name]) if name in defaults else None,
            )
            for name in cls._fields
        ]
        write = compile_writer([(p.name, p.form) for p in parts], "value.{name}")
        own = classes.object_form(cls, parts, lambda values: cls(*(values[n] for n in cls._fields)), write)
        return classes.family_form(cls, own, self._own)

    def _own(self, cls: Any, where: str) -> Form:
        return self.form(cls, where)


def _constantly(value: Any) -> Callable[[], Any]:
    return lambda: value


def _maker(cls: Any) -> Callable[[dict[str, Any]], Any]:
    """Objects are made as a rollback makes them: field by field, without ``__init__``."""

    def make(values: dict[str, Any]) -> Any:
        made = object.__new__(cls)
        for name, value in values.items():
            object.__setattr__(made, name, value)
        return made

    return make


def compile_writer(parts: list[tuple[str, Form]], access: str) -> Callable[[Any], dict[str, Any]]:
    """A function that writes named parts into a dict without loops; *access* is source with a place for the part.

    A value that is written as it is passes by the form's ``inline`` test, any other goes through its ``encode``.
    """
    scope: dict[str, Any] = {"most": MOST_DIGITS}
    lines, items = [], []
    for i, (name, form) in enumerate(parts):
        v = f"v{i}"
        scope[f"form{i}"] = form
        lines.append(f"    {v} = {access.format(i=i, name=name)}\n")
        test = f"{v} if {form.inline.format(v=v)} else " if form.inline else ""
        items.append(f"{name!r}: {test}form{i}.encode({v})")
    source = f"def write(value):\n{''.join(lines)}    return {{{', '.join(items)}}}\n"
    exec(source, scope)  # noqa: S102 - made of identifiers alone, as dataclasses do
    write: Callable[[Any], dict[str, Any]] = scope["write"]
    return write


def compile_same(parts: list[tuple[str, Form]]) -> Callable[[Any, Any], bool]:
    """A function that tells whether two objects of one class surely have the same parts."""
    scope: dict[str, Any] = {f"form{i}": form for i, (_, form) in enumerate(parts)}
    tests = [
        f"a.{name} == b.{name}"
        if form.plain
        else f"(a.{name} is b.{name} or form{i}.same(a.{name}, b.{name}))"
        for i, (name, form) in enumerate(parts)
    ]
    exec(f"def same(a, b):\n    return {' and '.join(tests) or True}\n", scope)  # noqa: S102 - as above
    same: Callable[[Any, Any], bool] = scope["same"]
    return same
