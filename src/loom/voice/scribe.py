"""The scribe: writes down what was said."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Any

from loom.agent import Agent, Context, on
from loom.errors import LoomError, ModelFailed
from loom.event import Event

ALIKE = (0.8, 0.65)  # for one word, and for more
LONGEST = 2000
"""Characters of a transcript that are believed: nobody says more in one breath, but a model may repeat itself."""
_WORD = re.compile(r"[\w']+")


class Scribe(Agent, name="scribe"):
    """Publishes ``voice.heard`` for each ``voice.utterance``, without words if they could not be understood.

    How *sure* recognition has to be: less after the wake phrase than (*surer*) where a hum might end an answer.
    """

    phrases: tuple[str, ...] = ("okay nabu", "hey jarvis", "alexa", "hey mycroft")
    sure: float = 0.2
    surer: float = 0.55
    troubles: int = 0

    @on("voice.utterance", durable=False)
    async def write(self, event: Event, ctx: Context) -> None:
        """What was said, as text."""
        said: dict[str, Any] = event.payload
        text, confidence = await self._understood(said["pcm"], ctx)
        if confidence < (self.sure if said["woken"] else self.surer):
            text = ""
        if len(text) > LONGEST:
            self._trouble(
                ModelFailed(f"{len(text):,} characters of one utterance; the first {LONGEST:,} count"), ctx
            )
            text = text[:LONGEST].rpartition(" ")[0] or text[:LONGEST]
        known = {name: said[name] for name in ("speech", "woken", "ended_ms")}
        ctx.publish("voice.heard", {**known, "text": without(text, self.phrases), "confidence": confidence})

    async def _understood(self, pcm: bytes, ctx: Context) -> tuple[str, float]:
        for last in (False, True):  # a worker that died is there again for the second try
            try:
                heard: Any = await ctx.ask("transcribe", pcm, timeout=30.0)
            except LoomError as error:
                self._trouble(error, ctx, again=not last)
            else:
                return heard["text"], float(heard["confidence"])
        return "", 0.0

    def _trouble(self, error: LoomError, ctx: Context, again: bool = False) -> None:
        self.troubles += 1
        told = {"stage": "transcribe", "error": f"{type(error).__name__}: {error}", "again": again}
        ctx.publish("voice.trouble", told)


def without(text: str, phrases: tuple[str, ...]) -> str:
    """*text* without a wake phrase, or the tail of one, at its beginning, however recognition spelled it."""
    words = list(_WORD.finditer(text))
    best, cut = 0.0, 0
    for phrase in phrases:
        parts = phrase.split()
        for tail in (parts[n:] for n in range(len(parts))):
            for count in (len(tail), len(tail) + 1):
                spoken = "".join(word.group().lower() for word in words[:count])
                likeness = SequenceMatcher(None, spoken, "".join(tail)).ratio()
                if count <= len(words) and likeness > max(best, ALIKE[len(tail) > 1]):
                    best, cut = likeness, words[count - 1].end()
    return text[cut:].lstrip(" ,.!?;:-…") if cut else text.strip()
