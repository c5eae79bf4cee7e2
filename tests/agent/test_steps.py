"""A step commits as a whole or leaves nothing; what it asked for at once is asked only once."""

import asyncio
from typing import Any

import pytest

from loom import Agent, Context, Event, Retry, action, on
from loom.errors import ActionFailed
from loom.testing import FakeBackend, Probe, run_until_idle, virtual_time
from tests.agent.worlds import lawful, state


class Fails(Agent, retry=Retry(attempts=3, jitter=0)):
    """Does everything a step can do, then fails as often as the payload says."""

    count: int = 0
    table: dict[str, list[int]] = {"z": [1], "a": [2]}
    _tries: int = 0

    @on("go")
    async def go(self, event: Event, ctx: Context) -> str:
        self.count += 1
        self.table["z"].append(9)
        self.table["new"] = []
        del self.table["a"]
        ctx.publish("out.event", self.count)
        ctx.act("note", text="hello")
        ctx.after(1, "out.timer")
        await asyncio.sleep(0.01)
        self._tries += 1
        if self._tries <= event.payload:
            self.stranger = 1
            raise ValueError(f"try {self._tries}")
        return "done"


def note_into(log: list[str]) -> Any:
    @action("note")
    def note(text: str) -> None:
        log.append(text)

    return note


@virtual_time(seeds=3)
async def test_a_failed_step_leaves_nothing_and_the_retry_that_succeeds_leaves_once() -> None:
    log: list[str] = []
    async with lawful(note_into(log), Fails) as (loom, law):
        probe = Probe(loom.bus, "out.>")
        await loom.publish("go", 2)
        await asyncio.sleep(0.05)
        agent = state(loom, "Fails")
        assert agent.__dict__ == {"count": 0, "table": {"z": [1], "a": [2]}, "_tries": 1}
        assert list(agent.table) == ["z", "a"]
        assert (probe.events, log, loom.statistics().timers) == ([], [], 1), "one timer: the retry's own"
        await run_until_idle(loom, 5)
        assert (agent.count, agent.table) == (1, {"z": [1, 9], "new": []})
        assert probe.topics == ["out.event", "out.timer"]
        assert log == ["hello"]
        assert [outcome for _, _, outcome in law.steps] == ["failed", "failed", "committed"]
        assert [attempt for _, _, attempt in law.began] == [1, 2, 3]


@virtual_time
async def test_after_the_last_attempt_the_event_is_a_dead_letter_with_cause_and_chain() -> None:
    log: list[str] = []
    async with lawful(note_into(log), Fails) as (loom, law):
        probe = Probe(loom.bus, "loom.agent.Fails.dead_letter")
        event = await loom.publish("go", 99, thread="t", scope="s")
        await run_until_idle(loom, 5)
        (letter,) = loom.dead_letters
        assert (letter.agent, letter.event, letter.reason) == ("Fails", event, "failed")
        assert letter.error == "ValueError: try 3"
        assert letter.chain == (("go", event.id),)
        (told,) = probe.events
        assert told.payload["id"] == event.id
        assert (told.cause, told.thread, told.hop) == (event.id, "t", 1)
        assert state(loom, "Fails").count == 0
        assert log == []
        assert loom.statistics().agents["Fails"].given_up == 1
        assert law.buried == [("Fails", "go", "failed")]


@virtual_time
async def test_retries_wait_with_growing_pauses() -> None:
    times: list[float] = []

    class Late(Agent, retry=Retry(attempts=4, base=1, factor=3, jitter=0)):
        @on("go")
        def go(self, event: Event) -> None:
            times.append(asyncio.get_running_loop().time())
            raise ValueError

    async with lawful(Late) as (loom, _):
        await loom.publish("go")
        await run_until_idle(loom, 60)
        assert times == pytest.approx([0, 1, 4, 13])


@virtual_time
async def test_a_cancelled_step_leaves_nothing() -> None:
    log: list[str] = []

    class Slow(Agent):
        count: int = 0

        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            self.count += 1
            ctx.publish("out.event")
            ctx.act("note", text="x")
            ctx.after(1, "out.timer")
            await asyncio.sleep(10)

    async with lawful(note_into(log), Slow) as (loom, law):
        probe = Probe(loom.bus, "out.>")
        await loom.publish("go", scope="turn")
        await asyncio.sleep(1)
        assert loom.cancel("turn") == 1
        await run_until_idle(loom, 20)
        assert state(loom, "Slow").count == 0
        assert (probe.events, log, loom.statistics().timers) == ([], [], 0)
        assert [outcome for _, _, outcome in law.steps] == ["cancelled"]


