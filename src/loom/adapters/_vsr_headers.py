"""What the vLLM Semantic Router says of its decision, out of the headers of an answer. Pure.

The names are those of its v0.3 and v0.4 contracts: ``x-vsr-selected-*``, ``x-vsr-matched-*``, ``x-vsr-cache-hit``
and so on. Whatever begins with ``x-vsr-`` is taken, since each version adds some.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PREFIX = "x-vsr-"
MOST = 48
LONGEST = 200
_NAME = re.compile(r"[a-z0-9-]{1,60}\Z")
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?\Z")
WORDS = {"true": 1.0, "false": 0.0}


def vsr_signals(headers: Mapping[str, str]) -> dict[str, float | str]:
    """The signals in *headers* (lower-case names): ``vsr.selected_decision`` and the like, at most 48.

    Numbers are numbers, ``true`` and ``false`` are 1 and 0, the rest is text of at most 200 characters.
    """
    found: dict[str, float | str] = {}
    for name in sorted(headers):
        rest = name.removeprefix(PREFIX)
        if rest == name or not _NAME.match(rest) or len(found) >= MOST:
            continue
        found["vsr." + rest.replace("-", "_")] = _value(headers[name].strip())
    return found


def _value(word: str) -> float | str:
    if word.lower() in WORDS:
        return WORDS[word.lower()]
    if _NUMBER.match(word):
        return float(word)
    return "".join(c for c in word[:LONGEST] if c.isprintable())
