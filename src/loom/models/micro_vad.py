"""Voice activity, 10 ms at a time: a very small network. Runs in a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from loom.errors import MissingExtra
from loom.models._pcm import pcm_of, quiet_room
from loom.models._request import Asked, WorkerHost, check
from loom.models._sessions import Sessions

SPEC = "loom.models.micro_vad:factory"
PACKAGE = "pymicro-vad"
PINNED = f"{PACKAGE}==2.1.0"
FRAME = 320  # bytes: 10 ms
SECONDS = 0.01
CHECK_EVERY = 500  # frames
PRIME = 0.5  # seconds of a quiet room that the network has heard before


def factory(host: WorkerHost) -> Mapping[str, Callable[[Any, object], object]]:
    """The method `vad`: pcm to {"speech": [probability of each 10 ms], "seconds": 0.01}.

    Options: "session" (a name: the sound goes on where the last call ended; without one each call stands alone) and
    "reset". What does not fill a frame waits for the next call of its session.
    """
    sessions = Sessions(Ear)
    sessions.get("")

    def vad(body: Any, call: object) -> object:
        asked = Asked.from_body(body)
        pcm = pcm_of(asked.input)
        return {
            "speech": sessions.get(asked.text("session"), asked.flag("reset")).hear(pcm, call),
            "seconds": SECONDS,
        }

    return {"vad": vad}


class Ear:
    """One stream of sound."""

    def __init__(self) -> None:
        try:
            from pymicro_vad import MicroVad
        except ImportError:
            raise MissingExtra("voice", PACKAGE) from None
        self._vad = MicroVad()
        self._rest = b""
        self.hear(quiet_room(PRIME))

    def hear(self, pcm: bytes, call: object = None) -> list[float]:
        """The probability of speech in each whole frame of *pcm*, which continues what was heard before."""
        sound = self._rest + pcm
        whole = len(sound) - len(sound) % FRAME
        self._rest = sound[whole:]
        speech = []
        for at in range(0, whole, FRAME):
            if at % (CHECK_EVERY * FRAME) == 0:
                check(call)
            speech.append(max(0.0, round(self._vad.process_10ms(sound[at : at + FRAME]), 4)))
        return speech
