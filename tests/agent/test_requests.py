"""Request and reply: the first, the first k, all who answer; and what happens when nobody can."""

import asyncio
import contextlib
from typing import Any

import pytest

from loom import Agent, Context, Event, QoS, Retry, on
from loom.errors import LoomError, RequestTimeout
from loom.testing import run_until_idle, virtual_time
from tests.agent.worlds import lawful, state


class Asker(Agent, retry=Retry(attempts=1)):
    """Asks what the payload says and writes down the answer or the error."""

    answers: list[Any] = []
    errors: list[str] = []

    @on("ask")
    async def ask(self, event: Event, ctx: Context) -> None:
        kind, options = event.payload
        try:
            if kind == "request":
                self.answers.append((await ctx.request("question", **options)).payload)
            else:
                replies = await ctx.gather("question", **options)
                self.answers.append([reply.payload for reply in replies])
        except LoomError as error:
            self.errors.append(f"{type(error).__name__}: {error}")


def answering(answer: Any, seconds: float = 0.0, qos: QoS = QoS.BATCHED) -> Any:
    class Answers(Agent, retry=Retry(attempts=2, base=1, jitter=0)):
        @on("question", qos=qos)
        async def answer(self, event: Event, ctx: Context) -> Any:
            await asyncio.sleep(seconds)
            if isinstance(answer, Exception):
                raise answer
            return answer

    return Answers


async def ask(loom: Any, kind: str, **options: Any) -> Any:
    await loom.publish("ask", (kind, options))
    await run_until_idle(loom, 100)
    agent = state(loom, "Asker")
    return agent.errors.pop() if agent.errors else agent.answers.pop()


@virtual_time(seeds=3)
async def test_a_request_is_answered_by_what_the_handler_returns_or_replies() -> None:
    class Replies(Agent):
        @on("question")
        async def answer(self, event: Event, ctx: Context) -> None:
            ctx.reply(event.payload * 2)

    async with lawful(Asker, Replies) as (loom, _):
        assert await ask(loom, "request", payload=4) == 8
        loom.add(answering("later", 9), name="late")
        assert await ask(loom, "request", payload=5) == 10
        assert len(loom._services.requests) == 0


@virtual_time(seeds=3)
async def test_gather_returns_the_first_k_or_all_in_order_of_arrival() -> None:
    async with lawful(Asker) as (loom, _):
        for name, seconds in (("c", 3), ("a", 1), ("b", 2)):
            loom.add(answering(name, seconds), name=name)
        assert await ask(loom, "gather") == ["a", "b", "c"]
        assert await ask(loom, "gather", k=2) == ["a", "b"]
        assert await ask(loom, "gather", k=9) == (
            "RequestFailed: 9 replies on 'question' are wanted and 3 handlers listen to it"
        )


@virtual_time(seeds=3)
async def test_who_only_listens_holds_nobody_up() -> None:
    async with lawful(Asker) as (loom, _):
        loom.add(answering("a"), name="a").add(answering(None), name="logger")
        assert await ask(loom, "gather") == ["a"]
        assert await ask(loom, "request") == "a"
        assert (await ask(loom, "gather", k=2)).startswith("RequestFailed")
    async with lawful(Asker) as (loom, _):
        loom.add(answering(None), name="logger")
        assert await ask(loom, "gather") == []
        assert "0 of 1 handlers gave an answer" in await ask(loom, "request")


@virtual_time(seeds=3)
async def test_nobody_a_failure_and_silence_are_told_apart() -> None:
    async with lawful(Asker) as (loom, _):
        assert await ask(loom, "request") == "NoResponders: no agent listens to 'question'"
        with loom.subscribe("question"):
            assert (await ask(loom, "request")).startswith("NoResponders"), (
                "a plain subscription cannot answer"
            )
        loom.add(answering(ValueError("no idea")), name="bad")
        assert await ask(loom, "request") == "RequestFailed: the request was given up: ValueError: no idea"
        loom.add(answering("slow", 60), name="slow")
        assert await ask(loom, "request", timeout=5) == (
            "RequestTimeout: request on 'question': 0 of 1 replies after 5 s"
        )
        assert (await ask(loom, "gather", timeout=100)).startswith("RequestFailed"), "all of them means all"


