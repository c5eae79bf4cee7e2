"""Wake words: small streaming networks, one for each phrase, on features that they share. Runs in a worker.

Method: microWakeWord (Kevin Ahrendt): a mean of the last probabilities above a cutoff that was trained with the phrase.
"""

from __future__ import annotations

import ctypes
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from loom.errors import MissingExtra, ModelFailed
from loom.models._packaged import existing, packaged_file
from loom.models._pcm import BYTES_PER_SECOND, pcm_of, quiet_room
from loom.models._request import Asked, WorkerHost, check, number
from loom.models._sessions import Sessions

SPEC = "loom.models.wakeword:factory"
PACKAGE = "pymicro-wakeword"
PINNED = f"{PACKAGE}==2.5.0"
CUTOFFS = {
    "okay_nabu": 0.6,
    "hey_jarvis": 0.9,
    "hey_mycroft": 0.9,
    "alexa": 0.6,
}  # docs/adr/023: late or false
PHRASES = tuple(CUTOFFS)
FRAME = 320  # bytes: 10 ms
PRIME = 1.0  # seconds of a quiet room that a network wants to have heard first
REST = 1.0  # seconds after a hit in which no phrase is told: one call is one hit, whoever feels called
CHECK_EVERY = 200  # frames


def factory(host: WorkerHost) -> Mapping[str, Callable[[Any, object], object]]:
    """The method `wake`: pcm to [{"phrase", "score", "at": seconds since the session began}], in order.

    Options: "session" (a name: the sound goes on where the last call ended; without one each call stands alone) and
    "reset". Config: "phrases" (names of the packaged ones, or paths of microWakeWord .json files), "threshold" (instead
    of each network's own cutoff, 0 to 1).
    """
    files = [_Network.found(phrase) for phrase in _phrases(host.config)]
    threshold = host.config.get("threshold")
    if threshold is not None:
        number(host.config, "threshold", 0.9, 0.0, 1.0)
    listeners = Sessions(lambda: Listener([_Spotter(file, threshold) for file in files]))
    listeners.get("")  # what cannot be loaded is told now

    def wake(body: Any, call: object) -> object:
        asked = Asked.from_body(body)
        pcm = pcm_of(asked.input)
        return listeners.get(asked.text("session"), asked.flag("reset")).hear(pcm, call)

    return {"wake": wake}


class Listener:
    """One stream of sound and who listens to it."""

    def __init__(self, spotters: Sequence[_Spotter]) -> None:
        from pymicro_wakeword import MicroWakeWordFeatures

        self._features = MicroWakeWordFeatures()
        self._spotters = spotters
        self._rest = b""
        self._heard = 0  # bytes
        self._quiet_until = 0.0
        room = quiet_room(PRIME)
        for at in range(0, len(room), FRAME):
            self._frame(room[at : at + FRAME], 0.0)
        self._quiet_until = 0.0  # what was heard so far was no sound of the session

    def hear(self, pcm: bytes, call: object = None) -> list[dict[str, object]]:
        """The phrases that end in *pcm*, which continues what was heard before."""
        sound = self._rest + pcm
        whole = len(sound) - len(sound) % FRAME
        self._rest = sound[whole:]
        hits: list[dict[str, object]] = []
        for number_, at in enumerate(range(0, whole, FRAME)):
            if number_ % CHECK_EVERY == 0:
                check(call)
            self._heard += FRAME
            hits += self._frame(sound[at : at + FRAME], self._heard / BYTES_PER_SECOND)
        return hits

    def _frame(self, frame: bytes, now: float) -> list[dict[str, object]]:
        called = [
            (score, spotter.phrase)
            for features in self._features.process_streaming(frame)
            for spotter in self._spotters
            if (score := spotter.step(features)) is not None
        ]
        if not called or now < self._quiet_until:
            return []
        self._quiet_until = now + REST
        score, phrase = max(called)
        return [{"phrase": phrase, "score": round(score, 4), "at": round(now, 3)}]


