"""The kept form of values that an annotation leaves open: unions, ``Any`` and containers without item types."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from typing import Any

from loom.agent import _state_containers as containers
from loom.agent._state import is_leaf
from loom.agent._state_form import Form, Misfit, sort_of
from loom.agent._state_leaves import class_of, leaf_form, wrong
from loom.errors import StateError


def optional_form(form: Form, where: str) -> Form:
    """None, or a value of *form*."""
    if "null" in form.sorts or "any" in form.sorts:
        return form
    result = Form(
        lambda value: None if value is None else form.encode(value),
        lambda kept: None if kept is None else form.decode(kept),
        form.sorts | {"null"},
        form.cls,
    )
    result.inline = f"{{v}} is None or {form.inline}" if form.inline else ""
    result.plain, result.begins = form.plain, form.begins
    result.same = lambda a, b: a is b if a is None or b is None else form.same(a, b)
    return result


class Union:
    """Values of several annotations: each in its own form where that says which it is, else under a name of its own."""

    def __init__(self, members: list[Form], annotation: Any, where: str) -> None:
        self.annotation, self.where = annotation, where
        self.members = [(_name(members, i), form) for i, form in enumerate(members)]
        self._tags = {f"${name}": form for name, form in self.members if name}
        kinds = [form.cls for form in members]
        self._of_kind = {form.cls: form for form in members if kinds.count(form.cls) == 1}

    def same(self, a: Any, b: Any) -> bool:
        if a is b:
            return True
        form = self._of_kind.get(type(a)) if type(a) is type(b) else None
        return form is not None and form.same(a, b)

    def encode(self, value: Any) -> Any:
        kind = type(value)
        for name, form in sorted(self.members, key=lambda m: m[1].cls not in (kind, object)):
            try:
                kept = form.encode(value)
            except StateError:
                continue
            return {f"${name}": kept} if name else kept
        raise wrong(value, self.annotation, self.where)

    def decode(self, kept: Any) -> Any:
        sort = sort_of(kept)
        if sort in self._tags:
            return self._tags[sort].decode(kept[sort])
        bare = [
            form for name, form in self.members if not name and (sort in form.sorts or form.cls is object)
        ]
        found = [form for form in bare if sort == _SORT_OF.get(form.cls)] or bare
        if found:
            return found[0].decode(kept)
        return self._adopt(kept)

    def _adopt(self, kept: Any) -> Any:
        """What was kept before the annotation was a union: it belongs to the one member that takes it."""
        values = []
        for _, form in self.members:
            try:
                values.append(form.decode(kept))
            except StateError:
                continue
        if len(values) == 1:
            return values[0]
        why = "more than one of them takes it" if values else ""
        raise Misfit(self.where, kept, self.annotation, why)


_SORT_OF = {bool: "bool", int: "int", float: "float", str: "str", type(None): "null"}


def _name(members: list[Form], index: int) -> str:
    """The name under which a member's values are kept, empty where their form says enough."""
    form = members[index]
    earlier = [m for m in members[:index] if m.cls is form.cls]
    if form.cls is None:
        return "literal" + (f"#{len(earlier) + 1}" if earlier else "")
    if "$:" in form.sorts or "$enum" in form.sorts or (form.cls is not dict and "object" in form.sorts):
        return f":{form.cls.__qualname__}" + _clash(members, index)
    beside_any = form.cls is not object and any(m.cls is object for m in members)
    return f"{form.cls.__name__}#{len(earlier) + 1}" if earlier or beside_any else ""


def _clash(members: list[Form], index: int) -> str:
    """A number where an earlier member's class has the same name."""
    names = [getattr(m.cls, "__qualname__", "") for m in members[: index + 1]]
    count = names.count(names[-1])
    return f"#{count}" if count > 1 else ""


def union_form(members: list[Form], annotation: Any, where: str) -> Form:
    """Values of several annotations."""
    union = Union(members, annotation, where)
    form = Form(union.encode, union.decode, frozenset().union(*(m.sorts for m in members)), None)
    form.same = union.same
    return form


class Anything:
    """Values without a stated type: what can be read back without naming a class of the program."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.form = Form(self.encode, self.decode, ["any"], object)
        self.form.same = self.same
        self._forms: dict[Any, Form] = {}

    def same(self, a: Any, b: Any) -> bool:
        form = self._forms.get(type(a))
        return a is b or (form is not None and type(a) is type(b) and form.same(a, b))

    def encode(self, value: Any) -> Any:
        return self._of(type(value), value).encode(value)

    def decode(self, kept: Any) -> Any:
        sort = sort_of(kept)
        cls = _OPEN.get(sort) or class_of(sort)
        if cls is None:
            raise Misfit(self.where, kept, Any, "it was kept by an annotation that named its type")
        return self._of(cls, kept).decode(kept)

    def _of(self, kind: Any, value: Any) -> Form:
        if kind not in self._forms:
            self._forms[kind] = self._make(kind, value)
        return self._forms[kind]

    def _make(self, kind: Any, value: Any) -> Form:
        if is_leaf(kind):
            return leaf_form(kind, self.where)
        if kind in _MAKE:
            return _MAKE[kind](self.form, self.where)
        if not issubclass(kind, enum.Enum) and not hasattr(kind, "__dataclass_fields__"):
            for base in kind.__mro__:
                if is_leaf(base):
                    return leaf_form(base, self.where)
        raise StateError(
            f"{self.where} has no stated type for {value!r:.80}: {kind.__qualname__} could not be read back; "
            f"say it in the annotation, as in {kind.__name__}, list[{kind.__name__}] or {kind.__name__} | str"
        )


_OPEN: dict[str, Any] = {
    "null": type(None),
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "list": list,
    "object": dict,
    "$dict": dict,
    "$tuple": tuple,
    "$set": set,
    "$frozenset": frozenset,
    "$deque": deque,
}
_MAKE: dict[Any, Callable[[Form, str], Form]] = {
    list: containers.list_form,
    dict: lambda form, where: containers.dict_form(form, form, where),
    tuple: lambda form, where: containers.sequence_form(tuple, form, where),
    set: lambda form, where: containers.sequence_form(set, form, where),
    frozenset: lambda form, where: containers.sequence_form(frozenset, form, where),
    deque: containers.deque_form,
}
