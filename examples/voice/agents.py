"""A voice assistant in four agents, each on its own topics: an ear, a scribe, a mind and a mouth.

Run it beside a microphone with `loom run`, or let it listen to a recording: see loom.toml.
"""

from loom import Agent, QoS, action, on
from loom.voice.endpoint import Ended, Endpointer
from loom.voice.recording import Recording
from loom.voice.sentences import Sentences

LIGHTS = {"on": ["turn on the light", "lights on please"], "off": ["turn off the light", "lights out"]}


@action("light.set", idempotent=True)
async def light(on: bool) -> None:
    print("* the light goes", "on" if on else "off", flush=True)


class Ear(Agent):
    """Sound comes 12 times a second and is worth nothing a moment later: REALTIME, the oldest is shed."""

    woken: float = -60.0

    async def on_start(self, ctx):
        self._ends, self._recording = (
            Endpointer(),
            Recording(),
        )  # a name with _ is ephemeral: not kept, not rolled back

    @on("mic.>", qos=QoS.REALTIME)
    async def hear(self, event, ctx):
        sound = event.payload
        self._recording.add(sound.at, sound.pcm)
        voice = await ctx.ask("vad", sound.pcm, session=event.topic)
        for hit in await ctx.ask("wake", sound.pcm, session=event.topic):
            print(f"* {hit['phrase']}", flush=True)
            self.woken = self._recording.end
        marks = self._ends.feed(voice["speech"], voice["seconds"], sound.at)
        for mark in [*marks, *(self._ends.finish() if sound.last else [])]:
            if isinstance(mark, Ended) and mark.end - self.woken > 0.4 and mark.start - self.woken < 6:
                pcm = self._recording.cut(max(mark.start - 0.3, self.woken), mark.end + 0.2)
                ctx.publish(
                    "voice.utterance", pcm, scope=f"turn-{event.id}"
                )  # whatever comes of it is this turn
                self.woken = -60.0


class Scribe(Agent):
    """What was said has to be understood, a little later if need be: BATCHED, nothing is shed."""

    @on("voice.utterance")
    async def write(self, event, ctx):
        heard = await ctx.ask("transcribe", event.payload, timeout=30)
        print("?", heard["text"], flush=True)
        if heard["text"]:
            ctx.publish("voice.question", heard["text"])


class Mind(Agent):
    """Does what is asked, or answers. Its fields are its memory; with `data` in loom.toml they outlive the process."""

    history: list[dict[str, str]] = []

    @on("voice.question")
    async def answer(self, event, ctx):
        best = (await ctx.ask("classify", event.payload, labels=LIGHTS, threshold=0.7))[0]
        if best["label"]:
            ctx.act("light.set", on=best["label"] == "on")
            ctx.publish("voice.say", f"The light is {best['label']}.")
            return
        self.history = [*self.history[-6:], {"role": "user", "content": event.payload}]
        said, sentences = [], Sentences()
        async with ctx.stream("chat", self.history, max_tokens=60) as tokens:
            async for token in tokens:
                for sentence in sentences.add(token["text"]):
                    said.append(sentence)
                    ctx.emit("voice.say", sentence)  # at once: the mouth begins while the mind goes on
        for rest in sentences.finish():
            said.append(rest)
            ctx.publish("voice.say", rest)
        self.history = [*self.history, {"role": "assistant", "content": " ".join(said)}]


class Mouth(Agent):
    """One sentence at a time, in order."""

    @on("voice.say")
    async def say(self, event, ctx):
        print(">", event.payload, flush=True)
        async with ctx.stream("speak", event.payload) as pieces:
            async for piece in pieces:
                await ctx.call("speaker.play", pcm=piece["pcm"], rate=piece["rate"])


@on("voice.stop", qos=QoS.REALTIME)
async def hush(event, ctx):
    """Somebody presses the button: the turn is taken down, its model calls and its sound with it."""
    ctx.cancel(event.payload)
