"""Compact JSON, made and read thousands of times a second."""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder
from typing import Any


def _encoder() -> Any:
    """The C encoder itself where there is one: json.dumps makes a new one at every call."""
    make = getattr(encoder, "c_make_encoder", None)
    if make is None:  # pragma: no cover - another Python
        return json.JSONEncoder(separators=(",", ":")).encode

    def refuse(value: object) -> Any:
        raise TypeError(f"{type(value).__qualname__} has no JSON form")

    chunks = make(None, refuse, encoder.encode_basestring_ascii, None, ":", ",", False, False, True)
    return lambda value: "".join(chunks(value, 0))


dump: Callable[[Any], str] = _encoder()
"""The JSON of a value made of dicts, lists, texts, numbers and None; raises TypeError, RecursionError."""
quote: Callable[[str], str] = encoder.encode_basestring_ascii
"""The JSON of a text."""
load: Callable[[str | bytes], Any] = json.loads
"""The value of a JSON text; raises ValueError."""
