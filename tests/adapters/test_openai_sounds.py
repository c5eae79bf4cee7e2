"""Sounds and vectors: forms with a WAV inside, what is heard, what is said, and vectors in their order."""

import asyncio
import json
import wave
from email import message_from_bytes
from email.policy import HTTP
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._openai_sounds import form, wav
from loom.errors import BackendFailed, ModelFailed
from loom.models import ModelRequest, Usage
from tests.adapters.fault_server import Asked, reply
from tests.adapters.model_server import JSON, asking, says_bytes, says_json

Patch = pytest.MonkeyPatch
PCM = bytes(range(256)) * 250  # two seconds


def parts_of(kind: str, body: bytes) -> dict[str, Any]:
    """The parts of a form, as the standard library reads them."""
    message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=HTTP)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in message.iter_parts()  # type: ignore[attr-defined]
    }


async def test_a_sound_is_sent_as_a_file_and_its_words_come_back(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, says_json({"text": " Hello. ", "language": "en"}), tasks=["transcribe"],
                      price={"second": 0.5}) as (model, server):  # fmt: skip
        reply_ = await model.infer(
            ModelRequest("transcribe", PCM, options={"language": "en", "prompt": "Names: é"})
        )
        assert reply_.output == {"text": "Hello.", "seconds": 2.0, "language": "en"}
        assert (reply_.usage, reply_.cost) == (Usage(0, 0, 2.0), 1.0)
        asked = server.requests[0]
        assert asked.path == "/v1/audio/transcriptions"
        parts = parts_of(asked.headers["content-type"], asked.body)
        assert (parts["model"], parts["language"], parts["prompt"]) == (b"m", b"en", "Names: é".encode())
        with wave.open(BytesIO(parts["file"])) as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16_000, 1, 2)
            assert sound.readframes(1 << 20) == PCM


@given(st.dictionaries(st.sampled_from(["model", "prompt"]), st.text()), st.binary(max_size=200))
def test_nothing_inside_a_form_ends_it(values: dict[str, str], file: bytes) -> None:
    kind, body = form(values, file)
    boundary = kind.partition("boundary=")[2].encode()
    assert body.count(boundary) == len(values) + 2
    assert wav(file)[44:] == file


@pytest.mark.parametrize("task", ["transcribe", "speak", "embed"])
@pytest.mark.parametrize("input", [None, 7, "", b"\0", [], [b"x"], {"a": 1}])
async def test_what_is_no_input_is_refused(monkeypatch: Patch, task: str, input: Any) -> None:
    if (task, input) == ("embed", ""):
        return  # an empty text has a vector
    async with asking(monkeypatch, says_json({}), tasks=[task]) as (model, server):
        with pytest.raises(ModelFailed):
            await model.infer(ModelRequest(task, input))
        with pytest.raises(ModelFailed, match="no option"):
            await model.infer(
                ModelRequest(task, {"embed": "x", "speak": "x"}.get(task, b""), options={"colour": 1})
            )
        assert server.requests == []


@pytest.mark.parametrize("billed", [{"seconds": -9}, {"seconds": 10**400}, {"seconds": "x"}, {}, None])
async def test_a_length_that_is_none_is_that_of_the_sound(monkeypatch: Patch, billed: Any) -> None:
    body = {"text": "Hello.", "usage": billed}
    async with asking(monkeypatch, says_json(body), tasks=["transcribe"], price={"second": 0.5}) as (
        model,
        _,
    ):
        reply_ = await model.infer(ModelRequest("transcribe", PCM))
        assert (reply_.usage.seconds, reply_.cost) == (2.0, 1.0)


@pytest.mark.parametrize("body", [{}, {"text": None}, {"error": {"message": "x"}}])
async def test_a_transcription_without_text_is_told(monkeypatch: Patch, body: Any) -> None:
    async with asking(monkeypatch, says_json(body), tasks=["transcribe"]) as (model, _):
        with pytest.raises(BackendFailed, match="without a text"):
            await model.infer(ModelRequest("transcribe", PCM))


def spoken(rate: int, channels: int = 1, streaming: bool = False) -> bytes:
    """A WAV file of 100 moments; *streaming* writers do not know how long it gets."""
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((channels, 2, rate, 0, "NONE", ""))
        sound.writeframes(b"\1\0" * 100 * channels)
    made = file.getvalue()
    return made[:40] + b"\xff\xff\xff\xff" + made[44:] if streaming else made


@pytest.mark.parametrize(
    ("body", "kind", "rate"),
    [
        (spoken(22_050), "audio/wav", 22_050),
        (spoken(24_000, streaming=True), "audio/wav", 24_000),
        (spoken(24_000), "application/octet-stream", 24_000),
        (b"\1\0" * 100, "audio/pcm", 24_000),
        (b"\1\0" * 100 + b"\1", "audio/pcm", 24_000),
    ],
)
async def test_speech_says_its_rate(monkeypatch: Patch, body: bytes, kind: str, rate: int) -> None:
    async with asking(
        monkeypatch, says_bytes(reply(200, body, content_type=kind)), tasks=["speak"], voice="ash"
    ) as (
        model,
        server,
    ):
        output = (await model.infer(ModelRequest("speak", "Hi.", options={"speed": 1.5}))).output
        assert output == {"pcm": b"\1\0" * 100, "rate": rate, "seconds": 100 / rate}
        sent = json.loads(server.requests[0].body)
        assert sent == {"model": "m", "input": "Hi.", "voice": "ash", "speed": 1.5, "response_format": "wav"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"", "audio/wav"), (b"RIFF", "audio/wav"), (b"RIFF" + b"\xff" * 99, "audio/wav"), (b"{}", "application/json"),
     (b"<html>", "text/html"), (spoken(24_000, 2), "audio/wav")],
)  # fmt: skip
async def test_speech_that_is_none_is_told(monkeypatch: Patch, body: bytes, kind: str) -> None:
    async with asking(monkeypatch, says_bytes(reply(200, body, content_type=kind)), tasks=["speak"]) as (
        model,
        _,
    ):
        with pytest.raises(BackendFailed):
            await model.infer(ModelRequest("speak", "Hi."))


async def test_vectors_come_in_the_order_of_their_texts(monkeypatch: Patch) -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        texts = json.loads(asked.body)["input"]
        data = [{"index": n, "embedding": [len(text), 0.5]} for n, text in enumerate(texts)]
        said = {"data": data[::-1], "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}}
        writer.write(reply(200, json.dumps(said), **JSON))

    async with asking(monkeypatch, behave, tasks=["embed"]) as (model, _):
        reply_ = await model.infer(ModelRequest("embed", ["a", "bbb", "cc"]))
        assert reply_.output == {"vectors": [[1, 0.5], [3, 0.5], [2, 0.5]], "model": "m"}
        assert reply_.usage == Usage(3)
        assert (await model.infer(ModelRequest("embed", "a"))).output["vectors"] == [[1, 0.5]]


@pytest.mark.parametrize(
    "data",
    [[], [{"embedding": []}], [{"embedding": ["x"]}], [{"embedding": [True]}], [{"embedding": "AAAA"}], "x",
     [{"embedding": [10**400]}],
     [{"embedding": [1]}, {"embedding": [1]}]],
)  # fmt: skip
async def test_vectors_that_are_none_are_told(monkeypatch: Patch, data: Any) -> None:
    async with asking(monkeypatch, says_json({"data": data}), tasks=["embed"]) as (model, _):
        with pytest.raises(BackendFailed):
            await model.infer(ModelRequest("embed", "a"))
