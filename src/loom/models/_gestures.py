"""Which gesture 21 landmarks of a hand are. Pure geometry, in any unit.

Landmarks as MediaPipe numbers them: 0 wrist; 1-4 thumb from its root to its tip; 5-8 index, 9-12 middle, 13-16 ring,
17-20 little finger. y grows downwards. Size, place and the side of the hand do not matter; its turn only to a thumb.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, dist, radians, sqrt

Point = Sequence[float]

GESTURES = ("open_palm", "fist", "point", "thumbs_up", "victory", "none")
FINGERS = ((5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
STRAIGHT = cos(radians(50))  # between a finger's first bone and the rest of it
AWAY = 0.6  # of the palm's length: a thumb's tip that far from the index finger's root is stretched
UPWARDS = cos(radians(45))
PARTS = 21


def gesture(landmarks: Sequence[Point]) -> str:
    """The gesture of 21 points (x, y) or (x, y, z): one of GESTURES."""
    straight = tuple(_is_straight(landmarks, finger) for finger in FINGERS)
    thumb = _is_thumb_out(landmarks)
    if all(straight):
        return "open_palm" if thumb else "none"
    if straight == (True, False, False, False):
        return "point"
    if straight == (True, True, False, False):
        return "victory"
    if any(straight):
        return "none"
    if not thumb:
        return "fist"
    return "thumbs_up" if _is_upwards(landmarks[2], landmarks[4]) else "none"


def _is_straight(points: Sequence[Point], finger: Sequence[int]) -> bool:
    root, middle, _, tip = (points[i] for i in finger)
    farther = dist(points[0], tip) > dist(points[0], middle)
    return farther and _cosine(root, middle, middle, tip) > STRAIGHT


def _is_thumb_out(points: Sequence[Point]) -> bool:
    palm = dist(points[0], points[9])
    return (
        dist(points[4], points[5]) > AWAY * palm
        and _cosine(points[2], points[3], points[3], points[4]) > STRAIGHT
    )


def _is_upwards(root: Point, tip: Point) -> bool:
    return _cosine((0.0, 0.0), (0.0, -1.0), root[:2], tip[:2]) > UPWARDS


def _cosine(a: Point, b: Point, c: Point, d: Point) -> float:
    """Of the angle between the ways from *a* to *b* and from *c* to *d*; -1 when one of them has no length."""
    one = [y - x for x, y in zip(a, b, strict=True)]
    two = [y - x for x, y in zip(c, d, strict=True)]
    length = sqrt(sum(x * x for x in one) * sum(x * x for x in two))
    return sum(x * y for x, y in zip(one, two, strict=True)) / length if length > 0 else -1.0
