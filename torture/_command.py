"""The command line: rounds of kills, images of power losses; seeds are printed, a failing round keeps its folder."""

from __future__ import annotations

import argparse
import secrets
import shutil
import tempfile
from pathlib import Path

from torture import _power
from torture._full import FullRound, MountRound
from torture._plan import ALL
from torture._round import Outcome, Round, Terms

USAGE = "python -m torture"


def main(arguments: list[str] | None = None) -> int:
    """0 when every round was sound."""
    parser = argparse.ArgumentParser(prog=USAGE, description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="how many rounds of kills")
    parser.add_argument(
        "--seed", type=int, default=None, help="the first round's seed; the next ones count up"
    )
    parser.add_argument("--backend", choices=("sqlite", "rocksdb", "memory"), default="sqlite")
    parser.add_argument("--kills", type=int, default=4, help="kills in each round")
    parser.add_argument("--count", type=int, default=100, help="events of each of the 8 publishers")
    parser.add_argument(
        "--kinds", default=",".join(sorted(ALL)), help="only events for these kinds of agents"
    )
    parser.add_argument("--full", action="store_true", help="disks that are full or read-only for a while")
    parser.add_argument("--mount", action="store_true", help="a file system that is really full (needs root)")
    parser.add_argument("--power", action="store_true", help="power losses instead of kills")
    parser.add_argument("--images", type=int, default=2000, help="crash images (with --power)")
    options = parser.parse_args(arguments)
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    return _images(options, seed) if options.power else _rounds(options, seed)


def _rounds(options: argparse.Namespace, seed: int) -> int:
    failed: list[Outcome] = []
    for number in range(options.rounds):
        terms = Terms(
            seed + number, options.backend, options.kills, options.count, frozenset(options.kinds.split(","))
        )
        kind = MountRound if options.mount else FullRound if options.full else Round
        outcome = kind(terms).play()
        print(f"{number + 1:4}/{options.rounds} {outcome.line()}", flush=True)
        if outcome.problems:
            failed.append(outcome)
            tell(outcome, " --mount" if options.mount else " --full" if options.full else "")
    print(f"torture: {options.rounds - len(failed)} rounds sound, {len(failed)} not, from seed {seed}")
    return 1 if failed else 0


def tell(outcome: Outcome, more: str = "") -> None:
    """What was wrong in a round, and how to repeat it."""
    terms = outcome.terms
    for problem in outcome.problems[:20]:
        print(f"     {problem}")
    print(f"     kept: {outcome.folder}")
    again = f"--rounds 1 --seed {terms.seed} --backend {terms.backend} --kills {terms.kills} --count {terms.count}"
    if terms.kinds != ALL:
        again += f" --kinds {','.join(sorted(terms.kinds))}"
    print(f'     again: make torture ARGS="{again}{more}"', flush=True)


def _images(options: argparse.Namespace, seed: int) -> int:
    """Five images of the bare store for each one of the whole runtime."""
    problems = done = 0
    while done < options.images:
        for what, judged, most in (("bare store", _power.bare, 500), ("runtime", _power.whole, 100)):
            place = Path(tempfile.mkdtemp(prefix=f"loom-power-{seed}-"))
            count = min(most, options.images - done)
            if count:
                verdict = judged(place, options.backend, seed, count)
                done += verdict.images
                problems += len(verdict.problems)
                _tell_images(
                    f"{done:5}/{options.images} power, {what}, {options.backend}, seed {seed}", verdict
                )
                if not verdict.problems:
                    shutil.rmtree(place)
        seed += 1
    print(f"torture: {done - problems} images sound, {problems} not")
    return 1 if problems else 0


def _tell_images(where: str, verdict: _power.Verdict) -> None:
    print(
        f"{where}: {verdict.images} images of {verdict.points} moments, {len(verdict.problems)} problems",
        flush=True,
    )
    for problem in verdict.problems[:10]:
        print(f"     {problem}")
