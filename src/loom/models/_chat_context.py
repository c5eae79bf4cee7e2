"""What of a conversation fits into a model's context, by a stated rule. Pure.

The rule: the system message and the newest message stay. Whole older messages are left out, oldest first, and with
them an answer whose question is gone, and a tool's result whose call is gone. When the newest message alone does not
fit, its beginning and its end stay and the middle is left out; a system message that takes more than half of the room
is cut in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

GAP = " ... "
LONGEST_TOKEN = 16  # characters; longer ones exist (runs of spaces), then a little more is cut than had to be


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: *role* is system, user, assistant, or tool for the result of a call."""

    role: str
    content: str


Count = Callable[[Sequence[Message]], int]
"""How many tokens these messages are, with everything that the chat template adds."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is asked: *cut* characters were left out, *cut_messages* messages left out whole."""

    messages: tuple[Message, ...]
    cut: int = 0
    cut_messages: int = 0


def fit(messages: Sequence[Message], room: int, count: Count) -> Fitted | None:
    """The part of *messages* that is at most *room* tokens; None when not even a few characters fit.

    *count* grows with its argument. Every message may be cut; their order stays.
    """
    most = room * LONGEST_TOKEN
    system = tuple(
        _shortened(each, most) for each in messages[:1] if each.role == "system" and len(messages) > 1
    )
    recent = messages[len(system) :][-max(room, 1) :]  # each message is at least one token
    turns = tuple(_shortened(each, most) for each in recent)
    if len(recent) < len(messages) - len(system) or count((*system, *turns)) > room:
        turns = _newest(system, turns, room, count)
        if len(turns) == 1:
            system = _small_system(system, turns[0], room, count)
            turns = (_longest(turns[0], lambda each: count((*system, each)) <= room),)
        if count((*system, *turns)) > room or not turns[-1].content:
            return None
    kept = (*system, *turns)
    return Fitted(kept, _characters(messages) - _characters(kept), len(messages) - len(kept))


def _newest(
    system: tuple[Message, ...], turns: tuple[Message, ...], room: int, count: Count
) -> tuple[Message, ...]:
    """As many of the newest turns as fit, at least one."""
    few, many = 1, len(turns)
    while few < many:  # twice as many at a time, then between: what is far too long is never counted
        more = min(2 * few, (few + many + 1) // 2)
        if count((*system, *turns[-more:])) <= room:
            few = more
        else:
            many = more - 1
    kept = turns[-few:]
    while len(kept) > 1 and kept[0].role in ("assistant", "tool"):
        kept = kept[1:]
    return kept


def _small_system(
    system: tuple[Message, ...], newest: Message, room: int, count: Count
) -> tuple[Message, ...]:
    """The system message in at most half of the room."""
    nothing = replace(newest, content="")
    return tuple(_longest(each, lambda part: count((part, nothing)) <= room // 2) for each in system)


def _longest(message: Message, fits: Callable[[Message], bool]) -> Message:
    """*message* with as many characters of its beginning and end as fit."""
    if fits(message):
        return message
    few, many = 0, len(message.content)
    while few < many:
        half = (few + many + 1) // 2
        if fits(_shortened(message, half)):
            few = half
        else:
            many = half - 1
    return _shortened(message, few)


def _shortened(message: Message, most: int) -> Message:
    text = message.content
    if len(text) <= most:
        return message
    inside = most - len(GAP)
    if inside < 2:
        return replace(message, content=text[:most])
    return replace(message, content=text[: inside - inside // 2] + GAP + text[len(text) - inside // 2 :])


def _characters(messages: Sequence[Message]) -> int:
    return sum(len(each.content) for each in messages)
