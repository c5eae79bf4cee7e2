"""A file as a microphone: every common form, hostile ones, real time and full speed, and an end that is never lost."""

from __future__ import annotations

import asyncio
import os
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom import Agent, Event, on
from loom.adapters._wav_file import SoundFile
from loom.adapters.resample import Samples
from loom.adapters.wav import Wav, WavOptions, check_readable, chunks_of, wav
from loom.errors import ConfigError, UnreadableAudio
from loom.testing import Probe, new_loom, run, run_until_idle, virtual_time
from tests.adapters import sounds
from tests.adapters.sounds import Ears, header, loudest, part, riff, tone, write


def heard(path: Path, **options: Any) -> Ears:
    """Everything that the file publishes at full speed."""
    ears = Ears()
    run(Wav("mic", WavOptions(path, realtime=False, **options)).run(ears))
    return ears


def complaint(path: Path) -> str:
    with pytest.raises(UnreadableAudio) as caught:
        heard(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message.replace(str(path), "FILE")


FORMS = {
    "8 bit": (16_000, 1, 1, 1),
    "16 bit": (16_000, 1, 2, 1),
    "24 bit": (16_000, 1, 3, 1),
    "32 bit": (16_000, 1, 4, 1),
    "float": (16_000, 1, 4, 3),
    "double": (16_000, 1, 8, 3),
    "stereo": (16_000, 2, 2, 1),
    "8 channels": (16_000, 8, 2, 1),
    "44.1 kHz stereo": (44_100, 2, 2, 1),
    "8 kHz": (8_000, 1, 2, 1),
    "11.025 kHz 8 bit": (11_025, 1, 1, 1),
    "96 kHz 24 bit": (96_000, 2, 3, 1),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_common_form_is_heard_as_the_same_tone_at_16_khz_mono(tmp_path: Path, form: str) -> None:
    rate, channels, width, code = FORMS[form]
    values = [v for v in tone(1.0, rate) for _ in range(channels)]
    data = sounds.wav(sounds.samples(values, width, code == 3), rate, channels, width, code)
    ears = heard(write(tmp_path / "a.wav", data))
    assert abs(len(ears.pcm) / 32_000 - 1) < 0.002
    hertz, loud = loudest(ears.pcm)
    assert abs(hertz - sounds.TONE) < 2
    assert abs(loud - 0.5) < 0.02
    assert [audio.number for audio in ears.sound] == list(range(len(ears.sound)))
    assert [audio.last for audio in ears.sound] == [False] * (len(ears.sound) - 1) + [True]
    assert {len(audio.pcm) for audio in ears.sound[:-1]} == {2560}
    assert [round(audio.at, 6) for audio in ears.sound[:3]] == [0, 0.08, 0.16]
    assert (ears.sound[0].rate, ears.sound[0].channels, ears.sound[0].width) == (16_000, 1, 2)


def test_what_is_16_khz_mono_already_is_not_touched(tmp_path: Path) -> None:
    pcm = os.urandom(2 * 16_000)
    assert heard(write(tmp_path / "a.wav", sounds.wav(pcm))).pcm == pcm


def test_two_channels_are_mixed_in_equal_parts(tmp_path: Path) -> None:
    pcm = struct.pack("<4h", 1000, 3000, -1000, 500)
    assert heard(write(tmp_path / "a.wav", sounds.wav(pcm, channels=2))).pcm == struct.pack("<2h", 2000, -250)


def test_extensible_headers_odd_chunks_and_padding_are_stepped_over(tmp_path: Path) -> None:
    pcm = sounds.samples(tone(0.2, 16_000), 2)
    guid = b"\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    extra = struct.pack("<HHI", 22, 16, 4) + guid
    parts = (part(b"LIST", b"odd"), header(16_000, code=0xFFFE, extra=extra), part(b"fact", b"abcd"))
    assert heard(write(tmp_path / "a.wav", riff(*parts, part(b"data", pcm), part(b"LIST", b"x")))).pcm == pcm


def test_24_bits_in_boxes_of_32_are_read_as_boxes(tmp_path: Path) -> None:
    values = tone(0.2, 16_000)
    data = riff(header(16_000, width=3, align=4), part(b"data", sounds.samples(values, 4)))
    assert abs(loudest(heard(write(tmp_path / "a.wav", data)).pcm)[1] - 0.5) < 0.02


def test_a_file_that_is_cut_off_is_played_as_far_as_it_goes_and_says_so(tmp_path: Path) -> None:
    pcm = sounds.samples(tone(1.0, 16_000), 2)
    ears = heard(write(tmp_path / "a.wav", sounds.wav(pcm)[:-16_001]))
    assert ears.pcm == pcm[:15_998]
    assert ears.sound[-1].last
    what, told = ears.told[0]
    assert what == "damaged"
    assert told["why"] == "it is cut off: 0.50 s of 1.00 s are there"
    assert told["file"].endswith("a.wav")


@pytest.mark.parametrize("told", [0xFFFFFFFF, 0x7FFFFFFF, 0])
def test_a_file_that_was_written_while_it_was_recorded_goes_on_to_its_end(tmp_path: Path, told: int) -> None:
    pcm = sounds.samples(tone(0.3, 16_000), 2)
    data = riff(header(16_000), part(b"data", pcm, size=told), size=told)
    ears = heard(write(tmp_path / "a.wav", data))
    assert ears.pcm == pcm
    assert ears.told == []


@pytest.mark.parametrize("pcm", [b"", b"\1"])
def test_a_file_without_sound_is_an_end_and_nothing_else(tmp_path: Path, pcm: bytes) -> None:
    ears = heard(write(tmp_path / "a.wav", sounds.wav(pcm)))
    assert [(audio.pcm, audio.last, audio.number) for audio in ears.sound] == [(b"", True, 0)]


def test_silence_is_sound(tmp_path: Path) -> None:
    ears = heard(write(tmp_path / "a.wav", sounds.wav(bytes(32_000))))
    assert ears.pcm == bytes(32_000)


WRONG = {
    "nothing": (b"", "FILE is empty; there is no sound in it"),
    "text": (b"Dear diary, today", "FILE is no WAV file; convert it"),
    "mp3": (b"ID3\4" + bytes(100), "FILE is an MP3 file; convert it, as with: ffmpeg -i IN"),
    "ogg": (b"OggS" + bytes(100), "FILE is an Ogg file; convert it"),
    "head only": (b"RIFF\4\0\0\0WAVE", "FILE is a WAV file without sound: it ends before its data"),
    "half a head": (b"RIFF\4\0", "FILE is no WAV file"),
    "data first": (riff(part(b"data", b"ab")), "FILE is a WAV file whose data comes before its format"),
    "short format": (riff(part(b"fmt ", b"ab")), "with a format of 2 bytes"),
    "no channels": (riff(header(16_000, channels=0)), "a WAV file that cannot be: 0 channels"),
    "65535 channels": (riff(header(16_000, channels=65535, align=65535)), "cannot be: 65535 channels"),
    "no rate": (riff(header(0)), "a WAV file that cannot be: 0 samples a second"),
    "4 GHz": (riff(header(2**32 - 1)), "a WAV file that cannot be: 4294967295 samples a second"),
    "no bits": (riff(header(16_000, width=0)), "numbers of 0 bytes are no samples"),
    "mu-law": (riff(header(8_000, width=1, code=7)), "in the form 7 (mu-law), which is not read"),
    "a million parts": (riff(header(16_000), part(b"junk", b"") * 2000), "in its first 1000 parts"),
    "a part of 4 GB": (riff(header(16_000), part(b"junk", b"ab", size=2**32 - 1)), "ends before its data"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_sound_is_refused_by_name_and_reason(tmp_path: Path, wrong: str) -> None:
    data, message = WRONG[wrong]
    assert message in complaint(write(tmp_path / "a.wav", data))


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert complaint(tmp_path / "pipe") == "FILE is no file; name a WAV file"
    assert complaint(tmp_path / "none.wav") == "cannot read FILE: No such file or directory"
    assert "FILE" in complaint(tmp_path)
    with pytest.raises(UnreadableAudio):
        check_readable(tmp_path / "a\0b.wav")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_bytes_whatever_bring_anything_but_sound_or_one_error(tmp_path: Path, data: st.DataObject) -> None:
    good = bytearray(sounds.wav(sounds.samples(tone(0.01, 8_000), 2), 8_000))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=6), label="changes"
    ):
        good[place % len(good)] = value
    cut = data.draw(st.integers(0, len(good)))
    path = write(tmp_path / "a.wav", bytes(good[:cut]))
    try:
        with SoundFile(path) as file:
            assert 0 <= file.sound.start + file.sound.nbytes <= cut
            assert file.sound.nbytes % file.sound.samples.step == 0
    except UnreadableAudio as error:
        assert str(path) in str(error)  # noqa: PT017 - whether it is raised is the file's business


def test_raw_samples_need_no_header(tmp_path: Path) -> None:
    pcm = sounds.samples(tone(0.2, 8_000), 2)
    ears = heard(write(tmp_path / "a.raw", pcm + b"x"), raw=Samples(8_000))
    assert abs(len(ears.pcm) / 32_000 - 0.2) < 0.002
    assert "in the middle of a sample" in ears.told[0][1]["why"]


@virtual_time
async def test_in_real_time_a_chunk_is_there_when_it_has_been_heard(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    await asyncio.to_thread(write, path, sounds.wav(bytes(2 * 16_000)))
    times: list[float] = []

    class Clocked(Ears):
        def offer(self, topic: Any, payload: Any = None, *, priority: int = 50, **fields: Any) -> bool:
            times.append(asyncio.get_running_loop().time())
            return super().offer(topic, payload, priority=priority)

    began = asyncio.get_running_loop().time()
    await Wav("mic", WavOptions(path)).run(Clocked())
    assert times[0] - began == pytest.approx(0.08)
    assert all(b - a == pytest.approx(0.08) for a, b in pairwise(times))
    assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)


@virtual_time
async def test_what_nobody_has_room_for_is_shed_but_never_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    await asyncio.to_thread(write, path, sounds.wav(bytes(2 * 16_000)))
    ears = Ears(room=3)
    await Wav("mic", WavOptions(path)).run(ears)
    assert [audio.number for audio in ears.sound] == [0, 1, 2, 12]
    assert ears.sound[-1].last
    assert ears.events[-1][2] == 100
    assert ears.shed == 9


@virtual_time
async def test_a_loop_is_one_stream_after_the_other(tmp_path: Path) -> None:
    path, empty = tmp_path / "a.wav", tmp_path / "empty.wav"
    await asyncio.to_thread(write, path, sounds.wav(bytes(5120)))
    await asyncio.to_thread(write, empty, sounds.wav(b""))
    ears = Ears()
    for file in (path, empty):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await Wav("mic", WavOptions(file, loop=True)).run(ears)
    assert [(a.number, a.last) for a in ears.sound[:4]] == [(0, False), (1, True), (0, False), (1, True)]
    assert len(ears.events) <= 30


@virtual_time
async def test_a_file_of_a_day_is_read_a_little_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "day.wav"

    def sparse() -> None:
        with open(path, "wb") as file:
            file.write(riff(header(16_000), b"data" + struct.pack("<I", 86_400 * 32_000)))
            file.truncate(86_400 * 32_000 + 44)

    await asyncio.to_thread(sparse)
    number = 0
    async for audio in chunks_of(path):
        number += 1
        assert len(audio.pcm) <= 2560
        if number == 1000:
            break


class Ear(Agent):
    """Counts what it hears, slowly."""

    chunks: int = 0
    ends: int = 0
    lost_ends: int = 0
    number: int = -1
    pause: float = 0.0

    @on("mic.>", capacity=8)
    async def hear(self, event: Event) -> None:
        await asyncio.sleep(self.pause)
        self.chunks += 1
        self.ends += event.payload.last
        self.lost_ends += (
            event.payload.number <= self.number
        )  # a new stream, and the one before has not ended
        self.number = -1 if event.payload.last else event.payload.number


@virtual_time
async def test_eight_hours_of_sound_reach_a_slow_agent_with_every_end_and_bounded_memory(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.wav"
    await asyncio.to_thread(write, path, sounds.wav(bytes(2 * 16_000 * 60)))  # a minute, 480 times
    source = Wav("mic", WavOptions(path, "mic.kitchen", loop=True, chunk=2.0))
    ear = Ear(pause=2.2)  # never fast enough
    async with new_loom(source, ear) as loom:
        most = 0
        for _ in range(48):
            await asyncio.sleep(600)
            most = max(most, *(len(queue) for queue in loom.bus.queues()))
        seen = loom.statistics().senses["mic"]
        await loom.stop(60)
    assert most <= 8
    assert 430 <= ear.ends <= 481  # the end waits for room, so that a minute takes a little longer
    assert ear.lost_ends == 0
    assert seen.shed > 0
    assert seen.published <= ear.chunks <= seen.published + 9


@virtual_time
async def test_a_file_that_is_no_sound_is_one_error_and_the_source_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    await asyncio.to_thread(write, path, b"hello")
    async with new_loom() as loom:
        probe = Probe(loom.bus, "loom.source.>")
        loom.add(Wav("mic", WavOptions(path)))
        await run_until_idle(loom, 600)
        assert [event.topic for event in probe.events] == ["loom.source.mic.failed"]
        assert "is no WAV file" in probe.payloads[0]["error"]
        assert probe.payloads[0]["again_in"] is None
        assert loom.source("mic").status == "stopped"


def test_from_a_project_file_it_is_found_below_the_projects_folder(tmp_path: Path) -> None:
    made = wav("mic", tmp_path, "a.wav", raw=True, raw_rate=8000)
    assert made.options == WavOptions(tmp_path / "a.wav", raw=Samples(8000))
    assert made.topics == ("mic.file",)
    for wrong in ({"chunk": 0}, {"rate": 5}, {"chunk": float("nan")}):
        with pytest.raises(ConfigError):
            wav("mic", tmp_path, "a.wav", **wrong)
