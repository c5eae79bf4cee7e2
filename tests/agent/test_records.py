"""Records of what a step asked for: found again by number, or by what was asked where calls overlapped."""

import asyncio

import pytest

from loom import Agent, Context, Event, Retry, action, on
from loom.agent._records import Record, Records, fingerprint
from loom.testing import run_until_idle, virtual_time
from tests.agent.worlds import lawful, state


def record(
    mark: str, result: object = None, error: Exception | None = None, asked: int = 1, alone: bool = True
) -> Record:
    return Record(mark, result, error, asked, alone)


def test_a_call_is_found_once_in_each_attempt() -> None:
    records = Records()
    records.keep(0, record("a", 1))
    records.keep(1, record("a", 2))
    for _ in range(2):
        records.rewind()
        assert [records.find(n, "a") for n in (0, 1)] == [record("a", 1), record("a", 2)]
        assert records.find(2, "a") is None


def test_another_question_at_the_same_place_is_refused_when_the_calls_came_one_by_one() -> None:
    records = Records()
    records.keep(0, record("a"))
    records.rewind()
    with pytest.raises(LookupError):
        records.find(0, "b")


def test_calls_that_overlapped_may_change_places() -> None:
    records = Records()
    records.keep(0, record("a", 1, alone=False))
    records.keep(1, record("b", 2, alone=False))
    records.rewind()
    assert records.find(0, "b") == record("b", 2, alone=False)
    assert records.find(1, "c") is None, "one that had not come back"
    records.keep(1, record("c", 3, alone=False))
    assert records.find(2, "a") == record("a", 1, alone=False)
    assert len(records) == 3


def test_only_the_error_that_ended_the_step_is_forgotten() -> None:
    first, last = ValueError(1), ValueError(2)
    records = Records()
    records.keep(0, record("a", error=first, asked=1))
    records.keep(1, record("b", error=last, asked=2))
    try:
        raise LookupError from last
    except LookupError as failure:
        records.forget_failure(failure, asked=2)
        records.forget_failure(ExceptionGroup("both", [first, last]), asked=2)
    assert len(records) == 1
    records.rewind()
    assert records.find(0, "a") is not None, "it was dealt with: the step went on and asked for more"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1, 2], (1, 2), True),
        (1, 1.0, False),
        (1, True, False),
        ("1", 1, False),
        (b"1", "1", False),
        ({1: [2]}, {1: [3]}, False),
        (object(), object(), True),
        (b"x" * 5000, bytes([120]) * 5000, True),
        (b"x" * 5000, b"x" * 4999 + b"y", False),
        ([b"x" * 5000, b"x" * 6000], [b"x" * 6000, b"x" * 5000], False),
    ],
)
def test_fingerprints_tell_values_apart_and_do_not_depend_on_addresses(
    one: object, other: object, same: bool
) -> None:
    assert (fingerprint(one) == fingerprint(other)) is same


@virtual_time(seeds=10)
async def test_a_branch_that_need_not_wait_the_second_time_may_overtake() -> None:
    runs: list[str] = []

    @action("slow")
    async def slow(name: str) -> str:
        runs.append(name)
        await asyncio.sleep(1 if name == "first" else 3)
        return name

    class Branches(Agent, retry=Retry(jitter=0)):
        got: list[str] = []

        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            loom._services.executor._results.clear()  # what it remembers is not what is tested

            async def chain() -> list[str]:
                return [await ctx.call("slow", name="first"), await ctx.call("slow", name="second")]

            async def other() -> list[str]:
                await asyncio.sleep(0.1)
                return [await ctx.call("slow", name="other")]

            both = await asyncio.gather(chain(), other())
            if ctx.attempt < 3:
                raise ValueError
            self.got = [*both[0], *both[1]]

    async with lawful(slow, Branches) as (loom, _):
        await loom.publish("go")
        await run_until_idle(loom, 30)
        assert loom.dead_letters == []
        assert state(loom, "Branches").got == ["first", "second", "other"]
        assert sorted(runs) == ["first", "other", "second"]
