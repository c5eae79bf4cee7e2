"""What a body says, by its content type: JSON, text, or bytes. Pure; for bodies of strangers."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from loom.errors import RemoteFailed

_CHARSETS = {"utf-8": "utf-8-sig", "utf8": "utf-8-sig", "us-ascii": "ascii", "iso-8859-1": "latin-1"}


def read_body(content_type: str, body: bytes) -> tuple[str, Any]:
    """``("json", value)``, ``("text", str)`` or ``("bytes", bytes)``; what claims to be JSON and is not is text."""
    kind, _, rest = content_type.lower().partition(";")
    kind = kind.strip()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return "json", parse_json(body)
        except RemoteFailed:
            kind = "text/plain"
    if kind.startswith("text/") or kind in ("application/xml", "application/x-www-form-urlencoded"):
        return "text", body.decode(_charset(rest), "replace")
    return "bytes", body


def parse_json(body: bytes | str) -> Any:
    """The value of a JSON text; raises RemoteFailed for anything else.

    That is also what events cannot carry on: numbers that are none or too large, half characters, nesting without end.
    """
    try:
        text = body if isinstance(body, str) else body.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError) as error:
        raise RemoteFailed(f"this is no JSON: {type(error).__name__}", retryable=False) from None


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _charset(parameters: str) -> str:
    for part in parameters.split(";"):
        name, _, value = part.strip().partition("=")
        if name == "charset":
            return _CHARSETS.get(value.strip('" '), "utf-8-sig")
    return "utf-8-sig"
