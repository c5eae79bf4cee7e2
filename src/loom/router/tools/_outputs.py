"""Large results of tools: kept here, the model gets a reference and reads it in pieces. Pure."""

from __future__ import annotations

import json
from collections import OrderedDict

READ = "read_output"
SCHEMA = {
    "type": "object",
    "properties": {"ref": {"type": "string"}, "offset": {"type": "integer", "minimum": 0, "default": 0}},
    "required": ["ref"],
    "additionalProperties": False,
}
DESCRIPTION = "Read a part of a large result by its ref, from the character at offset on."


class Outputs:
    """The results that were too large: *most* characters are shown of one, *kept* characters are kept of all.

    The oldest go first when there is no room; of one that is larger than that the beginning is kept.
    """

    __slots__ = ("_held", "_kept", "_made", "_most", "_texts")

    def __init__(self, most: int = 2_000, kept: int = 4_000_000) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._most, self._kept = most, kept
        self._held = self._made = 0

    def __len__(self) -> int:
        return len(self._texts)

    def take(self, text: str) -> str:
        """*text* itself when it is short, else its reference and its beginning as JSON."""
        if len(text) <= self._most:
            return text
        self._made += 1
        ref, size = f"out-{self._made}", len(text)
        self._texts[ref] = kept = text[: self._kept]
        self._held += len(kept)
        while self._held > self._kept:
            self._held -= len(self._texts.popitem(last=False)[1])
        return json.dumps({"ref": ref, "size": size, "head": text[: self._most // 2]}, ensure_ascii=False)

    def read(self, ref: str, offset: int = 0) -> str:
        """A piece of the output *ref* from *offset* on, as JSON; says so when there is none."""
        text = self._texts.get(ref)
        if text is None:
            known = ", ".join(self._texts) or "none"
            return json.dumps({"error": f"no output {ref[:40]!r} is kept; there are {known}"})
        piece = text[offset : offset + self._most // 2]
        end = offset + len(piece)
        after = {"next": end} if end < len(text) else {"end": True}
        return json.dumps({"ref": ref, "offset": offset, "text": piece, **after}, ensure_ascii=False)