class _Spotter:
    """One network in one stream."""

    def __init__(self, network: _Network, threshold: float | None) -> None:
        self.phrase = network.phrase
        self._run = network.load()
        self._cutoff = network.cutoff if threshold is None else float(threshold)
        self._told = False
        self._recent: deque[float] = deque(maxlen=self._run.stride)  # it has a score in one of so many frames

    def step(self, features: Any) -> float | None:
        """The score when the phrase has just been heard; once, until the network is sure that it is over."""
        self._recent.append(float(self._run.process_streaming_prob(features) or 0.0))
        score = max(self._recent)
        if score < self._cutoff / 2:
            self._told = False
        if score <= self._cutoff or self._told:
            return None
        self._told = True
        return score


class _Network:
    """A phrase's file, looked at before the runtime sees it: a broken one would end the process."""

    def __init__(self, settings: Path, model: Path) -> None:
        try:
            read = json.loads(settings.read_text("utf-8"))
            self.cutoff = float(read["micro"]["probability_cutoff"])
            int(read["micro"]["sliding_window_size"])
            str(read["wake_word"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelFailed(f"{settings} is no microWakeWord description: {error!r}") from None
        self.phrase = settings.stem
        self._settings, self._model = settings, model
        self._verify(_library())

    @classmethod
    def found(cls, phrase: str) -> _Network:
        """The network of *phrase*, a packaged name or the path of a .json file; raises ModelFailed."""
        _package()
        if phrase in PHRASES:
            settings = packaged_file(PACKAGE, f"models/{phrase}.json", PINNED)
            network = cls(settings, packaged_file(PACKAGE, f"models/{phrase}.tflite", PINNED))
            network.cutoff = CUTOFFS[phrase]
            return network
        if not phrase.endswith(".json"):
            known = ", ".join(PHRASES)
            raise ModelFailed(f"wake phrase {phrase!r}: {known}, or the path of a microWakeWord .json file")
        command = f"pip install --force-reinstall {PINNED}"
        settings = existing(phrase, "a microWakeWord description (.json)", command)
        try:
            name = str(json.loads(settings.read_text("utf-8"))["model"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelFailed(f"{settings} is no microWakeWord description: {error!r}") from None
        return cls(settings, existing(settings.parent / name, "a wake word network (.tflite)", command))

    def load(self) -> Any:
        """The network with a state of its own."""
        package = _package()
        try:
            return package.MicroWakeWord.from_config(self._settings)
        except (ValueError, RuntimeError, OSError) as error:
            raise ModelFailed(f"{self._model} is no wake word network: {error}; {_again()}") from None

    def _verify(self, library: Any) -> None:
        library.TfLiteModelCreateFromFile.restype = ctypes.c_void_p
        library.TfLiteModelDelete.argtypes = [ctypes.c_void_p]
        model = library.TfLiteModelCreateFromFile(str(self._model).encode())
        if not model:
            raise ModelFailed(f"{self._model} is no .tflite network, or cut short; {_again()}")
        library.TfLiteModelDelete(model)


def _phrases(config: Mapping[str, Any]) -> list[str]:
    phrases = config.get("phrases", PHRASES)
    if isinstance(phrases, str):
        phrases = [phrases]
    if not isinstance(phrases, list | tuple) or not phrases or not all(isinstance(p, str) for p in phrases):
        raise ModelFailed(f"phrases is a list of names ({', '.join(PHRASES)}) or paths, not {phrases!r}")
    return list(dict.fromkeys(phrases))


def _package() -> Any:
    try:
        import pymicro_wakeword
    except ImportError:
        raise MissingExtra("voice", PACKAGE) from None
    return pymicro_wakeword


@cache
def _library() -> Any:
    path = packaged_file(PACKAGE, "libtensorflowlite_c.so", PINNED)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ModelFailed(f"{path} cannot be loaded (it needs glibc 2.35): {error}") from None


def _again() -> str:
    return f"give another path, or run: pip install --force-reinstall {PINNED}"
