"""A process that spends from a budget until it is killed: run by test_budget_kill."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from loom import Loom
from loom.errors import BudgetExceeded
from loom.router.budget import Budgets, Payer, Spend
from loom.router.filed_keep import FiledKeep
from loom.router.keep import Keep
from loom.runtime._router_store import StoredKeep

NOW = 1_700_000_000_000
TABLE = {
    "day": {"per": ["agent", "day"], "money": 2.0},
    "talk": {"per": "thread", "calls": 500, "tokens": 9000},
}


async def opened(kind: str, folder: Path, stack: AsyncExitStack) -> Keep:
    """The Keep that the budgets are to survive in."""
    if kind == "file":
        return FiledKeep(folder / "router.json")
    loom = await stack.enter_async_context(Loom(data=folder / "data"))
    assert loom._durable is not None
    return StoredKeep(loom._durable)


async def spend(kind: str, folder: Path, seed: int) -> None:
    """Ten at once reserve, spend and commit for ever; each penny is written to `spent` when it is truly spent."""
    async with AsyncExitStack() as stack:
        budgets = Budgets(TABLE, await opened(kind, folder, stack))
        chance = random.Random(seed)
        out = os.open(folder / "spent", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        async def one(n: int) -> None:
            while True:
                asked = chance.choice([1, 2, 5])
                payer = Payer(f"a{chance.randrange(2)}", f"t{chance.randrange(3)}/c{n}")
                try:
                    reservation = await budgets.reserve(payer, Spend(asked / 1000, asked * 10), NOW)
                except BudgetExceeded:
                    print("refused", flush=True)
                    return
                took = chance.randint(0, asked)
                os.write(out, f"{payer.agent} {payer.thread} {took}\n".encode())
                print("sent", flush=True)  # the one who kills counts these
                await asyncio.sleep(0)
                if took:
                    await reservation.commit(Spend(took / 1000, took * 10))
                else:
                    await reservation.release()

        await asyncio.gather(*(one(n) for n in range(10)))
        print("over", flush=True)


if __name__ == "__main__":
    asyncio.run(spend(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
