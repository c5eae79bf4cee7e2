"""What the router must not forget, in the store of a durable runtime."""

import asyncio
from pathlib import Path

import pytest

from loom import Loom
from loom.errors import LoomError
from loom.router.keep import LARGEST
from loom.runtime._router_store import StoredKeep


def stored(loom: Loom) -> StoredKeep:
    assert loom._durable is not None
    return StoredKeep(loom._durable)


def test_what_is_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    async def first() -> None:
        async with Loom(data=tmp_path) as loom:
            keep = stored(loom)
            await asyncio.gather(*(keep.write(f"budget/{n}", str(n).encode()) for n in range(50)))
            await keep.write("budget/7", None)
            await keep.write("budgex", b"near")
            assert (keep.read("budget/3"), keep.read("budget/7"), keep.read("none")) == (b"3", None, None)

    async def second() -> None:
        async with Loom(data=tmp_path) as loom:
            keep = stored(loom)
            assert len(keep.names("budget/")) == 49
            assert keep.names("budg") == [*keep.names("budget/"), "budgex"]
            assert len(keep.names()) == 50
            assert keep.read("budget/49") == b"49"

    asyncio.run(first())
    asyncio.run(second())


def test_what_is_written_at_once_goes_with_few_writes_of_the_store(tmp_path: Path) -> None:
    async def main() -> None:
        async with Loom(data=tmp_path) as loom:
            keep = stored(loom)
            assert loom._durable is not None
            committer = loom._durable.journal.committer
            before = committer.writes
            await asyncio.gather(*(keep.write(f"n{n}", b"x") for n in range(1000)))
            assert committer.writes - before <= 2

    asyncio.run(main())


def test_a_value_over_the_limit_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with Loom(data=tmp_path / "data") as loom:
            with pytest.raises(LoomError, match="at most"):
                await stored(loom).write("large", b"x" * (LARGEST + 1))
            assert stored(loom).names() == []

    asyncio.run(main())
