"""A runtime that is killed at random moments loses nothing that was acknowledged and does nothing twice."""

import shutil

import pytest

from torture import _command
from torture._plan import ALL, items
from torture._round import Round, Terms


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_and_nothing_done_twice_over_kills(seed: int) -> None:
    outcome = Round(Terms(seed, kills=2, count=40)).play()
    assert outcome.problems == [], outcome.line()
    assert outcome.acked > 300


def test_a_runtime_that_keeps_nothing_is_caught(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Round(Terms(1, "memory", kills=1, count=10, kinds=frozenset({"counter"}))).play()
    assert any("lost" in problem for problem in outcome.problems)
    assert outcome.folder.exists()
    _command.tell(outcome)
    assert "--seed 1 --backend memory --kills 1 --count 10 --kinds counter" in capsys.readouterr().out
    shutil.rmtree(outcome.folder)


def test_every_kind_of_agent_gets_events() -> None:
    assert {item.kind for p in range(8) for item in items(0, p, 40)} == ALL
