"""The body of a request: bytes of a stranger that become a JSON object, or a clear refusal. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from loom.web.refusal import Refusal, bad

DEEPEST = 64
"""Levels of lists and objects within each other."""
_HALVES = re.compile(rb"\\u[dD][89a-fA-F]")


def read_json(data: bytes) -> dict[str, Any]:
    """The object in *data* (UTF-8); raises Refusal.

    What JSON does not have, or readers understand differently, is refused: NaN, infinities, the same key twice, halves
    of surrogate pairs, more than DEEPEST levels, numbers of thousands of digits.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad(f"the body is not UTF-8 (byte {error.start}); JSON is", code="invalid_json") from None
    value = _parsed(text)
    if not isinstance(value, dict):
        raise bad(f"the body is a JSON object, not {word_for(value)}", code="invalid_json")
    _check_depth(value)
    if _HALVES.search(data):
        _check_text(value)
    return value


def word_for(value: object) -> str:
    """What JSON calls the kind of *value*."""
    words = {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return words.get(type(value), "null" if value is None else type(value).__name__)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise bad(f"the body is not JSON: {error.msg} ({where})", code="invalid_json") from None
    except ValueError as error:  # a whole number of more digits than Python reads
        raise bad(f"the body is not JSON: {str(error)[:100]}", code="invalid_json") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise bad(f"the key {twice[:60]!r} stands twice in an object", code="invalid_json")
    return made


def _constant(word: str) -> Any:
    raise bad(f"{word} is no JSON", code="invalid_json")


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise bad(f"the number {digits[:40]} is too large", code="invalid_json")
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            child
            for each in level
            for child in (each.values() if type(each) is dict else each)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise _too_deep()


def _check_text(value: Any) -> None:
    """Raise Refusal when a text in *value* holds half of a surrogate pair: no bytes stand for it."""
    todo = [value]
    while todo:
        each = todo.pop()
        if type(each) is dict:
            todo += each.keys()
            todo += each.values()
        elif type(each) is list:
            todo += each
        elif type(each) is str:
            try:
                each.encode()
            except UnicodeEncodeError as error:
                raise bad(
                    f"a text has half of a surrogate pair (character {error.start}); it is no text",
                    code="invalid_json",
                ) from None


def _too_deep() -> Refusal:
    return bad(f"the body is nested more than {DEEPEST} levels deep", code="invalid_json")
