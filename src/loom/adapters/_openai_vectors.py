"""Embeddings, as OpenAI and who is compatible with it write them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from loom.adapters._chat_answer import PER_TOKEN
from loom.adapters._json_fields import LARGEST, encode, fields, read_object, rows, text, whole
from loom.adapters._model_call import Answer, Call, Reader
from loom.adapters._model_errors import Peer
from loom.adapters._openai_chat import JSON, usage
from loom.errors import BackendFailed, ModelFailed
from loom.models import ModelRequest, Usage

MOST_TEXTS = 2_048


@dataclass(frozen=True, slots=True)
class VectorsWire:
    """`embed`: text or texts to {"vectors": n lists of d numbers, "model"}. See loom.adapters._model_call.Wire."""

    peer: Peer

    def talk(self, request: ModelRequest) -> VectorsTalk:
        """*request*, checked; raises ModelFailed for what cannot be asked."""
        if unknown := sorted(set(request.options) - {"dimensions"}):
            raise ModelFailed(f"embed has no option {unknown[0]!r:.60}; it has dimensions")
        dimensions = request.options.get("dimensions")
        if dimensions is not None and (type(dimensions) is not int or not 0 < dimensions <= 65_536):
            raise ModelFailed(f"dimensions is a whole number up to 65536, not {dimensions!r:.40}")
        return VectorsTalk(self.peer, _texts(request.input), dimensions)


@dataclass(frozen=True, slots=True)
class VectorsTalk:
    """One list of texts. See loom.adapters._model_call.Talk."""

    peer: Peer
    texts: tuple[str, ...]
    dimensions: int | None

    pieces: ClassVar[bool] = False

    def adapted(self, words: str) -> None:
        """Nothing can be left out."""

    def call(self, model: str, stream: bool) -> Call:
        """What to send."""
        body: dict[str, Any] = {"input": list(self.texts), "encoding_format": "float"}
        if model:
            body["model"] = model
        if self.dimensions is not None:
            body["dimensions"] = self.dimensions
        return Call("/embeddings", encode(body), JSON, prompt=self.texts)

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """The vectors in the order of the texts; raises BackendFailed."""
        said = read_object(body, self.peer.name)
        found = sorted(map(fields, rows(said.get("data"))), key=_place)
        vectors = [self._vector(each.get("embedding")) for each in found]
        if len(vectors) != len(self.texts) or len({len(each) for each in vectors}) != 1:
            raise BackendFailed(
                f"{self.peer.name} answered {len(vectors)} vectors to {len(self.texts)} texts"
            )
        named, known = text(said.get("model")), said.get("usage")
        guess = Usage(sum(-(-len(each.encode()) // PER_TOKEN) for each in self.texts))
        taken = usage(known) if isinstance(known, dict) else guess
        return Answer({"vectors": vectors, "model": named}, taken, named, not isinstance(known, dict))

    def reader(self) -> Reader:
        """Nothing: vectors come whole, so it raises BackendFailed."""
        raise BackendFailed(f"{self.peer.name} answered vectors in pieces, which was not asked for")

    def _vector(self, value: object) -> list[float]:
        numbers = rows(value)
        good = all(type(each) in (int, float) and -LARGEST <= each <= LARGEST for each in numbers)
        if not numbers or not good:
            raise BackendFailed(f"{self.peer.name} answered a vector that is none")
        return [float(each) for each in numbers]


def _place(each: Mapping[str, Any]) -> int:
    place = each.get("index")
    return place if type(place) is int else 0


def _texts(input: object) -> tuple[str, ...]:
    texts = [input] if isinstance(input, str) else input
    if not isinstance(texts, list | tuple) or not 0 < len(texts) <= MOST_TEXTS:
        raise ModelFailed(f"embed takes a text or 1 to {MOST_TEXTS:,} texts, not {type(input).__name__}")
    for each in texts:
        if not isinstance(each, str):
            raise ModelFailed(f"embed takes texts, not {type(each).__name__}")
    return tuple(whole(each.replace("\0", "")) for each in texts)
