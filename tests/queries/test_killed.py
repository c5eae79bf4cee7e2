"""Queries in a process that is killed again and again find what the oracle finds, all of it and once."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

from tests.queries.oracles import Oracle, oracle_of
from tests.queries.victim import MANY, PAIRS, made

ROOT = Path(__file__).parent.parent.parent
LAST = 240


def life(folder: Path, first: int, upto: int) -> tuple[int, list[Any]]:
    """Let the victim live until it has acknowledged event *upto*, kill it, and say what is to be published next."""
    command = [sys.executable, "-m", "tests.queries.victim", str(folder), str(first), str(LAST)]
    found: list[Any] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("["):
                found = json.loads(line)
                continue
            first = int(line) + 1
            if first == upto:
                process.kill()
    return first, found


def expected() -> list[Any]:
    """The pairs and crowds in the whole of what is published."""
    many, pairs = oracle_of(MANY), defaultdict[str | None, Oracle](lambda: oracle_of(PAIRS))
    told: list[list[str]] = []
    for number in range(LAST):
        event = made(number)
        one = pairs[event.key]
        before = len(one.found)
        one.event(event, event.timestamp_ms)
        told += [list(ids) for ids in one.found[before:]]
        many.event(event, event.timestamp_ms)
    return [told, [list(ids) for ids in many.found]]


def test_a_process_that_is_killed_again_and_again_finds_what_there_is(tmp_path: Path) -> None:
    chance, following, found = Random(7), 0, []
    kills = [*sorted(chance.sample(range(1, LAST), 5)), LAST + 1]
    for kill in kills:
        following, found = life(tmp_path / "data", following, kill)
    if not found:  # killed beside the end
        _, found = life(tmp_path / "data", following, LAST + 1)
    pairs, many = expected()
    assert len(pairs) > 20
    assert len(many) > 5
    assert found == [pairs, many]
