"""Draws docs/img/routing-regret.svg: how far the online learner is ahead of the best fixed choice, prompt by prompt.

`python -m benchmarks.plot_regret [FILE.svg]`; see `bench_routing_online`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks._routing import Array
from benchmarks.bench_routing_online import PRIORS, measured

FILE = Path(__file__).parents[1] / "docs" / "img" / "routing-regret.svg"
PRICE = 0.15
LEFT, TOP, WIDTH, HEIGHT = 64, 40, 620, 300
POINTS, STEP = 200, 25
LINES = (
    ("learner, right priors", "#1b6ca8", ""),
    ("shipped model, right priors, no learning", "#1b6ca8", "5 4"),
    ("learner, wrong priors", "#c0392b", ""),
    ("shipped model, wrong priors, no learning", "#c0392b", "5 4"),
)


def main() -> None:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    right, wrong = measured(PRICE), measured(PRICE, PRIORS["_wrong_priors"])
    length = min(len(each.learnt) for each in [*right, *wrong])
    curves = [
        curve([run.regret(run.learnt if learnt else run.still)[:length] for run in runs])
        for runs in (right, wrong)
        for learnt in (True, False)
    ]
    file.parent.mkdir(exist_ok=True)
    file.write_text(drawn(curves, length, len(right)))
    print(file, [round(float(each[-1]), 1) for each in curves], length)


def curve(regrets: Sequence[Array]) -> Array:
    """The mean regret at POINTS places."""
    places = np.linspace(0, len(regrets[0]) - 1, POINTS).astype(int)
    found: Array = np.mean(regrets, axis=0)[places]
    return found


def drawn(curves: Sequence[Array], length: int, runs: int) -> str:
    """The curves as SVG; below the zero line is ahead of the best fixed choice."""
    low = float(np.floor(min(0.0, *(float(each.min()) for each in curves)) / STEP) * STEP)
    high = float(np.ceil(max(0.0, *(float(each.max()) for each in curves)) / STEP) * STEP)
    scale = HEIGHT / (high - low)
    title = f"Regret against the best fixed choice, a strong call at {PRICE} (mean of {runs} runs)"
    size = f"0 0 {LEFT + WIDTH + 20} {TOP + HEIGHT + 130}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{title}</text>',
        *(_level(value, TOP + (high - value) * scale) for value in np.arange(low, high + 1, STEP)),
        *(_below(LEFT + WIDTH * part / 5, f"{length * part // 5:,}", 18) for part in range(6)),
        _below(LEFT + WIDTH / 2, "prompts", 36),
    ]
    for number, values in enumerate(curves):
        points = [
            f"{LEFT + WIDTH * place / (POINTS - 1):.1f},{TOP + (high - float(value)) * scale:.1f}"
            for place, value in enumerate(values)
        ]
        parts += _line(number, points)
    return "\n".join([*parts, "</svg>", ""])


def _level(value: float, y: float) -> str:
    colour = "#444" if value == 0 else "#ddd"
    line = f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"/>'
    return f'{line}<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.0f}</text>'


def _below(x: float, text: str, down: int) -> str:
    return f'<text x="{x:.1f}" y="{TOP + HEIGHT + down}" text-anchor="middle">{text}</text>'


def _line(number: int, points: Sequence[str]) -> list[str]:
    name, colour, dash = LINES[number]
    style = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash or "none"}" fill="none"'
    y = TOP + HEIGHT + 58 + 17 * number
    return [
        f'<polyline points="{" ".join(points)}" {style}/>',
        f'<line x1="{LEFT}" x2="{LEFT + 34}" y1="{y - 4}" y2="{y - 4}" {style}/>',
        f'<text x="{LEFT + 42}" y="{y}">{name}</text>',
    ]


if __name__ == "__main__":
    main()
