"""While a long request is redacted, others have their turns."""

import asyncio
from collections.abc import Iterator

import pytest

from loom.models import ModelRequest
from loom.privacy import Finding, Guard, make_detectors
from loom.privacy.slices import MARGIN, REACH, SLICE
from loom.privacy.steps import TURN, Line, Steps, done

LONG = "some ordinary words, 17 of them; " * 9_000


class Watching:
    """A detector that notes how much it is given, and in which round of the loop."""

    name = "watching"

    def __init__(self) -> None:
        self.most, self.looks, self.rounds = 0, 0, [0]

    def find(self, text: str) -> Iterator[Finding]:
        self.most = max(self.most, len(text))
        self.looks += len(text)
        self.rounds[-1] += len(text)
        return iter(())


async def turning(watching: Watching) -> None:
    while True:
        watching.rounds.append(0)
        await asyncio.sleep(0)


def counted(number: int, log: list[str], name: str = "") -> Steps[str]:
    for _ in range(number):
        log.append(name)
        yield TURN
    return name


async def test_others_have_turns_while_a_long_text_is_redacted() -> None:
    watching = Watching()
    guard = Guard([*make_detectors(["mail", "card"]), watching], secrets=["Kr0nenberg"])
    other = asyncio.create_task(turning(watching))
    request = ModelRequest("chat", f"{LONG} bob@example.com", thread="t")
    assert await guard.redactable_in_turns(request.input, {})
    assert not await guard.holds_secret_in_turns(request.input, {})
    before = len(watching.rounds)
    outbound = await guard.outbound_in_turns(request)
    other.cancel()
    assert outbound.request.input == LONG + " <" + outbound.request.input.rpartition("<")[2]
    assert before > len(LONG) // 65_536  # while it was seen whether it can be redacted, too
    assert len(watching.rounds) - before > len(LONG) // SLICE
    assert watching.most <= SLICE + 2 * (MARGIN + REACH)
    assert max(watching.rounds) <= TURN + 2 * watching.most
    assert watching.looks >= len(LONG)


@pytest.mark.parametrize("text", ["4 " * 40_000, "@" * 80_000, "-" * 80_000, "a" * 80_000, "\u200b" * 80_000])
async def test_others_have_turns_whatever_the_text_is(text: str) -> None:
    watching = Watching()
    guard = Guard([watching])
    other = asyncio.create_task(turning(watching))
    await guard.outbound_in_turns(ModelRequest("chat", text))
    other.cancel()
    assert max(watching.rounds) <= TURN + 2 * watching.most
    assert watching.most <= SLICE + 2 * (MARGIN + REACH)


async def test_others_have_turns_while_many_short_texts_are_redacted() -> None:
    watching = Watching()
    guard = Guard([watching])
    other = asyncio.create_task(turning(watching))
    await guard.outbound_in_turns(ModelRequest("chat", [{"n": "a few words"}] * 5_000))
    other.cancel()
    assert max(watching.rounds) <= 2 * TURN


async def test_what_is_short_is_done_at_once() -> None:
    guard, task = Guard(), asyncio.current_task()
    assert task is not None
    sending = guard.outbound_in_turns(ModelRequest("chat", "I am bob@example.com"))
    with pytest.raises(StopIteration) as end:
        sending.send(None)
    assert end.value.value.sent.kinds == {"EMAIL": 1}


async def test_of_all_that_is_long_one_has_a_turn_in_each_round() -> None:
    line, log = Line(), list[str]()

    async def rounds() -> None:
        while True:
            log.append("|")
            await asyncio.sleep(0)

    other = asyncio.create_task(rounds())
    got = await asyncio.gather(*(line.through(counted(6, log, name)) for name in "abc"))
    other.cancel()
    assert got == ["a", "b", "c"]
    later = "".join(log).split("|")[2:]  # each has its first turn without standing in line
    assert max(map(len, later)) == 1
    assert "".join(later)[:6] in ("abcabc", "bcabca", "cabcab")


async def test_cancellation_ends_it_between_two_turns_and_lets_the_next_one_in() -> None:
    line, log = Line(), list[str]()
    endless = asyncio.create_task(line.through(counted(10**9, log, "x")))
    while len(log) < 5:
        await asyncio.sleep(0)
    endless.cancel()
    with pytest.raises(asyncio.CancelledError):
        await endless
    assert await line.through(counted(3, log, "y")) == "y"


def test_a_line_serves_one_loop_after_another() -> None:
    line = Line()

    async def several() -> list[str]:
        return await asyncio.gather(*(line.through(counted(3, [], name)) for name in "ab"))

    assert [asyncio.run(several()) for _ in range(2)] == [["a", "b"]] * 2


def test_steps_in_one_go_come_to_the_same() -> None:
    assert done(counted(3, [], "a")) == "a"
    with pytest.raises(ValueError, match="no"):
        done(failing())


def failing() -> Steps[str]:
    yield 1
    raise ValueError("no")


async def test_a_failure_in_the_middle_is_told_and_the_line_goes_on() -> None:
    line = Line()

    def later() -> Steps[str]:
        yield TURN
        yield TURN
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await line.through(later())
    assert await line.through(counted(3, [], "y")) == "y"


async def test_what_another_request_of_the_thread_finds_meanwhile_is_hidden_in_the_long_one_too() -> None:
    guard = Guard(make_detectors(["keys"]))
    long = asyncio.create_task(guard.outbound_in_turns(ModelRequest("chat", f"winter99 {LONG}", thread="t")))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not long.done()
    await guard.outbound_in_turns(ModelRequest("chat", "password: winter99", thread="t"))
    assert "winter99" not in (await long).request.input
