"""Fields of a stranger's JSON, read without trust: what has the wrong type is not there. Pure."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

from loom.adapters._http_body import parse_json
from loom.errors import BackendFailed, RemoteFailed

DEEPEST = 64
"""Levels of nesting that are taken of a backend's JSON."""

LARGEST = sys.float_info.max

LARGE = 1 << 20
"""Bytes of JSON from which on it is read and written in a thread, for the sake of everybody else on the loop."""


def fields(value: object) -> Mapping[str, Any]:
    """*value* if it is an object, otherwise one without fields."""
    return value if isinstance(value, dict) else {}


def rows(value: object) -> list[Any]:
    """*value* if it is a list, otherwise an empty one."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """*value* if it is text, otherwise none."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int:
    """*value* if it is a whole number that counts something, otherwise 0."""
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53
    return value if good else 0  # type: ignore[return-value]  # that is what good says


def number(value: object) -> float | None:
    """*value* if it is a finite number, otherwise None; JSON has whole numbers that are larger than any float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -LARGEST <= value <= LARGEST else None


def read_object(content: bytes | str, who: str) -> Mapping[str, Any]:
    """The JSON object in *content*; raises BackendFailed, which names *who* sent it, for anything else."""
    value = read_value(content, who)
    if not isinstance(value, dict):
        raise BackendFailed(f"{who} answered JSON that is no object but {type(value).__name__}")
    return value


def read_value(content: bytes | str, who: str) -> Any:
    """The JSON value in *content*, nested at most 64 deep; raises BackendFailed for anything else."""
    try:
        value = parse_json(content)
    except RemoteFailed as error:
        raise BackendFailed(f"{who} answered what is no JSON: {error}") from None
    if deep(content) and nested(value) > DEEPEST:
        raise BackendFailed(f"{who} answered JSON that is nested more than {DEEPEST} deep", retryable=False)
    return value


def deep(content: bytes | str) -> bool:
    """Whether *content* has brackets enough to be nested too deep; most has not, and is looked at no further."""
    if isinstance(content, str):
        return content.count("[") + content.count("{") > DEEPEST
    return content.count(b"[") + content.count(b"{") > DEEPEST


def nested(value: object) -> int:
    """How deep *value* is nested; counting ends a level past the limit."""
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        inside: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inside += each.values()
            elif isinstance(each, list):
                inside += each
        depth += any(isinstance(each, dict | list) for each in level)
        level = [each for each in inside if isinstance(each, dict | list)]
    return depth


async def off_loop(size: int, work: Any, *arguments: Any) -> Any:
    """What *work* gives for *arguments*: computed in a thread when *size*, in bytes, is large."""
    if size < LARGE:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


def encode(value: object) -> bytes:
    """*value* as JSON in UTF-8; half characters become U+FFFD. Raises ValueError or TypeError for what has no form."""
    return whole(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))).encode()


def whole(string: str) -> str:
    """*string* with U+FFFD for each half of a character that stands alone, which no encoding has."""
    try:
        string.encode()
        return string
    except UnicodeEncodeError:
        return string.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
