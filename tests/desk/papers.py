"""A desk for tests: its agents with models that are sure of what they say, and a folder told of by hand."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from loom import Loom
from loom.desk import Clerk, Reader, Shelf
from loom.desk.answer import words
from loom.desk.topics import FOLDER
from loom.event._codec_buffer import Buffer
from loom.models import ModelRequest
from loom.testing import FakeBackend, new_loom

WIDTH = 64


def embed(request: ModelRequest) -> dict[str, Any]:
    """Each text as the bag of its words: texts with the same words are near."""
    assert isinstance(request.input, list)
    vectors = np.zeros((len(request.input), WIDTH), np.float32)
    for row, text in enumerate(request.input):
        for word in words(text):
            vectors[row, zlib.crc32(word.encode()) % WIDTH] += 1.0
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    rows = np.ascontiguousarray(vectors / lengths, np.float32)
    return {
        "vectors": Buffer(rows.data, "float32", rows.shape),
        "model": "fake",
    }  # as it comes out of a worker


def classify(request: ModelRequest) -> list[dict[str, Any]]:
    return [{"label": "recipe" if "soup" in str(request.input) else None, "score": 0.9}]


class Desk:
    """A runtime with the three agents, and the models that they ask."""

    def __init__(self, data: Path | None = None, **options: Any) -> None:
        self.embedder = FakeBackend("embed", embed, delay=0.01, name="embedder")
        self.classifier = FakeBackend("classify", classify, delay=0.01, name="classifier")
        self.loom: Loom = new_loom(data=data, **options).add(Reader, Shelf, Clerk)
        self.loom.add_model(self.embedder).add_model(self.classifier)

    async def tell(self, change: str, path: Path, **more: Any) -> None:
        """What a watched folder says of a file."""
        payload = {
            "path": str(path),
            "name": path.name,
            "change": change,
            "size": 0,
            "kind": "",
            "mtime_ms": 0,
        }
        await self.loom.publish(f"{FOLDER}.{change}", {**payload, **more})

    @property
    def read(self) -> int:
        """How many texts were embedded."""
        return sum(len(request.input) for request in self.embedder.requests)  # type: ignore[arg-type]

    def papers(self) -> dict[str, list[str]]:
        """What lies on the shelf, by file name."""
        kept: Any = self.loom.agent("shelf").instance
        return {paper.name: list(paper.texts) for paper in kept.papers.values()}

    def seen(self) -> dict[str, Any]:
        kept: Any = self.loom.agent("reader").instance
        return dict(kept.seen)
