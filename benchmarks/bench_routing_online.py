"""What learning while it runs is worth: reward against the best fixed choice, on subjects that were left out.

Each prompt goes to the weak or to the strong model, as the learner expects more of it; it is told only whether the
answer that was chosen is right. Reward: 1 for a right answer, less a price for each strong call. The difficulty model
that it begins with was taught by the other subjects. `python -m benchmarks.plot_regret FILE.svg` draws the curve.
"""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks._harness import Ratio, bench
from benchmarks._routing import Array, Fit, data_file, fit, outcomes, splits
from loom.clock import Chance
from loom.models import Decision, ModelRequest
from loom.models.decision import Route
from loom.router.facts import Facts
from loom.router.learned import Learner, Settings, difficulty

SEEDS = range(3)
LENGTH = 2_500
"""Prompts of a run."""
PRICES = (0.05, 0.10, 0.15, 0.20)
"""Of a strong call, in right answers. The strong model gains 0.13 on average."""
WEAK, STRONG = Facts("weak", quality=0.66), Facts("strong", location="cloud", quality=0.81)
NAMES = ("weak", "strong")
PRIORS = {
    "": (WEAK, STRONG),
    "_wrong_priors": (Facts("weak", quality=0.85), Facts("strong", location="cloud", quality=0.75)),
}
CASES = [(price, "") for price in PRICES] + [(0.10, "_wrong_priors")]


@dataclass
class Run:
    """Rewards, prompt by prompt in the same order: *learnt* online, *still* without, always weak, always strong.

    *calls* is the share of strong calls of the learner.
    """

    learnt: Array
    still: Array
    weak: Array
    strong: Array
    calls: float = 0.0

    def regret(self, of: Array) -> Array:
        """How far *of* is behind the best fixed choice after each prompt; below zero: ahead."""
        best = max(self.weak, self.strong, key=lambda each: float(each.sum()))
        found: Array = np.cumsum(best - of)
        return found


@bench
def online() -> Iterator[Ratio]:
    """Regret of each price."""
    if not data_file().exists():
        print(f"no outcomes at {data_file()}", file=sys.stderr)
        return
    for price, priors in CASES:
        runs = measured(price, PRIORS[priors])
        ahead = [-float(each.regret(each.learnt)[-1]) / len(each.learnt) for each in runs]
        still = [-float(each.regret(each.still)[-1]) / len(each.still) for each in runs]
        fixed = [max(each.weak.mean(), each.strong.mean()) for each in runs]
        note = (
            f"{min(ahead):.3f} to {max(ahead):.3f} in {len(runs)} runs; best fixed choice {np.mean(fixed):.3f}, "
            f"without learning {np.mean(still):+.3f}, strong calls {np.mean([each.calls for each in runs]):.0%}"
        )
        yield Ratio(
            f"routing.online_{price:.2f}{priors}",
            float(np.mean(ahead)),
            None,
            unit="a prompt",
            slack=0.01,
            note=note,
        )


def measured(price: float, quality: Sequence[Facts] = (WEAK, STRONG)) -> list[Run]:
    """One run for each half of the subjects and each seed."""
    found = []
    for seed in SEEDS:
        for taught, out in splits(seed, 2):
            rows = outcomes().rows(out)
            order = np.random.default_rng(seed).permutation(rows)[:LENGTH]
            with _shipped(fit(taught)):
                found.append(asyncio.run(_run(order, price, Chance(seed), quality)))
    return found


async def _run(order: Any, price: float, chance: Chance, quality: Sequence[Facts]) -> Run:
    learner, still = Learner(chance=chance), Learner(Settings(explore=0))
    for each in quality:
        learner.meet(each)
        still.meet(each)
    data = outcomes()
    learnt, fixed, calls = [], [], 0
    for number, row in enumerate(order.tolist()):
        request = ModelRequest("chat", data.prompts[row])
        right = {"weak": data.weak[row], "strong": data.strong[row]}
        chosen = await _chosen(learner, request, price)
        decision = Decision(str(number), "chat", Route.LOCAL, (chosen,), "", "")
        learner.seen(decision, {"request": request, "backend": chosen})
        learner.reward(decision.id, right[chosen])
        calls += chosen == "strong"
        learnt.append(right[chosen] - price * (chosen == "strong"))
        other = await _chosen(still, request, price)
        fixed.append(right[other] - price * (other == "strong"))
    weak, strong = data.weak[order], data.strong[order] - price
    return Run(np.array(learnt), np.array(fixed), weak, strong, calls / len(order))


async def _chosen(learner: Learner, request: ModelRequest, price: float) -> str:
    expected = await learner.expect(request, NAMES)
    return "strong" if expected["strong"].mean - price > expected["weak"].mean else "weak"


@contextmanager
def _shipped(found: Fit) -> Iterator[None]:
    """As if *found* were the model that is shipped."""
    names = ("_MEANS", "_SCALES", "_WEIGHTS", "BIAS")
    before = {name: getattr(difficulty, name) for name in names}
    scales = tuple((1 / found.scale).tolist())
    own = (tuple(found.mean.tolist()), scales, tuple(found.weights.tolist()), found.bias)
    vars(difficulty).update(zip(names, own, strict=True))
    try:
        yield
    finally:
        vars(difficulty).update(before)
