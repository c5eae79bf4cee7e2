"""The answer that a stream was, put together again for a cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loom.models import ModelReply
from loom.router.call import Call

LONGEST = 65_536
"""Characters of an answer that is put together; a longer one is not remembered."""
_ROUTERS = ("done", "backend", "decision", "route", "cost", "provisional")


class Collected:
    """The items of one stream of texts, and the reply they amount to. What was provisional only is left out."""

    __slots__ = ("_figures", "_length", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._figures: Mapping[str, Any] | None = None

    def add(self, item: Any) -> None:
        """One item went by."""
        if not isinstance(item, Mapping) or item.get("provisional"):
            return
        text = item.get("text")
        if isinstance(text, str) and self._length <= LONGEST:
            self._pieces.append(text)
            self._length += len(text)
        if item.get("done"):
            self._figures = {name: value for name, value in item.items() if name not in (*_ROUTERS, "text")}

    def reply(self, call: Call) -> ModelReply | None:
        """The whole answer; None when it has no end, is too long, or is none of texts."""
        if self._figures is None or call.reply is None or self._length > LONGEST:
            return None
        output = {**self._figures, "text": "".join(self._pieces)}
        return replace(call.reply, output=output, usage=call.usage, cost=call.cost, decision=call.decision)
