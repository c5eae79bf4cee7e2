"""A cache of answers: who finds what, for how long, and what is never kept."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ConfigError
from loom.event import Confidentiality, Label
from loom.models.decision import Decision, Route
from loom.models.model import ModelReply, ModelRequest
from loom.models.price import NOTHING, Usage
from loom.router.cache import Cache
from loom.testing import VirtualClock

ASKED = ModelRequest("chat", "What is the capital of France?", user="ada", options={"max_tokens": 20})
SAID = {"text": "Paris.", "tokens_in": 8, "tokens_out": 2, "stopped": "end"}


def reply(output: object = None, **more: Any) -> ModelReply:
    return ModelReply(
        SAID if output is None else output, "cloud", 1.0, 300.0, 50.0, Usage(8, 2), 0.01, **more
    )


async def kept(request: ModelRequest = ASKED, answer: ModelReply | None = None, **options: Any) -> Cache:
    """A cache that was given one answer."""
    cache = Cache(VirtualClock(), **options)
    await cache.keep(request, answer or reply())
    return cache


async def finds(cache: Cache, request: ModelRequest) -> bool:
    return await cache.find(request) is not None


def test_the_same_request_is_answered_again_and_costs_nothing() -> None:
    async def main() -> None:
        cache = await kept(
            answer=reply(model="large", decision=Decision("d", "chat", Route.CLOUD, ("cloud",), "", ""))
        )
        found = await cache.find(
            replace(ASKED, thread="other", event="e", agent="b", timeout=3.0, stream=True)
        )
        assert found is not None
        assert found.output == SAID
        assert (found.backend, found.model, found.cost, found.usage) == ("cache:cloud", "large", 0.0, NOTHING)
        assert (found.queue_ms, found.total_ms, found.first_ms, found.decision) == (0.0, 0.0, None, None)
        assert dict(cache.statistics()) == {
            "entries": 1, "bytes": cache.bytes, "hits": 1, "near": 0, "misses": 0, "expired": 0, "evicted": 0,
            "refused": 0,
        }  # fmt: skip

    asyncio.run(main())


@pytest.mark.parametrize(
    "same",
    [
        {"input": "  What is the capital of France?\r\n"},
        {"input": [{"role": "user", "content": "What is the capital of France?"}]},
        {"input": [{"content": "What is the capital of France?", "role": "user"}]},
        {"max_cost": 0.5},
        {"options": {"max_tokens": 20, "cache": True}},
    ],
)
def test_what_makes_no_difference_is_found(same: dict[str, Any]) -> None:
    async def main() -> None:
        assert await finds(await kept(), replace(ASKED, **same))

    asyncio.run(main())


@pytest.mark.parametrize(
    "other",
    [
        {"user": "grace"}, {"user": ""}, {"task": "classify"}, {"route": "local"}, {"profile": "best"},
        {"min_quality": 0.9}, {"options": {}}, {"options": {"max_tokens": 20.0}}, {"options": {"max_tokens": 21}},
        {"options": {"max_tokens": 20, "schema": {"type": "object"}}}, {"options": {"max_tokens": 20, "system": "x"}},
        {"input": "what is the capital of france?"}, {"input": b"What is the capital of France?"},
        {"input": [{"role": "system", "content": "What is the capital of France?"}]},
        {"input": [{"role": "system", "content": ""}, {"role": "user", "content": "What is the capital of France?"}]},
        {"label": Label(Confidentiality.SENSITIVE)}, {"label": Label(Confidentiality.PUBLIC, True)}, {"cache": False},
    ],
)  # fmt: skip
def test_what_differs_is_not_found(other: dict[str, Any]) -> None:
    async def main() -> None:
        assert not await finds(await kept(), replace(ASKED, **other))

    asyncio.run(main())


labels = st.builds(Label, st.sampled_from(list(Confidentiality)), st.booleans())
users = st.sampled_from(["", "ada", "grace", "ada\0", "ad", "a"])


@given(labels, labels, users, users, st.text(max_size=20))
def test_no_answer_crosses_labels_or_users(
    one: Label, other: Label, user: str, stranger: str, text: str
) -> None:
    async def main() -> None:
        mine = ModelRequest("chat", text, label=one, user=user)
        theirs = replace(mine, label=other, user=stranger)
        found = await (await kept(mine)).find(theirs)
        assert (found is not None) == (one == other and user == stranger)

    asyncio.run(main())


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(-2, 2)
    | st.text(max_size=3)
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


@given(plain, plain)
def test_two_inputs_are_the_same_only_when_they_are_equal_and_of_the_same_types(
    one: object, other: object
) -> None:
    async def main() -> None:
        cache = await kept(ModelRequest("classify", one), reply(["x"]))
        same = repr(_sorted(one)) == repr(_sorted(other))
        assert await finds(cache, ModelRequest("classify", other)) == same

    asyncio.run(main())


def _sorted(data: object) -> object:
    """*data* with its tables in order, and texts tidied where the input is one."""
    if isinstance(data, dict):
        return {name: _sorted_inside(data[name]) for name in sorted(data)}
    return data.strip() if isinstance(data, str) else _sorted_inside(data)


def _sorted_inside(data: object) -> object:
    if isinstance(data, dict):
        return {name: _sorted_inside(data[name]) for name in sorted(data)}
    return [_sorted_inside(each) for each in data] if isinstance(data, list) else data


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.7}, {"temperature": 1}, {"seed": 7}, {"seed": 0}, {"tools": [{"name": "light"}]},
        {"temperature": float("nan")}, {"temperature": "hot"}, {"schema": object()},
    ],
)  # fmt: skip
def test_answers_that_would_differ_the_next_time_are_not_kept(options: dict[str, Any]) -> None:
    async def main() -> None:
        request = replace(ASKED, options=options)
        cache = await kept(request)
        assert not await finds(cache, request)
        assert cache.statistics()["entries"] == 0

    asyncio.run(main())


def test_sampled_answers_are_kept_where_that_is_asked_for() -> None:
    async def main() -> None:
        warm = replace(ASKED, options={"temperature": 0.7, "seed": 3})
        assert await finds(await kept(warm, sampled=True), warm)
        asked = replace(ASKED, options={"temperature": 0.7, "cache": True})
        assert await finds(await kept(asked), asked)
        tools = replace(ASKED, options={"tools": [{"name": "light"}]})
        assert not await finds(await kept(tools, sampled=True), tools)

    asyncio.run(main())


@pytest.mark.parametrize(
    "output",
    [
        {**SAID, "stopped": "length"}, {**SAID, "stopped": "tools"}, {**SAID, "tool_calls": [{"id": "1"}]},
        {**SAID, "text": " "}, {**SAID, "text": None, "error": "x"}, {**SAID, "text": 5}, {**SAID, "stopped": None},
        {**SAID, "more": object()}, {"text": "x" * 300_000}, {"text": "deep", "more": [[[[[[]]]]] * 20_000]},
        {1: "x"}, memoryview(b"xx"), object(),
    ],
)  # fmt: skip
def test_what_is_cut_empty_a_tools_call_or_no_plain_data_is_not_kept(output: object) -> None:
    async def main() -> None:
        cache = Cache(VirtualClock())
        assert not await cache.keep(ASKED, reply(output))
        assert not await finds(cache, ASKED)

    asyncio.run(main())


def test_an_answer_given_for_want_of_a_better_one_is_not_kept_nor_one_of_the_cache() -> None:
    async def main() -> None:
        instead = Decision("d", "chat", Route.LOCAL_FALLBACK, ("local",), "", "")
        assert not await finds(await kept(answer=reply(decision=instead)), ASKED)
        assert not await finds(await kept(answer=replace(reply(), backend="cache:cloud")), ASKED)

    asyncio.run(main())


def test_nobody_changes_what_is_kept() -> None:
    async def main() -> None:
        output: dict[str, Any] = {**SAID, "parts": [{"n": 1}], "pair": (1, [2])}
        cache = await kept(answer=reply(output))
        output["parts"][0]["n"] = 2
        first = await cache.find(ASKED)
        assert first is not None
        assert first.output == {**SAID, "parts": [{"n": 1}], "pair": (1, [2])}
        first.output["parts"].append("mine")  # type: ignore[index]
        first.output["pair"][1].append(3)  # type: ignore[index]
        second = await cache.find(ASKED)
        assert second is not None
        assert second.output == {**SAID, "parts": [{"n": 1}], "pair": (1, [2])}

    asyncio.run(main())


def test_an_answer_holds_for_its_time_and_not_a_moment_longer() -> None:
    async def main() -> None:
        clock = VirtualClock()
        cache = Cache(clock, ttl=60)
        await cache.keep(ASKED, reply())
        clock.advance(59.9)
        assert await finds(cache, ASKED)
        clock.advance(0.1)
        assert not await finds(cache, ASKED)
        assert (cache.expired, cache.bytes, cache.misses) == (1, 0, 1)
        await cache.keep(ASKED, reply())
        clock.advance(59)
        await cache.keep(ASKED, reply({**SAID, "text": "Still Paris."}))
        clock.advance(59)
        found = await cache.find(ASKED)
        assert found is not None
        assert found.output["text"] == "Still Paris."  # type: ignore[index]

    asyncio.run(main())


def test_what_is_too_old_goes_without_being_asked_for() -> None:
    async def main() -> None:
        clock = VirtualClock()
        cache = Cache(clock, ttl=60)
        for n in range(50):
            await cache.keep(replace(ASKED, input=f"{n}?"), reply())
        clock.advance(60)
        await cache.keep(ASKED, reply())
        assert (cache.statistics()["entries"], cache.expired) == (1, 50)

    asyncio.run(main())


def test_those_not_asked_for_longest_go_first_and_the_bytes_are_counted() -> None:
    async def main() -> None:
        cache = Cache(VirtualClock(), entries=3)
        requests = [replace(ASKED, input=f"{n}?") for n in range(4)]
        for request in requests[:3]:
            await cache.keep(request, reply())
        assert await finds(cache, requests[0])
        await cache.keep(requests[3], reply())
        assert [await finds(cache, each) for each in requests] == [True, False, True, True]
        assert cache.evicted == 1
        assert cache.forget() == 3
        assert cache.bytes == 0

    asyncio.run(main())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 400)), max_size=40))
def test_it_never_holds_more_than_its_bytes(told: list[tuple[int, int]]) -> None:
    async def main() -> None:
        cache = Cache(VirtualClock(), size=1000)
        for n, size in told:
            await cache.keep(replace(ASKED, input=f"{n}?"), reply({"text": "x" * size}))
            assert 0 < cache.bytes <= 1000
        assert cache.forget() == cache.statistics()["entries"] + cache.forget() or cache.bytes == 0

    asyncio.run(main())


def test_the_answers_of_one_user_can_be_forgotten() -> None:
    async def main() -> None:
        cache = await kept()
        await cache.keep(replace(ASKED, user="grace"), reply())
        assert cache.forget("ada") == 1
        assert not await finds(cache, ASKED)
        assert await finds(cache, replace(ASKED, user="grace"))

    asyncio.run(main())


def test_ten_megabytes_of_prompt_are_neither_kept_nor_looked_for() -> None:
    async def main() -> None:
        large = replace(ASKED, input="x" * 10_000_000)
        cache = await kept(large)
        assert not await finds(cache, large)
        assert cache.statistics()["entries"] == cache.misses == 0
        assert await finds(
            await kept(odd := replace(ASKED, input="\ud800")), odd
        )  # what UTF-8 cannot say is no trouble

    asyncio.run(main())


@pytest.mark.parametrize(
    "wrong", [{"ttl": 0}, {"entries": 0}, {"size": -1}, {"largest": 0}, {"ttl": float("nan")}]
)
def test_a_cache_of_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Cache(**wrong)
