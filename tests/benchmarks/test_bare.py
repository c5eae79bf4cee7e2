"""The yardsticks do the whole work: what a bare loop leaves out would make every ratio look worse than it is."""

import asyncio

from benchmarks._bare import BATCH, BareQueue, bare_one_to_one, bare_put_one_to_one


async def test_a_bare_queue_hands_over_everything_in_order() -> None:
    queue: BareQueue[int] = BareQueue()
    first = asyncio.create_task(queue.take_all())
    await asyncio.sleep(0)
    for n in range(3):
        queue.append(n)
    assert await first == [0, 1, 2]
    queue.append(3)
    assert await queue.take_all() == [3]


async def test_an_awaited_put_lets_the_taker_run_when_a_batch_is_full() -> None:
    queue: BareQueue[int] = BareQueue()
    taken: list[int] = []

    async def take() -> None:
        while len(taken) < 10 * BATCH:
            batch = await queue.take_all()
            assert len(batch) <= BATCH
            taken.extend(batch)

    taker = asyncio.create_task(take())
    for n in range(10 * BATCH):
        await queue.put(n)
    await taker
    assert taken == list(range(10 * BATCH))


async def test_both_bare_loops_make_every_thing_once() -> None:
    made: list[int] = []
    assert await bare_one_to_one(1000, lambda n: made.append(n)) > 0
    assert await bare_put_one_to_one(1000, lambda n: made.append(n)) > 0
    assert made == [*range(1000), *range(1000)]
