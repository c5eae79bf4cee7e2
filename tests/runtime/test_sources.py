"""Sources: they publish and wait for room, are started again when they fail, and end before the agents drain."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from loom import Agent, Event, on, source
from loom.errors import InvalidTopic, Overloaded, SignatureError
from loom.testing import Probe, new_loom, run_until_idle, virtual_time


@virtual_time
async def test_what_a_source_sends_carries_its_name_and_the_topics_last_token() -> None:
    @source("door")
    async def door(out: Any) -> None:
        await out("door.front.opened", {"by": "sensor"})
        await out("door.front.opened", 2, type="kind", source="other")
        await out(Event("ready", 3, topic="door.made"))

    async with new_loom() as loom:
        probe = Probe(loom.bus, "door.>")
        loom.add(door)
        await run_until_idle(loom, 1)
        assert [(e.type, e.source, e.payload) for e in probe.events] == [
            ("opened", "door", {"by": "sensor"}),
            ("kind", "other", 2),
            ("ready", "", 3),
        ]
        assert loom.statistics().sources == {"door": 3}


@virtual_time(seeds=3)
async def test_a_source_waits_for_room_and_only_what_got_out_is_counted() -> None:
    @source("fast")
    async def fast(out: Any) -> None:
        for n in range(5):
            await out("work", n)
        with pytest.raises(Overloaded):
            await out("work", 5, timeout=0.5)

    class Slow(Agent):
        seen: list[int] = []

        @on("work", capacity=1)
        async def work(self, event: Event) -> None:
            await asyncio.sleep(10)
            self.seen.append(event.payload)

    async with new_loom(fast, Slow) as loom:
        await asyncio.sleep(25)
        assert loom.statistics().sources["fast"] == 4
        await run_until_idle(loom, 60)
        assert loom.agent("Slow").instance.seen == [0, 1, 2, 3, 4]  # type: ignore[attr-defined]
        assert loom.statistics().sources["fast"] == 5


@virtual_time
async def test_a_source_that_fails_is_started_again_with_growing_pauses_that_a_good_time_ends() -> None:
    starts: list[float] = []
    lives = [0.0, 0.0, 0.0, 1000.0, 0.0]

    @source("shaky")
    async def shaky(out: Any) -> None:
        starts.append(asyncio.get_running_loop().time())
        if len(starts) <= len(lives):
            await asyncio.sleep(lives[len(starts) - 1])
            raise OSError("gone")

    async with new_loom() as loom:
        probe = Probe(loom.bus, "loom.source.shaky.failed")
        loom.add(shaky)
        await asyncio.sleep(2000)
        pauses = [b - a - life for (a, b), life in zip(pairwise(starts), lives, strict=True)]
        for pause, middle in zip(pauses, [0.5, 1, 2, 0.5, 1], strict=True):
            assert middle * 0.8 <= pause <= middle * 1.2
        assert probe.payloads[0]["error"] == "OSError: gone"
        assert probe.count == 5


@virtual_time
async def test_a_wrong_topic_is_the_sources_own_failure() -> None:
    told: list[str] = []

    @source("wrong")
    async def wrong(out: Any) -> None:
        try:
            await out("a..b")
        except InvalidTopic as error:
            told.append(str(error))

    async with new_loom(wrong) as loom:
        await asyncio.sleep(1)
        assert len(told) == 1
        assert loom.statistics().sources["wrong"] == 0


@virtual_time
async def test_stopping_lets_a_source_clean_up_first() -> None:
    diary: list[str] = []

    @source("device")
    async def device(out: Any) -> None:
        try:
            await out("work", 1)
            await asyncio.sleep(1e6)
        finally:
            await asyncio.sleep(1)
            diary.append("device closed")

    class Works(Agent):
        @on("work")
        async def work(self, event: Event) -> None:
            await asyncio.sleep(5)
            diary.append("worked")

    async with new_loom(device, Works):
        await asyncio.sleep(1)
    assert diary == ["device closed", "worked"]


def plain(out: Any) -> None: ...
async def nothing() -> None: ...


@pytest.mark.parametrize("function", [plain, nothing])
def test_a_source_is_an_async_function_of_one_argument(function: Any) -> None:
    with pytest.raises(SignatureError, match="'x' must"):
        source("x")(function)
