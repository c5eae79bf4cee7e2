"""Agents that read streams of models: what the tests of streams share."""

from typing import Any

from loom import Agent, Context, Event, Retry, on
from loom.errors import ModelFailed

RETRY = Retry(attempts=3, base=1, jitter=0)


class Reader(Agent, retry=RETRY):
    """Reads a stream to its end; its first steps then fail as often as it is told."""

    heard: list[Any] = []
    _failures: int = 0

    @on("read")
    async def read(self, event: Event, ctx: Context) -> None:
        async with ctx.stream("chat", event.payload, timeout=60, top=1) as items:
            async for item in items:
                self.heard.append(item)
                await self._between()
        if self._failures:
            self._failures -= 1
            raise ValueError("again")
        await self._after()

    async def _between(self) -> None:
        pass

    async def _after(self) -> None:
        pass


class Careful(Agent, retry=RETRY):
    """Deals with a stream that breaks off, and then asks for something else."""

    heard: list[str] = []
    _failures: int = 1

    @on("read")
    async def read(self, event: Event, ctx: Context) -> None:
        try:
            async for item in ctx.stream("chat"):
                self.heard.append(item)
        except ModelFailed as error:
            self.heard.append(f"{type(error).__name__}: {error}")
            self.heard.append(await ctx.ask("other"))
        if self._failures:
            self._failures -= 1
            raise ValueError("again")
        await self._after()

    async def _after(self) -> None:
        pass
