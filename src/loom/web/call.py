"""What every kind of API comes to: one call of a model, and what is said of its answer."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loom.errors import ModelFailed

CHAT = "chat"
EMBED = "embed"
TRANSCRIBE = "transcribe"
SPEAK = "speak"


@dataclass(frozen=True, slots=True)
class Call:
    """*task* on *input* by *model* (auto, local, cloud, a backend, profile:NAME), with the model's *options*.

    *stream*: in pieces; *usage*: the client wants figures at the end of a stream; *form* is how the answer is written;
    *one_tool*: at most one call of a tool in an answer.
    """

    task: str
    model: str
    input: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    usage: bool = False
    form: str = ""
    one_tool: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of an answer besides its text: its *id*, when (Unix seconds), by which *model*, and how decided.

    *tokens_in* is what was read for it, where the answer itself does not say.
    """

    id: str
    created: int
    model: str
    decision: str = ""
    route: str = ""
    backend: str = ""
    cost: float | None = None
    tokens_in: int = 0

    def extension(self) -> dict[str, Any]:
        """The ``loom`` object in a body."""
        found = {"decision": self.decision, "route": self.route, "backend": self.backend}
        return {**found, "cost": self.cost}


class Figures:
    """The figures of a chat answer, whatever the backend gave; raises ModelFailed for what is no text."""

    __slots__ = ("calls", "stopped", "text", "tokens_in", "tokens_out")

    def __init__(self, output: object) -> None:
        if not isinstance(output, Mapping | str):
            raise ModelFailed(f"the backend gave {type(output).__name__}, which is no text")
        values: Mapping[str, Any] = {"text": output} if isinstance(output, str) else output
        self.text = str(values.get("text") or "")
        self.tokens_in = _count(values.get("tokens_in"))
        self.tokens_out = _count(values.get("tokens_out"))
        self.calls = [each for each in values.get("tool_calls") or () if isinstance(each, Mapping)]
        filtered = values.get("filtered") is True
        self.stopped = (
            "tools" if self.calls else "filtered" if filtered else str(values.get("stopped") or "end")
        )


def told_apart(output: object, call: Call) -> object:
    """*output* with calls that the client can answer: no id twice in the conversation, and one where it wants one."""
    found = output.get("tool_calls") if isinstance(output, Mapping) and call.task == CHAT else None
    if not isinstance(output, Mapping) or not isinstance(found, list | tuple):
        return output
    earlier = [each for message in call.input for each in message.get("tool_calls") or ()]
    taken = {each["id"] for each in earlier}
    calls = []
    for each in [each for each in found if isinstance(each, Mapping)][: 1 if call.one_tool else None]:
        name = str(each.get("id") or "")
        if not name or name in taken:
            name = f"call_{secrets.token_hex(8)}"
        taken.add(name)
        calls.append({**each, "id": name})
    return {**output, "tool_calls": calls}


def arguments_text(call: Mapping[str, Any]) -> str:
    """The arguments of a tool call as JSON text; what the model wrote itself, where that is no object."""
    arguments = call.get("arguments_text") or call.get("arguments")
    return arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 1 << 53 else 0
