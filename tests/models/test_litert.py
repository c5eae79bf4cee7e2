"""Any .tflite file: the face network's raw outputs, its refusals, and what a picture becomes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ModelFailed
from loom.models import face, litert
from loom.models._network import Looks, Tensor, best_labels, feed_of, read_labels
from loom.models.catalog import BACKENDS
from loom.worker import Worker

np = pytest.importorskip("numpy")
pytest.importorskip("PIL")
pytest.importorskip("ai_edge_litert")
try:
    FILE = face.model_file("face_detection_back.tflite")
except ModelFailed as error:
    pytest.skip(str(error), allow_module_level=True)

NHWC, NCHW = Tensor("in", (1, 4, 6, 3), "float32"), Tensor("in", (None, 3, 4, 6), "float32")


async def test_the_face_network_sees_a_picture_as_its_own_backend_does() -> None:
    from tests.models.pictures import photograph

    config = {"file": FILE, "scale": 127.5, "mean": 1.0}
    limit = BACKENDS["litert"].memory_limit
    picture = await asyncio.to_thread(lambda: np.asarray(photograph("astronaut.png")))
    async with Worker("litert", litert.SPEC, config, memory_limit=limit) as worker:
        reply: Any = await worker.call("infer", {"input": picture}, timeout=60)
        assert reply["regressors"].shape == (1, 896, 16)
        assert reply["classificators"].numpy().max() > 2
        empty: Any = await worker.call("infer", {"input": np.zeros_like(picture)}, timeout=60)
        assert empty["classificators"].numpy().max() < 0
        for wrong in (None, 7, "x", b"x", {"other": [1]}, np.zeros((1, 2, 2, 3), np.float32)):
            with pytest.raises(ModelFailed, match=r"the network takes input: float32 \(1, 256, 256, 3\)"):
                await worker.call("infer", {"input": wrong}, timeout=60)
        assert worker.statistics()["deaths"] == 0


@pytest.mark.parametrize("data", [b"", b"I am a text", bytes(100)])
def test_what_is_no_model_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.tflite"
    path.write_bytes(data)
    with pytest.raises(ModelFailed, match=f"{path} is no .tflite"):
        litert.LiteNetwork(path)


async def test_a_truncated_model_is_an_error_each_time(tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(Path(FILE).read_bytes()[:20_000])
    async with Worker("cut", litert.SPEC, {"file": str(path)}, memory_limit=1 << 30) as worker:
        for _ in range(2):
            with pytest.raises(ModelFailed, match=f"{path} cannot be loaded"):
                await worker.call("infer", {"input": None}, timeout=60)


def test_a_picture_is_scaled_and_turned_as_the_network_wants_it() -> None:
    picture = np.full((8, 12, 3), (255, 51, 0), np.uint8)
    looks = Looks(mean=(0.5, 0.0, 0.0), std=(0.5, 1.0, 1.0))
    (seen,) = looks.tensor(picture, NHWC)
    assert seen.shape == (4, 6, 3)
    assert np.allclose(seen[0, 0], (1.0, 0.2, 0.0))
    assert np.array_equal(looks.tensor(picture, NCHW)[0], seen.transpose(2, 0, 1))
    assert Looks(size=(3, 2)).tensor(picture, Tensor("in", (1, None, None, 3), "float32")).shape == (
        1,
        2,
        3,
        3,
    )
    raw = Looks().tensor(picture, Tensor("in", (1, 8, 12, 3), "uint8"))
    assert np.array_equal(raw[0], picture)
    grey = Looks().tensor(picture, Tensor("in", (1, 1, 4, 6), "float32"))
    assert grey.shape == (1, 1, 4, 6)
    with pytest.raises(ModelFailed, match="set `size`"):
        Looks().tensor(picture, Tensor("in", (1, None, None, 3), "float32"))
    with pytest.raises(ModelFailed, match="2 arrays by name: in: "):
        feed_of(picture, [NHWC, NCHW], looks)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"layout": "HWC"}, "layout"),
        ({"size": [0, 4]}, "size"),
        ({"size": "big"}, "size"),
        ({"size": [9000, 4]}, "size"),
        ({"mean": [1, 2]}, "mean"),
        ({"std": ["x"]}, "std"),
        ({"std": 0}, "std"),
        ({"scale": 0}, "scale"),
    ],
)
def test_settings_that_make_no_sense_are_named(config: dict[str, object], why: str) -> None:
    with pytest.raises(ModelFailed, match=why):
        Looks.from_config(config)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=30), st.integers(1, 40))
def test_labels_come_best_first_as_probabilities(scores: list[int], top: int) -> None:
    labels = tuple(f"l{i}" for i in range(len(scores)))
    found = best_labels(np.array([scores], np.float32), labels, top)
    assert len(found) == min(top, len(scores))
    assert found[0]["label"] == f"l{scores.index(max(scores))}"
    values = [each["score"] for each in found]
    assert values == sorted(values, reverse=True)
    assert sum(values) <= 1.01


def test_probabilities_stay_and_labels_must_be_as_many() -> None:
    assert best_labels(np.array([0.25, 0.75]), (), 2) == [
        {"label": "1", "score": 0.75},
        {"label": "0", "score": 0.25},
    ]
    with pytest.raises(ModelFailed, match="3 lines"):
        best_labels(np.array([0.25, 0.75]), ("a", "b", "c"), 2)
    with pytest.raises(ModelFailed, match="finite"):
        best_labels(np.array([0.25, np.nan]), (), 2)


def test_labels_are_read_from_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("cat\ndog\n")
    assert read_labels(str(path)) == ("cat", "dog")
    for bad in (b"", b"\xff\xfe"):
        path.write_bytes(bad)
        with pytest.raises(ModelFailed, match=str(path)):
            read_labels(str(path))
