"""Embeddings, transcriptions and speech through the real `openai` package."""

from __future__ import annotations

import io
import wave
from array import array
from dataclasses import replace
from typing import Any

import openai
import pytest

from loom.models import ModelReply, ModelRequest, Usage
from loom.testing import FakeBackend
from loom.web.multipart import read_form
from tests.web.conftest import client_of

PCM = array("h", [0, 1000, -1000, 500] * 400).tobytes()


def wav_of(pcm: bytes, rate: int = 16_000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(pcm)
    return file.getvalue()


@pytest.mark.parametrize("form", ["float", "base64", None])
async def test_embeddings_in_every_form(serve: Any, form: Any) -> None:
    backend = FakeBackend(
        "embed", lambda request: {"vectors": [[float(len(t)), 0.5] for t in request.input], "model": "m"}
    )
    more: Any = {} if form is None else {"encoding_format": form}
    async with serve(backend) as gateway, client_of(gateway) as client:
        many = await client.embeddings.create(model="auto", input=["ab", "abc"], **more)
        one = await client.embeddings.create(model="auto", input="a")
    assert one.data[0].embedding == [1.0, 0.5]
    if form != "base64":
        assert [each.embedding for each in many.data] == [[2.0, 0.5], [3.0, 0.5]]
    assert [each.index for each in many.data] == [0, 1]


class Counting(FakeBackend):
    """Says what it took beside its answer, as backends elsewhere do."""

    async def infer(self, request: ModelRequest) -> ModelReply:
        return replace(await super().infer(request), usage=Usage(5))


@pytest.mark.parametrize(("said", "read"), [({}, 5), ({"tokens_in": 7}, 7)])
async def test_embeddings_say_what_was_read(serve: Any, said: Any, read: int) -> None:
    backend = Counting("embed", lambda request: {"vectors": [[1.0]], **said})
    async with serve(backend) as gateway, client_of(gateway) as client:
        got = await client.embeddings.create(model="auto", input="a")
    assert (got.usage.prompt_tokens, got.usage.total_tokens) == (read, read)


@pytest.mark.parametrize("form", ["lists", "buffer", "array"])
async def test_vectors_may_be_lists_a_buffer_or_an_array(serve: Any, form: str) -> None:
    import numpy as np

    from loom.event._codec_buffer import Buffer

    rows = np.array([[1.0, 0.5], [2.0, 0.25]], "float32")
    made = {"lists": rows.tolist(), "buffer": Buffer(rows.tobytes(), "float32", (2, 2)), "array": rows}[form]
    async with (
        serve(FakeBackend("embed", lambda request: {"vectors": made})) as gateway,
        client_of(gateway) as client,
    ):
        got = await client.embeddings.create(model="auto", input=["a", "b"])
    assert [each.embedding for each in got.data] == rows.tolist()


@pytest.mark.parametrize("wrong", [None, "text", [["a"]], [1.0], {"a": 1}, [[1e300]], [[float("nan")]]])
async def test_what_is_no_vector_is_an_error_of_the_backend(serve: Any, wrong: Any) -> None:
    async with (
        serve(FakeBackend("embed", lambda request: {"vectors": wrong})) as gateway,
        client_of(gateway) as client,
    ):
        with pytest.raises(openai.InternalServerError, match="vectors"):
            await client.embeddings.create(model="auto", input="a", encoding_format="float")


async def test_the_wrong_number_of_vectors_is_an_error(serve: Any) -> None:
    async with (
        serve(FakeBackend("embed", lambda request: {"vectors": [[1.0]]})) as gateway,
        client_of(gateway) as client,
    ):
        with pytest.raises(openai.InternalServerError, match="1 vectors for 2 texts"):
            await client.embeddings.create(model="auto", input=["a", "b"])


@pytest.mark.parametrize(("form", "kind"), [("json", "text"), ("text", "str"), ("verbose_json", "duration")])
async def test_a_wav_file_is_transcribed(serve: Any, form: Any, kind: str) -> None:
    backend = FakeBackend("transcribe", lambda request: {"text": "go forward", "seconds": 0.1})
    async with serve(backend) as gateway, client_of(gateway) as client:
        got: Any = await client.audio.transcriptions.create(
            model="auto", file=("a.wav", wav_of(PCM)), response_format=form, language="en"
        )
    assert (got.strip() if form == "text" else got.text) == "go forward"
    if kind == "duration":
        assert got.duration == pytest.approx(0.1)
    assert backend.requests[0].input == PCM
    assert backend.requests[0].options == {"language": "en"}


async def test_another_rate_becomes_16_khz_mono(serve: Any) -> None:
    backend = FakeBackend("transcribe", lambda request: {"text": "x"})
    async with serve(backend) as gateway, client_of(gateway) as client:
        await client.audio.transcriptions.create(model="auto", file=("a.wav", wav_of(PCM, 32_000, 2)))
    assert len(backend.requests[0].input) == pytest.approx(len(PCM) / 4, rel=0.2)  # type: ignore[arg-type]


async def test_a_transcription_in_pieces_is_refused(serve: Any) -> None:
    async with serve(FakeBackend("transcribe", ["x"])) as gateway, client_of(gateway) as client:
        with pytest.raises(openai.BadRequestError, match="stream is false"):
            await client.audio.transcriptions.create(model="auto", file=("a.wav", wav_of(PCM)), stream=True)


@pytest.mark.parametrize(
    "named", ['filename="a; name=b.wav"; name="file"', "name=file; filename=a.wav", 'NAME="file"']
)
def test_the_name_of_a_part_is_not_sought_in_the_name_of_its_file(named: str) -> None:
    data = f"--b\r\nContent-Disposition: form-data; {named}\r\n\r\nx\r\n--b--".encode()
    ((name, part),) = read_form(data, "multipart/form-data; boundary=b").items()
    assert (name, part.data, bool(part.filename)) == ("file", b"x", "filename" in named)


async def test_what_is_no_wav_is_400(serve: Any) -> None:
    async with serve(FakeBackend("transcribe", ["x"])) as gateway, client_of(gateway) as client:
        with pytest.raises(openai.BadRequestError, match="an MP3 file"):
            await client.audio.transcriptions.create(model="auto", file=("a.mp3", b"ID3" + bytes(100)))


async def test_speech_is_a_wav_file_or_samples(serve: Any) -> None:
    backend = FakeBackend("speak", lambda request: {"pcm": PCM, "rate": 24_000, "seconds": 0.05})
    async with serve(backend) as gateway, client_of(gateway) as client:
        asked: Any = {"model": "auto", "voice": "alloy", "input": "Hello"}
        sound = await client.audio.speech.create(response_format="wav", speed=1.5, **asked)
        with wave.open(io.BytesIO(sound.content)) as read:
            assert (read.getframerate(), read.getnchannels(), read.readframes(9999)) == (24_000, 1, PCM)
        samples = await client.audio.speech.create(response_format="pcm", **asked)
        assert samples.content == PCM
        with pytest.raises(openai.BadRequestError, match="wav or pcm"):
            await client.audio.speech.create(response_format="mp3", **asked)
    assert [dict(each.options) for each in backend.requests] == [{"speed": 1.5}, {}]


async def test_a_task_that_no_model_does_is_404(serve: Any) -> None:
    async with serve() as gateway, client_of(gateway) as client:
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="auto", input="a")
