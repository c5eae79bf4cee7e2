"""One event that is published for the first time: kept with less ado than several, by the same promises."""

import asyncio

import pytest

from loom.errors import StoreFull
from loom.event import Event
from loom.store import Family
from loom.testing import virtual_time
from tests.journal.disks import Disk, disk, life, turns
from tests.journal.test_publication import Notes, admitted, seen

__all__ = ["disk"]


@virtual_time
async def test_one_new_event_is_kept_once_though_it_is_published_again_before_it_has_landed(
    disk: Disk,
) -> None:
    async with life(disk, Notes) as loom:
        disk.hold()
        event = Event("n", 1, topic="n")
        pending = [asyncio.ensure_future(loom.publish(event)) for _ in range(2)]
        await turns()
        assert not any(p.done() for p in pending)
        disk.release()
        await asyncio.gather(*pending)
        await loom.idle()
        assert seen(loom) == [1]
        assert disk.count(Family.JOURNAL) == disk.count(Family.IDS) == 1


@virtual_time
async def test_one_new_event_that_could_not_be_kept_is_told_gives_its_place_back_and_may_come_again(
    disk: Disk,
) -> None:
    async with life(disk, Notes) as loom:
        event = Event("n", 1, topic="n")
        disk.refuse = lambda n: True
        with pytest.raises(StoreFull):
            await loom.publish(event)
        assert (event.seq, seen(loom), set(admitted(loom).values())) == (0, [], {0})
        disk.refuse = lambda n: False
        await loom.publish(event)
        await loom.idle()
        assert seen(loom) == [1]
