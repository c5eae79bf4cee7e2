"""Any ONNX file: arrays by name both ways, pictures with labels, and refusals that name the inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loom.errors import ModelFailed
from loom.models import onnx
from loom.models.catalog import BACKENDS
from loom.worker import Worker

np = pytest.importorskip("numpy")
onnxruntime = pytest.importorskip("onnxruntime")

MODELS = Path(onnxruntime.__file__).parent / "datasets"


class Host:
    def __init__(self, **config: object) -> None:
        self.config = config


def infer(name: str, input: object) -> Any:
    return onnx.factory(Host(file=str(MODELS / name)))["infer"]({"input": input}, None)


def test_arrays_go_in_and_come_out_by_name() -> None:
    given = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert np.array_equal(infer("mul_1.onnx", {"X": given})["Y"], given * [[1, 2], [3, 4], [5, 6]])
    assert np.array_equal(infer("mul_1.onnx", given)["Y"], infer("mul_1.onnx", given.tolist())["Y"])


def test_a_classifier_of_scikit_learn_gives_maps() -> None:
    found = infer("logreg_iris.onnx", np.zeros((3, 2), np.float32))
    assert found["label"].shape == (3,)
    assert set(found["probabilities"][0]) == {"0", "1", "2"}


@pytest.mark.parametrize(
    ("input", "why"),
    [
        ({"Z": [[1.0]]}, "given are Z; the network takes X: float32"),
        (np.zeros((3, 2)), "not float64"),
        (np.zeros((2, 3), np.float32), r"not the shape \(2, 3\)"),
        (np.zeros((4, 4, 3), np.uint8), "not uint8"),
        ("text", "not str"),
        (None, "not NoneType"),
        ([["x", 1]], "not list"),
        ([[1, 2], [3]], "not list"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(input: object, why: str) -> None:
    with pytest.raises(ModelFailed, match=why):
        infer("mul_1.onnx", input)


async def test_it_works_in_a_worker_and_bad_files_are_named(tmp_path: Path) -> None:
    limit = BACKENDS["onnx"].memory_limit
    config = {"file": str(MODELS / "sigmoid.onnx")}
    async with Worker("onnx", onnx.SPEC, config, memory_limit=limit) as worker:
        reply: Any = await worker.call("infer", {"input": np.zeros((3, 4, 5), np.float32)}, timeout=60)
        assert reply["y"].shape == (3, 4, 5)
        assert set(reply["y"].numpy().ravel()) == {0.5}
        with pytest.raises(ModelFailed, match="the network takes x: float32"):
            await worker.call("infer", {"input": b"bytes"}, timeout=60)
        best: Any = await worker.call(
            "classify", {"input": np.eye(60, dtype=np.float32)[7].reshape(3, 4, 5), "options": {"top": 2}}
        )
        assert [each["label"] for each in best] == ["7", "0"]
        assert worker.statistics()["deaths"] == 0
    bad = tmp_path / "bad.onnx"
    bad.write_bytes((MODELS / "sigmoid.onnx").read_bytes()[:60])
    async with Worker("bad", onnx.SPEC, {"file": str(bad)}, memory_limit=limit) as worker:
        with pytest.raises(ModelFailed, match=str(bad)):
            await worker.call("infer", {"input": None}, timeout=60)


@pytest.mark.parametrize("missing", [None, 7, "/no/such.onnx", "/"])
def test_a_missing_file_is_named(missing: object) -> None:
    with pytest.raises(ModelFailed, match="`file`"):
        onnx.OnnxNetwork({"file": missing})
