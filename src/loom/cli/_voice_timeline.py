"""What happened in `loom demo voice`, turn by turn, and when: taken from the assistant's own events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loom.cli._voice_cloud import decided, ended, verdicts
from loom.event import Event
from loom.voice.floor import meaningful

MOST = 1000


@dataclass(slots=True)
class Turn:
    """One turn: what was asked and said, and its moments, Unix milliseconds; *phrase* is when they had finished asking.

    A turn that nobody asked for, as when a timer rings, has no question.
    """

    turn: int
    question: str = ""
    intent: str = ""
    reply: list[str] = field(default_factory=list)
    end: str = ""
    wake: int = 0
    phrase: int = 0
    transcript: int = 0
    token: int = 0
    sound: int = 0
    decisions: list[dict[str, Any]] = field(default_factory=list)

    def after_phrase(self, moment: int) -> int | None:
        """Milliseconds from the end of the phrase; None where it does not apply."""
        return moment - self.phrase if moment and self.phrase else None


@dataclass(slots=True)
class Woken:
    """The wake phrase was noticed *at* seconds of its stream, which was told at *told*, Unix milliseconds."""

    phrase: str
    at: float
    told: int


class Timeline:
    """Follows the assistant's events; *tell* gets a line for what a person wants to know at once."""

    def __init__(self, tell: Callable[[str], None] = lambda line: None) -> None:
        self.turns: dict[int, Turn] = {}
        self.wakes: deque[Woken] = deque(maxlen=MOST)
        self.troubles: deque[dict[str, Any]] = deque(maxlen=MOST)
        self.ignored = 0
        self.false_alarms = 0
        self._tell = tell
        self._pending: set[str] = set()  # what is being understood
        self._open: set[int] = set()  # turns that are being answered
        self._awaited = False  # words were understood that are about to become a question
        self._held: set[str] = set()
        self._woke = 0

    @property
    def busy(self) -> bool:
        """Whether somebody waits for an answer, or it is being spoken."""
        return bool(self._pending or self._open or self._awaited)

    @property
    def sounding(self) -> int:
        """The turn whose sound is heard now; 0 for none."""
        return max((turn for turn in self._open if self.turns[turn].sound), default=0)

    @property
    def rung(self) -> bool:
        """Whether the assistant has spoken up by itself."""
        return any(turn.end and not turn.question for turn in self.turns.values())

    def take(self, event: Event) -> None:
        """One event of the assistant."""
        handle = getattr(self, f"_on_{event.type}", None)
        if handle is not None:
            handle(event.payload, event.timestamp_ms)

    def _on_wake(self, payload: dict[str, Any], now: int) -> None:
        self.wakes.append(Woken(payload["phrase"], payload["at"], now))
        self._woke = now

    def _on_utterance(self, payload: dict[str, Any], now: int) -> None:
        self._pending.add(payload["speech"])

    def _on_listen(self, payload: dict[str, Any], now: int) -> None:
        self._held.add(payload["speech"])

    def _on_faded(self, payload: dict[str, Any], now: int) -> None:
        if payload["speech"] in self._held:
            self._held.discard(payload["speech"])
            self._tell("     (a noise, nothing more: it goes on)")
            self.false_alarms += 1
        else:
            self.ignored += 1

    def _on_heard(self, payload: dict[str, Any], now: int) -> None:
        self._pending.discard(payload["speech"])
        held = payload["speech"] in self._held
        self._held.discard(payload["speech"])
        self._awaited = self._awaited or bool(payload["woken"] and meaningful(payload["text"]))
        if not payload["text"]:
            self.false_alarms += held
            self._tell("     (nothing that could be understood)")

    def _on_question(self, payload: dict[str, Any], now: int) -> None:
        turn, self._awaited = self._turn(payload["turn"]), False
        turn.question, turn.phrase, turn.transcript = payload["text"], payload["asked_ms"], now
        turn.wake, self._woke = self._woke, 0
        self._tell(f"  ?  {turn.question}")

    def _on_intent(self, payload: dict[str, Any], now: int) -> None:
        self._turn(payload["turn"]).intent = payload["intent"]

    def _on_token(self, payload: dict[str, Any], now: int) -> None:
        self._turn(payload["turn"]).token = now

    def _on_decision(self, payload: dict[str, Any], now: int) -> None:
        """Who is asked to answer; told only where there is a choice."""
        if payload["task"] != "chat" or len(payload["verdicts"]) < 2:
            return
        turn = self._turn(max(self.turns, default=0))
        turn.decisions.append(dict(payload))
        self._tell(f"     ~ {decided(payload)}")

    def _on_outcome(self, payload: dict[str, Any], now: int) -> None:
        """What became of one that was told."""
        known = (each for turn in self.turns.values() for each in turn.decisions)
        decision = next((each for each in known if each["id"] == payload["decision"]), None)
        if decision is not None:
            decision["outcome"] = payload
            self._tell(f"     ~ {ended(payload)}")

    def _on_say(self, payload: dict[str, Any], now: int) -> None:
        turn = self._turn(payload["turn"])
        turn.token = turn.token or now
        if payload["text"]:
            turn.reply.append(payload["text"])
            self._tell(f"  >  {payload['text']}")

    def _on_sounds(self, payload: dict[str, Any], now: int) -> None:
        turn = self._turn(payload["turn"])
        turn.sound = turn.sound or now

    def _on_said(self, payload: dict[str, Any], now: int) -> None:
        self._end(payload["turn"], "said")

    def _on_interrupted(self, payload: dict[str, Any], now: int) -> None:
        self._end(payload["turn"], "interrupted")
        self._tell("     (interrupted)")

    def _on_trouble(self, payload: dict[str, Any], now: int) -> None:
        self.troubles.append(payload)
        self._tell(f"  !  {payload['stage']}: {payload['error']}")

    def _turn(self, number: int) -> Turn:
        if number not in self.turns:
            self.turns[number] = Turn(number)
            self._open.add(number)
            while len(self.turns) > MOST:
                self._open.discard(oldest := next(iter(self.turns)))
                del self.turns[oldest]
        return self.turns[number]

    def _end(self, number: int, how: str) -> None:
        self._turn(number).end = how
        self._open.discard(number)


def decisions(turns: list[Turn]) -> list[str]:
    """Each candidate of each decision: taken or refused, estimates, and why."""
    lines: list[str] = []
    for turn in turns:
        for decision in turn.decisions:
            lines.append(f"  turn {turn.turn}, {turn.question[:60]!r}: {decided(decision)}")
            lines += [f"      {line}" for line in verdicts(decision)]
            if "outcome" in decision:
                lines.append(f"      {ended(decision['outcome'])}")
    return [*lines, ""] if lines else []


def table(turns: list[Turn]) -> list[str]:
    """The turns as lines: milliseconds after the end of the phrase."""
    lines = [
        "  turn    wake  transcript  first token  first sound  ms after the end of the phrase; what was asked"
    ]
    for turn in turns:
        moments = [
            turn.after_phrase(moment) for moment in (turn.wake, turn.transcript, turn.token, turn.sound)
        ]
        cells = "  ".join(
            f"{'-' if moment is None else f'{moment:,}':>{width}}"
            for moment, width in zip(moments, (6, 10, 11, 11), strict=True)
        )
        what = (turn.question or f"({' '.join(turn.reply)})")[:44]
        cut = " (interrupted)" if turn.end == "interrupted" else ""
        lines.append(f"  {turn.turn:>4}  {cells}  {what}{cut}")
    return lines
