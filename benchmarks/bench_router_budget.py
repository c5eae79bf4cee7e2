"""What a budget costs a request: microseconds to reserve and commit in memory, and with a store under it.

Three limits count each request, as a project has them: by agent and day, by thread, in total. With a store the same
is done by 64 at once, who share each write, against as many who write one row of the same size twice, for that is
what reserving and committing is: a row before the request is sent, and one after its answer.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter, thread_time

from benchmarks._harness import Ratio, bench, interleave
from loom import Loom
from loom.router.budget import Budgets, Payer, Spend
from loom.runtime._router_store import StoredKeep

NOW = 1_767_268_800_000
LIMITS = {
    "day": {"per": ["agent", "day"], "money": 1e9},
    "talk": {"per": "thread", "money": 1e9, "tokens": 1e12},
    "all": {"money": 1e9},
}
PAID, FREE = Spend(0.001, 300, 1, 0.5), Spend(0.0, 0, 1, 0.5)
MANY, AT_ONCE, EACH = 5000, 64, 10


async def in_memory(spend: Spend) -> float:
    """Microseconds of CPU to reserve and commit."""
    budgets, payer = Budgets(LIMITS), Payer("home.cook", "t1/menu")
    begun = thread_time()
    for _ in range(MANY):
        await (await budgets.reserve(payer, spend, NOW)).commit(spend)
    return (thread_time() - begun) / MANY * 1e6


async def paid() -> float:
    """A request that three limits count."""
    return await in_memory(PAID)


async def free() -> float:
    """A request that takes nothing of what is limited."""
    return await in_memory(FREE)


async def at_once(one: Callable[[int], Awaitable[object]]) -> float:
    """How many a second are done by AT_ONCE at once."""

    async def some(n: int) -> None:
        for _ in range(EACH):
            await one(n)

    begun = perf_counter()
    await asyncio.gather(*(some(n) for n in range(AT_ONCE)))
    return AT_ONCE * EACH / (perf_counter() - begun)


async def stored(with_budgets: bool) -> float:
    """Reservations and commits a second on a store, or as many pairs of writes of one row."""
    folder = tempfile.mkdtemp(prefix=".bench-", dir=Path(__file__).parent)
    try:
        async with Loom(data=folder) as loom:
            assert loom._durable is not None
            keep = StoredKeep(loom._durable)
            budgets = Budgets(LIMITS, keep)

            async def pay(n: int) -> None:
                reservation = await budgets.reserve(Payer(f"a{n % 8}", f"t{n % 16}"), PAID, NOW)
                await reservation.commit(PAID)

            async def write(n: int) -> None:
                await keep.write(f"row{n}", b"x" * 150)
                await keep.write(f"row{n}", b"y" * 150)

            return await at_once(pay if with_budgets else write)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@bench
def reserve_and_commit() -> Iterator[Ratio]:
    """In memory, in microseconds."""
    got = interleave(5, paid=paid, free=free)
    yield Ratio("budget.reserve_commit", got.median("paid"), better="lower", unit="us", slack=5.0)
    yield Ratio(
        "budget.reserve_commit_free", got.median("free"), bar=20.0, better="lower", unit="us", slack=3.0
    )


@bench
def reserve_and_commit_stored() -> Iterator[Ratio]:
    """On a store, against bare writes of it."""
    got = interleave(5, budgets=partial(stored, True), writes=partial(stored, False))
    note = got.note("budgets", "writes", "requests/s")
    yield Ratio("budget.stored", got.ratio("budgets", "writes"), note=note)
