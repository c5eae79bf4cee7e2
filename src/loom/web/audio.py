"""OpenAI's transcriptions and speech: the requests that are read, and the answers that are written. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from loom.adapters._wav_file import sound_in
from loom.adapters.resample import Converter
from loom.errors import ConfigError, ModelFailed, UnreadableAudio
from loom.web.body import read_json
from loom.web.call import SPEAK, TRANSCRIBE, Call, Told
from loom.web.fields import Fields
from loom.web.multipart import Part, read_form
from loom.web.refusal import Refusal, bad
from loom.web.replying import Answer, as_json

RATE = 16_000
MOST_TEXT = 100_000
THEIRS = (
    "auto", "default", "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage",
    "shimmer", "verse",
)  # fmt: skip
"""Voices of OpenAI: whoever names one of them gets the voice that is there."""
FORMS = ("json", "text", "verbose_json")
SPEECH = ("model", "input", "voice", "response_format", "speed", "instructions", "stream_format")
FIELDS = ("file", "model", "language", "prompt", "response_format", "temperature", "stream")


def read_transcription(data: bytes, content_type: str) -> Call:
    """The call in a form: its input is the sound at 16 kHz, its form json, text or verbose_json. Raises Refusal."""
    form = read_form(data, content_type)
    for name in form:
        if name not in FIELDS:
            raise bad(
                f"there is no field {name[:60]}; there are {', '.join(FIELDS)}", name[:60], "unknown_field"
            )
    if _word(form, "stream") not in ("", "false"):
        raise bad("stream is false: a transcription comes whole", "stream", "unsupported_value")
    if "file" not in form:
        raise bad("file is missing", "file")
    written = _word(form, "response_format") or "json"
    if written not in FORMS:
        raise bad(f"response_format is {', '.join(FORMS)}, not {written[:40]!r}", "response_format")
    language = _word(form, "language")
    model = _word(form, "model")
    if not model:
        raise bad("model is missing", "model")
    return Call(
        TRANSCRIBE, model, _pcm(form["file"]), {"language": language} if language else {}, form=written
    )


def _word(form: Mapping[str, Part], name: str) -> str:
    try:
        text = form[name].data.decode("utf-8") if name in form else ""
    except UnicodeDecodeError:
        raise bad(f"{name} is not UTF-8", name) from None
    if len(text) > 200:
        raise bad(f"{name} has {len(text)} characters, at most 200 are taken", name)
    return text.strip()


def _pcm(part: Part) -> bytes:
    """The samples of a WAV file as models hear them."""
    try:
        sound = sound_in(part.data, "the file")
        raw = part.data[sound.start : sound.start + sound.nbytes]
        return Converter(sound.samples, RATE).feed(raw, last=True)
    except (UnreadableAudio, ConfigError) as error:
        raise bad(str(error), "file", "invalid_audio") from None


def transcription(output: object, told: Told, call: Call) -> Answer:
    """What was heard."""
    values = output if isinstance(output, Mapping) else {"text": output}
    text = str(values.get("text") or "")
    if call.form == "text":
        return Answer((text + "\n").encode("utf-8", "replace"), "text/plain; charset=utf-8")
    if call.form == "json":
        return as_json({"text": text, "loom": told.extension()})
    length = len(call.input) / 2 / RATE
    language = str(call.options.get("language", ""))
    return as_json({
        "task": "transcribe", "language": language, "duration": length, "text": text, "segments": [],
        "loom": told.extension(),
    })  # fmt: skip


def read_speech(data: bytes) -> Call:
    """The call in the body *data*; raises Refusal. Without a format the answer is a WAV file."""
    body = Fields(read_json(data))
    body.only(SPEECH)
    form = body.text("response_format", "wav")
    if form not in ("wav", "pcm"):
        raise body.wrong("response_format", f"is wav or pcm, not {form[:40]!r}", "unsupported_value")
    body.choice("stream_format", ("audio",), "audio")
    text = body.text("input", most=MOST_TEXT)
    if not text.strip():
        raise body.wrong("input", "is empty")
    speed = body.number("speed", 0.25, 4.0)
    voice = body.text("voice", "", 100) if not isinstance(body.values.get("voice"), Mapping) else ""
    options: dict[str, Any] = {} if speed in (None, 1) else {"speed": speed}
    if voice and voice not in THEIRS:
        options["voice"] = voice
    return Call(SPEAK, body.text("model", most=200), text, options, form=form)


def speech(output: object, told: Told, call: Call) -> Answer:
    """The sound; raises ModelFailed for an output without."""
    found = output.get("pcm") if isinstance(output, Mapping) else None
    data = getattr(found, "data", found)  # a Buffer holds its bytes there
    if not isinstance(output, Mapping) or not isinstance(data, bytes | bytearray | memoryview):
        raise ModelFailed("the backend gave no sound")
    pcm, rate = bytes(data), int(output.get("rate") or 24_000)
    if call.form == "pcm":
        return Answer(pcm, f"audio/pcm;rate={rate}")
    return Answer(wav(pcm, rate), "audio/wav")


def wav(pcm: bytes, rate: int) -> bytes:
    """A WAV file of one channel of signed 16-bit samples."""
    if len(pcm) > 0xFFFF_FF00:
        raise Refusal(502, "too_long", "the sound is too long for a WAV file")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(pcm))
        + b"WAVE"
        + form
        + struct.pack("<4sI", b"data", len(pcm))
        + pcm
    )
