"""What the assistant says when it knows the answer itself."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

from loom.voice.durations import spoken
from loom.voice.intents import INTENTS

_ROOMS = (
    "kitchen", "bedroom", "living room", "bathroom", "hall", "hallway", "office", "garage", "garden", "cellar", "attic",
    "dining room", "children's room", "study",
)  # fmt: skip
_WORD = re.compile(r"[a-z']+")


def clock(what: str, now: dt.datetime) -> str:
    """The ``time`` or the ``date`` in words that a voice says well."""
    if what == "date":
        return f"Today is {now:%A}, {now:%B} {now.day}, {now.year}."
    hour, minute = now.hour % 12 or 12, f":{now.minute:02d}" if now.minute else " o'clock"
    half = "in the morning" if now.hour < 12 else "in the afternoon" if now.hour < 18 else "in the evening"
    return f"It is {hour}{minute} {half}."


def rung(seconds: float) -> str:
    """A timer of *seconds* has ended."""
    return f"Your timer for {spoken(seconds)} is up."


def left(untils_ms: Sequence[int], now_ms: int) -> str:
    """How long the timers still run."""
    if not untils_ms:
        return "No timer is running."
    times = [spoken(max(0, until - now_ms) / 1000) for until in sorted(untils_ms)]
    return f"There {'is' if len(times) == 1 else 'are'} {' and '.join(times[:3])} left."


def cancelled(count: int) -> str:
    """*count* timers were cancelled."""
    return (
        "No timer is running."
        if not count
        else "The timer is off."
        if count == 1
        else f"All {count} timers are off."
    )


def room(text: str) -> str:
    """The room that is meant; empty for the one where the speaker is."""
    found = [name for name in _ROOMS if re.search(rf"\b{name}\b", text.lower())]
    return max(found, key=len, default="")


def by_words(text: str) -> list[dict[str, object]]:
    """The intents by the share of words that *text* has in common with the nearest example: when no model is there."""
    words = set(_WORD.findall(text.lower()))
    scores = {
        label: max(_shared(words, set(_WORD.findall(each.lower()))) for each in examples)
        for label, examples in INTENTS.items()
    }
    ranked = sorted(scores.items(), key=lambda each: -each[1])
    return [{"label": label, "score": score} for label, score in ranked]


def _shared(some: set[str], others: set[str]) -> float:
    return len(some & others) / max(1, len(some | others))
