"""The kept form of enums, literals and of classes with named fields."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Any

from loom.agent._state_form import Form, Misfit, name_of, shown, tag_of
from loom.agent._state_leaves import all_clean, wrong
from loom.errors import StateError

_IT = "it"  # a class has one form wherever it is annotated; the codec says which field it was
FormOf = Callable[[Any, str], Form]


class Part:
    """One named field of a class: its form, and what it begins with where nothing is kept of it."""

    __slots__ = ("form", "initial", "name")

    def __init__(self, name: str, form: Form, initial: Callable[[], Any] | None) -> None:
        self.name, self.form, self.initial = name, form, initial

    def begin(self) -> Any:
        """The value to begin with; raises StateError for a part without one."""
        if self.initial is None:
            raise StateError(f"{self.name} has no default")
        return self.initial()


def decode_parts(parts: Iterable[Part], kept: dict[str, Any], where: str) -> dict[str, Any]:
    """The values by name; raises Misfit for a part without value or default, and for a kept one that is no part."""
    values = {}
    for part in parts:
        if part.name in kept:
            values[part.name] = part.form.decode(kept[part.name])
        elif part.initial is not None:
            values[part.name] = part.initial()
        else:
            raise Missing(where, kept, part.name)
    for name in kept:
        if name not in values:
            raise Gone(where, kept, name)
    return values


class Missing(Misfit):
    """A field without a default of which nothing is kept."""

    def __init__(self, where: str, kept: Any, name: str) -> None:
        StateError.__init__(self, f"{where} has the new field {name!r} without a default; give it one")
        self.where, self.kept, self.wanted, self.why = where, kept, None, name


class Gone(Misfit):
    """A kept field that the class no longer has."""

    def __init__(self, where: str, kept: Any, name: str) -> None:
        StateError.__init__(self, f"{where} has no field {name!r} any more; kept is {shown(kept[name])}")
        self.where, self.kept, self.wanted, self.why = where, kept, None, name


def enum_form(cls: Any, where: str) -> Form:
    """Members are kept by name; a combination of flags that has none, by its number."""

    def encode(value: Any) -> Any:
        if type(value) is not cls:
            raise wrong(value, cls, where)
        named = value.name in cls.__members__
        return {"$enum": value.name if named else value.value}

    def decode(kept: Any) -> Any:
        if tag_of(kept) != "$enum":
            raise Misfit(where, kept, cls)
        member = kept["$enum"]
        try:
            return cls[member] if isinstance(member, str) else cls(member)
        except (KeyError, ValueError, TypeError):
            raise Misfit(where, kept, cls, f"{cls.__qualname__} has no member {member!r}") from None

    return Form(encode, decode, ["$enum"], cls)


def literal_form(allowed: tuple[Any, ...], any_form: Form, where: str) -> Form:
    """One of a few values, each as it is kept elsewhere; members of enums with the name of their class."""

    def write(value: Any) -> Any:
        if isinstance(value, enum.Enum):
            return {"$enum": f"{type(value).__qualname__}.{value.name}"}
        return any_form.encode(value)

    def encode(value: Any) -> Any:
        if value in allowed:
            return write(value)
        raise StateError(f"{where} must be one of {', '.join(map(repr, allowed))}, not {value!r:.80}")

    def decode(kept: Any) -> Any:
        for value in allowed:
            if (found := write(value)) == kept and type(found) is type(kept):
                return value
        if tag_of(kept) is None and type(kept) in (bool, int, float) and kept in allowed:
            return kept  # True where 1 is allowed
        raise Misfit(where, kept, f"Literal[{', '.join(map(repr, allowed))}]")

    return Form(encode, decode, ["null", "bool", "int", "float", "str", "$bytes", "$enum"])


class Descent:
    """The loaded subclasses of an annotated class, by the name under which their values are kept."""

    def __init__(self, cls: Any) -> None:
        self.cls = cls
        self._tags: dict[Any, str] = {}

    def tag(self, kind: Any) -> str:
        """``$:Name``, or ``$:module:Name`` where loaded subclasses share the name."""
        if kind not in self._tags:
            shared = len({c.__module__ for c in self._all() if c.__qualname__ == kind.__qualname__}) > 1
            self._tags[kind] = (
                f"$:{kind.__module__}:{kind.__qualname__}" if shared else f"$:{kind.__qualname__}"
            )
        return self._tags[kind]

    def find(self, tag: str, kept: Any) -> Any:
        """The loaded subclass of a tag; raises Misfit when there is none, or two."""
        module, _, name = tag[2:].rpartition(":")
        found = {
            c.__module__: c for c in self._all() if c.__qualname__ == name and module in ("", c.__module__)
        }
        if len(found) == 1:
            return found.popitem()[1]
        many = f"there are two of that name: {', '.join(sorted(found))}"
        none = f"no subclass {name!r} of {self.cls.__qualname__} is loaded; import its module before"
        raise Misfit(_IT, kept, self.cls, many if found else none)

    def _all(self) -> list[Any]:
        """Every subclass, older ones first: of two with one name and module the later one counts."""
        found = []
        waiting = list(self.cls.__subclasses__())
        while waiting:
            kind = waiting.pop(0)
            found.append(kind)
            waiting += kind.__subclasses__()
        return found


def family_form(cls: Any, own: Form, form_of: FormOf) -> Form:
    """Objects of *cls* in their own form, those of a subclass in theirs and with its name."""
    descent = Descent(cls)
    forms: dict[Any, Form] = {}

    def form(kind: Any) -> Form:
        if kind not in forms:
            forms[kind] = form_of(kind, kind.__qualname__)
        return forms[kind]

    def encode(value: Any) -> Any:
        kind = type(value)
        if kind is cls:
            return own.encode(value)
        if not isinstance(value, cls):
            raise wrong(value, cls, _IT)
        return {descent.tag(kind): form(kind).encode(value)}

    def decode(kept: Any) -> Any:
        tag = tag_of(kept)
        if tag is None or tag[:2] != "$:":
            return own.decode(kept)
        return form(descent.find(tag, kept)).decode(kept[tag])

    def same(a: Any, b: Any) -> bool:
        kind = type(a)
        if kind is not type(b):
            return False
        return own.same(a, b) if kind is cls else form(kind).same(a, b)

    family = Form(encode, decode, ["object", "$:"], cls)
    family.same = same
    return family


def object_form(cls: Any, parts: list[Part], make: Callable[[dict[str, Any]], Any], write: Any) -> Form:
    """Objects with named fields are JSON objects; *write* makes one, *make* takes the values by name."""

    def decode(kept: Any) -> Any:
        if type(kept) is not dict or tag_of(kept) is not None:
            raise Misfit(_IT, kept, cls)
        return make(decode_parts(parts, kept, name_of(cls)))

    return Form(write, decode, ["object"], cls)


def typed_dict_form(hints: dict[str, Form], any_form: Form, cls: Any, where: str) -> Form:
    """Dicts with stated keys; a key that is not stated holds anything, one that is may be missing."""

    def encode(value: Any) -> Any:
        if type(value) is not dict:
            raise wrong(value, cls, where)
        if all_clean(value.keys()):
            return {k: hints.get(k, any_form).encode(v) for k, v in value.items()}
        raise StateError(
            f"{where} is annotated {cls.__qualname__} and has keys that are no texts: {value!r:.80}"
        )

    def decode(kept: Any) -> Any:
        if type(kept) is not dict:
            raise Misfit(where, kept, cls)
        return {k: hints.get(k, any_form).decode(v) for k, v in kept.items()}

    return Form(encode, decode, ["object"], cls)
