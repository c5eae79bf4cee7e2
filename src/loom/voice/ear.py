"""The ear: listens to microphones, notices the wake phrase and speech, and cuts out what is worth understanding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from loom.agent import Agent, Context, on
from loom.errors import LoomError
from loom.event import Event, QoS
from loom.voice.listener import Began, Habits, Listener, Noticed, Spoke, Woke

if TYPE_CHECKING:
    from collections.abc import Sequence

STREAMS = 16
DEAF = 3.0
"""Seconds without sound after which what is being spoken counts as spoken: the microphone is gone."""


class Sound(Protocol):
    """A chunk of sound: 16 bit, one channel, 16 kHz."""

    @property
    def pcm(self) -> bytes: ...
    @property
    def number(self) -> int: ...
    @property
    def at(self) -> float: ...
    @property
    def last(self) -> bool: ...


class Ear(Agent, name="ear"):
    """Publishes ``voice.wake``, ``voice.began`` and then either ``voice.utterance`` or ``voice.faded``, always one.

    It listens on ``mic.>`` and asks for the tasks ``vad`` and ``wake``, in a session for each topic.
    """

    troubles: int = 0
    habits: Any = None
    _streams: dict[str, Listener]
    _broken: set[str]

    async def on_start(self, ctx: Context) -> None:
        """Nothing has been heard yet."""
        self._streams, self._broken = {}, set()

    @on("mic.>", qos=QoS.REALTIME)
    async def hear(self, event: Event, ctx: Context) -> None:
        """One chunk of sound."""
        sound: Sound = event.payload
        listener = self._listener(event.topic, sound)
        speech, phrase = await self._ask(event.topic, sound, ctx)
        self._tell(event.topic, listener.hear(sound.at, sound.pcm, speech, phrase), ctx)
        if sound.last:
            self._tell(event.topic, listener.finish(), ctx)

    @on("voice.listen", qos=QoS.REALTIME)
    async def listen(self, event: Event) -> None:
        """Somebody wants to know what is being said, wake phrase or not."""
        topic, number = split(event.payload["speech"])
        if topic in self._streams:
            self._streams[topic].want(number)

    @on("voice.ear.check", durable=False)
    async def check(self, event: Event, ctx: Context) -> None:
        """While somebody speaks: does sound still come?"""
        topic, number = split(event.payload["speech"])
        listener = self._streams.get(topic)
        if listener is None or listener.number != number or not listener.speaking:
            return
        if listener.end > event.payload["end"]:
            self._watch(topic, listener, ctx)
        else:
            self._tell(topic, listener.finish(), ctx)

    def _listener(self, topic: str, sound: Sound) -> Listener:
        """The listener of a stream; one that begins anew gets a new one, and the oldest of too many is forgotten."""
        listener = self._streams.pop(topic, None)
        if listener is None or (sound.number == 0 and not listener.speaking):
            number = listener.number if listener else 0
            listener = Listener(self.habits or Habits())
            listener.number = number
        self._streams[topic] = listener
        while len(self._streams) > STREAMS:
            self._streams.pop(next(iter(self._streams)))
        return listener

    async def _ask(self, topic: str, sound: Sound, ctx: Context) -> tuple[Sequence[float], str]:
        """What the models say of the sound; while one of them fails it says nothing, and that is told once."""
        new = sound.number == 0
        speech = await self._asked("vad", topic, sound, ctx, new)
        hits = await self._asked("wake", topic, sound, ctx, new)
        return (speech or {}).get("speech", ()), hits[0]["phrase"] if hits else ""

    async def _asked(self, task: str, topic: str, sound: Sound, ctx: Context, new: bool) -> Any:
        try:
            answer = (
                await ctx.ask(task, sound.pcm, session=topic, reset=new, timeout=5.0) if sound.pcm else None
            )
        except LoomError as error:
            self.troubles += 1
            if task not in self._broken:
                self._broken.add(task)
                ctx.publish("voice.trouble", {"stage": task, "error": f"{type(error).__name__}: {error}"})
            return None
        self._broken.discard(task)
        return answer

    def _tell(self, topic: str, noticed: list[Noticed], ctx: Context) -> None:
        listener = self._streams[topic]
        for each in noticed:
            if isinstance(each, Woke):
                ctx.publish("voice.wake", {"stream": topic, "at": each.at, "phrase": each.phrase})
            elif isinstance(each, Began):
                ctx.publish("voice.began", {"speech": speech_of(topic, each.number), "at": each.at})
                self._watch(topic, listener, ctx)
            else:
                self._spoke(topic, listener, each, ctx)

    def _spoke(self, topic: str, listener: Listener, spoke: Spoke, ctx: Context) -> None:
        speech, late = speech_of(topic, spoke.number), max(0.0, listener.end - spoke.end)
        said: dict[str, Any] = {"speech": speech, "start": spoke.start, "end": spoke.end}
        said["ended_ms"] = ctx.now_ms() - round(late * 1000)
        if spoke.pcm:
            ctx.publish("voice.utterance", {**said, "pcm": spoke.pcm, "woken": spoke.woken})
        else:
            ctx.publish("voice.faded", said)

    def _watch(self, topic: str, listener: Listener, ctx: Context) -> None:
        speech = speech_of(topic, listener.number)
        ctx.after(DEAF, "voice.ear.check", {"speech": speech, "end": listener.end})


def speech_of(topic: str, number: int) -> str:
    """The name of what was spoken as *number* on *topic*."""
    return f"{topic}#{number}"


def split(speech: str) -> tuple[str, int]:
    """Topic and number of a speech."""
    topic, _, number = speech.rpartition("#")
    return topic, int(number)
