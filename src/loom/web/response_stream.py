"""The events of a streamed response, in the order that OpenAI's clients expect. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loom.web.call import Figures, Told
from loom.web.chat import event
from loom.web.refusal import Refusal
from loom.web.responses import call_item, cause, ending, head, message_item, text_part, usage

MOST_TEXT = 8_000_000
"""Characters of one answer: the last events repeat all of it, so it is kept, and so it is bounded."""


class ResponseStream:
    """Writes one response: its items are opened, filled and closed, one after the other."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._number = 0
        self._texts: list[str] = []
        self._size = 0
        self._item = message_item(told, "", "in_progress")

    def begin(self) -> bytes:
        """That it was made, and runs."""
        running = head(self._told, "in_progress")
        return self._event("response.created", response=running) + self._event(
            "response.in_progress", response=running
        )

    def piece(self, text: str) -> bytes:
        """One piece of text; the first one opens the message. Raises Refusal for an answer without end."""
        opened = b"" if self._texts else self._opened()
        self._texts.append(text)
        self._size += len(text)
        if self._size > MOST_TEXT:
            raise Refusal(502, "too_long", f"the answer has over {MOST_TEXT:,} characters, which is the most")
        return opened + self._event("response.output_text.delta", **self._place(), delta=text, logprobs=[])

    def end(self, output: object, told: Told) -> bytes:
        """The message is closed, the tool calls follow, then the whole response."""
        figures = Figures(output)
        items: list[dict[str, Any]] = []
        found = b""
        if self._texts or not figures.calls:
            found += (b"" if self._texts else self._opened()) + self._closed()
            items.append(message_item(self._told, "".join(self._texts)))
        for number, each in enumerate(figures.calls):
            item = call_item(self._told, number, each)
            found += self._called(item, len(items))
            items.append(item)
        status = ending(figures)
        whole = {**head(told, status, cause(figures)), "output": items, "usage": usage(figures)}
        return found + self._event(f"response.{status}", response=whole)

    def failed(self, refusal: Refusal) -> bytes:
        """What went wrong in the middle, twice: there are clients that take what ends in a failed response as whole."""
        said = refusal.openai()["error"]
        alone = {name: said[name] for name in ("code", "message", "param")}
        error = {"code": "server_error", "message": refusal.message}
        first = self._event("error", **alone, error=said)
        return first + self._event("response.failed", response={**head(self._told, "failed"), "error": error})

    def _opened(self) -> bytes:
        added = self._event("response.output_item.added", output_index=0, item=self._item)
        return added + self._event("response.content_part.added", **self._place(), part=text_part(""))

    def _closed(self) -> bytes:
        text = "".join(self._texts)
        found = self._event("response.output_text.done", **self._place(), text=text, logprobs=[])
        found += self._event("response.content_part.done", **self._place(), part=text_part(text))
        return found + self._event(
            "response.output_item.done", output_index=0, item=message_item(self._told, text)
        )

    def _called(self, item: Mapping[str, Any], index: int) -> bytes:
        begun = {**item, "status": "in_progress", "arguments": ""}
        place = {"item_id": item["id"], "output_index": index}
        found = self._event("response.output_item.added", output_index=index, item=begun)
        found += self._event("response.function_call_arguments.delta", **place, delta=item["arguments"])
        done = {**place, "name": item["name"], "arguments": item["arguments"]}
        found += self._event("response.function_call_arguments.done", **done)
        return found + self._event("response.output_item.done", output_index=index, item=item)

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._item["id"], "output_index": 0, "content_index": 0}

    def _event(self, kind: str, **values: Any) -> bytes:
        made = event({"type": kind, "sequence_number": self._number, **values}, kind)
        self._number += 1
        return made
