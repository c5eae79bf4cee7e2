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
    canvas = background(random)
    factor = height / (FACE[3] - FACE[1])
    taken: list[tuple[int, int, int, int]] = []
    for _ in range(10_000):
        if len(taken) == faces:
            break
        head, face = (
            photograph("astronaut.png").crop(HEAD),
            [a - b for a, b in zip(FACE, (HEAD[0], HEAD[1]) * 2, strict=True)],
        )
        if random.random() < 0.5:
            head, face = ImageOps.mirror(head), [head.width - face[2], face[1], head.width - face[0], face[3]]
        head = head.resize((round(head.width * factor), round(head.height * factor)))
        face = [round(side * factor) for side in face]
        left = random.randint(-face[0], max(-face[0], SIZE[0] - face[2]))
        top = random.randint(-face[1], max(-face[1], SIZE[1] - face[3]))
        box = (left, top, left + head.width, top + head.height)
        if all(box[2] <= t[0] or t[2] <= box[0] or box[3] <= t[1] or t[3] <= box[1] for t in taken):
            canvas.paste(ImageEnhance.Brightness(head).enhance(brightness), (left, top))
            taken.append(box)
    assert len(taken) == faces, "no room"
    return canvas
