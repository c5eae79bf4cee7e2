"""Through a real sound server: a question is played into a room, the answer comes out of a loudspeaker.

    python -m pytest tests/voice/test_pulse.py      # about half a minute, in real time

A daemon of its own with two sinks that are nowhere: the monitor of one is the assistant's microphone, the other one is
its loudspeaker, whose monitor is recorded and written down again. Needs pulseaudio with its tools, and PortAudio.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loom import Loom, local_model
from loom.adapters.resample import resampled
from loom.worker import Worker  # noqa: F401 - imported before there is a loop that it could block

TOOLS = ("pulseaudio", "pacat", "parec", "pactl")
RAW = ("--raw", "--format=s16le", "--rate=16000", "--channels=1")
DEVICES = """
pcm.heard { type pulse server "SERVER" device "room.monitor" }
pcm.spoken { type pulse server "SERVER" device "loudspeaker" }
pcm.!default { type asym playback.pcm "spoken" capture.pcm "heard" }
ctl.!default { type pulse server "SERVER" }
"""
ROOT = Path(__file__).parent.parent.parent
pytestmark = [
    pytest.mark.skipif(
        not all(map(shutil.which, TOOLS)), reason="pulseaudio and its tools are not installed"
    ),
    pytest.mark.timeout(300),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of who uses a private daemon: hears `room.monitor`, speaks into `loudspeaker`."""
    pytest.importorskip("soxr")
    try:
        pytest.importorskip("sounddevice")
    except OSError:
        pytest.skip("PortAudio is not installed")
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    socket = run / "native"
    (tmp_path / ".asoundrc").write_text(DEVICES.replace("SERVER", f"unix:{socket}"))
    folders = {name: str(run) for name in ("XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH")}
    environment = {**os.environ, **folders, "HOME": str(tmp_path)}
    command = [
        "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disallow-exit",
        "-L", f"module-native-protocol-unix socket={socket} auth-anonymous=1",
        "-L", "module-null-sink sink_name=room rate=16000 channels=1",
        "-L", "module-null-sink sink_name=loudspeaker rate=24000 channels=1",
    ]  # fmt: skip
    with open(tmp_path / "log", "w") as log:
        daemon = subprocess.Popen(command, env=environment, stderr=log)
    try:
        until = time.monotonic() + 20
        while not socket.exists() and daemon.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        if daemon.poll() is not None or not socket.exists():
            pytest.skip(f"pulseaudio does not start here: {(tmp_path / 'log').read_text()[-300:]}")
        chosen = {"PULSE_SOURCE": "room.monitor", "PULSE_SINK": "loudspeaker"}
        yield {**environment, **chosen, "PULSE_SERVER": f"unix:{socket}"}
    finally:
        daemon.kill()
        daemon.wait()


async def spoken(text: str) -> bytes:
    async with Loom(watchdog=None) as loom:
        loom.add_model(local_model("hibari"))
        said: Any = await loom.ask("speak", text)
        return resampled(said["pcm"], said["rate"])


async def written(pcm: bytes) -> str:
    async with Loom(watchdog=None) as loom:
        loom.add_model(local_model("whisper"))
        heard: Any = await loom.ask("transcribe", pcm)
        return str(heard["text"])


def until_somebody_listens(environment: dict[str, str]) -> None:
    """Return when the recorder and the assistant are both connected; at most 20 s."""
    until = time.monotonic() + 20
    ask = ["pactl", "list", "short", "source-outputs"]
    while time.monotonic() < until:
        listed = subprocess.run(ask, env=environment, capture_output=True, text=True, timeout=20).stdout
        if len(listed.splitlines()) >= 2:
            return
        time.sleep(0.1)


def conversation(environment: dict[str, str], question: bytes) -> tuple[list[str], bytes]:
    """What the assistant prints, and what comes out of its loudspeaker."""
    pipe = subprocess.PIPE
    recorder = subprocess.Popen(["parec", *RAW, "--device=loudspeaker.monitor"], env=environment, stdout=pipe)
    recorded = bytearray()
    assert recorder.stdout is not None
    source = recorder.stdout
    listener = threading.Thread(target=lambda: recorded.extend(source.read()))
    listener.start()
    lines: list[str] = []
    command = [sys.executable, "-m", "loom.cli", "demo", "voice", "--mic"]
    try:
        with subprocess.Popen(
            command, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        ) as demo:
            watchdog = threading.Timer(100, demo.kill)
            watchdog.start()
            assert demo.stdout is not None
            for line in demo.stdout:
                lines.append(line.strip())
                if line.startswith("Listening"):
                    until_somebody_listens(environment)
                    play = ["pacat", *RAW, "--device=room", "--playback"]
                    subprocess.run(play, env=environment, input=question, check=True, timeout=60)
                if lines[-1].startswith(">"):
                    demo.send_signal(signal.SIGINT)  # it drains: what it says is said
            watchdog.cancel()
    finally:
        recorder.terminate()
        listener.join()
        source.close()
        recorder.wait()
    return lines, bytes(recorded)


def loud_part(pcm: bytes) -> bytes:
    """*pcm* without the silence before and after it, but a little."""
    import numpy as np

    found = np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2")) > 300)
    assert len(found), "the loudspeaker was silent"
    return pcm[2 * max(0, found[0] - 8000) : 2 * (found[-1] + 8000)]


@pytest.mark.parametrize(
    ("question", "understood", "words"),
    [("what is the capital of France?", "capital of france", ("capital", "france", "paris"))],
)
def test_a_question_in_the_room_is_answered_by_the_loudspeaker(
    server: dict[str, str], question: str, understood: str, words: tuple[str, ...]
) -> None:
    pcm = bytes(32_000) + asyncio.run(spoken(f"Hey Jarvis, {question}")) + bytes(64_000)
    lines, recorded = conversation(server, pcm)
    assert any(line.startswith("?") and understood in line.lower() for line in lines), "\n".join(lines)
    assert not any(line.startswith("!") for line in lines), lines
    text = asyncio.run(written(loud_part(recorded))).lower()
    assert all(word in text for word in words), (text, lines)
