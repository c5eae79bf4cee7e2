"""What the signals of an imported policy look at: a conversation, seen from its last question. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loom.models import ModelRequest


@dataclass(frozen=True, slots=True)
class Asked:
    """The last thing the user said (*text*), what they said before, newest last, and the shape of the conversation."""

    text: str
    before: tuple[str, ...] = ()
    history: str = ""
    roles: tuple[str, ...] = ("user",)
    tools: int = 0
    choice: str = "auto"
    looping: bool = False
    """A tool was called, or has answered, since the assistant last spoke in words."""

    @property
    def characters(self) -> int:
        """Of the whole conversation."""
        return len(self.text) + len(self.history)


def asked(request: ModelRequest) -> Asked:
    """*request* as an imported policy sees it; what is no text has none."""
    tools = request.options.get("tools")
    many = len(tools) if isinstance(tools, Sequence) and not isinstance(tools, str) else 0
    choice = request.options.get("tool_choice", "auto")
    if not isinstance(request.input, list):
        text = request.input if isinstance(request.input, str) else ""
        return Asked(text, tools=many, choice=_choice(choice))
    messages = [each for each in request.input if isinstance(each, Mapping)]
    roles = tuple(str(each.get("role", "user")) for each in messages)
    spoken = [n for n, role in enumerate(roles) if role == "user"]
    last = spoken[-1] if spoken else -1
    texts = [_text(each.get("content")) for each in messages]
    return Asked(
        texts[last] if spoken else "",
        tuple(texts[n] for n in spoken[:-1]),
        "\n".join(text for n, text in enumerate(texts) if n != last),
        roles,
        many,
        _choice(choice),
        _looping(messages, roles, texts),
    )


def _looping(messages: Sequence[Mapping[str, Any]], roles: Sequence[str], texts: Sequence[str]) -> bool:
    for message, role, text in zip(reversed(messages), reversed(roles), reversed(texts), strict=True):
        if role == "tool" or message.get("tool_calls"):
            return True
        if role == "assistant" and text.strip():
            return False
    return False


def _choice(found: object) -> str:
    if isinstance(found, Mapping):
        return "required"
    return str(found) if found in ("none", "required") else "auto"


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(each.get("text", "")) for each in parts if isinstance(each, Mapping))
