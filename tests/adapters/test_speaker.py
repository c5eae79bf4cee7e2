"""Speakers: a play returns when it was heard, a cancelled one falls silent within a block, and a hold loses nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loom.adapters._wav_file import SoundFile
from loom.adapters.speaker import BLOCK, PLAYS, Speaker, WavSpeaker, speaker, wav_speaker
from loom.errors import ActionFailed, NoDevice
from loom.testing import new_loom, virtual_time

RATE = 8000
SECOND = 2 * RATE


def written(path: Path) -> bytes:
    with SoundFile(path) as file:
        assert file.sound.flaw == ""
        assert file.sound.samples.rate == RATE
        return file.read(10**9)


def sound(seconds: float, mark: int = 1) -> bytes:
    return bytes([mark, 0]) * round(seconds * RATE)


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual_time
async def test_a_play_takes_the_time_it_sounds_and_is_in_the_file_when_it_returns(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out.wav"
    async with new_loom(WavSpeaker("speaker", path, rate=RATE)) as loom:
        began = now()
        await loom.call("speaker.play", pcm=sound(1.5), rate=RATE)
        assert now() - began == pytest.approx(1.5, abs=BLOCK)
        assert (await asyncio.to_thread(written, path)) == sound(1.5)
    assert written(path).startswith(sound(1.5))


@virtual_time
async def test_plays_follow_one_another_without_a_gap(tmp_path: Path) -> None:
    voice = WavSpeaker("speaker", tmp_path / "a.wav", rate=RATE, gap=0)
    await asyncio.gather(*(voice.play(sound(0.333, mark), RATE) for mark in (1, 2, 3)))
    await voice.close()
    heard = written(tmp_path / "a.wav")
    assert heard.rstrip(b"\0") + b"\0" == b"".join(sound(0.333, mark) for mark in (1, 2, 3))


@virtual_time
async def test_a_cancelled_play_falls_silent_within_a_block(tmp_path: Path) -> None:
    voice = WavSpeaker("speaker", tmp_path / "a.wav", rate=RATE, gap=0)
    play = asyncio.ensure_future(voice.play(sound(10), RATE))
    await asyncio.sleep(1.0)
    play.cancel()
    began = now()
    await voice.play(sound(0.1, 2), RATE)
    assert now() - began <= 0.1 + 2 * BLOCK
    await voice.close()
    heard = written(tmp_path / "a.wav")
    assert 1.0 - BLOCK <= heard.count(b"\1") / RATE <= 1.0 + BLOCK
    assert heard.count(b"\2") == round(0.1 * RATE)


@virtual_time
async def test_held_it_waits_and_goes_on_with_the_next_sample(tmp_path: Path) -> None:
    voice = WavSpeaker("speaker", tmp_path / "a.wav", rate=RATE, gap=0.5)
    pcm = b"".join(n.to_bytes(2, "little") for n in range(1, RATE + 1))
    play = asyncio.ensure_future(voice.play(pcm, RATE))
    await asyncio.sleep(0.5)
    await voice.hold()
    await asyncio.sleep(100)
    assert not play.done()
    began = now()
    await voice.resume()
    await play
    assert now() - began == pytest.approx(0.5, abs=2 * BLOCK)
    await voice.close()
    heard = written(tmp_path / "a.wav")
    samples = [heard[at : at + 2] for at in range(0, len(heard), 2)]
    assert b"".join(each for each in samples if each != b"\0\0") == pcm
    silence = sum(each == b"\0\0" for each in samples) / RATE
    assert silence <= 0.5 + 0.5 + 3 * BLOCK  # a hundred seconds of holding are half a second in the file


@virtual_time
async def test_stop_ends_what_plays_and_what_waits_and_frees_what_is_held() -> None:
    voice = WavSpeaker("speaker", rate=RATE)
    plays = [asyncio.ensure_future(voice.play(sound(5), RATE)) for _ in range(3)]
    await asyncio.sleep(1)
    await voice.hold()
    await voice.stop()
    await asyncio.gather(*plays)
    assert now() == pytest.approx(1, abs=BLOCK)
    await voice.play(sound(1), RATE)
    await voice.close()


@virtual_time
async def test_at_full_speed_it_takes_no_time(tmp_path: Path) -> None:
    voice = WavSpeaker("speaker", tmp_path / "a.wav", rate=RATE, fast=True)
    for mark in (1, 2):
        await voice.play(sound(30, mark), RATE)
    assert now() < 1
    await voice.close()
    assert written(tmp_path / "a.wav") == sound(30, 1) + sound(30, 2)


@virtual_time
async def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    voice = WavSpeaker("speaker", tmp_path / "a.wav", rate=RATE, longest=2)
    with pytest.raises(ActionFailed, match="3 bytes are not a whole number"):
        await voice.play(b"abc", RATE)
    with pytest.raises(ActionFailed, match="0 samples a second"):
        await voice.play(b"ab", 0)
    with pytest.raises(ActionFailed, match="at most 64 and 600 s"):
        await voice.play(sound(601), RATE)
    plays = [asyncio.ensure_future(voice.play(sound(0.001), RATE)) for _ in range(PLAYS + 1)]
    done = await asyncio.gather(*plays, return_exceptions=True)
    assert [type(each) for each in done].count(ActionFailed) == 1
    with pytest.raises(ActionFailed, match=r"a\.wav is full: 2 s"):
        await voice.play(sound(3), RATE)
    await voice.close()
    with pytest.raises(ActionFailed, match="is closed"):
        await voice.play(sound(1), RATE)


@virtual_time
async def test_a_file_that_cannot_be_written_fails_the_play(tmp_path: Path) -> None:
    await asyncio.to_thread((tmp_path / "file").write_bytes, b"")
    voice = WavSpeaker("speaker", tmp_path / "file" / "a.wav", rate=RATE)
    with pytest.raises(ActionFailed, match="cannot write"):
        await voice.play(sound(1), RATE)
    await voice.close()


@virtual_time
async def test_what_is_being_converted_when_it_is_closed_does_not_wait_for_ever(tmp_path: Path) -> None:
    voice = WavSpeaker("speaker", tmp_path / "a.wav", rate=RATE)
    plays = [asyncio.ensure_future(voice.play(sound(0.1), 16_000)) for _ in range(PLAYS + 9)]
    await asyncio.sleep(0)
    await voice.close()
    done = await asyncio.gather(*plays, return_exceptions=True)
    assert {type(each) for each in done} <= {ActionFailed, type(None)}


class Deck:
    """A loudspeaker whose thread the test is."""

    latency, rate, channels, active = 0.1, RATE, 1, True

    def __init__(self) -> None:
        self.fill: Callable[[], bytes] = bytes
        self.closed = threading.Event()

    def open(self, device: Any, rate: int, block: int, fill: Callable[[], bytes]) -> Deck:
        self.fill, self.size = fill, block * 2
        self.closed.clear()
        return self

    def close(self) -> None:
        self.closed.set()


@virtual_time
async def test_a_play_is_over_when_its_last_sample_has_left_the_device() -> None:
    deck = Deck()
    voice = Speaker("speaker", rate=RATE, opener=deck.open)
    play = asyncio.ensure_future(voice.play(sound(0.1), RATE))
    await asyncio.sleep(0.01)
    heard = b"".join(deck.fill() for _ in range(6))
    assert heard == sound(0.1) + bytes(round(BLOCK * SECOND))
    asked = now()
    await play
    assert 0.1 <= now() - asked <= 0.1 + 2 * BLOCK
    assert not deck.closed.is_set()
    await asyncio.sleep(3)
    assert deck.closed.is_set()
    await voice.close()


@virtual_time
async def test_a_device_that_is_missing_or_stuck_fails_the_play_and_the_next_one_tries_again() -> None:
    def missing(*form: Any) -> Any:
        raise NoDevice("there is no loudspeaker on this machine")

    voice = Speaker("speaker", rate=RATE, opener=missing)
    with pytest.raises(ActionFailed, match="speaker: there is no loudspeaker"):
        await voice.play(sound(1), RATE)
    deck = Deck()
    voice._opener = deck.open
    with pytest.raises(ActionFailed, match="took no sound for 5 s"):
        await voice.play(sound(1), RATE)
    assert await asyncio.to_thread(deck.closed.wait, 5)
    await voice.close()


def test_a_project_file_names_them(tmp_path: Path) -> None:
    assert [each.name for each in speaker("kitchen", tmp_path).actions()] == [
        "kitchen.play", "kitchen.hold", "kitchen.resume", "kitchen.stop",
    ]  # fmt: skip
    made = wav_speaker("speaker", tmp_path, "a.wav")
    assert made._path == tmp_path / "a.wav"
    assert list(made.actions()) == list(made.actions())
