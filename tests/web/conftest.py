"""A gateway over scripted models, on a free port of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from loom import Loom
from loom.testing import FakeBackend
from loom.web import Gateway, Settings

Serve = Callable[..., Any]


def says(request: Any) -> Any:
    """An answer with figures, whole or in pieces."""
    if request.stream:
        return [{"text": "Hello "}, {"text": "you"}, FIGURES]
    return {**FIGURES, "text": "Hello you"}


FIGURES = {"text": "", "done": True, "tokens_in": 7, "tokens_out": 2, "stopped": "end", "confidence": 0.9}


class Capable(FakeBackend):
    """A scripted model with tools and schemas."""

    features = frozenset({"tools", "schema"})


def client_of(gateway: Gateway, key: str = "none", **more: Any) -> Any:
    """The `openai` package's client of this gateway."""
    from openai import AsyncOpenAI

    return AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, **more)


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """`async with serve(*models, **settings) as gateway`; the gateway's port is its own."""

    @asynccontextmanager
    async def serving(*models: Any, **settings: Any) -> AsyncIterator[Gateway]:
        async with Loom(watchdog=None) as loom:
            for model in models or (Capable("chat", says),):
                loom.add_model(model)
            made = await asyncio.to_thread(Gateway, loom, Settings(port=0, **settings), tmp_path)
            async with made as gateway:
                yield gateway

    return serving
