"""Streams of a step: whole ones are given again to a retry, broken ones are asked for anew, leaving one ends it."""

import asyncio
import gc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom import Agent, Confidentiality, Context, Event, Label, QoS, Retry, on
from loom.agent import _stream
from loom.agent._stream import Kept, weight
from loom.errors import ModelFailed, NoBackend
from loom.event.codec import Buffer
from loom.testing import FakeBackend, Probe, new_loom, run, run_until_idle, virtual_time
from tests.agent.readers import RETRY, Careful, Reader
from tests.agent.worlds import lawful, state


def failing(times: int) -> Reader:
    reader = Reader()
    reader._failures = times
    return reader


@virtual_time(seeds=5)
async def test_a_whole_stream_is_given_again_to_a_retry_and_the_model_is_asked_once() -> None:
    backend = FakeBackend("chat", [["a", {"text": "b"}, b"c"]], delay=0.5)
    async with lawful(failing(2)) as (loom, _):
        loom.add_model(backend)
        await loom.publish("read", "hello")
        await run_until_idle(loom, 20)
        assert state(loom, "Reader").heard == ["a", {"text": "b"}, b"c"]
        assert len(backend.requests) == 1
        assert backend.broken_off == 0


@virtual_time
async def test_a_request_inherits_label_and_qos_and_takes_options_and_timeout() -> None:
    backend = FakeBackend("chat", [[]])
    async with new_loom(Reader).add_model(backend) as loom:
        await loom.publish("read", "hello", label=Label(Confidentiality.PRIVATE, True))
        await run_until_idle(loom)
        (request,) = backend.requests
        assert (request.input, request.options, request.timeout) == ("hello", {"top": 1}, 60)
        assert (request.label, request.qos) == (Label(Confidentiality.PRIVATE, True), QoS.BATCHED)


@virtual_time(seeds=5)
async def test_a_stream_that_broke_off_is_asked_for_anew() -> None:
    backend = FakeBackend("chat", [["a", ModelFailed("gone")], ["c", "d"]], delay=0.5)
    async with lawful(failing(1)) as (loom, _):
        loom.add_model(backend)
        await loom.publish("read")
        await run_until_idle(loom, 20)
        assert state(loom, "Reader").heard == ["c", "d"]
        assert len(backend.requests) == 2


@virtual_time
async def test_a_break_that_the_step_has_dealt_with_comes_again_after_the_same_items() -> None:
    backend = FakeBackend("chat", [["a", ModelFailed("gone")]])
    async with new_loom(Careful).add_model(backend) as loom:
        loom.add_model(FakeBackend("other", ["b"], name="other"))
        await loom.publish("read")
        await run_until_idle(loom, 20)
        assert state(loom, "Careful").heard == ["a", "ModelFailed: gone", "b"]
        assert len(backend.requests) == 1


@virtual_time(seeds=5)
async def test_leaving_early_ends_the_model_and_a_retry_asks_anew() -> None:
    class Impatient(Agent, retry=RETRY):
        heard: list[str] = []

        @on("read")
        async def read(self, event: Event, ctx: Context) -> None:
            async with ctx.stream("chat") as items:
                async for item in items:
                    self.heard.append(item)
                    if item == "b":
                        break
            assert backend.broken_off == ctx.attempt, "closed when the block is left"
            if ctx.attempt == 1:
                raise ValueError

    backend = FakeBackend("chat", [list("abc"), list("abc")], delay=0.1)
    async with lawful(Impatient) as (loom, _):
        loom.add_model(backend)
        await loom.publish("read")
        await run_until_idle(loom, 20)
        assert state(loom, "Impatient").heard == ["a", "b"]
        assert len(backend.requests) == 2


@virtual_time(seeds=5)
async def test_a_cancelled_scope_takes_the_stream_down_and_leaves_nothing() -> None:
    class Speaker(Reader):
        pass

    backend = FakeBackend("chat", [list("abcdef")], delay=1)
    async with lawful(Speaker) as (loom, law):
        loom.add_model(backend)
        await loom.publish("read", scope="turn")
        await asyncio.sleep(2.5)
        assert loom.cancel("turn") == 1
        await run_until_idle(loom)
        assert backend.broken_off == 1
        assert state(loom, "Speaker").heard == []
        assert [outcome for _, _, outcome in law.steps] == ["cancelled"]
        backend._script = iter([["x"]])
        await loom.publish("read", scope="next")
        await run_until_idle(loom, 2)
        assert state(loom, "Speaker").heard == ["x"]


