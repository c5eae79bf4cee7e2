"""An assistant with its real models in real workers, one of which is killed at a moment of somebody's choice."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from threading import Thread
from typing import Any, TypeVar

from benchmarks._assistant import Assistant, Timed
from loom.models import ModelReply, ModelRequest
from loom.testing import Probe

T = TypeVar("T")
SILENCE = bytes(40_000)
SOON = 0.02


class Victim(Timed):
    """A model in a worker that is killed with the next request: *pieces* of a stream have come before, and *times*."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.times = 0
        self.pieces = 0
        self.killed: list[int] = []

    def doom(self, times: int = 1, pieces: int = 0) -> None:
        """Die so many *times*, each time a request comes, after so many *pieces*."""
        self.times, self.pieces = times, pieces

    async def infer(self, request: ModelRequest) -> ModelReply:
        """Like the model, up to its death."""
        if self.times:
            self._freeze()
            asyncio.get_running_loop().call_later(SOON, self._kill)
        return await super().infer(request)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        """Like the model, up to its death."""
        come = 0
        if self.times and not self.pieces:
            asyncio.get_running_loop().call_later(SOON, self._kill)
        async with aclosing(super().stream(request)) as items:
            async for item in items:
                yield item
                come += 1
                if self.times and come == self.pieces:
                    self._kill()

    def _freeze(self) -> None:
        """Whatever the request is, it will not be answered before the end."""
        if pid := self.statistics()["pid"]:
            os.kill(pid, signal.SIGSTOP)

    def _kill(self) -> None:
        pid = self.statistics()["pid"]
        if not self.times:
            return
        if not pid or pid in self.killed:  # the next one is on its way
            asyncio.get_running_loop().call_later(SOON, self._kill)
            return
        self.times -= 1
        self.killed.append(pid)
        os.kill(pid, signal.SIGKILL)


class Ward:
    """One assistant for many tests, in a loop of its own that goes on between them; `run` does something in it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="ward")
        self._thread.start()
        self.assistant: Assistant = self.run(self._begin())
        self.models: dict[str, Victim] = {name: self.assistant.models[name] for name in self.assistant.models}  # type: ignore[misc]
        self.spoken: dict[str, bytes] = {}

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        """What *doing* returns; at most two minutes."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(120)

    def close(self) -> None:
        """End the assistant and its loop."""
        self.run(self.assistant.end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def speech(self, text: str) -> bytes:
        """*text* as it is spoken, made once."""
        if text not in self.spoken:
            self.spoken[text] = await self.assistant.speech(text)
        return self.spoken[text]

    async def ask(self, question: str) -> list[str]:
        """What is answered when somebody says *question* after the wake phrase."""
        pcm = await self.speech(f"Hey Jarvis, {question}")
        with Probe(self.assistant.loom.bus, "voice.say") as said:
            await self.assistant.feed(SILENCE + pcm + SILENCE)
            await self.assistant.loom.idle()
            return [each["text"] for each in said.payloads if each["text"]]

    async def _begin(self) -> Assistant:
        assistant = Assistant()
        assistant.models = {name: Victim(timed.model) for name, timed in assistant.models.items()}
        await assistant.begin()
        return assistant
