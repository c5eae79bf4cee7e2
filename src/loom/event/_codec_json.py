"""Strict JSON: what goes out comes back the same, and a value that cannot is named with its path."""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder
from math import isfinite
from typing import Any

from loom.errors import InvalidEvent

MAX_DEPTH = 100
_LEAVES = frozenset({str, int, bool, type(None)})


def dump(value: object, root: str = "payload") -> bytes:
    """Compact UTF-8 JSON of *value*.

    Raises InvalidEvent with path and type of the first value that JSON has no form for: another class, a key that
    is no string, a number that is not finite, nesting over 100 deep (cycles among them). Tuples become lists.
    """
    if not _is_plain(value, 0):
        _check(value, root, 0)
    try:
        return _encode(value).encode()
    except (
        ValueError,
        TypeError,
        RecursionError,
    ) as error:  # lone surrogates, integers of thousands of digits
        raise InvalidEvent(f"{root} has no JSON form: {error}") from None


def load(data: bytes | bytearray | memoryview, root: str = "payload") -> object:
    """The value of UTF-8 JSON *data*; raises InvalidEvent for anything else, `NaN` and overflowing numbers too."""
    try:
        return _decode(str(data, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"{root} is not JSON: {error}") from None


def _is_plain(value: object, depth: int) -> bool:
    """Whether ``_check`` has surely nothing to say: no path is made for what is nearly always right."""
    kind = type(value)
    if kind is dict:
        if depth >= MAX_DEPTH:
            return False
        for key, inner in value.items():  # type: ignore[attr-defined]
            if type(key) is not str:
                return False
            if type(inner) not in _LEAVES and not _is_plain(inner, depth + 1):
                return False
        return True
    if kind is list or kind is tuple:
        if depth >= MAX_DEPTH:
            return False
        return all(type(i) in _LEAVES or _is_plain(i, depth + 1) for i in value)  # type: ignore[attr-defined]
    return kind in _LEAVES or (kind is float and isfinite(value))  # type: ignore[arg-type]


def _check(value: object, path: str, depth: int) -> None:
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, float):
        if not isfinite(value):
            raise InvalidEvent(f"{path} is {value!r}, which JSON has no number for; send None or a string")
        return
    if depth >= MAX_DEPTH:
        raise InvalidEvent(f"{path} is nested over {MAX_DEPTH} deep, or contains itself")
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InvalidEvent(f"{path} has the key {key!r} of type {_name(key)}; JSON keys are strings")
            _check(inner, f"{path}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _check(inner, f"{path}[{index}]", depth + 1)
    else:
        raise InvalidEvent(
            f"{path} is of type {_name(value)}, which JSON has no form for; "
            "send plain dicts, lists, strings and numbers, or bytes or an array as the whole payload"
        )


def _name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"number {text[:20]} does not fit a float")
    return number


def _make_encode() -> Callable[[object], str]:
    """The C encoder itself where there is one: JSONEncoder.encode makes another one at each call."""
    make: Any = getattr(encoder, "c_make_encoder", None)
    if make is None:  # pragma: no cover - another Python
        return json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    chunks = make(None, _no_form, encoder.encode_basestring, None, ":", ",", False, False, False)
    return lambda value: "".join(chunks(value, 0))


def _no_form(value: object) -> object:
    raise TypeError(f"{_name(value)} has no JSON form")


# Made once: json.dumps and json.loads make new ones for each call that is not the default.
_encode = _make_encode()
_decode = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite).decode
