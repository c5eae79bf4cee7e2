"""Text to speech: one small neural voice, sentence by sentence. Runs in a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from loom.errors import MissingExtra, ModelFailed
from loom.models._packaged import existing, packaged_file
from loom.models._request import Asked, WorkerHost, check, number
from loom.models._sentences import LONGEST, pieces
from loom.models._spoken import is_prose, letters, spoken

SPEC = "loom.models.hibari:factory"
PACKAGE = "hibari-tts"
PINNED = f"{PACKAGE}==0.2.1"
VOICE = "heart"  # the only one inside the package; others would be downloaded, so no other is ever named
RATE = 24_000
LONGEST_ANSWER = 300.0
LONGEST_TEXT = 1_000_000
LONGEST_FORMULA = 50  # characters: figures and capitals take up to ten times as long to say as prose
SEED = 0


def factory(host: WorkerHost) -> Mapping[str, Callable[[Any, object], object]]:
    """The methods `speak` and `speak_stream`; input is text, option "voice" "heart", option "speed" 0.5 to 2.

    `speak` gives {"pcm": s16le mono, "rate": 24000, "seconds"}, at most 300 seconds of it; `speak_stream` yields
    {"pcm", "rate", "text"} piece by piece, and the texts joined are the input. Config: "threads", "model" (another
    ONNX file for the same voice), "speed".
    """
    voice = Voice(host.config)

    def speak(body: Any, call: object) -> object:
        asked = Asked.from_body(body)
        return voice.whole(*voice.read(asked), call)

    def speak_stream(body: Any, call: object) -> Iterator[object]:
        asked = Asked.from_body(body)
        yield from voice.stream(*voice.read(asked), call)

    return {"speak": speak, "speak_stream": speak_stream}


class Voice:
    """Says text; raises MissingExtra or ModelFailed with the command that installs what is missing."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._speed = number(config, "speed", 1.0, 0.5, 2.0)
        self._model = _load(config)

    def read(self, asked: Asked) -> tuple[str, float]:
        """The text and the speed that are asked for; raises ModelFailed for what is no text or another voice."""
        voice = asked.text("voice", VOICE)
        if voice != VOICE:
            raise ModelFailed(f"voice {voice!r} is not in {PINNED}; the voice there is {VOICE!r}")
        if not isinstance(asked.input, str):
            raise ModelFailed(f"what is to be spoken is text, not {type(asked.input).__name__}")
        if len(asked.input) > LONGEST_TEXT:
            raise ModelFailed(
                f"{len(asked.input):,} characters are over the limit of {LONGEST_TEXT:,}; send parts"
            )
        return asked.input, number(asked.options, "speed", self._speed, 0.5, 2.0)

    def whole(self, text: str, speed: float, call: object) -> dict[str, object]:
        """All of *text* as one sound."""
        said, length = [], 0.0
        for piece in pieces(text):
            said.append(self.say(piece, speed, call))
            length += len(said[-1]) / 2 / RATE
            if length > LONGEST_ANSWER:
                raise ModelFailed(
                    f"the text takes more than {LONGEST_ANSWER:g} s to say; ask for a stream, or cut it"
                )
        return {"pcm": b"".join(said), "rate": RATE, "seconds": length}

    def stream(self, text: str, speed: float, call: object) -> Iterator[dict[str, object]]:
        """*text* piece by piece."""
        for piece in pieces(text):
            yield {"pcm": self.say(piece, speed, call), "rate": RATE, "text": piece}

    def say(self, piece: str, speed: float, call: object = None) -> bytes:
        """One piece as s16le at 24 kHz; nothing for a piece without a sound."""
        said, text = [], spoken(piece)
        for part in pieces(text, longest=LONGEST if is_prose(text) else LONGEST_FORMULA):
            check(call)
            said.append(self._part(part, speed))
        return b"".join(said)

    def _part(self, part: str, speed: float) -> bytes:
        try:
            return self._sound(part, speed)
        except Exception:  # noqa: BLE001 - a stranger's rules for spelling raise what they like about odd text
            return self._sound(letters(part), speed)

    def _sound(self, part: str, speed: float) -> bytes:
        import numpy as np

        sounds = self._model.stream(part, speed, SEED)
        return b"".join((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes() for sound in sounds)


def _load(config: Mapping[str, Any]) -> Any:
    try:
        from hibari import Hibari
    except ImportError:
        raise MissingExtra("voice", PACKAGE) from None
    command = f"pip install --force-reinstall {PINNED}"
    given = config.get("model")
    path = (
        existing(given, "a voice (.onnx)", command)
        if given
        else packaged_file(PACKAGE, "assets/hibari.onnx", PINNED)
    )
    try:
        voice = Hibari(VOICE, str(path), threads=int(number(config, "threads", 1, 1, 64)))
        voice("Hello.")  # the dictionaries are read when the first word is said
    except Exception as error:  # noqa: BLE001 - the runtime has its own error types, and a bad file raises many
        raise ModelFailed(f"{path} cannot be loaded as a voice: {error}; run: {command}") from None
    return voice
