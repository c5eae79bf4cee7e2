"""Effects of a process that is killed: SIGKILL at chosen and at random moments, and a world that remembers."""

import json
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from loom.store import Family
from loom.store.sqlite import SqliteBackend

PROGRAM = Path(__file__).with_name("durable_program.py")


class World:
    """A data folder, the file that what is done to the world goes to, and the processes that lived there."""

    def __init__(self, folder: Path) -> None:
        self.data, self.file = folder / "data", folder / "world"

    def begin(self, *what: object) -> subprocess.Popen[str]:
        """A process of the program."""
        command = [sys.executable, str(PROGRAM), str(self.data), str(self.file), *map(str, what)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def run(self, *what: object) -> list[list[str]]:
        """What a process says that ends by itself."""
        process = self.begin(*what)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        return [line.split() for line in said.splitlines()]

    def done(self) -> list[tuple[str, int, str]]:
        """Everything that was done: what, for which number, under which key."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [(name, int(n), key) for name, n, key in map(str.split, lines)]

    def rows(self) -> dict[str, dict[str, object]]:
        """The effects by key."""
        backend = SqliteBackend(self.data, read_only=True)
        try:
            assert backend.scan(Family.OPEN) == []
            return {k.decode(): json.loads(v) for k, v in backend.scan(Family.EFFECTS, limit=100_000)}
        finally:
            backend.close()


def kill(process: subprocess.Popen[str]) -> list[list[str]]:
    """End a process at once; what it had said."""
    process.send_signal(signal.SIGKILL)
    assert process.stdout is not None
    said = process.stdout.read()  # not communicate(): that loses what was read ahead
    process.wait(timeout=60)
    process.stdout.close()
    return [line.split() for line in said.splitlines()]


@pytest.mark.parametrize("seed", range(3))
def test_effects_of_a_killed_process_are_done_by_the_next(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path)
    chance = random.Random(seed)
    process = world.begin("work", 400)
    assert process.stdout is not None
    acked = 0
    until = chance.randrange(20, 200)
    for line in process.stdout:
        acked = int(line.split()[1]) + 1
        if acked >= until:
            break
    acked += sum(words[0] == "acked" for words in kill(process))
    killed = kill(world.begin("refuse")) if seed == 2 else []
    told = [*killed, *world.run("refuse")][-1]
    count = int(told[1])
    assert acked <= count <= acked + 1
    done, rows = world.done(), world.rows()
    keys = Counter(key for _, _, key in done)
    assert {n for name, n, _ in done if name == "again"} == set(range(count))
    assert len({key for name, _, key in done if name == "again"}) == count, "with the key it had"
    for name, n, key in done:
        assert name == "again" or keys[key] == 1, f"{name} {n} was done {keys[key]} times"
    statuses = {key: row["status"] for key, row in rows.items()}
    assert set(statuses) >= set(keys), "nothing is done that has no row"
    assert {s for key, s in statuses.items() if rows[key]["capability"] == "again"} == {"done"}
    for key, status in statuses.items():
        assert status == "unknown" or key in keys, f"{key} is {status} and was never done"
        assert status in ("done", "unknown"), f"{key} is {status}"


def test_a_question_outlives_the_process_that_asked_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    asked = world.begin("knock")
    assert asked.stdout is not None
    first = asked.stdout.readline().split()
    assert first[0] == "question"
    kill(asked)
    assert world.done() == []
    second = world.run("rest")[0]
    assert second == first
    ((name, n, key),) = world.done()
    assert (name, n) == ("bolt", 1)
    (row,) = world.rows().values()
    assert row["status"] == "done"
    assert [(a["by"], a["allow"]) for a in row["answers"]] == [("test", True)]  # type: ignore[attr-defined]
    assert key in world.rows()
