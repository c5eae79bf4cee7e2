"""Through a real sound server: what the loudspeaker plays, the microphone hears. Needs pulseaudio and PortAudio."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PULSE = shutil.which("pulseaudio")
PROGRAM = """
import asyncio, json, sys
from loom import Agent, Loom, on
from loom.adapters.microphone import Microphone, MicrophoneOptions
from loom.adapters.speaker import Speaker
from tests.adapters import sounds

class Ear(Agent):
    @on("mic.room")
    async def hear(self, event, ctx):
        HEARD.append(event.payload)

HEARD = []

async def main():
    loop = asyncio.get_running_loop()
    async with Loom(watchdog=None) as loom:
        loom.add(Ear, Speaker("speaker"), Microphone("mic", MicrophoneOptions("mic.room")))
        while not HEARD:
            await asyncio.sleep(0.02)
        pcm = sounds.samples(sounds.tone(1.5, 24000), 2)
        began = loop.time()
        await loom.call("speaker.play", pcm=pcm, rate=24000)
        took = loop.time() - began
        await asyncio.sleep(0.5)
        await loom.mute("mic")
        await loom.idle()
        muted = len(HEARD)
        await asyncio.sleep(0.3)
        after = len(HEARD) - muted
    sound = b"".join(each.pcm for each in HEARD)
    best = max((sounds.loudest(sound[at:at + 16000]) for at in range(0, len(sound) - 16000, 8000)), key=lambda x: x[1])
    print(json.dumps({"took": took, "hertz": best[0], "loud": best[1], "after": after, "ended": HEARD[-1].last}))

asyncio.run(main())
"""


@pytest.mark.skipif(PULSE is None, reason="pulseaudio is not installed")
def test_a_tone_that_is_played_is_heard(tmp_path: Path) -> None:
    """A daemon of its own, in a folder of its own, with a loudspeaker that is nowhere and its monitor."""
    pytest.importorskip("soxr")
    try:
        pytest.importorskip("sounddevice")
    except OSError:
        pytest.skip("PortAudio is not installed")
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    socket = run / "native"
    (tmp_path / "asoundrc").write_text(
        f'pcm.!default {{ type pulse server "unix:{socket}" }}\nctl.!default {{ type pulse server "unix:{socket}" }}\n'
    )
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(run),
        "PULSE_RUNTIME_PATH": str(run),
        "PULSE_STATE_PATH": str(run),
        "PULSE_SERVER": f"unix:{socket}",
    }
    shutil.copy(tmp_path / "asoundrc", tmp_path / ".asoundrc")
    assert PULSE is not None
    command = [
        PULSE, "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disallow-exit",
        "-L", f"module-native-protocol-unix socket={socket} auth-anonymous=1",
        "-L", "module-null-sink sink_name=nowhere",
    ]  # fmt: skip
    with open(tmp_path / "log", "w") as log:
        daemon = subprocess.Popen(
            command, env={k: v for k, v in environment.items() if k != "PULSE_SERVER"}, stderr=log
        )
    try:
        for _ in range(200):
            if socket.exists() or daemon.poll() is not None:
                break
            try:
                daemon.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        if daemon.poll() is not None or not socket.exists():
            pytest.skip(f"pulseaudio does not start here: {(tmp_path / 'log').read_text()[-300:]}")
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**environment, "PYTHONPATH": str(Path(__file__).parent.parent.parent)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        daemon.kill()
        daemon.wait()
    assert done.returncode == 0, done.stderr

    told = json.loads(done.stdout.splitlines()[-1])
    assert abs(told["hertz"] - 440) < 5, told
    assert told["loud"] > 0.1, told
    assert told["took"] >= 1.4, told
    assert told["after"] == 0
    assert told["ended"] is True
