"""The agents of `loom demo camera`: one finds faces, one greets, one indexes pages in the background."""

from __future__ import annotations

import re
from collections import Counter

from loom import Agent, Context, Event, QoS, on

FRAMES = "camera.front.frame"
FACES = "camera.front.face"
PAGES = "library.page"
AWAY_MS = 1000
_WORD = re.compile(r"[a-z]{3,}")


class Detector(Agent):
    """Asks a model where the faces are; when frames come faster than that, it looks at the newest one only."""

    @on(FRAMES, qos=QoS.REALTIME, overflow="latest")
    async def look(self, event: Event, ctx: Context) -> None:
        shot = event.payload
        faces = await ctx.ask("faces.detect", shot.frame, timeout=5.0)
        if faces:
            ctx.publish(FACES, {"faces": faces, "captured": shot.captured}, confidence=faces[0]["score"])


class Greeter(Agent):
    """Greets whoever comes, and again after they were away for a second or somebody joined them."""

    frames: int = 0
    greetings: int = 0
    present: int = 0
    seen_ms: int = 0

    @on(FACES, qos=QoS.REALTIME)
    async def greet(self, event: Event, ctx: Context) -> None:
        faces, now = len(event.payload["faces"]), ctx.now_ms()
        self.frames += 1
        if now - self.seen_ms > AWAY_MS or faces > self.present:
            self.greetings += 1
            ctx.act("tts.speak", text="Hello!" if faces == 1 else f"Hello, all {faces} of you!")
        self.present, self.seen_ms = faces, now


class Librarian(Agent):
    """Indexes the words of every page: real work, endless, and nothing that anybody waits for."""

    pages: int = 0
    words: int = 0
    _index: Counter[str]

    @on(PAGES, qos=QoS.BACKGROUND)
    async def index(self, event: Event) -> None:
        words = _WORD.findall(event.payload.lower())
        self.__dict__.setdefault("_index", Counter()).update(words)
        self.pages += 1
        self.words += len(words)


def library() -> list[str]:
    """Pages to index: the sections of Python's own manual, which come with it."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        import this

        return [str(this.s)] * 64
    text = "\n".join(topics.values())
    return [text[start : start + 1500] for start in range(0, min(len(text), 600_000), 1500)]
