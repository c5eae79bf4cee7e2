"""The mouth: says what is to be said, in order, and tells when it has finished."""

from __future__ import annotations

from typing import Any

from loom.agent import Agent, Context, on
from loom.errors import ActionError, LoomError
from loom.event import Event
from loom.voice.sentences import Sentences

BLOCK = 1.0
"""Seconds of sound that are given to the speaker at a time."""
PART = 600
"""Characters that are given to the model at a time."""
PATIENCE = 120.0
"""Seconds, and one for each character, in which a part must have been heard, pauses included."""


class Mouth(Agent, name="mouth"):
    """Speaks each ``voice.say``; ``voice.sounds`` tells what is being said, ``voice.said`` that a turn is over."""

    sentences: int = 0
    troubles: int = 0

    @on("voice.say", durable=False)
    async def say(self, event: Event, ctx: Context) -> None:
        """One sentence; with *last* it is the last of its turn."""
        said: dict[str, Any] = event.payload
        if said["text"].strip():
            for part in parts(said["text"]):
                await self._speak(said["turn"], part, ctx)
            self.sentences += 1
        if said.get("last"):
            ctx.publish("voice.said", {"turn": said["turn"]})

    async def _speak(self, turn: int, text: str, ctx: Context) -> None:
        """Speak *text*; when the model dies in the middle, the second try begins with what has not been heard yet."""
        heard = await self._try(turn, text, 0, ctx, again=True)
        if heard is not None:
            await self._try(turn, text, heard, ctx, again=False)

    async def _try(self, turn: int, text: str, heard: int, ctx: Context, *, again: bool) -> int | None:
        """Play the pieces of *text* after the first *heard*; None when there is nothing more to try."""
        pieces = 0
        try:
            async with ctx.stream("speak", text, timeout=PATIENCE + len(text)) as stream:
                async for piece in stream:
                    pieces += 1
                    if pieces > heard:
                        await self._play(turn, piece, ctx)
                        heard = pieces
        except ActionError as error:
            self._trouble("speaker", error, ctx)
        except LoomError as error:
            self._trouble("speak", error, ctx, again)
            return heard
        return None

    async def _play(self, turn: int, piece: dict[str, Any], ctx: Context) -> None:
        ctx.emit("voice.sounds", {"turn": turn, "text": piece.get("text", "")})
        size = int(BLOCK * piece["rate"]) * 2
        for start in range(0, len(piece["pcm"]), size):
            await ctx.call("speaker.play", pcm=piece["pcm"][start : start + size], rate=piece["rate"])

    def _trouble(self, stage: str, error: LoomError, ctx: Context, again: bool = False) -> None:
        self.troubles += 1
        ctx.publish(
            "voice.trouble", {"stage": stage, "error": f"{type(error).__name__}: {error}", "again": again}
        )


def parts(text: str) -> list[str]:
    """*text* in parts of whole sentences, each at most `PART` long; a short text as it is."""
    if len(text) <= PART:
        return [text]
    cutter, made = Sentences(), [""]
    for sentence in [*cutter.add(text), *cutter.finish()]:
        longer = f"{made[-1]} {sentence}".strip()
        if len(longer) <= PART:
            made[-1] = longer
        else:
            made.append(sentence)
    return made
