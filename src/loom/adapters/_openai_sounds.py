"""Speech to text and text to speech, as OpenAI and who is compatible with it write them. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar

from loom.adapters._chat_answer import PER_TOKEN
from loom.adapters._json_fields import encode, fields, number, read_object, text, whole
from loom.adapters._model_call import Answer, Call, Reader
from loom.adapters._model_errors import Peer
from loom.adapters._openai_chat import JSON
from loom.adapters._openai_chat import usage as tokens
from loom.adapters._wav_file import sound_in
from loom.errors import BackendFailed, ModelFailed, UnreadableAudio
from loom.models import ModelRequest, Usage

RATE = 16_000
RAW_RATE = 24_000
"""Samples a second of speech that comes without a header, as OpenAI's ``pcm`` does."""

LONGEST_TEXT = 1_000_000


@dataclass(frozen=True, slots=True)
class HearingWire:
    """`transcribe`: s16le mono at 16 kHz to {"text", "seconds"}. See loom.adapters._model_call.Wire."""

    peer: Peer

    def talk(self, request: ModelRequest) -> HearingTalk:
        """*request*, checked; raises ModelFailed for what cannot be asked."""
        options = _texts(request, ("language", "prompt"))
        sound = request.input
        if not isinstance(sound, bytes | bytearray | memoryview) or len(bytes(sound)) % 2:
            raise ModelFailed(
                f"transcribe takes s16le mono at {RATE} Hz as bytes, not {type(sound).__name__}"
            )
        return HearingTalk(self.peer, bytes(sound), options)


@dataclass(frozen=True, slots=True)
class HearingTalk:
    """One sound. See loom.adapters._model_call.Talk."""

    peer: Peer
    pcm: bytes
    options: Mapping[str, str]

    pieces: ClassVar[bool] = False

    def adapted(self, words: str) -> None:
        """Nothing can be left out."""

    def call(self, model: str, stream: bool) -> Call:
        """What to send: a form with a WAV file in it."""
        named = {"model": model, "response_format": "json", **self.options}
        kind, body = form({name: value for name, value in named.items() if value}, wav(self.pcm))
        prompt = (self.options["prompt"],) if "prompt" in self.options else ()
        return Call("/audio/transcriptions", body, {"content-type": kind}, prompt=prompt)

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """What was said; raises BackendFailed."""
        said = read_object(body, self.peer.name)
        if not isinstance(said.get("text"), str):
            raise BackendFailed(f"{self.peer.name} answered a transcription without a text")
        length = len(self.pcm) / 2 / RATE
        billed = fields(said.get("usage"))
        counted = tokens(billed)
        heard: dict[str, Any] = {"text": said["text"].strip(), "seconds": length}
        if text(said.get("language")):
            heard["language"] = said["language"]
        seconds = max(number(billed.get("seconds")) or 0.0, 0.0) or length
        return Answer(heard, counted._replace(seconds=seconds))

    def reader(self) -> Reader:
        """Nothing: it comes whole, so it raises BackendFailed."""
        raise BackendFailed(f"{self.peer.name} answered in pieces, which was not asked for")


@dataclass(frozen=True, slots=True)
class SpeakingWire:
    """`speak`: text to {"pcm": s16le mono, "rate", "seconds"}. See loom.adapters._model_call.Wire."""

    peer: Peer
    voice: str = "alloy"

    def talk(self, request: ModelRequest) -> SpeakingTalk:
        """*request*, checked; raises ModelFailed for what cannot be asked."""
        speed = request.options.get("speed")
        fast = number(speed)
        if speed is not None and (fast is None or not 0.25 <= fast <= 4):
            raise ModelFailed(f"speed is a number from 0.25 to 4, not {speed!r:.40}")
        voice = _texts(request, ("voice",), ("speed",)).get("voice") or self.voice
        if not isinstance(request.input, str) or not request.input.strip():
            raise ModelFailed("what is to be spoken is text, and not empty")
        if len(request.input) > LONGEST_TEXT:
            raise ModelFailed(f"{len(request.input):,} characters are over the limit of {LONGEST_TEXT:,}")
        return SpeakingTalk(self.peer, whole(request.input), voice, fast)


