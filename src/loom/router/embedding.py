"""Vectors of texts from a model on this device, for whatever in the router compares texts by meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from loom.errors import ModelFailed
from loom.event import Confidentiality, Label
from loom.models.model import ModelReply, ModelRequest

HERE = Label(Confidentiality.LOCAL_ONLY)
"""The label of each request for vectors: whoever compares texts must not send them anywhere for that."""


class Asks(Protocol):
    """Who answers requests: a router."""

    async def ask(self, request: ModelRequest) -> ModelReply: ...


class Embedder:
    """The vectors of texts, one for each, by the local model that *router* has for the task ``embed``.

    Raises what the router raises, ModelFailed for an answer that is not one vector of numbers for each text.
    """

    def __init__(self, router: Asks, timeout: float = 10.0) -> None:
        self._router, self._timeout = router, timeout

    async def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        request = ModelRequest("embed", list(texts), HERE, self._timeout, route="local", cache=False)
        reply = await self._router.ask(request)
        try:
            vectors = _rows(reply.output["vectors"])  # type: ignore[index]  # a mapping, or a TypeError below
        except (TypeError, KeyError, ValueError) as error:
            raise ModelFailed(f"{reply.backend!r} gave no vectors: {type(error).__name__}") from None
        if len(vectors) != len(texts):
            raise ModelFailed(f"{reply.backend!r} gave {len(vectors)} vectors for {len(texts)} texts")
        return vectors


def _rows(vectors: Any) -> list[list[float]]:
    """Rows of numbers out of lists, an array, or a Buffer."""
    told = vectors if hasattr(vectors, "tolist") else getattr(vectors, "view", lambda: vectors)()
    rows = told.tolist() if hasattr(told, "tolist") else told
    return [[float(each) for each in row] for row in rows]
