"""What `loom demo desk` shows: a line for what was filed, some for an answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loom.cli._output import field
from loom.desk.answer import as_hits
from loom.desk.topics import FILED, GONE, TROUBLE
from loom.event import Event

_WORDS = {FILED: "filed", TROUBLE: "not filed", GONE: "gone"}


def event_lines(event: Event, progress: tuple[int, int], width: int) -> list[str]:
    """The lines for something that became of a file; none for what people need not see."""
    if event.topic.startswith("loom.adapter."):
        return field(
            "folder", f"{event.type}: {shown((event.payload or {}).get('reason', ''))}".rstrip(": "), width
        )
    what = _WORDS.get(event.topic)
    if what is None:
        return []
    told, (done, of) = event.payload, progress
    name = shown(told["name"])
    if event.topic == FILED:
        more = "" if told["whole"] else " (the first pages only)"
        count = f"[{done}/{of}] " if of else ""
        return field(what, f"{count}{name} · {told['kind']}{more} · {shown(told['summary'])}", width)
    return field(what, f"{name}: {shown(told['reason'])}" if event.topic == TROUBLE else name, width)


def answer_lines(answer: Mapping[str, Any], width: int) -> list[str]:
    """The lines of an answer: what stands where, and what the small model makes of it."""
    lines = field("?", shown(answer["question"]), width)
    if answer.get("error"):
        return [*lines, *field("", f"that did not work: {shown(answer['error'])}", width)]
    hits = as_hits(answer["hits"])
    if not hits:
        return [*lines, *field("", "nothing about that on the desk", width)]
    if answer.get("line"):
        [line] = as_hits([answer["line"]])
        lines += field("", f"“{shown(line.text)}” ({shown(line.place)})", width)
    if answer.get("model"):
        lines += field("", f"in a small model's words, which may be wrong: {shown(answer['model'])}", width)
    elif answer.get("failed"):
        lines += field("", f"(the chat model failed: {shown(answer['failed'])})", width)
    elif answer.get("refused"):
        lines += field("", "(the chat model said something that does not stand there: left out)", width)
    for hit in hits:
        lines += field("", f"{hit.score:.2f} {shown(hit.place)}  {shown(hit.text)[:160]}", width)
    return lines


def shown(text: object) -> str:
    """A stranger's text on one line, without signs that do something to a terminal."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())
