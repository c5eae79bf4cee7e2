"""The whole runtime under the power log: it publishes to itself, and crash images of its folder are opened and drained.

python -m torture._whole write BACKEND FOLDER SEED COUNT     acknowledgements and acts on descriptor 1
python -m torture._whole check BACKEND                       reads images, answers with a report and more acts
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from itertools import count
from typing import Any

from torture import _agents
from torture._agents import everything
from torture._plan import ALL, Item, items
from torture._subject import Subject, make

PUBLISHERS = 4
KINDS = frozenset(os.environ.get("TORTURE_KINDS", ",".join(sorted(ALL))).split(","))
_receipts = count().__next__
acts: list[list[Any]] = []


async def _aloud(name: str, mark: str, key: str) -> int:
    receipt = _receipts()
    os.write(1, json.dumps({"act": [name, mark, key, receipt]}).encode() + b"\n")
    return receipt


async def _noted(name: str, mark: str, key: str) -> int:
    receipt = -1 - _receipts()
    acts.append([name, mark, key, receipt])
    return receipt


def todo(seed: int, number: int) -> list[list[Item]]:
    """What each publisher publishes."""
    return [items(seed, publisher, number, KINDS, few=True) for publisher in range(PUBLISHERS)]


async def write(backend: str, folder: str, seed: int, number: int) -> None:
    loom = make(backend, folder)
    loom.add(*everything(1, few=True))

    async def publish(mine: list[Item]) -> None:
        for item in mine:
            await loom.publish(item.topic, item.payload, id=item.id)
            os.write(1, json.dumps({"ack": item.id}).encode() + b"\n")

    async with loom:
        subject = Subject(loom)
        tidying = asyncio.create_task(subject.tidy()) if seed % 2 else None
        await asyncio.gather(*map(publish, todo(seed, number)))
        await subject.drain()
        if tidying is not None:
            tidying.cancel()


async def look(backend: str, folder: str) -> dict[str, Any]:
    """Open what is in *folder*, let it finish, and tell what a runtime opened after that knows."""
    acts.clear()
    async with _opened(backend, folder) as loom:
        if not await Subject(loom).drain():
            return {"error": "it does not come to rest"}
    async with _opened(backend, folder) as loom:
        report = await Subject(loom).report()
    return {"report": report, "acts": acts}


def _opened(backend: str, folder: str) -> Any:
    return make(backend, folder).add(*everything(2 if "mover" in KINDS else 1, few=True))


def check(backend: str) -> None:
    for line in sys.stdin:
        try:
            answer = asyncio.run(look(backend, line.strip()))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _agents.hurry = 0.02
    if sys.argv[1] == "write":
        _agents.device = _aloud
        asyncio.run(write(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
    else:
        _agents.device = _noted
        check(sys.argv[2])
