"""Sentence embeddings with the real network: alike means near, in batches as alone, and bad files are named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from loom.errors import ModelFailed
from loom.models import minilm
from loom.models._packaged import packaged_file
from loom.models.catalog import BACKENDS
from loom.models.classify import examples
from loom.worker import Worker

np = pytest.importorskip("numpy")
pytest.importorskip("onnxruntime")
pytest.importorskip("tokenizers")
try:
    NETWORK = packaged_file(minilm.MODEL, "model.onnx", minilm.MODEL_PIN)
    TOKENIZER = packaged_file(minilm.TOKENIZER, "tokenizer.json", minilm.TOKENIZER_PIN)
except ModelFailed as error:
    pytest.skip(str(error), allow_module_level=True)

INTENTS = {
    "timer": ["set a timer for ten minutes", "wake me in half an hour"],
    "door": ["who is at the door", "is anybody outside"],
    "lights": ["switch the light on", "make it dark in here"],
}


@pytest.fixture(scope="module")
def model() -> minilm.MiniLm:
    return minilm.MiniLm({})


def test_alike_is_near_and_vectors_have_length_one(model: minilm.MiniLm) -> None:
    vectors, cut = model.embed(["a dog runs", "a puppy is running", "interest rates rose", ""])
    assert (vectors.shape, vectors.dtype, cut) == ((4, 384), np.float32, 0)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    near = vectors @ vectors.T
    assert near[0, 1] > 0.7 > 0.3 > near[0, 2]


def test_a_text_has_the_same_vector_alone_and_in_any_company(model: minilm.MiniLm) -> None:
    texts = [("word " * n).strip() for n in (1, 40, 3, 7, 300, 2)] * 5
    together, cut = model.embed(texts)
    assert cut == 5
    for i in (0, 4, 11, 29):
        assert np.allclose(together[i], model.embed([texts[i]])[0][0], atol=1e-5)


def test_labels_by_meaning_and_none_of_them(model: minilm.MiniLm) -> None:
    labels = examples(INTENTS)

    def best(text: str) -> Any:
        return model.classify(text, labels, 0.4)[0]["label"]

    assert best("start a countdown of five minutes") == "timer"
    assert best("did somebody ring at the front door") == "door"
    assert best("turn on the lamp") == "lights"
    assert best("the senate debated fiscal policy") is None


def test_what_is_remembered_of_examples_is_bounded(
    model: minilm.MiniLm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "REMEMBERED", 3)
    found = model.classify("two", examples(["one", "two", "three", "four", "five"]), 0.1)
    assert found[0]["label"] == "two"
    assert len(model._known) == 3


def test_bad_files_are_named(tmp_path: Path) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(NETWORK.read_bytes()[:100_000])
    other = tmp_path / "other.onnx"
    other.write_text("I am no model")
    for path in (cut, other, tmp_path / "missing.onnx", tmp_path):
        with pytest.raises(ModelFailed, match=str(path)):
            minilm.MiniLm({"file": str(path)})
    with pytest.raises(ModelFailed, match="no tokenizer"):
        minilm.MiniLm({"tokenizer": str(other)})


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with Worker("minilm", minilm.SPEC, memory_limit=BACKENDS["minilm"].memory_limit) as made:
        yield made


async def test_it_works_in_a_worker_and_hostile_input_is_refused_by_name(worker: Worker) -> None:
    reply: Any = await worker.call("embed", {"input": ["one", "two"]}, timeout=60)
    assert (reply["vectors"].shape, reply["vectors"].dtype, reply["model"]) == (
        (2, 384),
        "float32",
        minilm.NAME,
    )
    for wrong in (7, None, [], [7], ["x", None], ["x"] * 4097, {"a": 1}, b"bytes"):
        with pytest.raises(ModelFailed, match="embed takes"):
            await worker.call("embed", {"input": wrong}, timeout=60)
    with pytest.raises(ModelFailed, match="labels"):
        await worker.call("classify", {"input": "x"}, timeout=60)
    with pytest.raises(ModelFailed, match="one text"):
        await worker.call("classify", {"input": ["x"], "options": {"labels": ["a"]}}, timeout=60)
    strange = ["\0\x01\u202e", "💥 dog " * 3000, "a" * 1_000_000]
    reply = await worker.call("embed", {"input": strange}, timeout=60)
    assert (reply["vectors"].shape[0], reply["cut"]) == (3, 2)
    best: Any = await worker.call("classify", {"input": "hello", "options": {"labels": INTENTS}}, timeout=60)
    assert best[0]["label"] is None
    assert worker.statistics()["deaths"] == 0


async def test_a_network_over_the_memory_limit_is_a_typed_error_that_names_the_limit() -> None:
    async with Worker("minilm", minilm.SPEC, memory_limit=300 << 20) as worker:
        with pytest.raises(ModelFailed, match="memory_limit"):
            await worker.call("embed", {"input": "hi"}, timeout=60)
