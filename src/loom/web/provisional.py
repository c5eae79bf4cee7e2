"""What a speculative router says for the time being, held back: clients of other APIs cannot unsay words. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from loom.web.refusal import Refusal

MOST_HELD = 1_000_000
"""Characters of a provisional answer."""


class Held:
    """The provisional text of one stream; it is given out only when nothing better came."""

    __slots__ = ("_size", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._size = 0

    def take(self, item: object) -> str:
        """What of *item* is to be sent; raises Refusal for what is no text, or provisional without end."""
        text = _text(item)
        if not isinstance(item, Mapping) or not item.get("provisional"):
            self._texts.clear()
            return text
        self._texts.append(text)
        self._size += len(text)
        if self._size > MOST_HELD:
            raise Refusal(502, "too_long", f"the provisional answer has over {MOST_HELD:,} characters")
        return "".join(self._texts) if item.get("done") else ""


def _text(item: object) -> str:
    if isinstance(item, Mapping):
        return str(item.get("text") or "")
    if not isinstance(item, str):
        raise Refusal(502, "backend_failed", f"the backend streams {type(item).__name__}, which is no text")
    return item