@virtual_time(seeds=5)
async def test_an_interrupted_stream_ends_and_the_step_asks_anew() -> None:
    class Talker(Reader):
        stops: int = 0

        @on("stop", qos=QoS.REALTIME, interrupts=True)
        async def stop(self, event: Event) -> None:
            self.stops += 1

    backend = FakeBackend("chat", [list("abc"), list("xyz")], delay=1)
    async with lawful(Talker) as (loom, _):
        loom.add_model(backend)
        await loom.publish("read")
        await asyncio.sleep(1.5)
        await loom.publish("stop")
        await run_until_idle(loom, 10)
        assert (state(loom, "Talker").heard, state(loom, "Talker").stops) == (["x", "y", "z"], 1)
        assert (len(backend.requests), backend.broken_off) == (2, 1)


@virtual_time
async def test_a_loop_that_is_left_without_a_block_ends_the_model_too() -> None:
    class Loose(Agent):
        @on("read")
        async def read(self, event: Event, ctx: Context) -> None:
            async for _ in ctx.stream("chat"):
                break

    backend = FakeBackend("chat", [list("abc")])
    async with new_loom(Loose).add_model(backend) as loom:
        await loom.publish("read")
        await run_until_idle(loom)
        gc.collect()
        await asyncio.sleep(0.1)
        assert backend.broken_off == 1


@virtual_time
async def test_a_stream_that_is_kept_can_do_nothing_after_its_step() -> None:
    kept: list[Any] = []

    class Keeper(Agent):
        @on("read")
        async def read(self, event: Event, ctx: Context) -> None:
            items = ctx.stream("chat")
            kept.append(items)
            await anext(items)

    backend = FakeBackend("chat", [list("abc")])
    async with new_loom(Keeper).add_model(backend) as loom:
        await loom.publish("read")
        await run_until_idle(loom)
        with pytest.raises(RuntimeError, match="after its step had ended"):
            await anext(kept[0])


@virtual_time(seeds=10)
async def test_streams_may_overlap_and_end_in_any_order() -> None:
    class Both(Agent, retry=RETRY):
        heard: dict[str, list[str]] = {}

        @on("read")
        async def read(self, event: Event, ctx: Context) -> None:
            async def take(name: str) -> None:
                self.heard[name] = [item async for item in ctx.stream("chat", name)]

            await asyncio.gather(take("a"), take("b"))
            if ctx.attempt == 1:
                raise ValueError

    backend = FakeBackend("chat", lambda request: [request.input * n for n in (1, 2, 3)], delay=0.1)
    async with lawful(Both) as (loom, _):
        loom.add_model(backend)
        await loom.publish("read")
        await run_until_idle(loom, 20)
        assert state(loom, "Both").heard == {"a": ["a", "aa", "aaa"], "b": ["b", "bb", "bbb"]}
        assert len(backend.requests) == 2


@virtual_time
async def test_asking_for_another_stream_the_second_time_is_a_divergence() -> None:
    class Changing(Agent, retry=RETRY):
        @on("read")
        async def read(self, event: Event, ctx: Context) -> None:
            assert [item async for item in ctx.stream("chat", ctx.attempt)] == ["a"]
            raise ValueError

    backend = FakeBackend("chat", [["a"], ["a"]])
    async with new_loom(Changing).add_model(backend) as loom:
        await loom.publish("read")
        await run_until_idle(loom, 20)
        assert "Diverged" in loom.dead_letters[0].error
        assert len(backend.requests) == 1


@virtual_time
async def test_a_stream_over_the_limit_is_read_to_its_end_but_not_kept() -> None:
    most, _stream.KEPT = _stream.KEPT, 1000
    try:
        backend = FakeBackend("chat", [[b"x" * 400] * 4, [b"y" * 400] * 4])
        async with new_loom(failing(1)).add_model(backend) as loom:
            await loom.publish("read")
            await run_until_idle(loom, 20)
            assert state(loom, "Reader").heard == [b"y" * 400] * 4
            assert len(backend.requests) == 2
    finally:
        _stream.KEPT = most


