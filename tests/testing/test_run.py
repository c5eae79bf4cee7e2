"""The helpers around a runtime in virtual time."""

import asyncio

import pytest

from loom import Agent, Context, Event, on
from loom.testing import Probe, new_loom, run, run_until_idle, virtual_time


class Sleeper(Agent):
    seen: list[int] = []

    @on("a.b")
    async def sleep(self, event: Event, ctx: Context) -> None:
        await asyncio.sleep(ctx.random.random())
        self.seen.append(event.payload)


def test_new_loom_belongs_into_virtual_time() -> None:
    async def main() -> None:
        new_loom()

    with pytest.raises(RuntimeError, match="virtual_time"):
        asyncio.run(main())


@virtual_time
async def test_run_until_idle_lets_time_pass_and_waits() -> None:
    async with new_loom(Sleeper) as loom:
        probe = Probe(loom.bus, "a.b")
        asyncio.get_running_loop().call_later(10, loom.offer, "a.b", 1)
        await run_until_idle(loom)
        assert probe.count == 0
        await run_until_idle(loom, 10)
        assert loom.agent("Sleeper").instance.seen == [1]  # type: ignore[attr-defined]


def test_a_whole_runtime_repeats_itself_from_the_seed() -> None:
    async def main() -> tuple[float, list[tuple[float, str]]]:
        times: list[tuple[float, str]] = []
        loop = asyncio.get_running_loop()

        class Busy(Agent):
            @on("a.*")
            async def work(self, event: Event, ctx: Context) -> None:
                await asyncio.sleep(ctx.random.random())
                times.append((loop.time(), event.payload))
                if event.hop < 4:
                    ctx.publish(f"a.{event.hop}", event.payload)

        async with new_loom() as loom:
            for name in "ABC":
                loom.add(Busy, name=name)
            await asyncio.gather(*(loom.publish("a.x", n) for n in range(4)))
            await loom.idle()
        return loop.time(), times

    assert run(main(), seed=3) == run(main(), seed=3)
    assert run(main(), seed=3) != run(main(), seed=4)
