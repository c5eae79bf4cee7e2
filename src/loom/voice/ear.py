"""The ear: listens to microphones, notices the wake phrase and speech, and cuts out what is worth understanding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from loom.agent import Agent, Context, on
from loom.errors import LoomError, UnreadableAudio
from loom.event import Event, QoS
from loom.voice.listener import Began, Habits, Listener, Noticed, Spoke, Woke

if TYPE_CHECKING:
    from collections.abc import Sequence

STREAMS = 16
TOLD = 100
"""Troubles that are remembered as told; with more of them at once nothing is told any more."""
BACK = 0.5
"""Seconds that sound may begin before the end of what was heard; further back a new stream has begun, unannounced."""
DEAF = 3.0
"""Seconds without sound after which what is being spoken counts as spoken: the microphone is gone."""


FORM = {"rate": 16_000, "channels": 1, "width": 2}
LONGEST = 960_000
"""Bytes of a chunk: half a minute."""


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
        """One chunk of sound; what is no sound for it is told once and changes nothing, but it may end a stream."""
        sound: Sound = event.payload
        if wrong := unfit(sound):
            self._trouble(f"ear {event.topic}", UnreadableAudio(f"{event.topic}: {wrong}"), ctx)
        else:
            self._broken.discard(f"ear {event.topic}")
            await self._hear(event.topic, sound, ctx)
        if getattr(sound, "last", False) and event.topic in self._streams:
            self._tell(event.topic, self._streams[event.topic].finish(), ctx)

    async def _hear(self, topic: str, sound: Sound, ctx: Context) -> None:
        listener, new = self._listener(topic, sound, ctx)
        speech, phrase = await self._ask(topic, sound, ctx, new)
        self._tell(topic, listener.hear(sound.at, sound.pcm, speech, phrase), ctx)

    @on("voice.listen", qos=QoS.REALTIME)
    async def listen(self, event: Event) -> None:
        """Somebody wants to know what is being said, wake phrase or not."""
        topic, number = split(event.payload["speech"])
        if topic in self._streams:
            self._streams[topic].want(number)

    @on("voice.heard", qos=QoS.REALTIME)
    async def understood(self, event: Event) -> None:
        """What was said after the wake phrase; without words the question comes yet."""
        heard: dict[str, Any] = event.payload
        topic, number = split(heard["speech"])
        if heard["woken"] and not heard["text"] and topic in self._streams:
            self._streams[topic].again(number)

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

    def _listener(self, topic: str, sound: Sound, ctx: Context) -> tuple[Listener, bool]:
        """The listener of a stream, and whether it is new: of the first sound, or of a stream that begins anew.

        What was being said in the old one has been said. The oldest of too many is forgotten, in the same way.
        """
        listener = self._streams.get(topic)
        new = listener is None or sound.number == 0 or sound.at < listener.end - BACK
        if listener is None or new:
            number = self._end(topic, ctx)
            listener = Listener(self.habits or Habits())
            listener.number = number
        else:
            del self._streams[topic]
        self._streams[topic] = listener  # the latest
        while len(self._streams) > STREAMS:
            self._end(next(iter(self._streams)), ctx)
        return listener, new

    def _end(self, topic: str, ctx: Context) -> int:
        """Forget a stream; how much was spoken on it."""
        listener = self._streams.get(topic)
        if listener is None:
            return 0
        self._tell(topic, listener.finish(), ctx)
        del self._streams[topic]
        return listener.number

    async def _ask(self, topic: str, sound: Sound, ctx: Context, new: bool) -> tuple[Sequence[float], str]:
        """What the models say of the sound; while one of them fails it says nothing, and that is told once."""
        speech = await self._asked("vad", topic, sound, ctx, new)
        hits = await self._asked("wake", topic, sound, ctx, new)
        return (speech or {}).get("speech", ()), hits[0]["phrase"] if hits else ""

    async def _asked(self, task: str, topic: str, sound: Sound, ctx: Context, new: bool) -> Any:
        try:
            answer = (
                await ctx.ask(task, sound.pcm, session=topic, reset=new, timeout=5.0) if sound.pcm else None
            )
        except LoomError as error:
            self._trouble(task, error, ctx)
            return None
        self._broken.discard(task)
        return answer

    def _trouble(self, what: str, error: LoomError, ctx: Context) -> None:
        """Count it, and tell it if *what* was well before; the stage is its first word."""
        self.troubles += 1
        if what in self._broken or len(self._broken) > TOLD:
            return
        self._broken.add(what)
        stage = what.split(" ", 1)[0]
        ctx.publish("voice.trouble", {"stage": stage, "error": f"{type(error).__name__}: {error}"})

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


def unfit(sound: Any) -> str:
    """Why *sound* cannot be listened to; empty for 16 bit, one channel, 16 kHz."""
    pcm, at = getattr(sound, "pcm", None), getattr(sound, "at", None)
    if not isinstance(pcm, bytes) or not isinstance(at, int | float) or not hasattr(sound, "number"):
        return f"a {type(sound).__name__} is no sound; publish loom.adapters.audio.Audio"
    form = tuple(getattr(sound, name, fit) for name, fit in FORM.items())
    if form != tuple(FORM.values()) or len(pcm) % 2 or len(pcm) > LONGEST:
        given = ", ".join(f"{name} {value}" for name, value in zip(FORM, form, strict=True))
        return (
            f"sound of {given}, {len(pcm):,} bytes; use rate 16000, channels 1, width 2, at most {LONGEST:,}"
        )
    return ""


def speech_of(topic: str, number: int) -> str:
    """The name of what was spoken as *number* on *topic*."""
    return f"{topic}#{number}"


def split(speech: str) -> tuple[str, int]:
    """Topic and number of a speech."""
    topic, _, number = speech.rpartition("#")
    return topic, int(number)