@virtual_time
async def test_the_timeout_covers_waiting_for_room_and_for_the_answer_together() -> None:
    times: list[float] = []

    class Slow(Agent):
        @on("question", capacity=1)
        async def answer(self, event: Event, ctx: Context) -> int:
            await asyncio.sleep(4)
            return 1

    class Timed(Agent):
        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            began = asyncio.get_running_loop().time()
            with contextlib.suppress(RequestTimeout):
                await ctx.request("question", timeout=event.payload)
            times.append(asyncio.get_running_loop().time() - began)

    async with lawful(Slow, Timed) as (loom, _):
        for timeout in (3, 6, 20):
            for _ in range(2):
                await loom.publish("question")
            await asyncio.sleep(0.1)
            await loom.publish("go", timeout)
            await run_until_idle(loom, 60)
        assert times == pytest.approx([3, 6, 11.9])


@virtual_time(seeds=5)
async def test_a_request_to_oneself_or_round_a_circle_is_a_deadlock_told_at_once() -> None:
    errors: list[str] = []

    def asks(name: str, other: str) -> Any:
        class Asks(Agent, name=name):
            @on(f"ask.{name}")
            async def ask(self, event: Event, ctx: Context) -> str:
                try:
                    return str((await ctx.request(f"ask.{other}", timeout=50)).payload)
                except LoomError as error:
                    errors.append(f"{type(error).__name__}: {error}")
                    return "gave up"

        return Asks

    async with lawful() as (loom, _):
        loom.add(asks("a", "b"), asks("b", "c"), asks("c", "a"), asks("self", "self"))
        await loom.publish("ask.self")
        await run_until_idle(loom)
        await loom.publish("ask.a")
        await run_until_idle(loom)
        assert asyncio.get_running_loop().time() == 0, "nobody waited for a timeout"
        assert errors == [
            "Deadlock: a request on 'ask.self' would wait for itself: self -> self",
            "Deadlock: a request on 'ask.a' would wait for itself: c -> a -> b -> c",
        ]


@virtual_time(seeds=5)
async def test_whoever_is_in_the_circle_is_left_out_when_others_can_answer() -> None:
    class Both(Agent):
        got: list[Any] = []

        @on("ask")
        async def ask(self, event: Event, ctx: Context) -> None:
            self.got.append([r.payload for r in await ctx.gather("question", timeout=50)])
            self.got.append((await ctx.request("question", timeout=50)).payload)

        @on("question")
        async def question(self, event: Event) -> str:
            return "myself"

    async with lawful(Both) as (loom, _):
        loom.add(answering("other", 1), name="other")
        await loom.publish("ask")
        await run_until_idle(loom, 20)
        assert state(loom, "Both").got == [["other"], "other"]


@virtual_time(seeds=5)
async def test_an_answer_and_an_event_for_the_asker_is_no_cycle() -> None:
    class Small(Agent):
        got: list[Any] = []

        @on("ask")
        async def ask(self, event: Event, ctx: Context) -> None:
            self.got.append((await ctx.request("question")).payload)

        @on("news", capacity=1)
        async def news(self, event: Event) -> None:
            self.got.append(event.payload)

    class Helper(Agent):
        @on("question")
        async def answer(self, event: Event, ctx: Context) -> str:
            await asyncio.sleep(1)
            ctx.publish("news", 1)
            ctx.publish("news", 2)
            return "answer"

    async with lawful(Small, Helper) as (loom, _):
        await loom.publish("ask")
        await run_until_idle(loom, 20)
        assert loom.dead_letters == []
        assert state(loom, "Small").got == ["answer", 1, 2]


