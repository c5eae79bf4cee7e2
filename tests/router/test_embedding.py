"""Vectors for the router itself: asked of this device alone, in whatever form a model gives them."""

import asyncio
from typing import Any

import pytest

from loom.errors import ModelFailed
from loom.event import Confidentiality
from loom.event.codec import Buffer
from loom.models.model import ModelReply, ModelRequest
from loom.router.embedding import Embedder


class Model:
    """Answers with what it was made with."""

    def __init__(self, output: Any) -> None:
        self.output, self.asked = output, list[ModelRequest]()

    async def ask(self, request: ModelRequest) -> ModelReply:
        self.asked.append(request)
        return ModelReply(self.output, "m", 0.0, 0.0)


class Array(list[list[float]]):
    """As NumPy has them: rows by `tolist`, and a `view` that is something else."""

    def tolist(self) -> list[list[float]]:
        return list(self)

    def view(self) -> None:
        raise AssertionError


BUFFER = Buffer(b"\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x80\x40", "float32", (2, 2))


@pytest.mark.parametrize("vectors", [[[1, 2], (3, 4)], BUFFER, Array([[1.0, 2.0], [3.0, 4.0]])])
def test_any_form_of_vectors_is_read_and_the_request_stays_here(vectors: object) -> None:
    model = Model({"vectors": vectors})
    assert asyncio.run(Embedder(model)(("a", "b"))) == [[1.0, 2.0], [3.0, 4.0]]
    (asked,) = model.asked
    assert (asked.task, asked.input, asked.route, asked.cache) == ("embed", ["a", "b"], "local", False)
    assert asked.label.confidentiality is Confidentiality.LOCAL_ONLY


@pytest.mark.parametrize(
    "output",
    [None, {}, {"vectors": None}, {"vectors": [1, 2]}, {"vectors": [["x"], ["y"]]}, {"vectors": [[1.0]]}],
)
def test_what_is_no_vector_for_each_text_is_a_failure(output: object) -> None:
    with pytest.raises(ModelFailed, match="vectors"):
        asyncio.run(Embedder(Model(output))(["a", "b"]))
