"""The tutorial: examples/voice runs with its real models, hears a question and writes an answer that can be heard."""

import shutil
import signal
import subprocess
import sys
import threading
import wave
from pathlib import Path
from typing import Any

from loom import Loom, local_model
from loom.adapters.resample import resampled
from loom.worker import Worker  # noqa: F401 - imported before there is a loop that it could block

FOLDER = Path(__file__).parent.parent / "examples" / "voice"


def test_the_tutorial_is_short() -> None:
    assert (FOLDER / "agents.py").read_text().count("\n") < 120


async def record(path: Path, *texts: str) -> None:
    async with Loom(watchdog=None) as loom:
        loom.add_model(local_model("hibari"))
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(bytes(40_000))
            for text in texts:
                said: Any = await loom.ask("speak", text)
                file.writeframes(resampled(said["pcm"], said["rate"]) + bytes(64_000))


def answered(command: list[str], project: Path) -> list[str]:
    """What it prints until it has answered twice and was told to end."""
    lines = []
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=project, stdout=pipe, stderr=subprocess.STDOUT, text=True) as process:
        watchdog = threading.Timer(100, process.kill)
        watchdog.start()
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.strip())
            if line.startswith(">") and sum(each.startswith(">") for each in lines) == 2:
                process.send_signal(signal.SIGINT)  # it drains: what it says is said
        watchdog.cancel()
    return lines


async def test_the_tutorial_hears_and_answers(tmp_path: Path) -> None:
    project = shutil.copytree(FOLDER, tmp_path / "voice")
    await record(
        project / "question.wav",
        "Hey Jarvis, turn on the light.",
        "Nobody asked you.",
        "Hey Jarvis, what is the capital of France?",
    )
    command = [sys.executable, "-m", "loom.cli", "run"]
    lines = answered(command, project)
    assert [line for line in lines if line.startswith("?")] == [
        "? Turn on the light.",
        "? What is the capital of France?",
    ], lines
    assert "* the light goes on" in lines
    assert "> The light is on." in lines
    assert any(line.startswith(">") and "Paris" in line for line in lines)
    with wave.open(str(project / "answer.wav")) as answer:
        assert answer.getnframes() / answer.getframerate() > 2
