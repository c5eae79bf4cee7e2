"""Streams of a server as they come: every spelling of a good one is read, every bad one is a typed error."""

import asyncio
import json
from collections import Counter
from random import Random

import pytest

from loom.errors import BackendFailed
from tests.adapters.fault_server import Asked, reply
from tests.adapters.model_server import (
    DEEP,
    HI,
    JSON,
    KEY,
    SSE,
    asking,
    bound,
    chat,
    chunk,
    chunked,
    completion,
    failure,
    says_bytes,
    says_stream,
    stream,
    streamed,
)

Patch = pytest.MonkeyPatch
BAD_STREAMS = {
    "no blank lines": b"".join(b"data: " + json.dumps(each).encode() + b"\n" for each in HI),
    "no json": b"data: {choices\n\n",
    "no choices": stream({"model": "m", "choices": []}),
    "nothing": b"",
    "only the end": b"data: [DONE]\n\n",
    "cut in a message": stream(*HI)[:-80],
    "without an end": stream(HI[0], done=False),
    "an error inside": stream(HI[0]) [:-14] + b'data: {"error": {"message": "out of memory"}}\n\n',
    "a list": b"data: []\n\n",
    "nested": f"data: {DEEP}\n\n".encode(),
    "huge line": b"data: " + b"x" * 3_000_000,
}  # fmt: skip


@pytest.mark.parametrize("content", BAD_STREAMS.values(), ids=BAD_STREAMS)
async def test_a_stream_that_makes_no_sense_is_told(monkeypatch: Patch, content: bytes) -> None:
    async with asking(monkeypatch, says_stream(content)) as (model, _):
        await failure(model, True)


GOOD_STREAMS = {
    "as it should be": stream(*HI),
    "CRLF": stream(*HI, end="\r\n\r\n"),
    "CR": stream(*HI, end="\r\r"),
    "BOM": b"\xef\xbb\xbf" + stream(*HI),
    "comments": b": hello\n\n" + stream(*HI).replace(b"data:", b": ping\ndata:"),
    "data split in lines": stream(*HI).replace(b', "choices"', b'\ndata: , "choices"'),
    "without space": stream(*HI).replace(b"data: ", b"data:"),
    "named events": stream(*HI).replace(b"data: ", b"event: message\nid: 1\nretry: 5\ndata: "),
    "two ends": stream(*HI) + b"data: [DONE]\n\ndata: [DONE]\n\n",
    "no end": stream(*HI, done=False),
    "no blank line at the end": stream(*HI).rstrip(b"\n"),
    "words after the end": stream(*HI) + stream(chunk("more")),
    "empty data": b"data:\n\n" + stream(*HI),
    "another choice beside": stream({"choices": [{"index": 1, "delta": {"content": "no"}}]}, *HI),
}


@pytest.mark.parametrize("content", GOOD_STREAMS.values(), ids=GOOD_STREAMS)
@pytest.mark.parametrize("form", ["whole", "bytes", "length"])
async def test_every_spelling_of_a_stream_is_read(monkeypatch: Patch, content: bytes, form: str) -> None:
    pieces = [content[at : at + 1] for at in range(len(content))] if form == "bytes" else [content]
    answer = says_stream(content) if form == "length" else says_bytes(chunked(*pieces))
    async with asking(monkeypatch, answer) as (model, _):
        *items, last = await streamed(model)
        assert "".join(item["text"] for item in items) == "Hi thére"
        assert (last["text"], last["done"], last["stopped"]) == ("", True, "end")
        assert (last["tokens_in"], last["tokens_out"], last["model"]) == (7, 2, "m")


async def test_broken_characters_are_marked_and_no_error(monkeypatch: Patch) -> None:
    content = stream(*HI).replace("é".encode(), b"\xc3")
    async with asking(monkeypatch, says_stream(content)) as (model, _):
        items = await streamed(model)
        assert "".join(item["text"] for item in items) == "Hi th\ufffdre"


async def test_who_writes_on_behind_the_limit_of_tokens_is_cut(monkeypatch: Patch) -> None:
    content = stream(*[chunk("x" * 100)] * 60, chunk(finish="stop"))
    async with asking(monkeypatch, says_stream(content)) as (model, _):
        assert len(await streamed(model, chat("hi", max_tokens=100))) == 61
        with pytest.raises(BackendFailed, match="far behind the limit") as caught:
            await streamed(model, chat("hi", max_tokens=10))
        assert not caught.value.retryable


async def test_too_many_messages_are_cut(monkeypatch: Patch) -> None:
    monkeypatch.setattr("loom.adapters._remote_model.MOST_MESSAGES", 50)
    content = stream(*[chunk("")] * 60, chunk(finish="stop"))
    async with asking(monkeypatch, says_stream(content)) as (model, _):
        assert "50 messages" in str(await failure(model, True))


async def test_an_endless_stream_is_cut_at_its_limit(monkeypatch: Patch) -> None:
    async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        while True:
            writer.write(stream(HI[0], done=False))
            await writer.drain()

    async with asking(monkeypatch, endless) as (model, server):
        error = await failure(bound(model, response=100_000), True)
        assert not error.retryable
        assert "100,000" in str(error)
        await server.left.wait()


def damaged(content: bytes, chance: Random) -> bytes:
    """*content* with a few bytes changed, left out, or put in, and perhaps cut."""
    made = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(made))
        made[at : at + chance.choice((0, 1, 1, 9))] = chance.choice(
            (b"", b"\0", b"\r\n", b"\xff", b"}", b"data: ")
        )
    return bytes(made[: chance.choice((len(made), chance.randrange(len(made))))])


@pytest.mark.parametrize("kind", ["whole", "length", "chunked"])
async def test_damage_anywhere_in_an_answer_is_a_typed_error_or_an_answer(
    monkeypatch: Patch, kind: str
) -> None:
    good = {
        "whole": reply(200, json.dumps(completion()), **JSON),
        "length": reply(200, stream(*HI), **SSE),
        "chunked": chunked(stream(*HI[:2]), stream(*HI[2:])),
    }[kind]
    chance, ended, words = Random(1), Counter[str](), set[str]()

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(damaged(good, chance))

    async with asking(monkeypatch, behave, idle=0.5, timeout=2) as (model, _):
        for _ in range(150):
            try:
                found = await (model.infer(chat()) if kind == "whole" else streamed(model))
                ended["answered"] += bool(found)
            except BackendFailed as error:
                words.add(str(error))
                ended["failed"] += 1
    assert sum(ended.values()) == 150
    assert min(ended.values()) > 5
    assert not any(KEY in each or "Mauzi" in each for each in words)
