"""A microphone: numbered chunks, bounded ways, a device that goes and comes back, and none at all."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters import _sound_device
from loom.adapters._ring import Ring
from loom.adapters.microphone import Cutter, Microphone, MicrophoneOptions, microphone
from loom.errors import ConfigError, NoDevice
from loom.testing import Probe, new_loom, run, virtual_time
from tests.adapters import sounds


class Mike:
    """A microphone whose thread the test is."""

    def __init__(self, rate: int = 16_000, channels: int = 1) -> None:
        self.latency, self.rate, self.channels, self.active = 0.0, rate, channels, True
        self.heard: Callable[[bytes], object] = bytes
        self.opened = self.closed = 0
        self.fault: Exception | None = None

    def open(self, device: Any, rate: int, block: int, heard: Callable[[bytes], object]) -> Mike:
        if self.fault is not None:
            raise self.fault
        self.opened += 1
        self.heard = heard
        return self

    def close(self) -> None:
        self.closed += 1


async def say(mike: Mike, blocks: int, seconds: float = 0.02) -> None:
    """Blocks of 20 ms, one after the other."""
    for _ in range(blocks):
        mike.heard(b"\1\0" * 320)
        await asyncio.sleep(seconds)


@virtual_time
async def test_what_is_heard_comes_in_numbered_chunks_and_the_device_is_given_back() -> None:
    mike = Mike()
    async with new_loom(Microphone("mic", opener=mike.open)) as loom:
        probe = Probe(loom.bus, "mic.room")
        await asyncio.sleep(0.1)
        await say(mike, 12)
        assert [audio.number for audio in probe.payloads] == [0, 1, 2]
        assert {len(audio.pcm) for audio in probe.payloads} == {2560}
        await loom.mute("mic")
        assert mike.closed == 1
        await say(mike, 12)
        assert [(audio.number, audio.last) for audio in probe.payloads[3:]] == [(3, True)]
        await loom.unmute("mic")
        await asyncio.sleep(0.1)
        await say(mike, 12)
        assert [audio.number for audio in probe.payloads[4:]] == [0, 1, 2]
    assert (mike.opened, mike.closed) == (2, 2)


@virtual_time
async def test_a_device_that_likes_another_form_is_converted() -> None:
    mike = Mike(rate=48_000, channels=2)
    async with new_loom(Microphone("mic", opener=mike.open)) as loom:
        probe = Probe(loom.bus, "mic.room")
        await asyncio.sleep(0.1)
        values = [v for v in sounds.tone(1.0, 48_000) for _ in range(2)]
        raw = sounds.samples(values, 2)
        for at in range(0, len(raw), 3840):
            mike.heard(raw[at : at + 3840])
            await asyncio.sleep(0.02)
        hertz, loud = sounds.loudest(b"".join(audio.pcm for audio in probe.payloads))
        assert abs(hertz - sounds.TONE) < 2
        assert abs(loud - 0.5) < 0.05


@virtual_time
async def test_a_device_that_is_pulled_out_is_told_ended_opened_again_and_found() -> None:
    mike = Mike()
    async with new_loom(Microphone("mic", opener=mike.open)) as loom:
        probe = Probe(loom.bus, "mic.room")
        told = Probe(loom.bus, "loom.adapter.>")
        await asyncio.sleep(0.1)
        await say(mike, 10)
        mike.active, mike.fault = False, NoDevice("there is no microphone")
        await asyncio.sleep(30)
        assert probe.payloads[-1].last
        assert [audio.last for audio in probe.payloads].count(True) == 1
        assert mike.closed == 1
        assert loom.source("mic").status == "lost"
        mike.fault = None
        await asyncio.sleep(70)
        while loom.source("mic").status != "running":
            await asyncio.sleep(1)
        await say(mike, 10)
        assert [event.topic for event in told.events[:2]] == [
            "loom.adapter.mic.lost",
            "loom.adapter.mic.found",
        ]
        assert told.payloads[0]["reason"] == (
            "the microphone is gone (it has stopped); it is opened again when it is back"
        )


@virtual_time
async def test_without_a_device_there_is_one_line_that_names_the_file_alternative(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mike = Mike()
    mike.fault = NoDevice('there is no microphone on this machine; without one, a file does: use = "wav"')
    async with new_loom(Microphone("mic", opener=mike.open)):
        await asyncio.sleep(3600)
    assert [record.getMessage() for record in caplog.records] == [f"source mic: {mike.fault}"]


def test_what_the_loop_is_too_late_for_is_shed_counted_and_known_to_be_missing() -> None:
    async def main() -> None:
        ring = Ring(3)
        for n in range(10):
            ring.put(bytes([n]) * 2)
        assert len(ring) == 3
        assert ring.shed == 7
        assert await ring.take(1) == [(14, b"\7\7"), (0, b"\10\10"), (0, b"\11\11")]
        assert await ring.take(0.1) == []
        ring.put(b"x")
        assert await ring.take(0.1) == [(0, b"x")]

    run(main())


@given(st.lists(st.one_of(st.integers(0, 9), st.none()), max_size=40), st.integers(1, 4))
def test_a_ring_loses_nothing_that_it_does_not_count(deeds: list[int | None], capacity: int) -> None:
    async def main() -> None:
        ring, put, got, missing = Ring(capacity), 0, 0, 0
        for deed in [*deeds, None]:
            if deed is None:
                for before, block in await ring.take(0.01):
                    missing, got = missing + before, got + len(block)
            else:
                ring.put(bytes(deed))
                put += deed
            assert len(ring) <= capacity
        assert put == got + missing

    run(main())


async def test_a_ring_is_woken_by_another_thread() -> None:
    ring = Ring(5)
    thread = threading.Thread(target=ring.put, args=(b"ab",))
    thread.start()
    assert await ring.take(5) == [(0, b"ab")]
    thread.join()


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 40_000)), max_size=12))
def test_numbers_and_times_go_on_over_what_is_missing(pieces: list[tuple[int, int]]) -> None:
    cutter = Cutter(MicrophoneOptions(), 1_000_000)
    samples, made = 0, []
    for heard, missing in pieces:
        made += cutter.cut(bytes(2 * heard))
        samples += heard
        if missing:
            cutter.skip(missing / 16_000)
            samples += missing
    made.append(cutter.last())
    numbers = [audio.number for audio in made]
    assert numbers == sorted(set(numbers))
    assert all(abs(audio.at - audio.number * 0.08) < 1e-9 for audio in made)
    assert all(audio.captured_ms == 1_000_000 + round(audio.at * 1000) for audio in made)
    assert abs(made[-1].at + made[-1].seconds - samples / 16_000) <= 0.08 + 1e-6


class _Broken:
    """A sounddevice without devices, or that cannot open any."""

    PortAudioError = RuntimeError

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs

    def query_devices(self) -> list[dict[str, Any]]:
        return [{"name": "x", "max_input_channels": self.inputs, "max_output_channels": 0}]

    def RawInputStream(self, **form: Any) -> Any:
        raise RuntimeError("Error opening\nInputStream [PaErrorCode -9996]")

    def _terminate(self) -> None: ...
    def _initialize(self) -> None: ...


@pytest.mark.parametrize(
    ("library", "message"),
    [
        (_Broken(0), r'there is no microphone on this machine; .* use = "wav", file = "\.\.\."$'),
        (_Broken(1), r"the microphone 'blue' cannot be opened \(Error opening InputStream .*use = \"wav\""),
    ],
)
def test_what_cannot_be_opened_is_one_line(
    library: _Broken, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    with pytest.raises(NoDevice, match=message) as caught:
        _sound_device.open_input("blue", 16_000, 320, bytes)
    assert "\n" not in str(caught.value)


def test_a_project_file_names_it(tmp_path: Any) -> None:
    made = microphone("mic", tmp_path, topic="mic.kitchen", device="blue")
    assert made.options == MicrophoneOptions("mic.kitchen", "blue")
    assert made.topics == ("mic.kitchen",)
    for wrong in ({"chunk": 0.0}, {"rate": 1}):
        with pytest.raises(ConfigError):
            microphone("mic", tmp_path, **wrong)
