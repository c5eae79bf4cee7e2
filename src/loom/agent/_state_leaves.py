"""The kept form of single values: numbers, texts, bytes, moments, decimals and ids."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Collection
from math import isfinite
from typing import Any

from loom.agent import _state_moments as moments
from loom.agent._state_form import MOST_DIGITS, Form, Misfit, is_clean, name_of, tag_of
from loom.errors import StateError

Write = Callable[[Any], Any]
Read = Callable[[Any], Any]


def leaf_form(cls: Any, where: str) -> Form:
    """The form of a leaf type of loom.agent._state."""
    make = _NATURAL.get(cls)
    return make(where) if make is not None else _tagged(cls, where)


def wrong(value: object, wanted: object, where: str) -> StateError:
    """The error for a value that is none of its annotation."""
    return StateError(
        f"{where} is annotated {name_of(wanted)} but holds {value!r:.80} ({type(value).__qualname__})"
    )


def _none(where: str) -> Form:
    def encode(value: Any) -> Any:
        if value is None:
            return None
        raise wrong(value, type(None), where)

    def decode(kept: Any) -> Any:
        if kept is None:
            return None
        raise Misfit(where, kept, None)

    form = Form(encode, decode, ["null"], type(None)).equal()
    form.inline = "{v} is None"
    return form


def _bool(where: str) -> Form:
    def encode(value: Any) -> Any:
        if type(value) is bool:
            return value
        raise wrong(value, bool, where)

    def decode(kept: Any) -> Any:
        if type(kept) is bool:
            return kept
        raise Misfit(where, kept, bool)

    form = Form(encode, decode, ["bool"], bool).equal()
    form.inline = "type({v}) is bool"
    form.fits = lambda items: set(map(type, items)) <= {bool}
    return form


def _int(where: str) -> Form:
    def encode(value: Any) -> Any:
        if type(value) is int and -MOST_DIGITS < value < MOST_DIGITS:
            return value
        if isinstance(value, int) and type(value) is not bool:
            value = int(value)  # one of a subclass is kept as a number
            return value if -MOST_DIGITS < value < MOST_DIGITS else {"$int": hex(value)}
        raise wrong(value, int, where)

    def decode(kept: Any) -> Any:
        if type(kept) is int:
            return kept
        return _read(kept, "$int", lambda text: int(text, 16), (int, where))

    form = Form(encode, decode, ["int", "$int"], int).equal()
    form.inline = "type({v}) is int and -most < {v} < most"
    form.fits = _small
    return form


def _small(items: Collection[Any]) -> bool:
    if not items:
        return True
    return set(map(type, items)) == {int} and max(items) < MOST_DIGITS and min(items) > -MOST_DIGITS


def _float(where: str) -> Form:
    def encode(value: Any) -> Any:
        if type(value) is int:
            return value if -MOST_DIGITS < value < MOST_DIGITS else {"$int": hex(value)}
        if isinstance(value, float):
            return float(value) if isfinite(value) else {"$float": repr(float(value))}
        raise wrong(value, float, where)

    def decode(kept: Any) -> Any:
        if type(kept) in (float, int):
            return kept
        if tag_of(kept) == "$int":
            return _read(kept, "$int", lambda text: int(text, 16), (float, where))
        return _read(kept, "$float", float, (float, where))

    form = Form(encode, decode, ["float", "int", "$int", "$float"], float)
    form.inline = "type({v}) is float and {v} - {v} == 0.0"
    form.fits = lambda items: set(map(type, items)) <= {float} and isfinite(sum(items))
    return form


def _str(where: str) -> Form:
    def encode(value: Any) -> Any:
        if isinstance(value, str):
            value = str.__str__(value)  # a member of a StrEnum is kept as its text
            return value if is_clean(value) else {"$str": _b64(value.encode("utf-8", "surrogatepass"))}
        raise wrong(value, str, where)

    def decode(kept: Any) -> Any:
        if type(kept) is str:
            return kept
        return _read(kept, "$str", lambda text: _unb64(text).decode("utf-8", "surrogatepass"), (str, where))

    form = Form(encode, decode, ["str", "$str"], str).equal()
    form.inline = "type({v}) is str and {v}.isascii()"
    form.fits = all_clean
    return form


def all_clean(items: Collection[Any]) -> bool:
    """Whether *items* are texts without lone surrogates."""
    try:
        return is_clean("".join(items))
    except TypeError:
        return False


_NATURAL: dict[Any, Callable[[str], Form]] = {
    type(None): _none,
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
}


def _tagged(cls: Any, where: str) -> Form:
    """A leaf that JSON has no kind for."""
    if cls.__name__ == "date":
        return _date(cls, where)
    tag, write, read = f"${cls.__name__.lower()}", *_FORMS[cls.__name__]

    def encode(value: Any) -> Any:
        if isinstance(value, cls):
            return {tag: write(value)}
        raise wrong(value, cls, where)

    form = Form(encode, lambda kept: _read(kept, tag, read, (cls, where)), [tag], cls)
    return form.equal(cls.__name__ in ("bytes", "UUID", "timedelta"))


def _date(cls: Any, where: str) -> Form:
    """A field annotated date may hold a datetime, which is one."""

    def encode(value: Any) -> Any:
        if not isinstance(value, cls):
            raise wrong(value, cls, where)
        if hasattr(value, "hour"):
            return {"$datetime": moments.write_datetime(value)}
        return {"$date": cls.isoformat(value)}

    def decode(kept: Any) -> Any:
        if tag_of(kept) == "$datetime":
            return _read(kept, "$datetime", moments.read_datetime, (cls, where))
        return _read(kept, "$date", cls.fromisoformat, (cls, where))

    return Form(encode, decode, ["$date", "$datetime"], cls)


def _read(kept: Any, tag: str, read: Read, wanted: tuple[Any, str]) -> Any:
    """The value of a tagged object; raises Misfit for anything else, and for one that makes no sense."""
    cls, where = wanted
    if tag_of(kept) != tag:
        raise Misfit(where, kept, cls)
    try:
        return read(kept[tag])
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        raise Misfit(where, kept, cls, str(error) or type(error).__name__) from None


def _b64(data: bytes) -> str:
    return b64encode(data).decode()


def _unb64(text: str) -> bytes:
    return b64decode(text, validate=True)


def _read_decimal(text: str) -> Any:
    from decimal import Decimal

    return Decimal(_a_text(text))


def _read_uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(_a_text(text))


def _a_text(kept: Any) -> str:
    if isinstance(kept, str):
        return kept
    raise TypeError(f"{kept!r:.40} is no text")


_FORMS: dict[str, tuple[Write, Read]] = {
    "bytes": (lambda v: _b64(bytes(v)), _unb64),
    "datetime": (moments.write_datetime, moments.read_datetime),
    "time": (moments.write_time, moments.read_time),
    "timedelta": (lambda v: [v.days, v.seconds, v.microseconds], moments.read_timedelta),
    "Decimal": (str, _read_decimal),
    "UUID": (str, _read_uuid),
}


def class_of(tag: str) -> Any:
    """The leaf type of a tag, None for a tag that is none of a leaf."""
    from datetime import date, datetime, time, timedelta
    from decimal import Decimal
    from uuid import UUID

    leaves: list[Any] = [date, datetime, time, timedelta, Decimal, UUID, bytes, int, float, str]
    return {f"${cls.__name__.lower()}": cls for cls in leaves}.get(tag)
