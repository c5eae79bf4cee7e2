"""The real `openai` package talks to the gateway."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.web.conftest import Capable, client_of


async def test_a_completion(serve: Any) -> None:
    async with serve() as gateway, client_of(gateway) as client:
        got = await client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "Hi"}])
    assert got.choices[0].message.content == "Hello you"
    assert got.choices[0].finish_reason == "stop"
    assert got.usage is not None
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.total_tokens) == (7, 2, 9)


async def test_a_completion_in_pieces(serve: Any) -> None:
    async with serve() as gateway, client_of(gateway) as client:
        stream = await client.chat.completions.create(
            model="auto",
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    assert [c.choices[0].delta.content for c in chunks if c.choices] == ["", "Hello ", "you", None]
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 9


async def test_the_models(serve: Any) -> None:
    async with serve(Capable("chat", ["x"], name="tiny")) as gateway, client_of(gateway) as client:
        names = [each.id async for each in client.models.list()]
        one = await client.models.retrieve("tiny")
    assert [name for name in names if not name.startswith("profile:")] == ["auto", "local", "tiny"]
    assert "profile:private" in names
    assert one.id == "tiny"


async def test_an_unknown_model_is_404_with_the_nearest(serve: Any) -> None:
    async with serve(Capable("chat", ["x"], name="tiny")) as gateway, client_of(gateway) as client:
        with pytest.raises(openai.NotFoundError, match="did you mean 'tiny'"):
            await client.chat.completions.create(model="tinny", messages=[{"role": "user", "content": "Hi"}])
