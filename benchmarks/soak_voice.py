"""A day of sound for the voice assistant, in virtual time: its real agents, models that follow a script.

    python -m benchmarks.soak_voice [--hours 24] [--seed 0]

Somebody asks, interrupts, hums, talks to others and pauses after the wake phrase; the room is noisy; chunks are shed,
the microphone begins anew, models fail. Each beginning of speech must have one end, and each turn too; the books must
balance; memory (anonymous, /proc) may grow by 5 MB over the run, by a least-squares line without its first tenth.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from loom import Loom, action
from loom.adapters.audio import CHUNK, Audio
from loom.errors import WorkerDied
from loom.models import ModelReply
from loom.testing import FakeBackend, Probe, new_loom, run, run_until_idle
from loom.voice import Ear, Mind, Mouth, Scribe, Turns, answers

BAR = 5.0  # MB
SIZE = 2560
QUIET, SPEECH, PHRASE, NOISE = range(4)
HEARD = (
    "what time is it", "set a timer for ten minutes", "tell me a story", "why is the sky blue", "cancel the timer",
    "what day is it", "stop", "say that again", "um", "", "", "turn on the light", "it goes on and on like this",
)  # fmt: skip
STORY = "It goes on and on like this. It goes on and on like that. And then it has come to its end."
BLOCK = 0.1


@dataclass
class Day:
    """What was seen."""

    chunks: int = 0
    shed: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    speaking: set[str] = field(default_factory=set)
    turns: set[int] = field(default_factory=set)
    megabytes: list[float] = field(default_factory=list)
    spoken: int = 0  # the newest turn that somebody or the assistant has begun
    dead: int = 0
    tasks: int = 0

    def take(self, topic: str, payload: Any) -> None:
        """One event of the assistant: what begins, and what ends."""
        kind = topic.removeprefix("voice.")
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind == "began":
            self._begin(self.speaking, payload["speech"])
        elif kind in ("utterance", "faded"):
            self._end(self.speaking, payload["speech"])
        elif kind in ("question", "say") and payload["turn"] > self.spoken:
            self.spoken = payload["turn"]
            self._begin(self.turns, payload["turn"])
        elif kind in ("said", "interrupted"):
            self._end(self.turns, payload["turn"])

    def growth(self) -> float:
        """MB over the whole run."""
        ys = self.megabytes[len(self.megabytes) // 10 :]
        middle, mean = (len(ys) - 1) / 2, sum(ys) / len(ys)
        spread = sum((x - middle) ** 2 for x in range(len(ys))) or 1.0
        return sum((x - middle) * (y - mean) for x, y in enumerate(ys)) / spread * len(self.megabytes)

    def _begin(self, open_: set[Any], what: Any) -> None:
        if what in open_:
            self.wrong.append(f"{what} began twice")
        open_.add(what)

    def _end(self, open_: set[Any], what: Any) -> None:
        if what not in open_:
            self.wrong.append(f"{what} ended, but had not begun or had ended before")
        open_.discard(what)


class Script(FakeBackend):
    """A FakeBackend that remembers nothing."""

    async def infer(self, request: Any) -> ModelReply:
        """The answer, whatever was asked before."""
        self.requests.clear()
        return await super().infer(request)


class Room:
    """A loudspeaker that takes its time, and models that do what chance says."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self._go_on = asyncio.Event()
        self._go_on.set()

    def models(self) -> Iterator[Script]:
        """One for each task."""
        yield Script("vad", self._vad, name="vad")
        yield Script("wake", self._wake, name="wake")
        yield Script("transcribe", self._transcribe, delay=0.4, name="transcribe")
        yield Script("classify", lambda request: answers.by_words(request.input), delay=0.02, name="classify")
        yield Script("chat", self._chat, delay=0.03, name="chat")
        yield Script("speak", self._speak, delay=0.05, name="speak")

    def actions(self) -> list[Any]:
        """The loudspeaker's, and a light."""

        @action("speaker.play", timeout=3600, attempts=1)
        async def play(pcm: bytes, rate: int) -> None:
            for _ in range(round(len(pcm) / 2 / rate / BLOCK)):
                await self._go_on.wait()
                await asyncio.sleep(BLOCK)

        @action("speaker.hold", idempotent=True)
        async def hold() -> None:
            self._go_on.clear()

        @action("speaker.resume", idempotent=True)
        async def resume() -> None:
            self._go_on.set()

        @action("light.set", idempotent=True)
        async def light(room: str, on: bool) -> None:
            """Nobody looks."""

        return [play, hold, resume, light]

    @property
    def held(self) -> bool:
        """Whether nothing may sound."""
        return not self._go_on.is_set()

    def _fails(self) -> bool:
        return self.chance.random() < 0.01

    def _vad(self, request: Any) -> dict[str, Any]:
        if self.chance.random() < 0.0001:
            raise WorkerDied("killed")
        kind = request.input[0]
        loud = 0.9 if kind in (SPEECH, PHRASE) else self.chance.uniform(0.2, 0.8) if kind == NOISE else 0.0
        return {"speech": [loud] * 8, "seconds": 0.01}

    def _wake(self, request: Any) -> list[dict[str, Any]]:
        return [{"phrase": "hey_jarvis", "score": 1.0, "at": 0.0}] if request.input[0] == PHRASE else []

    def _transcribe(self, request: Any) -> dict[str, Any]:
        if self._fails():
            raise WorkerDied("killed")
        return {"text": self.chance.choice(HEARD), "confidence": self.chance.choice((0.1, 0.9, 0.9, 0.9))}

    def _chat(self, request: Any) -> list[Any]:
        words = [{"text": f"{word} "} for word in STORY.split(" ")]
        return [*words[:9], WorkerDied("killed")] if self._fails() else [*words, {"text": "", "done": True}]

    def _speak(self, request: Any) -> list[Any]:
        piece = {"pcm": bytes(2 * 60 * len(request.input)), "rate": 1000, "text": request.input}
        return [piece, WorkerDied("killed")] if self._fails() else [piece]


