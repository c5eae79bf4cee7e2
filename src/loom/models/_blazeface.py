"""BlazeFace around its networks: squares, anchors, boxes, suppression. NumPy only, no model runtime.

Method: Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019; anchor layouts and
the weighted suppression as in MediaPipe's face_detection graphs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Variant:
    """One trained network: its file, its input side in pixels, its anchors as (stride, anchors per cell)."""

    file: str
    side: int
    layers: tuple[tuple[int, int], ...]


BACK = Variant("face_detection_back.tflite", 256, ((16, 2), (32, 6)))
FULL = Variant("face_detection_full_range.tflite", 192, ((4, 1),))


@dataclass(frozen=True, slots=True)
class Square:
    """A square of the picture that a network looks at, in pixels; it may reach over the picture's border."""

    left: float
    top: float
    side: float

    @classmethod
    def around(cls, width: float, height: float) -> Square:
        """The smallest square around a whole picture: letterboxed."""
        side = max(width, height)
        return cls((width - side) / 2, (height - side) / 2, side)

    @classmethod
    def about(cls, points: Array, factor: float) -> Square:
        """The square *factor* times as large as the box of *points*, about its centre."""
        side = float(np.max(points[1] - points[0])) * factor
        centre = (points[0] + points[1]) / 2
        return cls(float(centre[0]) - side / 2, float(centre[1]) - side / 2, side)

    def fit(self, width: int, height: int, pixels: int) -> tuple[Box, tuple[int, int, int, int]] | None:
        """What of a picture lies in it (left, top, right, bottom), and where that goes in a square of *pixels*.

        The second is (left, top, width, height). None when nothing does.
        """
        box = (
            max(0.0, self.left),
            max(0.0, self.top),
            min(width, self.left + self.side),
            min(height, self.top + self.side),
        )
        if box[2] - box[0] < 1 or box[3] - box[1] < 1:
            return None
        scale = pixels / self.side
        x, y = (min(pixels - 1, round((box[i] - (self.left, self.top)[i]) * scale)) for i in (0, 1))
        w, h = (max(1, round((box[i + 2] - box[i]) * scale)) for i in (0, 1))
        return box, (x, y, min(w, pixels - x), min(h, pixels - y))

    def to_picture(self, points: Array) -> Array:
        """Points (..., 2) in fractions of the square, in pixels of the picture."""
        return points * self.side + (self.left, self.top)


Box = tuple[float, float, float, float]


def anchors(variant: Variant) -> Array:
    """Anchor centres in fractions of the square, one row for each box that the network predicts."""
    rows = []
    for stride, count in variant.layers:
        cells = variant.side // stride
        centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(centres, centres, indexing="ij")
        rows.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(rows)


def candidates(boxes: Array, logits: Array, centres: Array, side: int, floor: float) -> tuple[Array, Array]:
    """What a network predicts with a score above *floor*: points (n, k, 2) and scores (n,).

    The points are two corners of the box and its key points (six of a face), in fractions of the square.
    """
    logits = logits.reshape(-1)
    keep = logits > np.log(floor / (1 - floor))
    values = boxes.reshape(-1, boxes.shape[-1] // 2, 2)[keep] / side
    about = centres[keep][:, None]
    centre, half = values[:, :1] + about, values[:, 1:2] / 2
    points = np.concatenate([centre - half, centre + half, values[:, 2:] + about], axis=1)
    scores = 1 / (1 + np.exp(-np.clip(logits[keep], -80, 80)))
    whole = np.isfinite(points).all(axis=(1, 2)) & (half > 0).all(axis=(1, 2))
    return points[whole], scores[whole]


def merge(points: Array, scores: Array, overlap: float) -> list[tuple[Array, float]]:
    """Weighted non-maximum suppression: boxes overlapping the best one are averaged into it by their scores."""
    left = np.argsort(-scores)
    merged: list[tuple[Array, float]] = []
    while left.size:
        same = overlaps(points[left[0]], points[left]) > overlap
        same[0] = True
        group = left[same]
        weights = scores[group]
        merged.append((np.tensordot(weights, points[group], 1) / weights.sum(), float(scores[left[0]])))
        left = left[~same]
    return merged


def overlaps(one: Array, many: Array) -> Array:
    """Intersection over union of the box of *one* (8, 2) with those of *many* (n, 8, 2)."""
    low, high = np.maximum(one[0], many[:, 0]), np.minimum(one[1], many[:, 1])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(np.clip(many[:, 1] - many[:, 0], 0, None), axis=1)
    union = areas + np.prod(np.clip(one[1] - one[0], 0, None)) - common
    return common / np.maximum(union, 1e-12)  # type: ignore[no-any-return]
