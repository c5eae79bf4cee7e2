"""Finds the benchmarks, runs each module in a process of its own, prints the table, holds it against the stored run."""

import argparse
import importlib
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks._harness import Ratio, is_bench

HERE = Path(__file__).parent
STORED = HERE / "stored.json"
REGRESSION = 0.20
ATTEMPTS = 3
LONGEST = 180  # seconds for one module


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    if options.child:
        return _child(options.child, Path(options.out))
    found = discover("peer" if options.peers else "bench")
    chosen = [
        name for name in found if not options.names or any(name.endswith(f"_{n}") for n in options.names)
    ]
    if options.list or not chosen:
        print("\n".join(name.split("_", 1)[1] for name in found) or "no benchmarks yet")
        return 0 if options.list or not options.names else 2
    stored = read_stored()
    ratios: list[Ratio] = []
    lost: list[str] = []
    for name in chosen:
        print(f"... {name}", file=sys.stderr, flush=True)
        measured = _measure(name, stored)
        ratios += measured or ()
        lost += [] if measured is not None else [name]
    print(table(ratios, stored, markdown=options.markdown))
    if options.store and not lost:
        store(ratios, stored)
    return verdict(ratios, {} if options.store else stored, lost)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="run bench_NAME.py only")
    parser.add_argument("--store", action="store_true", help="keep this run as the one to compare with")
    parser.add_argument("--list", action="store_true", help="list the benchmarks")
    parser.add_argument(
        "--markdown", action="store_true", help="print the table for docs/, with date and machine"
    )
    parser.add_argument(
        "--peers", action="store_true", help="run peer_*.py: the same work done by other libraries"
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def discover(kind: str) -> list[str]:
    """The names of the modules `KIND_*.py` beside this one."""
    return sorted(path.stem for path in HERE.glob(f"{kind}_*.py"))


def _child(name: str, out: Path) -> int:
    logging.getLogger("loom").setLevel(
        logging.CRITICAL
    )  # a benchmark blocks the loop on purpose; the watchdog says so
    module = importlib.import_module(f"benchmarks.{name}")
    benches = [thing for thing in vars(module).values() if is_bench(thing)]
    out.write_text(json.dumps([asdict(ratio) for bench in benches for ratio in bench()]))
    return 0


def _run(name: str) -> list[Ratio] | None:
    """The ratios of one module, measured in a process of its own, or None when it failed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "ratios.json"
        command = [sys.executable, "-m", "benchmarks", "--child", name, "--out", str(out)]
        try:
            subprocess.run(command, cwd=HERE.parent, check=True, timeout=LONGEST)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(error, file=sys.stderr)
            return None
        return [Ratio(**row) for row in json.loads(out.read_text())]


def _measure(name: str, stored: dict[str, float]) -> list[Ratio] | None:
    """A module's ratios; one that looks like a regression is measured again, and the better value counts."""
    best: dict[str, Ratio] = {}
    for _ in range(ATTEMPTS):
        ratios = _run(name)
        if ratios is None:
            return None
        best = {ratio.name: ratio.better_of(best.get(ratio.name, ratio)) for ratio in ratios}
        if not regressions(best.values(), stored):
            break
    return list(best.values())


def regressions(ratios: Iterable[Ratio], stored: dict[str, float]) -> list[tuple[Ratio, float]]:
    """The ratios that are more than 20 % worse than the stored ones, with the stored value."""
    known = [(ratio, stored[ratio.name]) for ratio in ratios if ratio.name in stored]
    return [(ratio, before) for ratio, before in known if ratio.worse_than(before) > REGRESSION]


def verdict(ratios: Sequence[Ratio], stored: dict[str, float], lost: Sequence[str]) -> int:
    """Prints what is short of its bar, what got worse and what failed; 1 for the last two."""
    short = [ratio for ratio in ratios if not ratio.meets_bar()]
    for ratio in short:
        print(f"short of its bar: {ratio.name} {ratio.value:.3g} {ratio.unit}, bar {ratio.bar:g}")
    worse = regressions(ratios, stored)
    for ratio, before in worse:
        print(
            f"REGRESSION: {ratio.name} {ratio.value:.3g}, stored {before:.3g}: {ratio.worse_than(before):.0%} worse"
        )
    for name in lost:
        print(f"FAILED: {name} did not finish")
    print(
        f"{len(ratios)} ratios, {len(short)} short of their bar, {len(worse)} regressions, {len(lost)} failed"
    )
    return 1 if worse or lost else 0


def table(ratios: Sequence[Ratio], stored: dict[str, float], markdown: bool = False) -> str:
    """The run as aligned text, or as Markdown under a line with date, machine and command."""
    head = ("what", "value", "bar", "", "stored", "measured")
    rows = [head, *(_row(ratio, stored) for ratio in ratios)]
    if markdown:
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        return "\n".join([machine(), "", lines[0], "|---" * len(head) + "|", *lines[1:]])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(ratio: Ratio, stored: dict[str, float]) -> tuple[str, ...]:
    least = "at least" if ratio.better == "higher" else "at most"
    bar = "" if ratio.bar is None else f"{least} {ratio.bar:g}"
    mark = "" if ratio.bar is None else "pass" if ratio.meets_bar() else "short"
    before = f"{stored[ratio.name]:.3g}" if ratio.name in stored else ""
    return ratio.name, f"{ratio.value:.3g} {ratio.unit}".strip(), bar, mark, before, ratio.note


def machine() -> str:
    """One line: date, machine and interpreter of this run."""
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} x {_processor()}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{time.strftime('%Y-%m-%d', time.gmtime())}, {system}, {python}"


def _processor() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        "unknown processor",
    )


def read_stored(path: Path = STORED) -> dict[str, float]:
    """The values of the stored run by name; empty when there is none."""
    if not path.exists():
        return {}
    ratios = json.loads(path.read_text())["ratios"]
    return {str(name): float(value) for name, value in ratios.items()}


def store(ratios: Iterable[Ratio], before: dict[str, float], path: Path = STORED) -> None:
    """Keeps this run's values; those of benchmarks that did not run stay as they were."""
    values = before | {ratio.name: float(f"{ratio.value:.4g}") for ratio in ratios}
    path.write_text(json.dumps({"run": machine(), "ratios": dict(sorted(values.items()))}, indent=2) + "\n")