@dataclass(frozen=True, slots=True)
class SpeakingTalk:
    """One text. See loom.adapters._model_call.Talk."""

    peer: Peer
    text: str
    voice: str
    speed: float | None

    pieces: ClassVar[bool] = False

    def adapted(self, words: str) -> None:
        """Nothing can be left out."""

    def call(self, model: str, stream: bool) -> Call:
        """What to send; a WAV file is wanted back, because it says its rate."""
        body: dict[str, Any] = {"model": model or None, "speed": self.speed}
        body = {name: value for name, value in body.items() if value is not None}
        body |= {"input": self.text, "voice": self.voice, "response_format": "wav"}
        return Call("/audio/speech", encode(body), {**JSON, "accept": "*/*"}, prompt=(self.text,))

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """The sound: of a WAV file, or bare samples at 24 kHz; raises BackendFailed."""
        pcm, rate = self._sound(headers.get("content-type", ""), body)
        length = len(pcm) / 2 / rate
        spoken = {"pcm": pcm, "rate": rate, "seconds": length}
        return Answer(spoken, Usage(-(-len(self.text.encode()) // PER_TOKEN), 0, length), estimated=True)

    def reader(self) -> Reader:
        """Nothing: it comes whole, so it raises BackendFailed."""
        raise BackendFailed(f"{self.peer.name} answered in pieces, which was not asked for")

    def _sound(self, kind: str, body: bytes) -> tuple[bytes, int]:
        if body[:4] == b"RIFF":
            try:
                found = sound_in(body, "the speech")
            except UnreadableAudio as error:
                raise BackendFailed(f"{self.peer.name}: {error}") from None
            if not found.samples.plain:
                raise BackendFailed(
                    f"{self.peer.name} speaks in {found.samples}, not in 16-bit samples of one channel"
                )
            pcm, rate = body[found.start : found.start + found.nbytes], found.samples.rate
        elif kind.startswith(("text/", "application/json")):
            raise BackendFailed(f"{self.peer.name} answered a text and not a sound", retryable=False)
        else:
            pcm, rate = body, RAW_RATE
        pcm = pcm[: len(pcm) - len(pcm) % 2]
        if not pcm:
            raise BackendFailed(f"{self.peer.name} answered a sound of no length")
        return pcm, rate


def wav(pcm: bytes) -> bytes:
    """*pcm*, s16le mono at 16 kHz, as a WAV file."""
    head = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16
    )
    return head + struct.pack("<4sI", b"data", len(pcm)) + pcm


def form(values: Mapping[str, str], file: bytes) -> tuple[str, bytes]:
    """The content type and the bytes of a form with *values* and a WAV *file*; RFC 7578.

    The boundary is a hash of all that is inside, so that nothing inside can be made to hold it.
    """
    texts = {name: value.encode("utf-8", "replace") for name, value in values.items()}
    boundary = "loom-" + sha256(file + b"\0".join(texts.values())).hexdigest()[:40]
    parts = [_part(boundary, f'name="{name}"', value) for name, value in texts.items()]
    parts.append(_part(boundary, 'name="file"; filename="audio.wav"\r\nContent-Type: audio/wav', file))
    return f"multipart/form-data; boundary={boundary}", b"".join(parts) + f"--{boundary}--\r\n".encode()


def _part(boundary: str, about: str, content: bytes) -> bytes:
    return f"--{boundary}\r\nContent-Disposition: form-data; {about}\r\n\r\n".encode() + content + b"\r\n"


def _texts(request: ModelRequest, names: tuple[str, ...], others: tuple[str, ...] = ()) -> dict[str, str]:
    """The options called *names*, which are texts; raises ModelFailed for one that is none, or another option."""
    if unknown := sorted(set(request.options) - {*names, *others}):
        raise ModelFailed(
            f"{request.task} has no option {unknown[0]!r:.60}; it has {', '.join((*names, *others))}"
        )
    found = {}
    for name in names:
        value = request.options.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or len(value) > 4_000:
            raise ModelFailed(
                f"option {name} is text of at most 4,000 characters, not {type(value).__name__}"
            )
        found[name] = whole(value)
    return found