# --- what is asked at once -------------------------------------------------------------------------------------------


@virtual_time(seeds=5)
async def test_results_are_recorded_and_reused_when_the_step_runs_again() -> None:
    runs: list[str] = []

    @action("pay")
    async def pay(amount: int, idempotency_key: str) -> str:
        await asyncio.sleep(1)
        runs.append(idempotency_key)
        return f"receipt {amount}"

    class Buyer(Agent, retry=Retry(jitter=0)):
        receipts: list[str] = []
        _tries: int = 0

        @on("buy")
        async def buy(self, event: Event, ctx: Context) -> None:
            self.receipts.append(await ctx.call("pay", amount=3))
            self.receipts.append(await ctx.ask("name"))
            self._tries += 1
            if self._tries < 3:
                raise ValueError
            self.receipts.append(await ctx.call("pay", amount=4))

    backend = FakeBackend("name", ["one", "two"])
    async with lawful(pay, Buyer) as (loom, _):
        loom.add_model(backend)
        await loom.publish("buy")
        await run_until_idle(loom, 5)
        assert state(loom, "Buyer").receipts == ["receipt 3", "one", "receipt 4"]
        assert len(runs) == 2
        assert len(set(runs)) == 2
        assert len(backend.requests) == 1


@virtual_time(seeds=10)
async def test_calls_may_overlap_and_end_in_any_order() -> None:
    runs: list[int] = []

    @action("wait")
    async def wait(n: int) -> int:
        runs.append(n)
        await asyncio.sleep(1 / n)
        return n

    class Many(Agent, retry=Retry(jitter=0)):
        got: list[int] = []
        _tries: int = 0

        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            self.got = list(await asyncio.gather(*(ctx.call("wait", n=n) for n in (1, 2, 3))))
            self._tries += 1
            if self._tries < 3:
                raise ValueError

    async with lawful(wait, Many) as (loom, _):
        await loom.publish("go")
        await run_until_idle(loom, 5)
        assert state(loom, "Many").got == [1, 2, 3]
        assert sorted(runs) == [1, 2, 3], "each was run once"
        assert loom.dead_letters == []


@virtual_time
async def test_asking_for_something_else_the_second_time_is_a_divergence_and_a_dead_letter() -> None:
    @action("pay")
    def pay(amount: int) -> int:
        return amount

    class Moody(Agent):
        _tries: int = 0

        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            self._tries += 1
            await ctx.call("pay", amount=self._tries)
            raise ValueError

    async with lawful(pay, Moody) as (loom, _):
        await loom.publish("go")
        await run_until_idle(loom, 5)
        (letter,) = loom.dead_letters
        assert letter.error.startswith("Diverged: 'Moody' ran again")
        assert "call 1 is now ('call', 'pay')" in letter.error


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_call_that_made_the_step_fail_is_made_again(wrapped: bool) -> None:
    @virtual_time
    async def check() -> None:
        tries: list[int] = []

        @action("flaky", attempts=1)
        def flaky() -> int:
            tries.append(1)
            if len(tries) < 3:
                raise ActionFailed("no line")
            return 7

        class Caller(Agent, retry=Retry(jitter=0)):
            got: int = 0

            @on("go")
            async def go(self, event: Event, ctx: Context) -> None:
                try:
                    self.got = await ctx.call("flaky")
                except ActionFailed as error:
                    if wrapped:
                        raise LookupError("in other words") from error
                    raise

        async with lawful(flaky, Caller) as (loom, _):
            await loom.publish("go")
            await run_until_idle(loom, 5)
            assert state(loom, "Caller").got == 7
            assert len(tries) == 3

    check()


