"""Writes src/loom/router/learned/_directions.py: the principal directions of the prompts' embeddings.

`python -m benchmarks.train_topics` needs the recorded prompts and MiniLM (`[onnx]` and its two packages). No outcome is
looked at. Method: principal components (Pearson 1901), eight of them, in bytes.
"""

from base64 import b85encode
from pathlib import Path

import numpy as np

from benchmarks._routing import outcomes
from loom.models.minilm import MiniLm
from loom.router.learned.topics import BEGIN, END

FILE = Path(__file__).parents[1] / "src" / "loom" / "router" / "learned" / "_directions.py"
MANY = 8
EVERY = 3
HEAD = '''"""Directions in which prompts differ most, made by `python -m benchmarks.train_topics`; do not edit.

Eight rows of 384 signed bytes, in base 85; then the mean along each, and what makes two standard deviations 1. Taken
from prompts of MMLU (MIT licence) as the RouteLLM project (Apache-2.0) publishes them; no outcome was looked at.
"""

from __future__ import annotations

'''


def main() -> None:
    prompts = outcomes().prompts[::EVERY]
    shown = [each if len(each) <= BEGIN + END else f"{each[:BEGIN]}\n{each[-END:]}" for each in prompts]
    model = MiniLm({})
    parts = [model.embed(shown[start : start + 1024])[0] for start in range(0, len(shown), 1024)]
    vectors = np.concatenate(parts).astype(np.float64)
    _, _, rows = np.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
    rows = rows[:MANY] * np.sign(
        rows[:MANY].sum(1, keepdims=True)
    )  # either sign is a direction: always the same
    whole = np.round(rows / np.abs(rows).max(1, keepdims=True) * 127).astype(np.int8)
    along = vectors @ whole.T.astype(np.float64)
    text = b85encode(whole.tobytes()).decode()
    lines = "\n".join(f'    r"""{text[at : at + 100]}"""' for at in range(0, len(text), 100))
    shifts, scales = (", ".join(f"{each:.6g}" for each in row) for row in (along.mean(0), 0.5 / along.std(0)))
    FILE.write_text(
        f"{HEAD}DIRECTIONS = (\n{lines}\n)\n# fmt: off\nSHIFTS = ({shifts})\nSCALES = ({scales})\n"
    )


if __name__ == "__main__":
    main()