def day(chance: Random, chunks: int) -> Iterator[tuple[int, bool]]:
    """What is heard, chunk by chunk, and whether the microphone begins anew there."""
    left = chunks
    while left > 0:
        scene, anew = _scene(chance)
        for kind in scene[:left]:
            yield kind, anew
            anew = False
        left -= len(scene)


def _scene(chance: Random) -> tuple[list[int], bool]:
    talk = [SPEECH] * chance.randint(8, 50)
    rest = [QUIET] * chance.choice((0, 3, 10, 12, 25, 60))
    wake = [SPEECH] * 5 + [PHRASE]
    scenes = (
        [QUIET] * chance.randint(50, 1500),
        [NOISE] * chance.randint(5, 300),
        talk + rest,
        wake + talk + [QUIET] * 12 + rest,
        wake + [SPEECH] * chance.randint(0, 9) + [QUIET] * chance.randint(5, 90) + talk + rest,
        [SPEECH] * chance.randint(1, 6) + rest,
        [SPEECH] * chance.randint(200, 600),
        wake + talk + wake + talk + rest,
    )
    return chance.choices(scenes, (6, 2, 4, 6, 3, 4, 1, 1))[0], chance.random() < 0.02


async def soak(hours: float, seed: int, tell: bool = True) -> Day:
    """Let the day pass."""
    chance, seen = Random(seed), Day()
    room = Room(chance)
    loom = new_loom(*room.actions(), Ear, Scribe, Turns, Mind, Mouth)
    for model in room.models():
        loom.add_model(model)
    async with loom:
        probe = Probe(loom.bus, "voice.>")
        total = round(hours * 3600 / CHUNK)
        began = time.perf_counter()
        await _listen(loom, day(chance, total), chance, seen, probe, total, tell)
        await run_until_idle(loom, 300)
        _note(seen, probe)
        seen.wrong += [f"{each} never ended" for each in (*seen.speaking, *seen.turns)]
        seen.wrong += [q.name for q in loom.bus.queues() if not q.statistics().balanced()]
        seen.wrong += ["the loudspeaker is held"] if room.held else []
        seen.dead, seen.tasks = loom.statistics().dead_letters, len(asyncio.all_tasks())
        if tell:
            print(f"{hours:g} hours in {time.perf_counter() - began:.0f} s")
    return seen


async def _listen(
    loom: Loom,
    heard: Iterator[tuple[int, bool]],
    chance: Random,
    seen: Day,
    probe: Probe,
    total: int,
    tell: bool,
) -> None:
    number, every = 0, max(1, total // 240)
    for kind, anew in heard:
        number = 0 if anew else number
        if chance.random() < 0.005:
            seen.shed += 1
        else:
            pcm = bytes((kind,)) * SIZE
            await loom.publish("mic.room", Audio(pcm, number=number, at=number * CHUNK))
        await asyncio.sleep(CHUNK)
        number += 1
        seen.chunks += 1
        if seen.chunks % every == 0:
            _note(seen, probe)
            seen.megabytes.append(anonymous())
            if tell and seen.chunks % (10 * every) == 0:
                at = seen.chunks * CHUNK / 3600
                print(f"{at:6.2f} h  {seen.megabytes[-1]:6.1f} MB  {seen.counts}", flush=True)


def _note(seen: Day, probe: Probe) -> None:
    for event in probe.events:
        seen.take(event.topic, event.payload)
    probe.events.clear()


def anonymous() -> float:
    """Megabytes that only this process has."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) / 1024
    raise LookupError("Anonymous")


def main() -> int:
    """Run it; 0 when everything held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    seen: Day = run(soak(options.hours, options.seed), seed=options.seed)
    grown = seen.growth()
    print(f"{seen.chunks:,} chunks, {seen.shed:,} shed; {seen.counts}")
    print(
        f"memory grew by {grown:.2f} MB (limit {BAR:g}); {seen.dead} dead letters; {seen.tasks} tasks at the end"
    )
    for each in seen.wrong[:20]:
        print(f"WRONG: {each}")
    return 1 if seen.wrong or seen.dead or grown > BAR else 0


if __name__ == "__main__":
    sys.exit(main())
