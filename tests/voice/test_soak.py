"""Ten minutes of sound with everything that may happen in them; `python -m benchmarks.soak_voice` is a day of it."""

import pytest

from benchmarks.soak_voice import Day, soak
from loom.testing import run


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_happens_each_beginning_has_one_end(seed: int) -> None:
    seen: Day = run(soak(1 / 6, seed, tell=False), seed=seed)
    assert seen.wrong == []
    assert seen.dead == 0
    assert seen.chunks >= 7500
    assert all(seen.counts[each] > 0 for each in ("began", "wake", "utterance", "faded", "question", "said"))


def test_a_day_knows_what_did_not_end_and_what_ended_twice() -> None:
    seen = Day()
    seen.take("voice.began", {"speech": "mic#1"})
    seen.take("voice.faded", {"speech": "mic#1"})
    assert seen.wrong == []
    seen.take("voice.utterance", {"speech": "mic#1"})
    seen.take("voice.said", {"turn": 1})
    assert len(seen.wrong) == 2
    seen.take("voice.question", {"turn": 2})
    assert seen.turns == {2}
