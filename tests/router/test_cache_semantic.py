"""Answers by meaning: near texts are found, texts that only look near to an embedding are not."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ConfigError
from loom.event import Confidentiality, Label
from loom.models.model import ModelReply, ModelRequest
from loom.router.cache import Cache, Semantic
from loom.testing import VirtualClock, virtual_time
from tests.router.backends import FakeModel, new_router

SAID = ModelReply({"text": "Paris.", "stopped": "end"}, "cloud", 0.0, 1.0)


async def alike(texts: Sequence[str]) -> list[list[float]]:
    """An embedding to which all texts are the same: only what matters in words is left."""
    return [[3.0, 4.0] for _ in texts]


class Angles:
    """An embedding that gives each text the vector of an angle in degrees, 90 unless told."""

    def __init__(self, **angles: float) -> None:
        self.angles, self.seen = angles, list[str]()

    async def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        self.seen += texts
        turned = [math.radians(self.angles.get(text, 90)) for text in texts]
        return [[7 * math.cos(each), 7 * math.sin(each)] for each in turned]


def chat(text: str, **more: Any) -> ModelRequest:
    return ModelRequest("chat", text, **more)


def hit(one: str, other: str, **options: Any) -> bool:
    """Whether *other* is answered as *one* was, whatever the embedding."""

    async def main() -> bool:
        cache = Cache(VirtualClock(), semantic=Semantic(alike, **options))
        await cache.keep(chat(one), SAID)
        return await cache.find(chat(other)) is not None

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the capital of France?", "Tell me the capital of France"),
        ("What's the weather like in Berlin today?", "How is the weather in Berlin today?"),
        ("How tall is the Eiffel Tower?", "What is the height of the Eiffel Tower?"),
        ("turn on the light", "please switch on the light"),
        ("Set a timer for 5 minutes", "set a timer for 5 minutes, please"),
        ("Wer ist der Autor?", "wer ist der Autor"),
    ],
)
def test_what_means_the_same_is_found(one: str, other: str) -> None:
    assert hit(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timer for 5 minutes", "timer for 15 minutes"),
        ("timer for five minutes", "timer for fifteen minutes"),
        ("timer for 5 minutes", "timer for five minutes"),
        ("wait 1.5 s", "wait 15 s"), ("wait -5 s", "wait 5 s"), ("at 10:30", "at 11:30"), ("3 of 4", "4 of 3"),
        ("5 % more", "5 € more"), ("2024-01-02", "2024-02-01"), ("model x1", "model x2"), ("٣ minutes", "٤ minutes"),
        ("I like cheese", "I do not like cheese"), ("I like cheese", "I don't like cheese"),
        ("I like cheese", "I don’t like cheese"), ("it is safe", "it is never safe"),
        ("Das ist gut", "Das ist nicht gut"),
        ("coffee with milk", "coffee without milk"), ("turn the light on", "turn the light off"),
        ("flights from Berlin to Paris", "flights from Paris to Berlin"),
        ("weather in Berlin", "weather in Hamburg"), ("weather in berlin", "weather in hamburg"),
        ("Call Alice", "Call Bob"), ("call alice@x.org", "call bob@x.org"), ("what did Ada say", "what did Grace say"),
        ("translate \"yes please\"", "translate \"oh well\""), ("open /etc/a", "open /etc/b"),
        ("is C fast", "is C++ fast"),
        ("what is my name", "what is your name"), ("when is the meeting", "where is the meeting"),
        ("is the door locked", "is the door unlocked"), ("warmer please", "cooler please"),
        ("did it rain", "will it rain"), ("the first answer", "the last answer"), ("what is US law", "what is us law"),
        ("東京の天気", "大阪の天気"), ("Погода в Москве", "Погода в Киеве"), ("مرحبا أحمد", "مرحبا سارة"),
    ],
)  # fmt: skip
def test_what_only_looks_near_is_not_found(one: str, other: str) -> None:
    assert not hit(one, other)
    assert not hit(other, one)


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.sampled_from(["timer for {} minutes", "{}?", "pay €{} now"]),
)
def test_other_numbers_are_other_texts(one: int, other: int, text: str) -> None:
    assert hit(text.format(one), text.format(other) + " please") == (one == other)


def test_a_text_has_to_be_near_enough_and_twice_as_near_if_one_word_differs() -> None:
    angles = {
        "music jazz play": 0.949,
        "play a jazz music": 0.951,
        "play rock music": 0.974,
        "play blues music": 0.976,
    }
    embed = Angles(**{text: math.degrees(math.acos(cosine)) for text, cosine in angles.items()})
    embed.angles["play jazz music"] = 0.0

    async def main() -> None:
        cache = Cache(VirtualClock(), semantic=Semantic(embed))
        await cache.keep(chat("play jazz music"), SAID)
        found = {text: await cache.find(chat(text)) is not None for text in angles}
        assert list(found.values()) == [False, True, False, True]

    asyncio.run(main())


def test_the_nearest_of_several_is_given() -> None:
    async def main() -> None:
        embed = Angles()
        embed.angles = {
            "the tall tower": 0,
            "the high one tower": 0,
            "a tall tower": 10,
            "tall tower, please": 8,
        }
        cache = Cache(VirtualClock(), semantic=Semantic(embed, threshold=0.9))
        await cache.keep(chat("the tall tower"), SAID)
        await cache.keep(chat("a tall tower"), replace(SAID, output={"text": "nearest"}))
        found = await cache.find(chat("tall tower, please"))
        assert found is not None
        assert found.output == {"text": "nearest"}
        assert (cache.hits, cache.near) == (1, 1)

    asyncio.run(main())


labels = st.builds(Label, st.sampled_from(list(Confidentiality)), st.booleans())


@given(labels, labels, st.sampled_from(["", "a", "b"]), st.sampled_from(["", "a", "b"]))
def test_nothing_near_crosses_labels_or_users(one: Label, other: Label, user: str, stranger: str) -> None:
    async def main() -> None:
        cache = Cache(VirtualClock(), semantic=Semantic(alike))
        await cache.keep(chat("the capital of France", label=one, user=user), SAID)
        found = await cache.find(chat("capital of France", label=other, user=stranger))
        assert (found is not None) == (one == other and user == stranger)

    asyncio.run(main())


@pytest.mark.parametrize(
    "more", [{"profile": "best"}, {"options": {"system": "Answer in French."}}, {"cache": False}]
)
def test_nothing_near_crosses_options_and_profiles(more: dict[str, Any]) -> None:
    async def main() -> None:
        cache = Cache(VirtualClock(), semantic=Semantic(alike))
        await cache.keep(chat("the capital of France"), SAID)
        assert await cache.find(chat("capital of France", **more)) is None

    asyncio.run(main())


def test_a_conversation_has_to_be_the_same_up_to_its_last_words() -> None:
    async def main() -> None:
        cache = Cache(VirtualClock(), semantic=Semantic(alike))
        before = [{"role": "user", "content": "I live in Lyon."}, {"role": "assistant", "content": "Good."}]
        await cache.keep(ModelRequest("chat", [*before, {"role": "user", "content": "is it sunny"}]), SAID)
        near = {"role": "user", "content": "is it sunny, please"}
        assert await cache.find(ModelRequest("chat", [*before, near])) is not None
        assert await cache.find(ModelRequest("chat", [before[0], near])) is None
        assert (
            await cache.find(
                ModelRequest("chat", [{**before[0], "content": "I live in Nice."}, before[1], near])
            )
            is None
        )
        assert await cache.find(ModelRequest("chat", [*before, {**near, "name": "x"}])) is None

    asyncio.run(main())


def test_the_end_of_a_long_text_is_not_overlooked() -> None:
    long = "the story goes on " * 40
    assert not hit(long + "and ends well", long + "and ends badly and sadly")


def test_nothing_is_embedded_when_there_is_nothing_to_compare_with() -> None:
    async def main() -> None:
        embed = Angles()
        cache = Cache(VirtualClock(), semantic=Semantic(embed))
        assert await cache.find(chat("timer for 5 minutes")) is None
        await cache.keep(chat("timer for 5 minutes"), SAID)
        assert await cache.find(chat("timer for 6 minutes")) is None
        assert await cache.find(chat("timer for 5 minutes")) is not None
        assert embed.seen == ["timer for 5 minutes"]
        assert cache.statistics()["semantic"] == {"texts": 1, "embedded": 1, "unlike": 1, "failures": 0}

    asyncio.run(main())


async def broken(texts: Sequence[str]) -> list[list[float]]:
    raise RuntimeError("no model")


async def nothing(texts: Sequence[str]) -> list[list[float]]:
    return [[0.0, 0.0] for _ in texts]


async def too_many(texts: Sequence[str]) -> list[list[float]]:
    return [[1.0], [1.0]]


async def endless(texts: Sequence[str]) -> list[list[float]]:
    return [[math.inf, math.nan]]


@pytest.mark.parametrize("embed", [broken, nothing, too_many, endless])
def test_an_embedding_that_fails_costs_near_answers_and_nothing_else(
    embed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        cache = Cache(VirtualClock(), semantic=Semantic(embed))
        assert await cache.keep(chat("the secret of France"), SAID)
        assert await cache.find(chat("secret of France")) is None
        assert await cache.find(chat("the secret of France")) is not None
        assert cache.statistics()["semantic"]["failures"] == 1

    asyncio.run(main())
    assert "secret" not in caplog.text


def test_vectors_of_another_model_are_not_compared() -> None:
    async def main() -> None:
        vectors = iter([[1.0, 0.0], [1.0, 0.0, 0.0]])

        async def embed(texts: Sequence[str]) -> list[list[float]]:
            return [next(vectors)]

        cache = Cache(VirtualClock(), semantic=Semantic(embed))
        await cache.keep(chat("the capital of France"), SAID)
        assert await cache.find(chat("capital of France")) is None

    asyncio.run(main())


def test_texts_go_with_their_answers_and_partitions_are_bounded() -> None:
    async def main() -> None:
        clock = VirtualClock()
        cache = Cache(clock, ttl=60, entries=5, semantic=Semantic(alike, entries=3))
        for n in range(10):
            await cache.keep(chat(f"the number {n}"), SAID)
        assert cache.statistics()["semantic"]["texts"] == 3
        assert await cache.find(chat("number 9")) is not None
        assert await cache.find(chat("number 5")) is None
        assert await cache.find(chat("the number 5")) is not None
        clock.advance(60)
        assert await cache.find(chat("number 9")) is None
        assert cache.statistics()["semantic"]["texts"] == 0

    asyncio.run(main())


def test_the_cancelled_are_not_taken_for_failures() -> None:
    async def main() -> None:
        async def slow(texts: Sequence[str]) -> list[list[float]]:
            await asyncio.sleep(3600)
            raise AssertionError

        cache = Cache(VirtualClock(), semantic=Semantic(slow))
        task = asyncio.ensure_future(cache.keep(chat("the capital of France"), SAID))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cache.statistics()["semantic"]["failures"] == 0

    asyncio.run(main())


@pytest.mark.parametrize("wrong", [{"threshold": 0}, {"threshold": 1.01}, {"entries": 0}])
def test_a_threshold_that_lets_everything_through_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="threshold"):
        Semantic(alike, **wrong)


async def test_what_is_to_be_forgotten_while_it_is_being_kept_is() -> None:
    async def forgetting(texts: Sequence[str]) -> list[list[float]]:
        cache.forget()
        return await alike(texts)

    cache = Cache(VirtualClock(), semantic=Semantic(forgetting))
    assert not await cache.keep(chat("capital of France?"), SAID)
    assert await cache.find(chat("capital of France?")) is None
    assert cache.statistics()["entries"] == 0


@pytest.mark.parametrize("streams", [False, True])
@virtual_time
async def test_an_embedding_that_hangs_takes_no_more_than_half_of_the_time(streams: bool) -> None:
    async def hangs(texts: Sequence[str]) -> list[list[float]]:
        if "please" in texts[0]:
            await asyncio.get_running_loop().create_future()
        return await alike(texts)

    model = FakeModel("here", [[1, "hello"]])
    router = new_router(model, cache=Cache(VirtualClock(), semantic=Semantic(hangs)))

    async def ask(text: str) -> Any:
        request = chat(text, timeout=8.0)
        return [each async for each in router.stream(request)][-1] if streams else await router.ask(request)

    await ask("turn on the light")
    began = asyncio.get_running_loop().time()
    assert await ask("please switch on the light")
    assert asyncio.get_running_loop().time() - began < 8.0
    assert router.without == {"cache": 2}  # looking, and keeping
    assert len(model.requests) == 2
