"""`loom demo voice` with its real models, as people run it: recordings that nobody has prepared, and the scene."""

import json
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import pytest

from loom import Loom, local_model
from loom.adapters.resample import resampled
from loom.worker import Worker  # noqa: F401 - imported before there is a loop that it could block

RATE = 16_000


def demo(*arguments: str) -> dict[str, Any]:
    """The summary of a run that ended well."""
    command = [sys.executable, "-m", "loom.cli", "demo", "voice", "--fast", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


@pytest.fixture
async def voice() -> Any:
    """The bundled voice: text to 16 kHz."""
    async with Loom(watchdog=None) as loom:
        loom.add_model(local_model("hibari"))

        async def speak(text: str) -> bytes:
            said: Any = await loom.ask("speak", text)
            return resampled(said["pcm"], said["rate"])

        yield speak


async def record(path: Path, voice: Any, *parts: str | float) -> Path:
    """A recording of texts, and of silences in seconds."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for part in (1.2, *parts, 1.0):
            file.writeframes(await voice(part) if isinstance(part, str) else bytes(int(part * RATE) * 2))
    return path


def questions(summary: dict[str, Any]) -> list[str]:
    return [turn["question"].lower().strip(" .?!") for turn in summary["turns"] if turn["question"]]


async def test_two_turns_in_one_recording_are_two_turns_and_other_speech_is_none(
    voice: Any, tmp_path: Path
) -> None:
    file = await record(
        tmp_path / "two.wav",
        voice,
        "Hey Jarvis, what day is it today?",
        1.5,
        "I think we should paint the fence.",
        1.5,
        "Hey Jarvis, what is the capital of Italy?",
    )
    out = tmp_path / "answers.wav"
    summary = demo("--wav", str(file), "--out", str(out))
    assert questions(summary) == ["what day is it today", "what is the capital of italy"]
    day, italy = (turn["reply"] for turn in summary["turns"])
    assert day.startswith("Today is")
    assert "Rome" in italy
    assert [turn["intent"] for turn in summary["turns"]] == ["date", "chat"]
    assert summary["speech_ignored"] >= 1
    with wave.open(str(out)) as heard:
        seconds = heard.getnframes() / heard.getframerate()
        spoken = heard.readframes(heard.getnframes())
    assert 2 < seconds < 60
    await _says(spoken, 24_000, day)


async def test_silence_and_speech_to_others_do_nothing(voice: Any, tmp_path: Path) -> None:
    file = await record(tmp_path / "none.wav", voice, 2.0, "The weather is nice, and nobody asked you.", 2.0)
    summary = demo("--wav", str(file))
    assert (summary["turns"], summary["wakes"]) == ([], [])


async def _says(pcm: bytes, rate: int, text: str) -> None:
    """The sound, written down again, begins with the words of *text*."""
    async with Loom(watchdog=None) as loom:
        loom.add_model(local_model("whisper"))
        heard: Any = await loom.ask("transcribe", resampled(pcm, rate)[: 16_000 * 2 * 20], timeout=60)
    words = {word.strip(".,!?").lower() for word in text.split()}
    found = {word.strip(".,!?").lower() for word in heard["text"].split()}
    assert len(words & found) >= 0.6 * len(words), (text, heard["text"])


@pytest.mark.parametrize(
    ("bytes_", "word"), [(b"", "empty"), (b"this is no sound at all" * 10, "WAV"), (b"RIFF\0\0\0\0WAVE", "")]
)
def test_what_is_no_sound_is_one_line(bytes_: bytes, word: str, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(bytes_)
    command = [sys.executable, "-m", "loom.cli", "demo", "voice", "--wav", str(tmp_path / "x.wav")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "x.wav" in done.stderr
    assert word in done.stderr
