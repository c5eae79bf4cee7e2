"""What a text is about: bounded, found once, and done without when the model fails."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan
from typing import Any

import pytest

from loom.errors import ModelFailed, WorkerDied
from loom.models import Decision, ModelRequest
from loom.models.decision import Route
from loom.router.learned import Learner, Settings, topics
from loom.router.learned.topics import MANY, WIDTH, Topics, topics_of


class Embedder:
    """Texts of another first letter get another vector; or fails."""

    def __init__(self, error: Exception | None = None, width: int = WIDTH) -> None:
        self.asked: list[str] = []
        self.error, self.width = error, width

    async def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked += texts
        if self.error is not None:
            raise self.error
        return [[float(place == len(each) % self.width) for place in range(self.width)] for each in texts]


def test_topics_are_bounded_and_differ() -> None:
    first = topics_of([1.0] + [0.0] * (WIDTH - 1))
    other = topics_of([0.0] * (WIDTH - 1) + [1.0])
    assert len(first) == MANY <= 32 - 14
    assert first != other
    assert all(-1 <= each <= 1 for each in [*first, *other, *topics_of([1e300] * WIDTH)])


@pytest.mark.parametrize("vector", [[], [1.0], [nan] * WIDTH, [inf] * WIDTH, [0.0] * (WIDTH + 1)])
def test_a_vector_of_another_kind_is_refused(vector: list[float]) -> None:
    with pytest.raises(ModelFailed, match="MiniLM"):
        topics_of(vector)


async def test_the_same_text_is_embedded_once_and_not_all_of_a_long_one() -> None:
    embed = Embedder()
    found = Topics(embed)
    long = "a" * 1_000_000
    assert await found.find(long) == await found.find(long) == found.known(long)
    assert [len(each) for each in embed.asked] == [topics.BEGIN + topics.END + 1]


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "REMEMBERED", 3)
    found = Topics(Embedder())
    for number in range(9):
        await found.find("x" * number)
    assert found.known("x" * 5) == [0.0] * MANY != found.known("x" * 6)


@pytest.mark.parametrize(
    "embed", [Embedder(ModelFailed("no")), Embedder(WorkerDied("gone")), Embedder(width=3)]
)
async def test_without_the_model_the_rest_has_to_do(embed: Any) -> None:
    learner, plain = Learner(Settings(explore=0), embed=embed), Learner(Settings(explore=0))
    request = ModelRequest("chat", "hello")
    (with_it,), (without,) = [(await each.expect(request, ["x"])).values() for each in (learner, plain)]
    assert with_it.mean == without.mean
    assert learner.statistics()["not_embedded"] == 1


async def test_topics_are_learnt_from() -> None:
    learner = Learner(Settings(explore=0, fade=1.0), embed=Embedder())
    asked = {text: ModelRequest("chat", text) for text in ("tell me of it", "tell me of cats" + "?" * 120)}
    vectors = [topics_of((await Embedder()([each]))[0]) for each in asked]
    assert vectors[0] != vectors[1]
    for number in range(300):
        for value, (text, request) in enumerate(asked.items()):
            await learner.expect(request, ["x"])
            decision = Decision(f"{number} {text}", "chat", Route.LOCAL, ("x",), "", "")
            learner.seen(decision, {"request": request, "backend": "x"})
            learner.reward(decision.id, float(value))
    means = [(await learner.expect(request, ["x"]))["x"].mean for request in asked.values()]
    assert means[0] < 0.2
    assert means[1] > 0.8


async def test_what_was_learnt_without_topics_is_not_for_one_with_them() -> None:
    plain = Learner()
    plain.seen(
        Decision("d", "chat", Route.LOCAL, ("x",), "", ""),
        {"request": ModelRequest("chat", "a"), "backend": "x"},
    )
    plain.reward("d", 1.0)
    told: list[str] = []
    assert Learner(embed=Embedder(), state=plain.state(), tell=told.append).statistics()["learnt"] == {}
    assert "inputs" in told[0]
