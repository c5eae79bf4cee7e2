"""The learner: begins with priors, learns from rewards and from what became of answers, is bounded and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from math import inf, isfinite, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.clock import Chance
from loom.errors import ConfigError, LoomError
from loom.models import Decision, ModelRequest
from loom.models.decision import Manner, Route
from loom.router.facts import Facts
from loom.router.keep import ForgetfulKeep
from loom.router.learned import Expected, Learner, Settings
from loom.router.learned import learner as module

EASY, HARD = (
    "What is the capital of France?",
    "If it is not so, then why would both statements hold, unless he lied?",
)
STILL = Settings(explore=0)
LOCAL, CLOUD = Facts("small", quality=0.6), Facts("big", location="cloud", quality=0.9)


def learner(settings: Settings = STILL, **more: Any) -> Learner:
    made = Learner(settings, chance=Chance(1), **more)
    made.meet(LOCAL)
    made.meet(CLOUD)
    return made


def decided(
    id: str = "d1", manner: Manner = Manner.SINGLE, order: tuple[str, ...] = ("small", "big")
) -> Decision:
    return Decision(id, "chat", Route.LOCAL, order, "quality", "", manner)


def asked(text: object = EASY, **more: Any) -> ModelRequest:
    return ModelRequest("chat", text, **more)


def answered(
    request: ModelRequest, backend: str = "small", escalated: tuple[str, ...] = ()
) -> Mapping[str, object]:
    return {"request": request, "backend": backend, "escalated": escalated}


async def expected(made: Learner, text: object = EASY) -> Mapping[str, Expected]:
    return await made.expect(asked(text), ["small", "big"])


async def test_it_begins_with_the_stated_quality_and_the_difficulty() -> None:
    easy, hard = await expected(learner()), await expected(learner(), HARD)
    assert hard["small"].mean < 0.6 < easy["small"].mean < easy["big"].mean
    gain = [each["big"].mean - each["small"].mean for each in (easy, hard)]
    assert gain[1] > gain[0]
    assert 0.1 < easy["small"].deviation < 0.4


async def test_who_states_nothing_is_believed_better_elsewhere() -> None:
    made = Learner(STILL)
    made.meet(Facts("here"))
    made.meet(Facts("there", location="cloud", quality=nan))
    found = await made.expect(asked(), ["here", "there", "unknown"])
    assert found["there"].mean > found["here"].mean == found["unknown"].mean


async def test_a_reward_is_learnt_for_the_one_who_answered() -> None:
    made = learner()
    before = await expected(made)
    for number in range(20):
        made.seen(decided(f"d{number}"), answered(asked()))
        assert made.reward(f"d{number}", 0.0) is True
    after = await expected(made)
    assert after["small"].mean < before["small"].mean - 0.3
    assert after["small"].deviation < before["small"].deviation
    assert after["big"] == before["big"]


async def test_tasks_are_learnt_apart() -> None:
    made = learner()
    made.seen(decided(), answered(asked()))
    made.reward("d1", 0.0)
    other = ModelRequest("text.sentiment", EASY)
    fresh = await learner().expect(other, ["small"])
    assert await made.expect(other, ["small"]) == fresh


def test_an_answer_is_rewarded_once_and_only_while_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    made = learner()
    for name in ("d1", "d2", "d3"):
        made.seen(decided(name), answered(asked()))
    assert [made.reward(name, 1) for name in ("d1", "d2", "d2", "nobody")] == [False, True, False, False]
    assert (made.statistics()["rewards"], made.statistics()["late"]) == (1, 3)


@pytest.mark.parametrize("value", [nan, inf, -inf, -0.1, 1.1, "1", None, [1]])
def test_a_reward_that_is_none_is_refused(value: Any) -> None:
    made = learner()
    made.seen(decided(), answered(asked()))
    with pytest.raises(ConfigError, match=r"from 0 .* to 1"):
        made.reward("d1", value)
    assert made.reward("d1", True)


async def test_an_answer_that_was_not_enough_speaks_against_it() -> None:
    made, kept = learner(), learner()
    for _ in range(20):
        made.seen(decided(manner=Manner.CASCADE), answered(asked(), "big", ("small",)))
        kept.seen(decided(manner=Manner.CASCADE), answered(asked(), "small"))
    before = (await expected(learner()))["small"].mean
    assert (await expected(made))["small"].mean < before - 0.1
    assert (await expected(kept))["small"].mean > before + 0.05
    assert made.statistics()["escalated"] == kept.statistics()["kept"] == 20


async def test_a_correction_speaks_against_the_answer_before() -> None:
    made = learner()
    before = (await expected(made))["small"].mean
    for number in range(20):
        made.seen(decided(f"a{number}"), answered(asked(thread="t", user="ann")))
        wrong = asked("No, that is wrong", thread="t", user="ann")
        made.seen(decided(f"b{number}"), answered(wrong, "big"))
    assert made.statistics()["corrected"] == 20
    assert made.statistics()["followed"] == 19
    assert (await expected(made))["small"].mean < before - 0.1


async def test_two_users_of_one_thread_do_not_correct_each_other() -> None:
    made = learner()
    made.seen(decided("a"), answered(asked(thread="t", user="ann")))
    made.seen(decided("b"), answered(asked("wrong", thread="t", user="bob")))
    assert made.statistics()["corrected"] == 0


@pytest.mark.parametrize(
    "signals",
    [{}, {"request": "no"}, {"request": asked(), "backend": 7}, {"request": asked(), "escalated": 3, "backend": "x"},
     {"request": asked(b"\0"), "backend": "small", "escalated": [1, None]}],
)  # fmt: skip
def test_signals_of_any_form_break_nothing(signals: Mapping[str, object]) -> None:
    learner().seen(decided(), signals)


@given(st.text(max_size=100), st.lists(st.floats(0, 1), max_size=30), st.integers(0, 99))
async def test_what_is_expected_is_always_a_share(text: str, rewards: list[float], seed: int) -> None:
    made = Learner(Settings(explore=5), chance=Chance(seed))
    for number, value in enumerate(rewards):
        made.seen(decided(str(number)), answered(asked(text)))
        made.reward(str(number), value)
    for each in (await expected(made, text)).values():
        assert isfinite(each.mean)
        assert 0 <= each.mean <= 1
        assert 0 <= each.deviation <= 1


async def test_it_looks_around_by_chance_and_not_without() -> None:
    made = learner(Settings())
    assert len({(await expected(made))["small"].mean for _ in range(20)}) > 15
    still = learner()
    assert len({(await expected(still))["small"].mean for _ in range(20)}) == 1


async def test_the_same_chance_draws_the_same() -> None:
    first, second = learner(Settings()), learner(Settings())
    assert [await expected(first) for _ in range(5)] == [await expected(second) for _ in range(5)]


def taught() -> Learner:
    made = learner()
    for number in range(40):
        made.seen(decided(str(number)), answered(asked()))
        made.reward(str(number), 0.0)
    return made


async def test_it_goes_on_after_a_restart() -> None:
    before = taught()
    for again in (learner(state=before.state()), Learner(STILL, state=before.state())):
        again.meet(LOCAL)  # before or after the state is known
        again.meet(CLOUD)
        assert (await expected(again))["small"].mean == pytest.approx(
            (await expected(before))["small"].mean, abs=1e-3
        )


@pytest.mark.parametrize("state", [b"", b"junk", b"Llrn" + b"\0" * 40])
async def test_a_damaged_state_is_told_and_forgotten(state: bytes) -> None:
    told: list[str] = []
    made = learner(state=state, tell=told.append)
    assert await expected(made) == await expected(learner())
    assert "begins with its priors" in told[0]
    assert made.statistics()["problem"] == told[0]


async def test_it_is_kept_every_so_often_and_at_the_end() -> None:
    keep = ForgetfulKeep()
    made = learner()
    await made.open(keep)
    for number in range(module.SAVED_AFTER + 1):
        assert keep.read("learned") is None
        made.seen(decided(str(number)), answered(asked()))
        made.reward(str(number), 0.0)
        if number == module.SAVED_AFTER - 1:
            await asyncio.sleep(0)
            assert keep.read("learned") == made.state()
            await keep.write("learned", None)
    await made.close()
    again = learner()
    await again.open(keep)
    assert again.statistics()["learnt"] == {"small chat": module.SAVED_AFTER + 1}
    assert await expected(again) == {
        name: (pytest.approx(each.mean, abs=1e-3), pytest.approx(each.deviation, abs=1e-3))
        for name, each in (await expected(made)).items()
    }


async def test_what_is_not_new_is_not_written() -> None:
    keep = ForgetfulKeep()
    made = learner()
    await made.open(keep)
    await made.close()
    assert keep.names() == []


async def test_a_keep_that_fails_is_told_and_nothing_else_fails() -> None:
    class Full(ForgetfulKeep):
        async def write(self, name: str, value: bytes | None) -> None:
            raise LoomError("the disk is full")

    told: list[str] = []
    made = learner(tell=told.append)
    await made.open(Full())
    for number in range(module.SAVED_AFTER):
        made.seen(decided(str(number)), answered(asked()))
        made.reward(str(number), 0.0)
    await made.close()
    assert told == ["what the router learnt cannot be saved: the disk is full"]


def test_backends_without_end_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKENDS", 4)
    made = learner()
    for number in range(100):
        made.meet(Facts(f"b{number}"))
        made.seen(decided(str(number)), answered(asked(), f"b{number}"))
    assert len(made._priors) == 4
    assert len(made.statistics()["learnt"]) <= 24  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"explore": float("nan")},
        {"explore": -1},
        {"explore": float("inf")},
        {"fade": 1.5},
        {"own": -1},
        {"silent": 2},
    ],
)
def test_settings_that_nobody_can_follow_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Settings(**wrong)
