"""The turns: gives every question a scope of its own, and takes it down when somebody interrupts."""

from __future__ import annotations

from typing import Any

from loom.agent import Agent, Context, on
from loom.errors import ActionError
from loom.event import Event, QoS
from loom.voice.floor import (
    Began,
    Calls,
    Floor,
    Happened,
    Heard,
    Hold,
    Open,
    Resume,
    Said,
    Sounds,
    TakeDown,
    decide,
)

OVERDUE = 12.0
"""Seconds after which nobody waits any more to understand what made the assistant pause."""


class Turns(Agent, name="turns"):
    """Publishes ``voice.question`` with a scope for the turn and a thread for the conversation.

    While the assistant speaks, somebody who begins to speak makes it pause; if there are words in it the turn is taken
    down - model calls, pending speech, queued events, nothing else - and otherwise it goes on from the last sound.
    After *fresh* seconds of silence the next question begins a new conversation.
    """

    fresh: float = 300.0
    interrupted: int = 0
    false_alarms: int = 0
    conversation: int = 0
    last_ms: int = 0
    _floor: Floor
    _begun: int

    async def on_start(self, ctx: Context) -> None:
        """Nobody has the floor."""
        self._floor, self._begun = Floor(), 0

    @on("voice.began", qos=QoS.REALTIME)
    async def began(self, event: Event, ctx: Context) -> None:
        """Somebody begins to speak."""
        await self._take(Began(event.payload["speech"]), ctx)

    @on("voice.heard", durable=False)
    async def heard(self, event: Event, ctx: Context) -> None:
        """Somebody said something."""
        said: dict[str, Any] = event.payload
        await self._take(Heard(said["speech"], said["text"], said["woken"]), ctx, said)

    @on("voice.faded", durable=False)
    @on("voice.turns.overdue", durable=False)
    async def faded(self, event: Event, ctx: Context) -> None:
        """Somebody made a sound that nobody will understand."""
        await self._take(Heard(event.payload["speech"], "", False), ctx)

    @on("voice.sounds", qos=QoS.REALTIME)
    async def sounds(self, event: Event, ctx: Context) -> None:
        """The assistant begins a sentence."""
        await self._take(Sounds(event.payload["turn"], event.payload["text"]), ctx)

    @on("voice.said", durable=False)
    async def said(self, event: Event, ctx: Context) -> None:
        """The assistant has finished."""
        self.last_ms = ctx.now_ms()
        await self._take(Said(event.payload["turn"]), ctx)

    @on("voice.notice", durable=False)
    async def notice(self, event: Event, ctx: Context) -> None:
        """The assistant has something to say that nobody asked for."""
        await self._take(Calls(), ctx)
        turn = self._floor.turn
        said = {"turn": turn, "text": event.payload["text"], "last": True}
        ctx.publish("voice.say", said, scope=self._scope(turn, ctx))

    async def _take(self, what: Happened, ctx: Context, said: dict[str, Any] | None = None) -> None:
        """Decide, and do it. What is decided is remembered at once: what was done to the sound cannot be undone."""
        self._floor, commands = decide(self._floor, what)
        for command in commands:
            if isinstance(command, Hold):
                ctx.emit("voice.listen", {"speech": command.speech})
                await self._sound("speaker.hold", ctx)
                ctx.after(OVERDUE, "voice.turns.overdue", {"speech": command.speech})
            elif isinstance(command, Resume):
                await self._sound("speaker.resume", ctx)
            elif isinstance(command, TakeDown):
                ctx.cancel(self._scope(command.turn, ctx))
                self.interrupted += 1
                ctx.publish("voice.interrupted", {"turn": command.turn})
            else:
                self._open(command, said or {}, ctx)
        if commands == [Resume()]:
            self.false_alarms += 1

    async def _sound(self, capability: str, ctx: Context) -> None:
        try:
            await ctx.call(capability)
        except ActionError as error:  # whose turn it is does not depend on a loudspeaker
            ctx.publish("voice.trouble", {"stage": "speaker", "error": f"{type(error).__name__}: {error}"})

    def _open(self, command: Open, said: dict[str, Any], ctx: Context) -> None:
        now = ctx.now_ms()
        if not self.conversation or now - self.last_ms > self.fresh * 1000:
            self.conversation += 1
        self.last_ms = now
        question = {"turn": command.turn, "text": command.text, "asked_ms": said.get("ended_ms", now)}
        thread = f"conversation-{self.conversation}-{self._base(ctx)}"
        ctx.publish("voice.question", question, scope=self._scope(command.turn, ctx), thread=thread)

    def _scope(self, turn: int, ctx: Context) -> str:
        return f"turn-{turn}-{self._base(ctx)}"

    def _base(self, ctx: Context) -> int:
        """What tells the turns of this run from those of the last one."""
        self._begun = self._begun or ctx.now_ms()
        return self._begun
