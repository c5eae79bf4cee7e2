"""Writes src/loom/router/learned/_weights.py from the recorded outcomes: `python -m benchmarks.train_difficulty`.

There is no chance in it: the same data gives the same file. See `benchmarks/_routing.py` for what is fitted.
"""

import textwrap
from pathlib import Path

from benchmarks._routing import fit, outcomes
from loom.router.learned.features import Features

FILE = Path(__file__).parents[1] / "src" / "loom" / "router" / "learned" / "_weights.py"
HEAD = '''"""The difficulty model's numbers, made by `python -m benchmarks.train_difficulty`; do not edit.

Trained on public outcomes of the RouteLLM project (Apache-2.0, https://github.com/lm-sys/RouteLLM): which MMLU prompts
Mixtral-8x7B-Instruct-v0.1 and gpt-4-1106-preview answered right, {subjects} subjects.
"""

from __future__ import annotations

'''


def main() -> None:
    data = outcomes()
    found = fit(range(len(data.subjects)))
    lines = [
        f"    {name!r}: ({mean:.4f}, {scale:.4f}, {weight:.5f}),".replace("'", '"')
        for name, mean, scale, weight in zip(
            Features._fields, found.mean, found.scale, found.weights, strict=True
        )
    ]
    table = "\n".join(["WEIGHTS: dict[str, tuple[float, float, float]] = {", *lines, "}"])
    note = '"""Mean, standard deviation and weight of each of `Features`, for a deviation of at most 3."""'
    names = "\n".join(f'    "{each} "' for each in textwrap.wrap(" ".join(data.subjects), 100))
    FILE.write_text(
        f"{HEAD.format(subjects=len(data.subjects))}BIAS = {found.bias:.5f}\n{table}\n{note}\n"
        f'SEEN = (\n{names}\n)\n"""The subjects of that data: on these it is not to be judged."""\n'
    )


if __name__ == "__main__":
    main()
