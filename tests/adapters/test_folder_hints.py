"""From a thread to the loop: nothing waits, nothing grows, and what does not fit becomes a look at everything."""

from __future__ import annotations

import asyncio
from threading import Thread

from loom.adapters._folder_hints import Hints, Said


async def test_what_a_thread_says_wakes_the_loop_once_and_is_taken_once() -> None:
    hints = Hints(4)
    thread = Thread(target=lambda: [hints.touch(name) for name in "aba"])
    thread.start()
    await hints.wait(60)
    thread.join()
    assert hints.take() == Said(("a", "b"), False)
    assert hints.take() == Said((), False)


async def test_one_too_many_is_counted_and_makes_everything_be_looked_at() -> None:
    hints = Hints(2)
    for name in "abc":
        hints.touch(name)
    assert hints.overflows == 1
    assert hints.take() == Said((), True)
    hints.look()
    hints.touch("d")
    assert hints.take() == Said(("d",), True)


async def test_nobody_says_anything_for_a_while() -> None:
    await Hints().wait(0.001)


async def test_a_thread_that_outlives_its_loop_says_it_to_nobody() -> None:
    made: list[Hints] = []

    async def make() -> None:
        made.append(Hints())

    await asyncio.to_thread(lambda: asyncio.run(make()))
    made[0].touch("a")
