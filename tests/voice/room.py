"""A room for tests: a loudspeaker that notes every block it plays, and models that follow simple rules."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import loom.router.assembly  # noqa: F401 - loaded late it is waited for, and that is time in virtual time too
from loom import Event, Loom, action
from loom.testing import FakeBackend, new_loom
from loom.voice import Mind, Mouth, Turns
from loom.voice.intents import INTENTS

BLOCK = 0.02
RATE = 1000  # samples a second are enough where nobody listens


class Loudspeaker:
    """Plays in the loop's time, block by block; ``heard`` is every block in order, by the first sample in it."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.held = False
        self.holds = self.resumes = self.cut = 0
        self._go_on = asyncio.Event()
        self._go_on.set()

    def actions(self) -> list[Any]:
        @action("speaker.play", timeout=3600, attempts=1)
        async def play(pcm: bytes, rate: int) -> None:
            size = int(BLOCK * rate) * 2
            try:
                for start in range(0, len(pcm), size):
                    await self._go_on.wait()
                    self.heard.append(struct.unpack_from("<h", pcm, start)[0])
                    await asyncio.sleep(BLOCK)
            except asyncio.CancelledError:
                self.cut += 1
                raise

        @action("speaker.hold", idempotent=True)
        async def hold() -> None:
            self.holds += 1
            self._go_on.clear()

        @action("speaker.resume", idempotent=True)
        async def resume() -> None:
            self.resumes += 1
            self._go_on.set()

        return [play, hold, resume]

    @property
    def silent(self) -> bool:
        """Whether somebody holds it."""
        return not self._go_on.is_set()


def sound_of(text: str) -> bytes:
    """A sound that tells which number is in *text*: 0.1 s for each of its words."""
    number = int("".join(c for c in text if c.isdigit()) or 0)
    return struct.pack("<h", number) * (int(0.1 * RATE) * len(text.split()))


def speak(request: Any) -> list[dict[str, Any]]:
    """Two pieces for each text, as a model streams them."""
    pcm = sound_of(request.input)
    middle = len(pcm) // 80 * 40  # whole blocks
    return [
        {"pcm": part, "rate": RATE, "text": request.input} for part in (pcm[:middle], pcm[middle:]) if part
    ]


def chat(request: Any) -> list[dict[str, Any]]:
    """Three sentences that carry the number of the question, token by token."""
    number = "".join(c for c in request.input[-1]["content"] if c.isdigit())
    words = f"Answer {number} begins here. It goes on {number} here. And ends {number} now.".split(" ")
    return [*({"text": word + " "} for word in words), {"text": "", "done": True}]


def classify(request: Any) -> list[dict[str, Any]]:
    """The intent whose example this is, word for word."""
    text = request.input.lower().strip(" .?!")
    return [
        {"label": label, "score": 1.0 if text in map(str.lower, examples) else 0.1}
        for label, examples in sorted(INTENTS.items(), key=lambda each: text not in map(str.lower, each[1]))
    ]


def room(
    *more: Any, delay: float = 0.05, models: dict[str, Callable[[Any], Any]] | None = None
) -> tuple[Loom, Loudspeaker]:
    """A runtime with turns, mind and mouth, on a loudspeaker of its own."""
    speaker = Loudspeaker()
    loom = new_loom(*speaker.actions(), Turns, Mind, Mouth, *more)
    for task, answers in {"speak": speak, "chat": chat, "classify": classify, **(models or {})}.items():
        loom.add_model(FakeBackend(task, answers, delay=delay, name=task))
    return loom, speaker


async def begin(loom: Loom, speech: str) -> None:
    """Somebody begins to speak."""
    await loom.publish("voice.began", {"speech": speech, "at": 0.0})


async def hear(loom: Loom, speech: str, text: str, woken: bool = False) -> Event:
    """It was understood what they said."""
    heard = {"speech": speech, "text": text, "woken": woken, "confidence": 1.0}
    return await loom.publish("voice.heard", {**heard, "ended_ms": loom.clock.now_ms()})
