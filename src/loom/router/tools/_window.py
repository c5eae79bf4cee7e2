"""What of a conversation a model is given, within a budget of tokens. Pure.

The system messages and the last message of the user always stay, shortened in the middle when they alone are too
much. Of the rest the newest stay, in their order, as many as fit; a tool call and its results stay or go together.
Tokens are estimated as the router estimates them (loom.router.size).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from loom.errors import NoRoom
from loom.router.size import MESSAGE, tokens_of

Message = Mapping[str, Any]
Messages = tuple[Message, ...]
GAP = "\n[... {} characters left out ...]\n"
LONGEST_TOKEN = 4
"""Characters; no token is taken to be longer."""
LEAST = 32
"""Tokens under which a shortened message says nothing."""
KEEPS = 0.7
"""The share of the budget that a conversation is cut to, so that it need not be cut again at the next step."""


class Window(NamedTuple):
    """What is kept: *system*, then what is said of what is not there, then *turns*.

    *dropped* are the messages left out whole, *shortened* the characters cut out of those that stay, *tokens* what
    they take with the tools, of *room*.
    """

    system: Messages
    turns: Messages
    dropped: Messages
    shortened: int
    tokens: int
    room: int

    def messages(self, note: str = "") -> Messages:
        """All of it, with *note* in the place of what was left out."""
        return (*self.system, *(({"role": "user", "content": note},) if note else ()), *self.turns)


def tokens(message: Message) -> int:
    """About how many tokens *message* takes."""
    calls = message.get("tool_calls")
    more = tokens_of(json.dumps(calls, default=str)) if calls else 0
    return MESSAGE + tokens_of(_text(message)) + more


def total(messages: Sequence[Message]) -> int:
    """About how many tokens *messages* take."""
    return sum(map(tokens, messages))


def fit(messages: Sequence[Message], room: int, fixed: int = 0, note: int = 0, ours: int = 0) -> Window:
    """The part of *messages* that takes at most *room* tokens, of which *fixed* are the tools'.

    When something is left out, *note* tokens are kept free for what is said of it, and the rest is cut to `KEEPS` of
    the room. The last *ours* messages are not the user's own words. Raises NoRoom when not even the shortened system
    and last user message fit.
    """
    used = fixed + total(messages)
    system, units, pinned = _split(messages, ours)
    if used <= room:
        return Window(system, tuple(messages[len(system) :]), (), 0, used, room)
    space = int(room * KEEPS) - fixed - note
    system, first, cut = _must(system, units[pinned] if units else (), space)
    kept, dropped, more = _newest(units, pinned, space - total(system) - total(first))
    kept[pinned] = first
    turns = tuple(message for number in sorted(kept) for message in kept[number])
    used = fixed + total(system) + total(turns)
    return Window(system, turns, dropped, cut + more, used, room)


def _split(messages: Sequence[Message], ours: int) -> tuple[Messages, list[Messages], int]:
    """The system messages at the beginning, the units of the rest, and the number of the unit that always stays."""
    start = next((n for n, each in enumerate(messages) if each["role"] != "system"), len(messages))
    units = list(_units(messages[start:]))
    users = [number for number, unit in enumerate(units) if unit[0]["role"] == "user"]
    mine = users[: len(users) - ours] or users
    return tuple(messages[:start]), units, mine[-1] if mine else max(len(units) - 1, 0)


def _units(messages: Sequence[Message]) -> Iterator[Messages]:
    """Messages that stay or go together: a call of tools and its results."""
    unit: list[Message] = []
    for message in messages:
        if message["role"] != "tool" and unit:
            yield tuple(unit)
            unit = []
        unit.append(message)
    if unit:
        yield tuple(unit)


def _must(system: Messages, first: Messages, space: int) -> tuple[Messages, Messages, int]:
    """What always stays, shortened to *space*: the system at most to the half."""
    if total(system) + total(first) <= space:
        return system, first, 0
    if space < 2 * (LEAST + MESSAGE):
        raise NoRoom(
            f"{space} tokens are left for the conversation beside its tools; raise context_tokens or offer less"
        )
    small = _shortened(system, max(space // 2, space - total(first)))
    last = _shortened(first, space - total(small))
    if total(small) + total(last) > space:
        raise NoRoom(f"the calls of the last message do not fit {space} tokens; raise context_tokens")
    return small, last, _length((*system, *first)) - _length((*small, *last))


def _newest(units: list[Messages], pinned: int, space: int) -> tuple[dict[int, Messages], Messages, int]:
    """The newest units that fit *space*, by number; what is left out; and the characters cut from the very newest."""
    kept: dict[int, Messages] = {}
    cut, number = 0, len(units) - 1
    while number >= 0:
        if number != pinned:
            unit = units[number]
            if total(unit) > space and not kept and space >= LEAST:
                unit = _shortened(unit, space)
                cut = _length(units[number]) - _length(unit)
            if total(unit) > space:
                break
            kept[number] = unit
            space -= total(unit)
        number -= 1
    dropped = tuple(each for n, unit in enumerate(units[: number + 1]) if n != pinned for each in unit)
    return kept, dropped, cut


def _shortened(messages: Messages, space: int) -> Messages:
    """*messages* with their contents cut in the middle, the longest first, to *space* tokens if that can be."""
    longest = max((len(_text(each)) for each in messages), default=0)
    few, many = 0, min(longest, max(space, 0) * LONGEST_TOKEN)
    while few < many:
        half = (few + many + 1) // 2
        if total([clipped(each, half) for each in messages]) <= space:
            few = half
        else:
            many = half - 1
    return tuple(clipped(each, few) for each in messages)


def clipped(message: Message, most: int) -> Message:
    """*message* with at most *most* characters, without its middle."""
    text = _text(message)
    if len(text) <= most:
        return message
    gap = GAP.format(len(text) - most)
    inside = max(most - len(gap), 0)
    short = text[: inside - inside // 2] + gap + text[len(text) - inside // 2 :] if inside else text[:most]
    return {**message, "content": short}


def _text(message: Message) -> str:
    content = message.get("content")
    return (
        content if isinstance(content, str) else "" if content is None else json.dumps(content, default=str)
    )


def _length(messages: Sequence[Message]) -> int:
    return sum(len(_text(each)) for each in messages)


def transcript(messages: Sequence[Message], most: int) -> str:
    """*messages* as text for a summary, at most *most* tokens; of what is too long the middle is left out."""
    lines = []
    for each in messages:
        names = ", ".join(str(call.get("name")) for call in each.get("tool_calls") or ())
        lines.append(f"{each['role']}: {_text(each)}" + (f" [calls {names}]" if names else ""))
    whole: Message = {"role": "user", "content": "\n".join(lines)}
    return _text(_shortened((whole,), most)[0])
