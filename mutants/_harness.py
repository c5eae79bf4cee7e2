"""Plants one bug at a time in a copy of src and sees that the tests named for it fail.

The bugs are in the `*.toml` files beside this one:

    [[mutant]]
    promise = "a full REALTIME queue drops its oldest event and counts it"
    file = "loom/bus/_queue.py"          # below src/
    old = "self.dropped += 1"            # exact text, found once in the file
    new = "pass"
    tests = ["tests/bus/test_queue.py::test_drop_oldest_is_counted"]

A run fails when a bug survives a named test, when its text is no longer found exactly once, when a named test fails
(or does not run) without the bug, or when it is not in tests/required.txt.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
REQUIRED = ROOT / "tests" / "required.txt"
SECONDS = 300
BATCH = 50
FAILED = 1  # pytest's exit status when tests ran and some failed


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug."""

    promise: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def read_table(folder: Path = ROOT / "mutants") -> list[Mutant]:
    """Every mutant of the folder's .toml files, in their order."""
    return [_mutant(row, path) for path in sorted(folder.glob("*.toml")) for row in _rows(path)]


def _rows(path: Path) -> Iterator[dict[str, object]]:
    yield from tomllib.loads(path.read_text()).get("mutant", ())


def _mutant(row: dict[str, object], path: Path) -> Mutant:
    wanted = {"promise", "file", "old", "new", "tests"}
    if set(row) != wanted:
        raise SystemExit(f"{path.name}: a mutant has {sorted(wanted)}, not {sorted(row)}")
    tests = row["tests"]
    assert isinstance(tests, list)
    texts = {name: str(row[name]) for name in ("promise", "file", "old", "new")}
    return Mutant(**texts, tests=tuple(map(str, tests)))


def required_entries(path: Path = REQUIRED) -> list[str]:
    """The entries of tests/required.txt."""
    lines = (line.split(" #")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def faults(mutant: Mutant, src: Path, required: Sequence[str]) -> list[str]:
    """What is wrong with a row before anything runs."""
    found: list[str] = []
    path = src / mutant.file
    times = path.read_text().count(mutant.old) if path.is_file() else 0
    if times != 1:
        found.append(f"its text stands {times} times in {mutant.file}, not once")
    if mutant.old == mutant.new:
        found.append("it changes nothing")
    if not mutant.tests:
        found.append("it names no test")
    found += [
        f"{test} is not in tests/required.txt"
        for test in mutant.tests
        if not test.startswith(tuple(required))
    ]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m mutants", description="Plants bugs and sees that tests catch them."
    )
    parser.add_argument("words", nargs="*", help="only mutants whose promise or file contains one of these")
    parser.add_argument(
        "--list", action="store_true", help="list them and what is wrong with them; run nothing"
    )
    options = parser.parse_args(arguments)
    mutants = [m for m in read_table() if _chosen(m, options.words)]
    bad = [(m, faults(m, ROOT / "src", required_entries())) for m in mutants]
    for mutant, found in bad:
        if options.list or found:
            print(f"{mutant.file}: {mutant.promise}" + "".join(f"\n    {fault}" for fault in found))
    if options.list or any(found for _, found in bad):
        return 1 if any(found for _, found in bad) else 0
    return run(mutants)


def _chosen(mutant: Mutant, words: Sequence[str]) -> bool:
    return not words or any(word in mutant.promise or word in mutant.file for word in words)


def run(mutants: Sequence[Mutant]) -> int:
    """Runs the named tests without a bug, then each mutant's with its own; 1 when one survives."""
    with tempfile.TemporaryDirectory(prefix="loom-mutants-") as folder:
        laboratory = Laboratory(Path(folder))
        if not laboratory.sound(sorted({test for mutant in mutants for test in mutant.tests})):
            return 1
        survivors = 0
        for mutant in mutants:
            survived = laboratory.survived(mutant)
            survivors += bool(survived)
            print(f"{'SURVIVED' if survived else 'caught':9} {mutant.promise}", flush=True)
            for reason in survived:
                print(f"          {reason}")
    print(f"mutants: {len(mutants) - survivors} caught, {survivors} survived")
    return 1 if survivors else 0


class Laboratory:
    """A copy of src in which bugs are planted; tests come from the checkout, the package from the copy."""

    def __init__(self, folder: Path) -> None:
        self.src = folder / "src"
        self.named = folder / "named.txt"
        shutil.copytree(ROOT / "src", self.src, ignore=shutil.ignore_patterns("__pycache__"))
        # No bytecode: a patch and its undoing within one second would leave a stale cache behind.
        self.environment = os.environ | {
            "PYTHONPATH": str(self.src),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
        }

    def sound(self, tests: Sequence[str]) -> bool:
        """Whether the copy is what gets imported, and every named test runs and passes on it."""
        probe = [sys.executable, "-c", "import loom; print(loom.__file__)"]
        place = subprocess.run(
            probe, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True
        ).stdout
        if not place.startswith(str(self.src)):
            print(f"the tests would import {place.strip()}, not the copy in {self.src}")
            return False
        for first in range(0, len(tests), BATCH):
            if not self._pass(tests[first : first + BATCH]):
                print("the named tests have to pass without a bug")
                return False
        return True

    def _pass(self, tests: Sequence[str]) -> bool:
        self.named.write_text("\n".join(tests) + "\n")
        try:
            done = self._pytest(tests, f"--required={self.named}")
        except subprocess.TimeoutExpired:
            print(f"not over after {SECONDS} s without a bug: {' '.join(tests)}")
            return False
        if done.returncode != 0:
            print(f"{done.stdout}{done.stderr}")
        return done.returncode == 0

    def survived(self, mutant: Mutant) -> list[str]:
        """Why the bug counts as not caught; empty when every named test failed."""
        path = self.src / mutant.file
        sound = path.read_text()
        path.write_text(sound.replace(mutant.old, mutant.new))
        try:
            done = self._pytest(mutant.tests, "-rfE")
        except subprocess.TimeoutExpired:
            return []  # a bug that hangs its tests has been noticed
        finally:
            path.write_text(sound)
        if done.returncode not in (0, FAILED):
            return [f"pytest ended with {done.returncode}, so no test ran:", *done.stdout.splitlines()[-5:]]
        return [f"{test} passed" for test in mutant.tests if not _failed(test, done.stdout.splitlines())]

    def _pytest(self, tests: Iterable[str], *options: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
            *options,
            *tests,
        ]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


def _failed(test: str, lines: Iterable[str]) -> bool:
    return any(line.startswith((f"FAILED {test}", f"ERROR {test}")) for line in lines)
