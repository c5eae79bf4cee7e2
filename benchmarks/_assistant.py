"""The voice assistant on a bench: real models in workers, a microphone that the bench feeds, a speaker that is silent.

Each model is wrapped: what Loom spends itself is what passes outside the models and the speaker.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from loom import Agent, Event, Loom, QoS, action, local_model, on
from loom.adapters.audio import CHUNK, RATE, Audio
from loom.models import ModelReply, ModelRequest
from loom.voice import Ear, Mind, Mouth, Scribe, Turns

MODELS = ("wakeword", "micro_vad", "whisper", "minilm", "llama", "hibari")
TICKS = os.sysconf("SC_CLK_TCK")
TOPIC = "mic.bench"


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has used, of all its threads."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Timed:
    """A model whose time is counted, in seconds: requests together, and up to the first item of a stream."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.name, self.tasks, self.location = model.name, model.tasks, model.location
        self.spent: list[tuple[float, float]] = []  # from, to: they may overlap

    async def infer(self, request: ModelRequest) -> ModelReply:
        began = perf_counter()
        try:
            reply: ModelReply = await self.model.infer(request)
            return reply
        finally:
            self.spent.append((began, perf_counter()))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        began = perf_counter()
        async with aclosing(self.model.stream(request)) as items:
            async for item in items:
                self.spent.append((began, perf_counter()))
                yield item
                began = perf_counter()

    async def warm(self) -> None:
        await self.model.warm()

    async def close(self) -> None:
        await self.model.close()

    def statistics(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.model.statistics()
        return found


@dataclass(slots=True)
class Moment:
    """Between the end of a question and the first sound of its answer: seconds."""

    text: str
    reply: str
    passed: float
    models: float
    cpu: dict[str, float]

    @property
    def own(self) -> float:
        """What passed outside the models."""
        return self.passed - self.models


class Assistant:
    """One assistant; `ask` speaks a question to it and gives the Moment of its answer."""

    def __init__(self) -> None:
        self.models = {name: Timed(local_model(name, idle=None)) for name in MODELS}
        self.loom = Loom("bench")
        self.wakes: list[float] = []
        self.at, self.number = 0.0, 0
        self._spoken: tuple[float, dict[str, float]] | None = None
        self._sounded: tuple[float, dict[str, float]] | None = None
        self._said: list[str] = []

    async def begin(self) -> None:
        """Start, and load every model."""
        self.loom.add(*_speaker(), Ear, Scribe, Turns, Mind, Mouth, self._listener())
        for model in self.models.values():
            self.loom.add_model(model)
        await self.loom.start()
        await asyncio.gather(*(model.warm() for model in self.models.values()))

    async def end(self) -> None:
        await self.loom.stop()

    async def speech(self, text: str) -> bytes:
        """*text* with the bundled voice at 16 kHz."""
        from loom.adapters.resample import resampled

        said: Any = await self.loom.ask("speak", text)
        return resampled(said["pcm"], said["rate"])

    async def ask(self, pcm: bytes, text: str) -> Moment | None:
        """Feed a question, as fast as it is listened to; None if it was not answered."""
        self._spoken = self._sounded = None
        self._said.clear()
        for model in self.models.values():
            model.spent.clear()
        await self.feed(bytes(int(RATE * 1.2) * 2) + pcm + bytes(int(RATE * 1.2) * 2))
        await self.loom.idle()
        if self._spoken is None or self._sounded is None:
            return None
        began, before = self._spoken
        ended, after = self._sounded
        models = union([each for model in self.models.values() for each in model.spent], began, ended)
        cpu = {name: after[name] - before[name] for name in after}
        return Moment(text, " ".join(self._said), ended - began, models, cpu)

    async def feed(self, pcm: bytes) -> None:
        size = int(CHUNK * RATE) * 2
        for start in range(0, len(pcm), size):
            chunk = pcm[start : start + size].ljust(size, b"\0")
            await self.loom.publish(TOPIC, Audio(chunk, number=self.number, at=self.at))
            self.number, self.at = self.number + 1, self.at + CHUNK
            while any(
                len(queue) > 2 for queue in self.loom.bus.queues() if queue.name.startswith("ear.hear")
            ):
                await asyncio.sleep(0.001)

    def cpu(self) -> dict[str, float]:
        """Processor seconds so far of the runtime and of each worker."""
        pids = {"runtime": os.getpid(), **{name: m.statistics()["pid"] for name, m in self.models.items()}}
        return {name: cpu_of(pid) for name, pid in pids.items() if pid}

    def _listener(self) -> type[Agent]:
        bench = self

        class Bench(Agent, name="bench"):
            @on("voice.utterance", qos=QoS.REALTIME)
            async def spoken(self, event: Event) -> None:
                bench._spoken = perf_counter(), bench.cpu()

            @on("voice.sounds", qos=QoS.REALTIME)
            async def sounds(self, event: Event) -> None:
                bench._sounded = bench._sounded or (perf_counter(), bench.cpu())

            @on("voice.say", qos=QoS.REALTIME)
            async def say(self, event: Event) -> None:
                bench._said.append(event.payload["text"])

            @on("voice.wake", qos=QoS.REALTIME)
            async def wake(self, event: Event) -> None:
                bench.wakes.append(event.payload["at"])

        return Bench


def union(spans: Sequence[tuple[float, float]], start: float, end: float) -> float:
    """Seconds from *start* to *end* that at least one of *spans* covers."""
    covered, upto = 0.0, start
    for begin, stop in sorted(spans):
        begin, stop = max(begin, upto), min(stop, end)
        if stop > begin:
            covered += stop - begin
            upto = stop
    return covered


def _speaker() -> list[Any]:
    @action("speaker.play")
    async def play(pcm: bytes, rate: int) -> None:
        """Nobody listens."""

    @action("speaker.hold", idempotent=True)
    async def hold() -> None:
        """Nobody listens."""

    @action("speaker.resume", idempotent=True)
    async def resume() -> None:
        """Nobody listens."""

    return [play, hold, resume]
