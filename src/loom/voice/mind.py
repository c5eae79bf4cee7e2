"""The mind: finds out what is meant, does it or answers it, and remembers the conversation."""

from __future__ import annotations

import datetime as dt
from typing import Any

from loom.agent import Agent, Context, on
from loom.errors import ActionError, LoomError, NoBackend, NoResponders, RequestFailed, RequestTimeout
from loom.event import Event
from loom.voice import answers
from loom.voice.durations import duration, spoken
from loom.voice.intents import INTENTS, choose
from loom.voice.sentences import Sentences

STALE = 60.0
"""Seconds after which a question that nobody has answered, because nothing ran meanwhile, is not answered any more."""
TURNS = 6
PROMPT = "You are a friendly voice assistant. Answer in one or two short sentences, in plain words."


class Mind(Agent, name="mind"):
    """Answers each ``voice.question`` with ``voice.say``, in sentences, the last one marked.

    What is asked often is found by the likeness of sentences (task ``classify``); the rest goes to ``chat``. Timers
    and the conversation are state: with a store they outlive the process.
    """

    prompt: str = PROMPT
    thread: str = ""
    history: list[dict[str, str]] = []
    timers: dict[str, dict[str, Any]] = {}
    waiting: str = ""
    utc_offset: float | None = None
    last: str = ""

    @on("voice.question")
    async def answer(self, event: Event, ctx: Context) -> None:
        """One question, as text."""
        asked: dict[str, Any] = event.payload
        if ctx.now_ms() - asked["asked_ms"] > STALE * 1000:
            ctx.publish("voice.said", {"turn": asked["turn"]})
            return
        if event.thread != self.thread:
            self.thread, self.history, self.waiting = event.thread or "", [], ""
        text: str = asked["text"]
        intent = await self._intent(text, ctx)
        ctx.emit("voice.intent", {"turn": asked["turn"], "intent": intent or "chat"})
        reply = await self._do(intent, text, ctx) if intent else None
        if reply is None:
            reply = await self._chat(asked["turn"], text, ctx)
        else:
            ctx.publish("voice.say", {"turn": asked["turn"], "text": reply, "last": True})
        if reply and intent not in ("stop", "repeat"):
            self.last = reply
            said = [{"role": "user", "content": text[:500]}, {"role": "assistant", "content": reply[:500]}]
            self.history = [*self.history, *said][-2 * TURNS :]

    @on("voice.bell")
    async def ring(self, event: Event, ctx: Context) -> None:
        """A timer has come to its end."""
        timer = self.timers.pop(event.payload["timer"], None)
        if timer is not None:
            ctx.publish("voice.notice", {"text": answers.rung(timer["seconds"])})

    async def _intent(self, text: str, ctx: Context) -> str:
        if self.waiting == "timer.set":
            self.waiting = ""
            if duration(text) is not None:
                return "timer.set"
        try:
            ranked: Any = await ctx.ask("classify", text, labels=INTENTS, timeout=10.0)
        except LoomError as error:
            self._trouble("classify", error, ctx)
            return choose(text, answers.by_words(text))
        return choose(text, ranked)

    async def _do(self, intent: str, text: str, ctx: Context) -> str | None:
        """What is said when *intent* was done; None when the chat model should answer after all."""
        if intent.startswith("timer."):
            return self._timer(intent, text, ctx)
        if intent.startswith("light."):
            return await self._light(intent == "light.on", text, ctx)
        if intent in ("time", "date"):
            return answers.clock(intent, self._now(ctx))
        if intent in ("door", "folder"):
            return await self._home(intent, ctx)
        return {
            "stop": "",
            "repeat": self.last or "I have not said anything yet.",
            "thanks": "You are welcome.",
        }[intent]

    def _timer(self, intent: str, text: str, ctx: Context) -> str:
        if intent == "timer.left":
            return answers.left([each["until_ms"] for each in self.timers.values()], ctx.now_ms())
        if intent == "timer.cancel":
            count = len(self.timers)
            for each in self.timers.values():
                ctx.cancel_timer(each["id"])
            self.timers = {}
            return answers.cancelled(count)
        seconds = duration(text)
        if seconds is None:
            self.waiting = "timer.set"
            return "For how long?"
        name = ctx.event.id
        rings = ctx.after(seconds, "voice.bell", {"timer": name}, thread=None)
        self.timers[name] = {
            "seconds": seconds,
            "until_ms": ctx.now_ms() + round(seconds * 1000),
            "id": rings,
        }
        return f"Timer set for {spoken(seconds)}."

    async def _light(self, on: bool, text: str, ctx: Context) -> str:
        room = answers.room(text)
        try:
            await ctx.call("light.set", room=room, on=on)
        except ActionError as error:
            self._trouble("light.set", error, ctx)
            return "I could not reach the light."
        return f"The {room + ' ' if room else ''}light is {'on' if on else 'off'}."

    async def _home(self, what: str, ctx: Context) -> str:
        """Ask the agent that knows about the door or the folder."""
        try:
            reply = await ctx.request(f"home.{what}", timeout=3.0)
        except (NoResponders, RequestFailed, RequestTimeout):
            return f"I cannot see the {what}."
        return str(reply.payload)

    async def _chat(self, turn: int, text: str, ctx: Context) -> str:
        """Let the chat model answer; each sentence is said as soon as it is complete. Empty when it failed.

        An apology is not remembered: a small model that reads one in its history apologises again.
        """
        messages = [
            {"role": "system", "content": self.prompt},
            *self.history,
            {"role": "user", "content": text},
        ]
        sentences, said, begun, cut, failed = Sentences(), list[str](), False, False, False
        try:
            async with ctx.stream("chat", messages, max_tokens=80, temperature=0.0, timeout=60.0) as stream:
                async for item in stream:
                    if item.get("text") and not begun:
                        begun = True
                        ctx.emit("voice.token", {"turn": turn})
                    for sentence in sentences.add(item.get("text", "")):
                        said.append(sentence)
                        ctx.emit("voice.say", {"turn": turn, "text": sentence, "last": False})
                    cut = item.get("stopped") == "length"
                    if item.get("cut"):
                        ctx.publish("voice.cut", {"turn": turn, "characters": item["cut"]})
            rest = [] if cut and said else sentences.finish()  # half a sentence says less than none
        except NoBackend:
            rest = ["I do not know that."]
        except LoomError as error:
            self._trouble("chat", error, ctx)
            rest, failed = ["I lost my thread, sorry."], True
        ctx.publish("voice.say", {"turn": turn, "text": " ".join(rest), "last": True})
        return "" if failed else " ".join([*said, *rest])

    def _now(self, ctx: Context) -> dt.datetime:
        zone = None if self.utc_offset is None else dt.timezone(dt.timedelta(hours=self.utc_offset))
        return dt.datetime.fromtimestamp(ctx.now_ms() / 1000, dt.UTC).astimezone(zone)

    def _trouble(self, stage: str, error: LoomError, ctx: Context) -> None:
        ctx.publish("voice.trouble", {"stage": stage, "error": f"{type(error).__name__}: {error}"})
