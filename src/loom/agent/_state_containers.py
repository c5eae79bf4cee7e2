"""The kept form of containers, made of the forms of their items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from loom.agent._state_form import Form, Misfit, is_clean, ordered, tag_of
from loom.agent._state_leaves import wrong
from loom.errors import StateError


def list_form(item: Form, where: str) -> Form:
    """Lists are JSON lists; one whose items all are themselves is written as it is."""
    fits = item.fits

    def encode(value: Any) -> Any:
        if type(value) is not list:
            raise wrong(value, list, where)
        if fits is not None and fits(value):
            return value
        write = item.encode
        return [write(v) for v in value]

    def decode(kept: Any) -> Any:
        if type(kept) is not list:
            raise Misfit(where, kept, list)
        read = item.decode
        return list(kept) if fits is not None and fits(kept) else [read(k) for k in kept]

    form = Form(encode, decode, ["list"], list).equal(item.plain)
    if not item.plain:
        form.same = lambda a, b: len(a) == len(b) and all(map(item.same, a, b))
    form.begins = _beginning(item)
    return form


def _beginning(item: Form) -> Callable[[Any, Any], bool]:
    if item.plain:
        return lambda old, new: bool(new[: len(old)] == old)
    return lambda old, new: len(old) <= len(new) and all(map(item.same, old, new))


def sequence_form(cls: Any, item: Form, where: str) -> Form:
    """Tuples of any length and sets say what they are; sets are written in one order."""
    tag = f"${cls.__name__}"
    many = list_form(item, where)

    def encode(value: Any) -> Any:
        if type(value) is not cls:
            raise wrong(value, cls, where)
        items = many.encode(list(value))
        return {tag: items if cls is tuple else ordered(items)}

    def decode(kept: Any) -> Any:
        if tag_of(kept) != tag:
            raise Misfit(where, kept, cls)
        items = many.decode(kept[tag])
        try:
            return cls(items)
        except TypeError as error:  # the items of a set that cannot be items of one
            raise Misfit(where, kept, cls, str(error)) from None

    form = Form(encode, decode, [tag], cls).equal(item.plain)
    if cls is tuple:
        form.same = many.same
    return form


def fixed_tuple_form(items: list[Form], where: str) -> Form:
    """Tuples with a stated type at each place."""

    def encode(value: Any) -> Any:
        if type(value) is not tuple:
            raise wrong(value, tuple, where)
        if len(value) != len(items):
            raise StateError(f"{where} must have {len(items)} items, not {len(value)}")
        return {"$tuple": [item.encode(v) for item, v in zip(items, value, strict=True)]}

    def decode(kept: Any) -> Any:
        parts = kept["$tuple"] if tag_of(kept) == "$tuple" else None
        if type(parts) is not list or len(parts) != len(items):
            raise Misfit(where, kept, tuple, f"it takes {len(items)} items")
        return tuple(item.decode(k) for item, k in zip(items, parts, strict=True))

    form = Form(encode, decode, ["$tuple"], tuple).equal(all(item.plain for item in items))
    if not form.plain:
        form.same = lambda a, b: all(item.same(x, y) for item, x, y in zip(items, a, b, strict=True))
    return form


def deque_form(item: Form, where: str) -> Form:
    """Deques are kept with their ``maxlen``."""
    many = list_form(item, where)

    def encode(value: Any) -> Any:
        if type(value) is not deque:
            raise wrong(value, deque, where)
        items = many.encode(list(value))
        return {
            "$deque": {"items": items} if value.maxlen is None else {"maxlen": value.maxlen, "items": items}
        }

    def decode(kept: Any) -> Any:
        inner = kept["$deque"] if tag_of(kept) == "$deque" else None
        if type(inner) is not dict or "items" not in inner:
            raise Misfit(where, kept, deque)
        try:
            return deque(many.decode(inner["items"]), inner.get("maxlen"))
        except (TypeError, ValueError) as error:
            raise Misfit(where, kept, deque, str(error)) from None

    form = Form(encode, decode, ["$deque"], deque)
    form.same = lambda a, b: a.maxlen == b.maxlen and many.same(list(a), list(b))
    return form


def dict_form(key: Form, value: Form, where: str) -> Form:
    """Dicts whose keys are texts are JSON objects, others are lists of pairs; both keep their order."""
    write = _dict_writer(key, value)

    def encode(found: Any) -> Any:
        if type(found) is not dict:
            raise wrong(found, dict, where)
        return write(found)

    def decode(kept: Any) -> Any:
        if type(kept) is not dict:
            raise Misfit(where, kept, dict)
        read_key, read_value = key.decode, value.decode
        pairs = kept.items() if tag_of(kept) is None else pairs_of(kept, where)
        try:
            return {read_key(k): read_value(v) for k, v in pairs}
        except TypeError as error:
            raise Misfit(where, kept, dict, str(error)) from None

    form = Form(encode, decode, ["object", "$dict"], dict)
    same_values = _equal_values if value.plain else lambda a, b: all(map(value.same, a, b))
    form.same = lambda a, b: _same_keys(key, a, b) and same_values(a.values(), b.values())
    return form


def _same_keys(key: Form, a: Any, b: Any) -> bool:
    """Whether two dicts have the same keys in the same order."""
    return len(a) == len(b) and (list(a) == list(b) if key.plain else all(map(key.same, a, b)))


def _equal_values(a: Any, b: Any) -> bool:
    return list(a) == list(b)


def _dict_writer(key: Form, value: Form) -> Callable[[dict[Any, Any]], Any]:
    fits = value.fits

    def write(found: dict[Any, Any]) -> Any:
        write_key, write_value = key.encode, value.encode
        keys = found.keys() if key.cls is str else [write_key(k) for k in found]
        if are_names(keys):
            if key.cls is str and fits is not None and fits(found.values()):
                return found
            return {k: write_value(v) for k, v in zip(keys, found.values(), strict=True)}
        return {"$dict": [[write_key(k), write_value(v)] for k, v in found.items()]}

    return write


def are_names(keys: Any) -> bool:
    """Whether *keys* can be those of a JSON object that is not taken for a tagged one."""
    try:
        joined = "".join(keys)
    except TypeError:
        return False
    return is_clean(joined) and not (len(keys) == 1 and joined[:1] == "$")


def pairs_of(kept: dict[str, Any], where: str) -> list[list[Any]]:
    """The pairs of a dict that is kept as pairs; raises Misfit for anything else."""
    pairs = kept.get("$dict")
    if type(pairs) is not list or not all(type(p) is list and len(p) == 2 for p in pairs):
        raise Misfit(where, kept, dict)
    return pairs
