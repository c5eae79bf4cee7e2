"""The kept form of a value: JSON, where what JSON has no kind for is an object with one key that begins with ``$``.

``None``, ``bool``, ``int``, finite ``float``, ``str``, ``list``, and ``dict`` with text keys are themselves. Everything
else says what it is, ``{"$set": [...]}``: no value is taken for one of another type when annotations change.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Collection, Iterable
from itertools import pairwise
from typing import Any

from loom.errors import StateError

MOST_DIGITS = 10**600  # beyond it Python may refuse to write an int in decimal, whatever its limit is set to


class Misfit(StateError):
    """A kept value that is none of the annotation that is to read it. ``where`` names the field, ``kept`` the value."""

    def __init__(self, where: str, kept: object, wanted: object, why: str = "") -> None:
        super().__init__(
            f"{where} is annotated {name_of(wanted)}, but kept is {shown(kept)}{why and ': '}{why}"
        )
        self.where, self.kept, self.wanted, self.why = where, kept, wanted, why


class Form:
    """How values of one annotation are written and read.

    ``inline`` is Python source with a place ``{v}``, true of a value that is written as it is; ``fits`` says so of all
    items of a collection at once. ``same`` tells, without writing them, that two values are kept the same: True is
    sure, False means nothing; for ``plain`` values it is ``==``. ``begins`` tells whether a list begins another.
    """

    __slots__ = ("begins", "cls", "decode", "encode", "fits", "inline", "plain", "same", "sorts")

    def __init__(
        self,
        encode: Callable[[Any], Any],
        decode: Callable[[Any], Any],
        sorts: Iterable[str],
        cls: Any = None,
    ) -> None:
        self.encode = encode
        self.decode = decode
        self.sorts = frozenset(sorts)
        self.cls = cls
        self.inline = ""
        self.fits: Callable[[Collection[Any]], bool] | None = None
        self.plain = False
        self.same: Callable[[Any, Any], bool] = operator.is_
        self.begins: Callable[[Any, Any], bool] | None = None

    def equal(self, plain: bool = True) -> Form:
        """This form, told that equal values are kept the same."""
        self.plain = plain
        self.same = operator.eq if plain else operator.is_
        return self


def tag_of(kept: object) -> str | None:
    """The key of an object that says what it is, or None."""
    if type(kept) is dict and len(kept) == 1:
        key = next(iter(kept))
        if type(key) is str and key[:1] == "$":
            return key
    return None


def sort_of(kept: object) -> str:
    """What *kept* is: a tag, ``object``, ``list``, ``str``, ``int``, ``float``, ``bool`` or ``null``."""
    return tag_of(kept) or _SORTS.get(type(kept), "str")


_SORTS = {
    dict: "object",
    list: "list",
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    type(None): "null",
}


def text_of(kept: object) -> str:
    """The compact JSON of a kept value, which no dict order changes."""
    return _canonical(kept)


def size_of(kept: object) -> int:
    """The length of the compact JSON of *kept*."""
    return len(_compact(kept))


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_compact = json.JSONEncoder(separators=(",", ":")).encode


def ordered(items: Iterable[Any]) -> list[Any]:
    """Kept items of a set in the one order in which they are written."""
    found = list(items)
    return sorted(found) if _are_alike(found) else sorted(found, key=text_of)


def is_ordered(items: list[Any]) -> bool:
    """Whether *items* are in that order, each of them once."""
    keys = items if _are_alike(items) else map(text_of, items)
    return all(a < b for a, b in pairwise(keys))


def _are_alike(items: list[Any]) -> bool:
    kinds = set(map(type, items))
    return kinds <= {str} or kinds <= {int}


def is_clean(text: str) -> bool:
    """Whether UTF-8 can carry *text*: no lone surrogates."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def name_of(annotation: object) -> str:
    """An annotation as one writes it."""
    if getattr(annotation, "__args__", None) or not isinstance(annotation, type):
        return str(annotation).replace("typing.", "")
    return annotation.__qualname__


def shown(kept: object) -> str:
    """A kept value and its kind, short enough for a message."""
    sort = sort_of(kept)
    kind = {"null": "None", "object": "dict"}.get(sort, sort)
    return "None" if kind == "None" else f"{kept!r:.80} ({kind})"
