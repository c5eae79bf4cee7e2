"""Pictures for the detector's tests, made from packaged photographs: known faces, moved, scaled, darkened, mirrored."""

from __future__ import annotations

from functools import cache
from random import Random

from PIL import Image, ImageEnhance, ImageOps

from loom.adapters._camera_pictures import open_picture, packaged_pictures
from loom.adapters._camera_scenes import WITHOUT_FACE

SIZE = (640, 480)
HEAD = (80, 0, 380, 330)
FACE = (174, 70, 279, 175)  # where the astronaut's face is
Box = tuple[int, int, int, int]


@cache
def photograph(name: str) -> Image.Image:
    return open_picture(packaged_pictures()[name])


def background(random: Random) -> Image.Image:
    """A random part of a photograph without a face."""
    image = photograph(random.choice(WITHOUT_FACE))
    factor = max(SIZE[0] / image.width, SIZE[1] / image.height) * random.uniform(1, 1.6)
    image = image.resize(
        (max(SIZE[0], round(image.width * factor)), max(SIZE[1], round(image.height * factor)))
    )
    left, top = random.randint(0, image.width - SIZE[0]), random.randint(0, image.height - SIZE[1])
    return image.crop((left, top, left + SIZE[0], top + SIZE[1]))


def crowd(random: Random, faces: int, height: int, brightness: float = 1.0) -> Image.Image:
    """*faces* heads on a background, each face about *height* pixels high, wholly visible, none over another."""
    factor = height / (FACE[3] - FACE[1])
    heads: list[tuple[Image.Image, Box]] = []
    for attempt in range(100_000):
        if len(heads) == faces:
            break
        if attempt % 200 == 199:  # the first ones leave no room for the rest
            heads.clear()
        head = _head(random, factor, brightness)
        if not any(_touch(head[1], box) for _, box in heads):
            heads.append(head)
    assert len(heads) == faces, "no room"
    canvas = background(random)
    for image, box in heads:
        canvas.paste(image, box[:2])
    return canvas


def _head(random: Random, factor: float, brightness: float) -> tuple[Image.Image, Box]:
    head = photograph("astronaut.png").crop(HEAD)
    face = [FACE[side] - HEAD[side % 2] for side in range(4)]
    if random.random() < 0.5:
        head, face = ImageOps.mirror(head), [head.width - face[2], face[1], head.width - face[0], face[3]]
    head = head.resize((round(head.width * factor), round(head.height * factor)))
    left, top = (
        random.randint(
            round(-face[n] * factor), max(round(-face[n] * factor), round(SIZE[n] - face[n + 2] * factor))
        )
        for n in (0, 1)
    )
    return ImageEnhance.Brightness(head).enhance(brightness), (
        left,
        top,
        left + head.width,
        top + head.height,
    )


def _touch(one: Box, two: Box) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]