@virtual_time
async def test_a_failure_the_step_has_dealt_with_stays_as_it_was() -> None:
    tries: list[str] = []

    @action("flaky", attempts=1)
    def flaky(name: str) -> str:
        tries.append(name)
        if name == "first" and len(tries) == 1:
            raise ActionFailed("no line")
        return name

    class Careful(Agent, retry=Retry(jitter=0)):
        got: str = ""
        _tries: int = 0

        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            try:
                self.got = await ctx.call("flaky", name="first")
            except ActionFailed:
                self.got = await ctx.call("flaky", name="second")
                self._tries += 1
                if self._tries < 2:
                    raise ValueError from None

    async with lawful(flaky, Careful) as (loom, _):
        await loom.publish("go")
        await run_until_idle(loom, 5)
        assert state(loom, "Careful").got == "second"
        assert tries == ["first", "second"]


# --- what cannot be kept ---------------------------------------------------------------------------------------------


@virtual_time
async def test_a_value_of_a_wrong_type_or_a_strange_attribute_fails_the_step_at_once() -> None:
    class Wrong(Agent):
        count: int = 0

        @on("type")
        def type(self, event: Event) -> None:
            self.count = "x"  # type: ignore[assignment]

        @on("stranger")
        def stranger(self, event: Event) -> None:
            self.other = 1

        @on("fine")
        def fine(self, event: Event) -> None:
            self.count += 1

    async with lawful(Wrong) as (loom, law):
        await loom.publish("type")
        await loom.publish("stranger")
        await loom.publish("fine")
        await run_until_idle(loom)
        first, second = loom.dead_letters
        assert "count is annotated int but holds 'x'" in first.error
        assert "Wrong.other was assigned but is not declared" in second.error
        assert state(loom, "Wrong").__dict__ == {"count": 1}
        assert [attempt for _, _, attempt in law.began] == [1, 1, 1], "trying again would not help"


@virtual_time(seeds=3)
async def test_a_cancellation_nobody_asked_for_is_a_failure_like_others() -> None:
    class Odd(Agent):
        @on("go")
        async def go(self, event: Event) -> None:
            inner = asyncio.ensure_future(asyncio.sleep(100))
            inner.cancel()
            await inner

    async with lawful(Odd) as (loom, law):
        await loom.publish("go")
        await run_until_idle(loom, 60)
        (letter,) = loom.dead_letters
        assert letter.error.startswith("Abandoned")
        assert [outcome for _, _, outcome in law.steps] == ["failed"] * 3


@virtual_time
async def test_a_handler_that_takes_longer_than_its_timeout_fails_with_a_message() -> None:
    class Slow(Agent, retry=Retry(attempts=1)):
        @on("go", timeout=2)
        async def go(self, event: Event) -> None:
            await asyncio.sleep(3)

    async with lawful(Slow) as (loom, _):
        await loom.publish("go")
        await run_until_idle(loom, 60)
        assert loom.dead_letters[0].error == "TimeoutError: the handler took longer than its timeout of 2 s"


@virtual_time
async def test_a_ctx_that_is_kept_can_do_nothing_after_its_step() -> None:
    class Keeper(Agent):
        _kept: list[Context] = []

        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            ctx.publish("first")
            ctx.after(1, "later")
            self._kept.append(ctx)
            if event.payload:
                raise ValueError

    @action("note")
    def note() -> None: ...

    async with lawful(Keeper, note) as (loom, _):
        probe = Probe(loom.bus, "second")
        await loom.publish("go", 0)
        await loom.publish("go", 1)
        await run_until_idle(loom, 60)
        kept = state(loom, "Keeper")._kept
        assert len(kept) >= 2
        for ctx in kept:
            for attempt in (
                lambda c: c.publish("second"),
                lambda c: c.act("note"),
                lambda c: c.after(1, "second"),
                lambda c: c.reply(1),
                lambda c: c.emit("second"),
                lambda c: c.cancel_timer("x"),
            ):
                with pytest.raises(RuntimeError, match="after its step had ended"):
                    attempt(ctx)
            with pytest.raises(RuntimeError, match="after its step had ended"):
                await ctx.call("note")
        await run_until_idle(loom, 60)
        assert probe.events == []


@virtual_time
async def test_a_step_cannot_buffer_more_than_the_outbox_holds() -> None:
    class Flood(Agent, outbox=3, retry=Retry(attempts=1)):
        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            for n in range(event.payload):
                ctx.publish("out", n)

    async with lawful(Flood) as (loom, _):
        probe = Probe(loom.bus, "out")
        await loom.publish("go", 4)
        await loom.publish("go", 3)
        await run_until_idle(loom)
        assert probe.payloads == [0, 1, 2]
        assert "outbox" in loom.dead_letters[0].error
