"""What the demo's camera sees: scenes made from packaged photographs, the same for the same seed. In its worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from loom.adapters._camera_pictures import Size, open_picture

if TYPE_CHECKING:
    from PIL.Image import Image

FACE = "astronaut.png"
HEAD = (80, 0, 380, 330)  # of FACE: head and shoulders
FACE_BOX = (164, 40, 289, 185)  # of FACE: the face with some hair
SMALLEST_FACE, LARGEST_FACE = 0.18, 0.6  # of the frame's height
WITHOUT_FACE = (
    "coffee.png", "chelsea.png", "rocket.jpg", "coins.png", "motorcycle_left.png", "page.png", "brick.png",
    "hubble_deep_field.jpg", "horse.png", "grass.png", "retina.jpg", "moon.png", "text.png", "gravel.png",
)  # fmt: skip
Place = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Scene:
    """One shot of *frames* frames: what is shown, how it moves, and how many faces there are to find."""

    name: str
    faces: int
    frames: int
    start: Place
    end: Place
    brightness: float = 1.0
    mirrored: bool = False

    def place(self, frame: int) -> Place:
        """Horizontal and vertical place (0 to 1) and scale at this frame of the scene."""
        part = frame / max(1, self.frames - 1)
        x, y, scale = (a + (b - a) * part for a, b in zip(self.start, self.end, strict=True))
        return x, y, scale


def scene(seed: int, index: int, rate: float) -> Scene:
    """The scene number *index*: astronaut, something without a face, several astronauts, something else, ..."""
    random = Random(f"{seed}:{index}")
    frames = max(2, round(rate * random.uniform(1.0, 2.0)))
    start, end = ((random.random(), random.random(), random.random()) for _ in range(2))
    turn = index % 4
    if turn in (1, 3):
        order = Random(f"{seed}").sample(WITHOUT_FACE, len(WITHOUT_FACE))
        return Scene(order[index // 2 % len(order)], 0, frames, start, end)
    faces = 1 if turn == 0 else 2 + index // 4 % 5
    return Scene(FACE, faces, frames, start, end, random.uniform(0.35, 1.1), random.random() < 0.5)


class Scenery:
    """Draws scenes; keeps the photographs it needed lately."""

    def __init__(self, pictures: dict[str, Path], size: Size) -> None:
        self._paths = pictures
        self._size = size
        self._kept: dict[str, Image] = {}

    def draw(self, what: Scene, frame: int) -> Image:
        """This frame of the scene."""
        image = self._picture(what.name)
        if not what.faces:
            return _pan(image, self._size, what.place(frame))
        from PIL import ImageEnhance, ImageOps

        if what.mirrored:
            image = ImageOps.mirror(image)
        drawn = (
            _one(image, what, self._size, what.place(frame))
            if what.faces == 1
            else self._several(image, what, frame)
        )
        return ImageEnhance.Brightness(drawn).enhance(what.brightness)

    def _picture(self, name: str) -> Image:
        if name not in self._kept:
            if len(self._kept) >= 4:
                self._kept.pop(next(iter(self._kept)))
            self._kept[name] = open_picture(self._paths[name])
        return self._kept[name]

    def _several(self, image: Image, what: Scene, frame: int) -> Image:
        from PIL import Image as Images

        left, top, right, bottom = HEAD
        if what.mirrored:
            left, right = image.width - right, image.width - left
        canvas = Images.new("RGB", self._size, (96, 96, 96))
        columns = 2 if what.faces <= 4 else 3
        cell = (self._size[0] // columns, self._size[1] // 2)
        scale = min(cell[0] / (right - left), cell[1] / (bottom - top)) * (0.85 + 0.15 * what.place(frame)[2])
        head = image.resize(
            (round((right - left) * scale), round((bottom - top) * scale)), box=(left, top, right, bottom)
        )
        for n in range(what.faces):
            canvas.paste(head, (n % columns * cell[0] + (cell[0] - head.width) // 2, n // columns * cell[1]))
        return canvas


def _one(image: Image, what: Scene, size: Size, place: Place) -> Image:
    """The photograph so that its face, from small to half the frame, is somewhere inside."""
    from PIL import Image as Images

    left, top, right, bottom = FACE_BOX
    if what.mirrored:
        left, right = image.width - right, image.width - left
    scale = size[1] * (SMALLEST_FACE + (LARGEST_FACE - SMALLEST_FACE) * place[2]) / (bottom - top)
    free_x, free_y = size[0] - (right - left) * scale, size[1] - (bottom - top) * scale
    at = (round(free_x * place[0] - left * scale), round(free_y * place[1] - top * scale))
    drawn = Images.new("RGB", size, (64, 64, 64))
    drawn.paste(image.resize((round(image.width * scale), round(image.height * scale))), at)
    return drawn


def _pan(image: Image, size: Size, place: Place) -> Image:
    """A part of the photograph with the frame's proportions, wandering over it."""
    whole = min(image.width / size[0], image.height / size[1])
    width, height = (side * whole * (1 - 0.3 * place[2]) for side in size)
    left, top = (image.width - width) * place[0], (image.height - height) * place[1]
    return image.resize(size, box=(left, top, left + width, top + height))
