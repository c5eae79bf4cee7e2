"""How often the face detector is right: recall by size, light, tilt and crop, and what it sees where no face is.

    python -m benchmarks.accuracy_faces [--pictures 60]

Pictures are made from the photographs of the scikit-image package (one known face, moved, scaled, darkened, mirrored,
on parts of photographs without one). Prints recall and false faces at several thresholds, for docs/adr/012.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from random import Random

import numpy as np
from PIL import Image

from loom.adapters._camera_pictures import packaged_pictures
from loom.models.face import FaceDetector
from tests.models.pictures import FACE, background, crowd, photograph

THRESHOLDS = (0.5, 0.6, 0.7)
Case = tuple[str, int, Callable[[Random], Image.Image]]


def cases() -> Iterator[Case]:
    """Name, faces in each picture, and how a picture is made."""
    for height in (24, 32, 40, 50, 60, 90, 150, 300, 450):
        yield f"1 face of {height} px", 1, partial(dim_crowd, 1, height)
    for faces in (2, 3, 4, 5, 6):
        yield f"{faces} faces of 60 px", faces, partial(dim_crowd, faces, 60)
    for light in (0.2, 0.1, 0.06):
        yield f"100 px, light {light}", 1, partial(crowd, faces=1, height=100, brightness=light)
    for angle in (20, 30, 45):
        yield f"tilted {angle} degrees", 1, partial(tilted, angle)
    for visible in (0.9, 0.75, 0.6):
        yield f"{visible:.0%} of the face visible", 1, partial(cut, visible)
    yield "parts without a face", 0, background


def dim_crowd(faces: int, height: int, random: Random) -> Image.Image:
    """Faces in different light."""
    return crowd(random, faces, height, random.uniform(0.35, 1.1))


def tilted(angle: float, random: Random) -> Image.Image:
    """The astronaut, leaning to a side, on a part of a photograph without a face."""
    return dim_crowd(1, 100, random).rotate(random.choice((-angle, angle)))


def cut(visible: float, random: Random) -> Image.Image:
    """The astronaut with a part of her face outside, large or small."""
    left = round(FACE[0] + (FACE[2] - FACE[0]) * (1 - visible))
    picture = photograph("astronaut.png").crop((left, 0, 512, 512))
    factor = random.uniform(0.4, 1.5)
    return picture.resize((round(picture.width * factor), round(picture.height * factor)))


def faces_of_others(detector: FaceDetector) -> str:
    """100 small grey portraits and 100 pictures without one (Labeled Faces in the Wild), enlarged to 200 px."""
    path = packaged_pictures()["astronaut.png"].with_name("lfw_subset.npy")
    scores = []
    for small in np.load(path):
        canvas = Image.new("RGB", (640, 480), (90, 90, 90))
        face = Image.fromarray((small * 255).astype(np.uint8)).resize((200, 200), Image.Resampling.BICUBIC)
        canvas.paste(face.convert("RGB"), (220, 140))
        scores.append(max(best(detector, canvas), default=0.0))
    found, false = (np.array(part) for part in (scores[:100], scores[100:]))
    return "  ".join(f"{(found >= t).mean():6.0%} {int((false >= t).sum()):3d}" for t in THRESHOLDS)


def best(detector: FaceDetector, image: Image.Image) -> list[float]:
    """The scores of all faces in a picture."""
    return [float(str(each["score"])) for each in detector(np.asarray(image), threshold=0.3)]


def row(detector: FaceDetector, case: Case, pictures: int) -> str:
    """Recall and false faces of one case."""
    name, faces, make = case
    scores = [best(detector, make(Random(f"{name}{n}"))) for n in range(pictures)]
    columns = []
    for threshold in THRESHOLDS:
        counts = [sum(score >= threshold for score in each) for each in scores]
        recall = sum(min(count, faces) for count in counts) / max(1, faces * pictures)
        columns.append(f"{recall:6.0%} {sum(max(0, count - faces) for count in counts):3d}")
    return "  ".join(columns)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=60)
    options = parser.parse_args()
    detector = FaceDetector()
    print(f"{'recall and false faces at threshold':36}" + "  ".join(f"{t:>10}" for t in THRESHOLDS))
    for case in cases():
        print(f"{case[0]:36}{row(detector, case, options.pictures * (5 if not case[1] else 1))}", flush=True)
    print(f"{'other people (LFW, 25 px enlarged)':36}{faces_of_others(detector)}")


if __name__ == "__main__":
    main()
