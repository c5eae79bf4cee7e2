"""Mute, consent, grants, devices that come and go: only what may be is published, and restarts forget nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from loom import Agent, Event, Loom, on
from loom.adapters import Out, Source
from loom.adapters.audio import Audio
from loom.errors import Closed, ConfigError, DeviceLost, LoomError, NotGranted
from loom.runtime._config_build import build
from loom.runtime._switches import SWITCHES
from loom.runtime.config import parse_project
from loom.testing import Probe, new_loom, run_until_idle, virtual_time


class Device:
    """A device that ticks ten times a second; ``open`` says whether somebody has it."""

    def __init__(self, name: str = "mic", closing: float = 0.0, topics: Sequence[str] = ()) -> None:
        self.name = name
        self.topics = topics
        self.open = 0
        self.opened = 0
        self.closing = closing
        self.closed = 0
        self.fault: Exception | None = None
        self.publish: Callable[[Out, str], Awaitable[object]] | None = None

    async def run(self, out: Out) -> None:
        if self.fault is not None:
            raise self.fault
        self.open += 1
        self.opened += 1
        try:
            while True:
                await asyncio.sleep(0.1)
                if self.fault is not None:
                    raise self.fault
                if self.publish is None:
                    out.offer(f"{self.name}.tick", 1)
                else:
                    await self.publish(out, f"{self.name}.tick")
        finally:
            await asyncio.sleep(self.closing)
            self.open -= 1

    async def close(self) -> None:
        self.closed += 1


@virtual_time(seeds=5)
async def test_nothing_is_published_after_mute_has_returned_and_the_device_is_closed() -> None:
    device = Device()
    async with new_loom(device) as loom:
        probe = Probe(loom.bus, "mic.>")
        told = Probe(loom.bus, "loom.adapter.>")
        await asyncio.sleep(1.01)  # its next tick is beyond the time that it has
        assert 9 <= probe.count <= 10
        began = asyncio.get_running_loop().time()
        await loom.mute("mic")
        assert asyncio.get_running_loop().time() - began <= 0.1
        assert device.open == 0
        heard = probe.count
        await asyncio.sleep(10)
        assert probe.count == heard
        assert loom.source("mic").muted
        assert loom.source("mic").status == "muted"
        await loom.mute("mic")
        await loom.unmute("mic")
        await asyncio.sleep(1.05)
        assert probe.count - heard >= 9
        assert loom.source("mic").status == "running"
        assert [event.topic for event in told.events] == [
            "loom.adapter.mic.muted",
            "loom.adapter.mic.unmuted",
        ]
    assert device.open == 0
    assert device.closed == 1


@virtual_time(seeds=5)
async def test_a_source_that_waits_for_room_publishes_nothing_once_it_is_muted() -> None:
    async def publish(out: Out, topic: str) -> None:
        await asyncio.gather(*(out(topic, n) for n in range(5)))

    class Slow(Agent):
        @on("mic.>", capacity=1)
        async def work(self, event: Event) -> None:
            await asyncio.sleep(1)

    device = Device()
    device.publish = publish
    async with new_loom(device, Slow) as loom:
        probe = Probe(loom.bus, "mic.>")
        await asyncio.sleep(0.55)
        await loom.mute("mic")
        published, queued = probe.count, sum(q.waiting for q in loom.bus.queues())
        assert queued == 0
        await asyncio.sleep(30)
        assert probe.count == published


@virtual_time
async def test_what_a_task_of_a_source_was_about_to_publish_is_withdrawn() -> None:
    tasks: set[asyncio.Task[Any]] = set()

    async def careless(out: Out) -> None:
        """It leaves its helpers behind."""
        tasks.update(asyncio.ensure_future(out("mic.tick", n)) for n in range(5))
        await asyncio.sleep(1e6)

    class Slow(Agent):
        @on("mic.>", capacity=1)
        async def work(self, event: Event) -> None:
            await asyncio.sleep(1)

    async with new_loom(Source("mic", careless), Slow) as loom:
        await asyncio.sleep(0.5)
        await loom.mute("mic")
        assert sum(queue.waiting for queue in loom.bus.queues()) == 0
        handled = loom.agent("Slow").committed_steps
        await run_until_idle(loom, 30)
        assert (
            loom.agent("Slow").committed_steps <= handled + 2
        )  # the one in its hands and the one in its queue


@virtual_time
async def test_a_source_that_does_not_let_go_is_cut_off_within_100_ms_all_the_same() -> None:
    refused: list[Exception] = []

    async def stubborn(out: Out) -> None:
        while True:
            try:
                await asyncio.sleep(0.01)
                out.offer("mic.tick", 1)
            except asyncio.CancelledError:
                pass
            except Closed as error:
                refused.append(error)
                if len(refused) > 200:
                    return

    async with new_loom(Source("mic", stubborn)) as loom:
        probe = Probe(loom.bus, "mic.>")
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        await loom.mute("mic")
        assert asyncio.get_running_loop().time() - began <= 0.1
        heard = probe.count
        await asyncio.sleep(1)
        assert probe.count == heard
        assert len(refused) > 10
        await loom.unmute("mic")
        await asyncio.sleep(0.2)
        assert probe.count == heard  # the first one is still there: two at once would be worse than silence
        await asyncio.sleep(5)
        assert probe.count > heard


@virtual_time
async def test_what_was_muted_stays_muted_over_a_restart(tmp_path: Path) -> None:
    async with new_loom(Device(), data=tmp_path) as loom:
        await loom.mute("mic")
    device = Device()
    async with new_loom(device, data=tmp_path) as loom:
        await asyncio.sleep(1)
        assert device.opened == 0
        assert loom.source("mic").status == "muted"
        await loom.unmute("mic")
    async with new_loom(device, data=tmp_path):
        await asyncio.sleep(1)
        assert device.opened == 2


@virtual_time
async def test_without_a_store_a_file_remembers(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "sources.json"
    for round_ in range(2):
        device = Device()
        loom = new_loom(device)
        loom.remember_switches(file)
        async with loom:
            await asyncio.sleep(1)
            assert (device.opened == 0) is (round_ == 1)
            await loom.mute("mic")
    assert json.loads(file.read_text()) == {"muted": ["mic"], "allowed": []}
    for broken in ("", "[]", '{"muted": 3}', "\x00"):
        file.write_text(broken)
        with pytest.raises(ConfigError, match="cannot be read"):
            new_loom(Device()).remember_switches(file)


@virtual_time
async def test_what_cannot_be_remembered_is_muted_all_the_same_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    device = Device()
    loom = new_loom(device)
    loom.remember_switches(tmp_path / "other.json")
    loom._senses._switches._file = tmp_path / "file" / "x.json"  # type: ignore[attr-defined]
    async with loom:
        await asyncio.sleep(1)
        with pytest.raises(LoomError, match="a restart forgets it"):
            await loom.mute("mic")
        assert device.open == 0
        with pytest.raises(LoomError):
            await loom.unmute("mic")
        await asyncio.sleep(1)
        assert device.open == 0


@virtual_time
async def test_a_source_that_asks_is_silent_until_somebody_has_said_yes_once(tmp_path: Path) -> None:
    device = Device()
    async with new_loom(data=tmp_path) as loom:
        loom.add(device, consent="ask")
        await asyncio.sleep(1)
        assert device.opened == 0
        assert loom.source("mic").status == "not allowed"
        await loom.unmute("mic")
        await asyncio.sleep(1)
        assert device.opened == 0
        await loom.mute("mic")
        await loom.allow("mic")
        await asyncio.sleep(1)
        assert device.opened == 0
        await loom.unmute("mic")
        await asyncio.sleep(1)
        assert device.opened == 1
    async with new_loom(data=tmp_path) as loom:
        loom.add(device, consent="ask")
        await asyncio.sleep(1)
        assert device.opened == 2


@virtual_time
async def test_a_source_publishes_on_what_it_declares_and_is_granted_and_nowhere_else() -> None:
    told: list[str] = []

    async def reach(out: Out) -> None:
        for topic in ("mic.a", "mic.b", "cam.a", "mic.a.deep"):
            for publish in (out, out.offer):
                try:
                    done = publish(topic, 1)
                    if not isinstance(done, bool):
                        await done
                except NotGranted as error:
                    told.append(str(error))

    async with new_loom() as loom:
        probe = Probe(loom.bus, ">")
        loom.add(Source("mic", reach, ("mic.>",)), grants=["*.a"])
        await run_until_idle(loom, 1)
        assert [event.topic for event in probe.events] == ["mic.a", "mic.a"]
        assert told[0] == "source 'mic' may not publish on 'mic.b'; it is granted *.a"
        assert told[2] == "source 'mic' may not publish on 'cam.a'; it is granted mic.>"
        assert len(told) == 6
        assert loom.statistics().senses["mic"].refused == 6


@virtual_time
async def test_offering_never_waits_and_counts_what_somebody_had_no_room_for() -> None:
    async def fast(out: Out) -> None:
        assert [out.offer("work", n) for n in range(4)] == [True, False, False, False]
        assert out.offer("nobody.listens", 1)

    class Slow(Agent):
        seen: list[int] = []

        @on("work", capacity=1)
        async def work(self, event: Event) -> None:
            await asyncio.sleep(10)
            self.seen.append(event.payload)

    async with new_loom(Slow) as loom:
        loom.add(Source("fast", fast))
        await run_until_idle(loom, 1)
        seen = loom.statistics().senses["fast"]
        assert (seen.published, seen.shed, seen.failures) == (2, 3, 0)


@virtual_time
async def test_a_lost_device_is_told_once_opened_again_with_pauses_and_told_when_it_is_found() -> None:
    device = Device()
    async with new_loom(device) as loom:
        probe = Probe(loom.bus, "loom.>")
        await asyncio.sleep(1)
        device.fault = DeviceLost("unplugged")
        await asyncio.sleep(60)
        assert loom.source("mic").status == "lost"
        assert loom.source("mic").failures > 3
        device.fault = None
        await asyncio.sleep(70)
        assert loom.source("mic").status == "running"
        assert [event.topic for event in probe.events] == ["loom.adapter.mic.lost", "loom.adapter.mic.found"]
        assert probe.payloads[0] == {"reason": "unplugged"}


async def test_who_is_not_there_cannot_be_muted() -> None:
    async with Loom() as loom:
        for deed in (loom.mute, loom.unmute, loom.allow):
            with pytest.raises(ConfigError, match="no source 'mick'; there are none"):
                await deed("mick")


@virtual_time
async def test_a_project_file_grants_asks_and_remembers_beside_itself(tmp_path: Path) -> None:
    text = '[sources.mic]\nuse = "wav"\nfile = "a.wav"\nconsent = "ask"\ntopics = ["mic.>"]\n'
    await asyncio.to_thread((tmp_path / "a.wav").write_bytes, b"")
    loom = build(parse_project(text, tmp_path / "loom.toml"))
    assert loom.source("mic").status == "not allowed"
    async with loom:
        await loom.allow("mic")
    assert json.loads((tmp_path / SWITCHES).read_text())["allowed"] == ["mic"]
    again = build(parse_project(text, tmp_path / "loom.toml"))
    assert not again.source("mic").silent
    for wrong in ('consent = "maybe"', 'topics = ["a..b"]', "topics = [1]", 'topics = "a"'):
        with pytest.raises(ConfigError, match=r"loom\.toml:2"):
            parse_project(f'[sources.mic]\n{wrong}\nuse = "wav"', tmp_path / "loom.toml")


@virtual_time
async def test_a_stream_that_is_cut_off_by_mute_ends() -> None:
    async def publish(out: Out, topic: str) -> None:
        out.offer(topic, Audio(bytes(2)))

    device = Device()
    device.publish = publish
    async with new_loom(device) as loom:
        probe = Probe(loom.bus, "mic.>")
        await asyncio.sleep(1.05)
        await loom.mute("mic")
        assert [audio.last for audio in probe.payloads][-2:] == [False, True]
        assert probe.payloads[-1].pcm == b""
