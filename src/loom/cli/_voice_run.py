"""One run of `loom demo voice`: the runtime with the assistant, its models and its surroundings in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from loom import Agent, Context, Event, Loom, action, local_model, on
from loom.adapters import Source
from loom.cli._voice_people import TOPIC, Line, Pace, converse, recite
from loom.cli._voice_timeline import Timeline
from loom.errors import LoomError
from loom.voice import Door, Ear, Inbox, Mind, Mouth, Scribe, Turns

MODELS = ("wakeword", "micro_vad", "whisper", "minilm", "llama", "hibari")
CAMERA_RATE = 2.0
DRAIN = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What the user asked for: a recording, a microphone, or *lines* that are spoken; where the answers go."""

    lines: Sequence[Line] = ()
    wav: Path | None = None
    mic: bool = False
    live: bool = False
    fast: bool = False
    out: Path | None = None
    speaker: bool = False
    data: Path | None = None
    model: Path | None = None
    wake: Sequence[str] = ()
    cloud: Any = None
    script: bool = False
    surroundings: bool = True


class VoiceRun:
    """Runs a Plan; *tell* gets lines for people, ``timeline`` what has happened."""

    def __init__(self, plan: Plan, tell: Callable[[str], None] = lambda line: None) -> None:
        self.plan = plan
        self.timeline = Timeline(tell)
        self.lines = plan.lines
        self.lights: dict[str, bool] = {}
        self.queues: list[Any] = []
        self.dead = 0
        self.seconds = 0.0
        self.left = 0
        self.failure: LoomError | None = None
        self._tell = tell
        self._ended = asyncio.Event()
        self._loom = Loom("voice", data=plan.data, drain=DRAIN)
        self._stack = AsyncExitStack()
        self._models: dict[str, Any] = {}

    def stop(self) -> None:
        """End the run now, in order."""
        self._ended.set()

    async def prepare(self) -> None:
        """Add everything and wait until the models can work; raises what is missing."""
        loom, plan = self._loom, self.plan
        for name in MODELS:
            self._models[name] = local_model(name, idle=None, **self._settings(name))
        speaker = self._speaker()
        loom.add(speaker, self._light(), Ear, Scribe, Turns, Mind, Mouth, Inbox, self._stopwatch())
        loom.add(self._person())
        if plan.surroundings:
            self._surroundings()
        for model in self._models.values():
            loom.add_model(model)
        if plan.cloud is not None:
            self._ask_the_cloud_too()
        await asyncio.gather(*(self._warm(name, model) for name, model in self._models.items()))

    async def perform(self) -> None:
        """The whole run, until the last answer was given."""
        async with self._loom as loom:
            await self._ended.wait()
            await loom.idle()
            queues = loom.bus.queues()
        self.queues = [queue.statistics() for queue in queues]
        self.left, self.dead = loom.left, loom.statistics().dead_letters
        await self._stack.aclose()

    async def close(self) -> None:
        """Give everything back; also when the run never began."""
        await self._loom.stop()
        await self._stack.aclose()

    async def speech(self, text: str) -> bytes:
        """*text* with the bundled voice, 16 kHz, as the microphone hears it."""
        from loom.adapters.resample import resampled

        said: Any = await self._loom.ask("speak", text)
        return resampled(said["pcm"], said["rate"])

    def _ask_the_cloud_too(self) -> None:
        from loom.cli import _voice_cloud

        self._models["llama"].quality = _voice_cloud.QUALITY_HERE
        self._loom.add_model(_voice_cloud.backend(self.plan.cloud))
        self._loom.router.policy = _voice_cloud.policy()

    def _settings(self, name: str) -> dict[str, Any]:
        if name == "wakeword" and self.plan.wake:
            return {"phrases": list(self.plan.wake)}
        return {"file": str(self.plan.model)} if name == "llama" and self.plan.model else {}

    async def _warm(self, name: str, model: Any) -> None:
        began = asyncio.get_running_loop().time()
        await model.warm()
        self._tell(f"     {name} is ready after {asyncio.get_running_loop().time() - began:.1f} s")

    def _person(self) -> Any:
        if self.plan.mic:
            from loom.adapters.microphone import microphone

            return microphone("mic", Path(), topic=TOPIC)
        return Source("person", self._speak_up, (TOPIC,))

    async def _speak_up(self, out: Any) -> None:
        pace = Pace(out, self._behind, self.plan.fast)
        try:
            if self.plan.wav is not None:
                await recite(self._recording(self.plan.wav), pace, self.timeline, self.plan.live)
                await asyncio.sleep(0.2)
                while self.timeline.busy:
                    await pace.rest()
            else:
                await converse(self.lines, self.speech, pace, self.timeline)
        except LoomError as error:
            self.failure = error
        self.seconds = pace.at
        self._ended.set()

    async def _recording(self, path: Path) -> AsyncIterator[bytes]:
        from loom.adapters.wav import chunks_of

        async for audio in chunks_of(path):
            yield audio.pcm

    def _behind(self) -> int:
        return next(len(queue) for queue in self._loom.bus.queues() if queue.name.startswith("ear.hear"))

    def _speaker(self) -> Any:
        if self.plan.speaker:
            from loom.adapters.speaker import Speaker

            return Speaker("speaker")
        from loom.adapters.speaker import WavSpeaker

        return WavSpeaker("speaker", self.plan.out, fast=self.plan.fast)

    def _light(self) -> Any:
        @action("light.set", idempotent=True)
        async def light(room: str, on: bool) -> None:
            self.lights[room] = on
            self._tell(f"     * the {room + ' ' if room else ''}light goes {'on' if on else 'off'}")

        return light

    def _stopwatch(self) -> Any:
        timeline = self.timeline

        class Stopwatch(Agent, name="stopwatch"):
            """Shows the timeline what happens."""

            @on("voice.>", durable=False)
            async def take(self, event: Event, ctx: Context) -> None:
                timeline.take(event)

            @on("loom.router.*", durable=False)
            async def decided(self, event: Event, ctx: Context) -> None:
                timeline.take(event)

        return Stopwatch

    def _surroundings(self) -> None:
        """A camera at the door and a folder that files arrive in."""
        from loom.adapters.camera import Camera, CameraOptions
        from loom.adapters.folder import Folder, FolderOptions

        camera = Camera(CameraOptions(rate=CAMERA_RATE, width=320, height=240))
        self._stack.push_async_callback(camera.close)
        self._models["faces"] = local_model("faces", arenas=(camera.arena,), idle=None)
        self.folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="loom-folder-")))

        async def eye(out: Any) -> None:
            async for shot in camera.shots():
                await out("camera.door.frame", shot)

        self._loom.add(Door, Source("door", eye, ("camera.door.frame",)))
        self._loom.add(
            Folder("folder", FolderOptions(self.folder, "folder.inbox", settle=0.2, rescan=0.3, poll=True))
        )
