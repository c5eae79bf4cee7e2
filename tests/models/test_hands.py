"""Gestures by geometry, whatever the hand's size, place and turn; and hands in pictures where the networks are there.

The networks: `pip install --no-deps mediapipe==0.10.14`, or the folder in LOOM_TEST_HANDS. The pictures are drawn hands
out of Debian's fonts-noto-color-emoji (LOOM_TEST_EMOJI: another path).
"""

from __future__ import annotations

import asyncio
import os
from math import cos, pi, radians, sin
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ModelFailed
from loom.models import hands
from loom.models._gestures import GESTURES, gesture
from loom.models.catalog import BACKENDS
from loom.worker import Worker

MEANT = {
    (True, True, True, True, True): "open_palm",
    (False, False, False, False, False): "fist",
    (False, True, False, False, False): "point",
    (True, True, False, False, False): "point",
    (False, True, True, False, False): "victory",
    (True, True, True, False, False): "victory",
    (True, False, False, False, False): "thumbs_up",
}
fingers = st.tuples(*[st.booleans()] * 5)
turns = st.floats(0, 2 * pi)


def hand(out: tuple[bool, ...]) -> list[tuple[float, float]]:
    """A right hand's back, fingers up: which of thumb, index, middle, ring and little finger are stretched."""
    points: list[tuple[float, float]] = [(0.0, 0.0), (-0.3, -0.2), (-0.45, -0.45)]
    points += [(-0.68, -0.9), (-0.85, -1.4)] if out[0] else [(-0.45, -0.7), (-0.2, -0.7)]
    for i, stretched in enumerate(out[1:]):
        x = -0.25 + i * 0.18
        root, middle = (x, -1.0), (x * 1.2, -1.45)
        if stretched:
            points += [root, middle, (x * 1.35, -1.75), (x * 1.5, -2.0)]
        else:
            points += [root, middle, (x * 1.1, -1.2), (x, -0.9)]
    return points


def moved(
    points: list[tuple[float, float]],
    turn: float,
    size: float,
    place: tuple[float, float],
    mirror: bool = False,
) -> list[tuple[float, float]]:
    found = []
    for x, y in points:
        x = -x if mirror else x
        at = (x * cos(turn) - y * sin(turn), x * sin(turn) + y * cos(turn))
        found.append((at[0] * size + place[0], at[1] * size + place[1]))
    return found


@pytest.mark.parametrize("out", MEANT)
def test_the_gestures_are_told_apart(out: tuple[bool, ...]) -> None:
    assert gesture(hand(out)) == MEANT[out]


@given(fingers, st.floats(0.001, 1000), st.tuples(st.floats(-99, 99), st.floats(-99, 99)), st.booleans())
def test_size_place_and_side_do_not_matter(
    out: tuple[bool, ...], size: float, place: tuple[float, float], mirror: bool
) -> None:
    assert gesture(moved(hand(out), 0, size, place, mirror)) == MEANT.get(out, "none")


@given(fingers, turns)
def test_the_turn_matters_to_a_thumb_only(out: tuple[bool, ...], turn: float) -> None:
    found = gesture(moved(hand(out), turn, 1, (0, 0)))
    assert found == MEANT.get(out, "none") or (MEANT.get(out), found) == ("thumbs_up", "none")


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_thumb_sideways_or_down_is_no_thumbs_up(turn: int) -> None:
    upright = moved(hand((True, False, False, False, False)), radians(30), 1, (0, 0))
    assert gesture(upright) == "thumbs_up"
    assert gesture(moved(upright, radians(turn), 1, (0, 0))) == "none"


@given(fingers, st.lists(st.tuples(st.floats(-0.02, 0.02), st.floats(-0.02, 0.02)), min_size=21, max_size=21))
def test_a_little_noise_changes_nothing(out: tuple[bool, ...], noise: list[tuple[float, float]]) -> None:
    shaken = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(hand(out), noise, strict=True)]
    assert gesture(shaken) == MEANT.get(out, "none")


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1)), min_size=21, max_size=21))
def test_any_points_are_some_gesture(points: list[tuple[float, float, float]]) -> None:
    assert gesture(points) in GESTURES


def test_missing_networks_are_named_with_a_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hands, "PACKAGE", "no-such-package")
    with pytest.raises(ModelFailed, match=r"pip install --no-deps mediapipe==0\.10\.14"):
        hands.model_file({}, hands.PALM)
    with pytest.raises(ModelFailed, match=str(tmp_path)):
        hands.model_file({"folder": str(tmp_path)}, hands.PALM)


def _config() -> dict[str, Any]:
    folder = os.environ.get("LOOM_TEST_HANDS")
    config = {"folder": folder} if folder else {}
    try:
        hands.model_file(config, hands.HAND)
    except ModelFailed as error:
        pytest.skip(str(error))
    return config


def _drawn(glyph: str) -> Any:
    np = pytest.importorskip("numpy")
    pil = pytest.importorskip("PIL")
    assert pil
    from PIL import Image, ImageDraw, ImageFont

    font = os.environ.get("LOOM_TEST_EMOJI", "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
    if not Path(font).exists():
        pytest.skip(f"{font} is not there; Debian's fonts-noto-color-emoji has it")
    small = Image.new("RGB", (136, 128), (120, 150, 170))
    ImageDraw.Draw(small).text((0, 0), glyph, font=ImageFont.truetype(font, 109), embedded_color=True)
    picture = Image.new("RGB", (640, 480), (120, 150, 170))
    picture.paste(small.resize((272, 256), Image.Resampling.BICUBIC), (150, 50))
    return np.asarray(picture)


async def test_drawn_hands_are_seen_in_a_worker() -> None:
    config = await asyncio.to_thread(_config)
    drawn = {"✋🏼": "open_palm", "🖐🏼": "open_palm", "☝🏼": "point", "👆🏼": "point", "✌🏼": "victory"}
    pictures = {glyph: await asyncio.to_thread(_drawn, glyph) for glyph in (*drawn, "🙂")}
    limit = BACKENDS["hands"].memory_limit
    async with Worker("hands", hands.SPEC, config, memory_limit=limit) as worker:
        for glyph, meant in drawn.items():
            (found,) = await worker.call("gesture", {"input": pictures[glyph]}, timeout=60)  # type: ignore[misc]
            assert (glyph, found["gesture"]) == (glyph, meant)
            assert len(found["landmarks"]) == 21
            left, top, right, bottom = found["box"]
            assert 0.2 < left < right < 0.7
            assert 0.05 < top < bottom < 0.7
        assert await worker.call("gesture", {"input": pictures["🙂"]}, timeout=60) == []
        for wrong in (None, 7, "x", b"abc", [1, 2]):
            with pytest.raises(ModelFailed, match=r"\(height, width, 3\)"):
                await worker.call("gesture", {"input": wrong}, timeout=60)
        assert worker.statistics()["deaths"] == 0
