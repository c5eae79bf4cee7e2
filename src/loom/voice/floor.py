"""Whose turn it is: who has the floor, what an interruption takes down, and what goes on after a false alarm. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
FILLERS = frozenset({"uh", "um", "hm", "hmm", "mm", "mhm", "ah", "oh", "er", "eh", "huh"})
ECHO = 0.6
REMEMBERED = 8
"""Turns that are known to be over."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Who has the floor: *asked* is the turn that is being answered, *speaking* the one that sounds now.

    *held* is the speech that made the assistant pause, *late* one that began just before it had finished. *over* are
    the last turns that have ended: that one of their sentences begins may be told after that, because between urgent
    news and other news there is no order.
    """

    turn: int = 0
    asked: int = 0
    speaking: int = 0
    held: str = ""
    late: str = ""
    said: str = ""
    over: tuple[int, ...] = ()


class Began(NamedTuple):
    """Somebody began to speak: *speech* names it."""

    speech: str


class Heard(NamedTuple):
    """What was understood of *speech*; *woken* if the wake phrase came first. No words: it was noise, or a riddle."""

    speech: str
    text: str
    woken: bool


class Sounds(NamedTuple):
    """The assistant is saying *text*, for *turn*."""

    turn: int
    text: str


class Said(NamedTuple):
    """The assistant has said all it had to say for *turn*."""

    turn: int


class Calls(NamedTuple):
    """The assistant speaks up by itself, because a timer rang: a turn that nobody asked for."""


Happened = Began | Heard | Sounds | Said | Calls


class Hold(NamedTuple):
    """Stop the sound where it is, and understand *speech*."""

    speech: str


class Resume(NamedTuple):
    """Go on from the last sound that was played."""


class TakeDown(NamedTuple):
    """Cancel *turn*: its model calls, its pending speech, its queued events."""

    turn: int


class Open(NamedTuple):
    """Answer *text* as *turn*."""

    turn: int
    text: str


Command = Hold | Resume | TakeDown | Open


def decide(floor: Floor, what: Happened) -> tuple[Floor, list[Command]]:
    """What becomes of *floor*, and what is to be done, in this order."""
    if isinstance(what, Began):
        return _began(floor, what)
    if isinstance(what, Heard):
        return _heard(floor, what)
    if isinstance(what, Sounds):
        if what.turn in floor.over:
            return floor, []
        said = what.text if what.turn != floor.speaking else f"{floor.said} {what.text}"
        return replace(floor, speaking=what.turn, said=said[-2000:]), []
    if isinstance(what, Said):
        return _said(floor, what)
    return replace(floor, turn=floor.turn + 1), []


def _began(floor: Floor, what: Began) -> tuple[Floor, list[Command]]:
    if not floor.speaking or floor.held:
        return floor, []
    return replace(floor, held=what.speech), [Hold(what.speech)]


def _heard(floor: Floor, what: Heard) -> tuple[Floor, list[Command]]:
    held, late = floor.held == what.speech, floor.late == what.speech
    floor = replace(floor, held="" if held else floor.held, late="" if late else floor.late)
    release: list[Command] = [Resume()] if held else []
    words = meaningful(what.text)
    if not words or not (held or late or what.woken):
        return floor, release
    if (held or late) and not what.woken and is_echo(words, floor.said):
        return floor, release
    down: list[Command] = [TakeDown(turn) for turn in sorted({floor.asked, floor.speaking} - {0})]
    turn = floor.turn + 1
    if floor.held:  # another speech held it: what that was about is taken down with the rest
        release = [Resume()]
    over = (*floor.over, *(each.turn for each in down if isinstance(each, TakeDown)))[-REMEMBERED:]
    after = replace(floor, turn=turn, asked=turn, speaking=0, held="", said="", over=over)
    return after, [*down, *release, Open(turn, what.text)]


def _said(floor: Floor, what: Said) -> tuple[Floor, list[Command]]:
    asked = 0 if floor.asked == what.turn else floor.asked
    floor = replace(floor, over=(*floor.over, what.turn)[-REMEMBERED:])
    if floor.speaking != what.turn:
        return replace(floor, asked=asked), []
    release: list[Command] = [Resume()] if floor.held else []
    return replace(floor, asked=asked, speaking=0, held="", late=floor.held or floor.late), release


def meaningful(text: str) -> list[str]:
    """The words of *text*, fillers left out: what may interrupt somebody."""
    return [word for word in _WORD.findall(text.lower()) if word not in FILLERS]


def is_echo(words: Sequence[str], said: str) -> bool:
    """Whether the microphone heard the assistant itself: most of *words*, 3 to 200, in the order of *said*.

    The longest common subsequence of words is compared, because recognition drops and invents some.
    """
    if not 3 <= len(words) <= 200:
        return False
    row = [0] * (len(words) + 1)
    for word in _WORD.findall(said.lower())[-200:]:
        before = 0
        for n, each in enumerate(words, 1):
            before, row[n] = row[n], before + 1 if word == each else max(row[n], row[n - 1])
    return row[-1] >= ECHO * len(words)