@virtual_time
async def test_a_realtime_step_keeps_nothing_for_it_never_runs_again() -> None:
    sizes: list[int] = []

    class Swift(Agent):
        @on("read", qos=QoS.REALTIME)
        async def read(self, event: Event, ctx: Context) -> None:
            async for _ in ctx.stream("chat"):
                pass
            sizes.append(len(ctx.records or ()))

    backend = FakeBackend("chat", [["a"]])
    async with new_loom(Swift).add_model(backend) as loom:
        await loom.publish("read")
        await run_until_idle(loom)
        assert sizes == [0]
        assert backend.requests[0].qos is QoS.REALTIME


@virtual_time
async def test_a_task_that_comes_in_one_piece_is_no_stream() -> None:
    backend = FakeBackend("embed", [[1]])
    backend.streams = frozenset()  # type: ignore[attr-defined]
    async with new_loom().add_model(backend) as loom:
        with pytest.raises(NoBackend, match="not in pieces; use ask"):
            await anext(loom.stream("embed", "text"))
        assert await loom.ask("embed", "text") == [1]


@virtual_time
async def test_a_runtime_streams_outside_of_agents_too() -> None:
    backend = FakeBackend("chat", [list("abc"), list("abc")])
    async with new_loom().add_model(backend) as loom:
        async with loom.stream("chat", "hello") as items:
            assert [item async for item in items] == ["a", "b", "c"]
        async with loom.stream("chat", "hello") as items:
            assert await anext(items) == "a"
        assert backend.broken_off == 1
        async with loom.stream("chat", "hello") as items:
            await items.aclose()
            await items.aclose()
        assert len(backend.requests) == 2, "one that is never read is never asked for"


# --- the law ---------------------------------------------------------------------------------------------------------

pieces = st.lists(st.text(max_size=3), max_size=4)


@settings(max_examples=30, deadline=None)
@given(pieces, st.integers(0, 2), st.integers(0, 2), st.integers(0, 5))
def test_what_arrives_is_always_one_whole_answer_and_each_break_costs_one_request(
    answer: list[str], breaks: int, failures: int, seed: int
) -> None:
    scripts: list[list[Any]] = [[*answer, ModelFailed("gone")] for _ in range(breaks)]
    backend = FakeBackend("chat", [*scripts, answer, ["never"]], delay=0.1)
    reader = failing(failures)

    class Patient(Reader, name="Reader", retry=Retry(attempts=9, base=1, jitter=0)):
        pass

    async def story() -> list[Any]:
        patient = Patient()
        patient._failures = reader._failures
        async with new_loom(patient).add_model(backend) as loom:
            await loom.publish("read")
            await run_until_idle(loom, 2000)
            heard: list[Any] = state(loom, "Reader").heard
            return heard

    assert run(story(), seed=seed) == answer
    assert len(backend.requests) == breaks + 1


@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(0, 2000))
def test_what_is_kept_is_never_more_than_the_limit(items: list[bytes], most: int) -> None:
    kept = Kept(most)
    fits = [kept.add(item) for item in items].count(False) == 0
    assert sum(map(weight, kept.items)) <= most
    assert fits == (kept.items == items and sum(map(weight, items)) <= most)


def test_what_is_inside_counts() -> None:
    pcm = Buffer(b"x" * 1000, "int16", (500,))
    for item in (b"x" * 1000, "x" * 1000, pcm, [b"x" * 1000], {"pcm": (b"x" * 1000,)}, {"x" * 1000: 1}):
        assert 1000 <= weight(item) < 1500
    loop: list[Any] = []
    loop.append(loop)
    assert not Kept(1000).add(loop)


@virtual_time
async def test_tokens_that_are_emitted_go_out_while_the_stream_runs() -> None:
    class Talker(Agent):
        @on("read")
        async def read(self, event: Event, ctx: Context) -> None:
            async with ctx.stream("chat") as items:
                async for item in items:
                    ctx.emit("talk.token", item)

    backend = FakeBackend("chat", [list("abc")], delay=1)
    async with new_loom(Talker).add_model(backend) as loom:
        probe = Probe(loom.bus, "talk.token")
        await loom.publish("read")
        await asyncio.sleep(1.5)
        assert probe.payloads == ["a"]
        await run_until_idle(loom, 5)
        assert probe.payloads == ["a", "b", "c"]