@virtual_time(seeds=5)
async def test_a_chain_of_requests_needs_no_more_places_than_one() -> None:
    def asks(name: str, other: str) -> Any:
        class Asks(Agent, name=name, retry=Retry(attempts=1)):
            got: str = ""

            @on(f"ask.{name}")
            async def ask(self, event: Event, ctx: Context) -> str:
                self.got = (await ctx.request(f"ask.{other}")).payload + name
                return self.got

        return Asks

    @on("ask.z")
    async def last(event: Event, ctx: Context) -> str:
        await asyncio.sleep(0.1)
        return "z"

    async with lawful(asks("a", "b"), asks("b", "c"), asks("c", "z"), last, concurrency=1) as (loom, _):
        for _ in range(3):
            await loom.publish("ask.a")
        await run_until_idle(loom, 5)
        assert loom.dead_letters == []
        assert state(loom, "a").got == "zcba"
        assert loom._services.scheduler.limit == 1


@virtual_time(seeds=3)
async def test_a_retried_step_reuses_the_reply_and_the_reply_to_a_retried_step_comes_once() -> None:
    asked: list[int] = []

    class Answers(Agent, retry=Retry(base=1, jitter=0)):
        @on("question")
        async def answer(self, event: Event, ctx: Context) -> int:
            asked.append(ctx.attempt)
            if ctx.attempt < 3:
                raise ValueError
            return 7

    class Asks(Agent, retry=Retry(jitter=0)):
        got: int = 0

        @on("ask")
        async def ask(self, event: Event, ctx: Context) -> None:
            self.got += (await ctx.request("question", timeout=30)).payload
            if ctx.attempt < 3:
                raise ValueError

    async with lawful(Answers, Asks) as (loom, _):
        await loom.publish("ask")
        await run_until_idle(loom, 60)
        assert asked == [1, 2, 3]
        assert state(loom, "Asks").got == 7


@virtual_time(seeds=3)
async def test_a_request_whose_handler_is_cancelled_is_told_and_a_cancelled_asker_leaves_no_trace() -> None:
    async with lawful(Asker) as (loom, _):
        loom.add(answering("late", 30), name="late")
        await loom.publish("ask", ("request", {"scope": "other", "timeout": 50}), scope="turn")
        await asyncio.sleep(1)
        loom.cancel("other")
        await run_until_idle(loom, 1)
        assert state(loom, "Asker").errors == [
            "RequestFailed: the request was given up: its scope was cancelled"
        ]
        await loom.publish("ask", ("request", {"scope": "another", "timeout": 50}), scope="round")
        await asyncio.sleep(1)
        assert len(loom._services.requests) == 1
        loom.cancel("round")
        await run_until_idle(loom, 60)
        assert len(loom._services.requests) == 0
        assert loom.agent("Asker").asking == []


@virtual_time(seeds=3)
async def test_requests_that_beget_requests_end_at_the_hop_limit() -> None:
    rounds: list[str] = []

    def asks(name: str, other: str) -> Any:
        class Asks(Agent, name=name, retry=Retry(attempts=1)):
            @on(f"ask.{name}")
            async def ask(self, event: Event, ctx: Context) -> None:
                rounds.append(name)
                ctx.emit(f"ask.{other}")
                with contextlib.suppress(RequestTimeout):
                    await ctx.request("nowhere", timeout=10)

        return Asks

    @on("nowhere")
    async def nowhere(event: Event) -> None:
        await asyncio.sleep(20)

    async with lawful(asks("a", "b"), asks("b", "a"), nowhere) as (loom, _):
        await loom.publish("ask.a")
        await run_until_idle(loom, 5000)
        assert len(rounds) == 33
        assert [letter.error.partition(":")[0] for letter in loom.dead_letters if letter.error[0] == "H"] == [
            "HopLimit"
        ]
