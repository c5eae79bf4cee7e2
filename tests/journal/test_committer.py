"""Group commit: what gathers during one write is the next; order, room, errors and the end."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.errors import Closed, StoreError, StoreFull
from loom.journal import Commit, Committer
from loom.store import Family, Put
from loom.testing import virtual_time
from tests.journal.disks import Disk, turns, until


def put(name: str, family: Family = Family.META) -> Put:
    return Put(family, name.encode(), b"1")


class Told:
    """Who waits for commits, and how each ended."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, StoreError | None]] = []

    def commit(self, name: str, *puts: Put, sync: bool = True) -> Commit:
        return Commit([*(puts or (put(name),))], lambda error: self.heard.append((name, error)), sync)

    @property
    def kept(self) -> list[str]:
        return [name for name, error in self.heard if error is None]


@virtual_time
async def test_what_gathers_during_one_write_is_the_next_and_no_timer_runs() -> None:
    disk, told = Disk(), Told()
    committer = Committer(disk)
    disk.hold()
    committer.add(told.commit("a"))
    await turns()
    for name in "bcdefgh":
        committer.add(told.commit(name))
        await turns(3)
    assert told.heard == []
    assert committer.busy
    assert committer.gathered == 7
    disk.release()
    await committer.drained()
    assert [[p.key.decode() for p in batch] for batch in disk.batches] == [["a"], list("bcdefgh")]
    assert told.kept == list("abcdefgh")
    assert (committer.commits, committer.writes, committer.failures) == (8, 2, 0)
    assert not committer.busy
    committer.close()


@virtual_time
async def test_all_commits_of_one_turn_share_one_write() -> None:
    disk, told = Disk(), Told()
    committer = Committer(disk)
    for number in range(100):
        committer.add(told.commit(str(number)))
    await committer.drained()
    assert disk.writes == 1
    assert told.kept == [str(n) for n in range(100)]
    committer.close()


@given(st.lists(st.integers(0, 4), max_size=30), st.sets(st.integers(1, 12), max_size=5))
@settings(max_examples=60, deadline=None)
def test_commits_land_in_the_order_of_adding_and_each_hears_once(pauses: list[int], bad: set[int]) -> None:
    @virtual_time
    async def trial() -> None:
        disk, told = Disk(), Told()
        committer = Committer(disk)
        disk.refuse = lambda n: n in bad
        for number, pause in enumerate(pauses):
            committer.add(told.commit(str(number)))
            await turns(pause)
        await committer.drained()
        assert [name for name, _ in told.heard] == [str(n) for n in range(len(pauses))]
        assert {key.decode() for key in disk.kept[Family.META]} == set(told.kept)
        committer.close()

    trial()


@virtual_time
async def test_an_error_reaches_everybody_in_the_batch_and_nobody_else() -> None:
    disk, told = Disk(), Told()
    committer = Committer(disk)
    disk.refuse = lambda n: n == 2
    disk.hold()
    committer.add(told.commit("first"))
    await turns()
    committer.add(told.commit("a"))
    committer.add(told.commit("b"))
    disk.release()
    await until(lambda: len(told.heard) == 3)
    committer.add(told.commit("last"))
    await committer.drained()
    assert told.kept == ["first", "last"]
    errors = [error for _, error in told.heard if error is not None]
    assert len(errors) == 2
    assert all(isinstance(error, StoreFull) for error in errors)
    assert committer.failures == 1
    committer.close()


@virtual_time
async def test_a_store_that_fails_in_an_unknown_way_is_a_store_error() -> None:
    disk, told = Disk(), Told()

    def write(puts: Sequence[Put], sync: bool = True) -> None:
        raise ZeroDivisionError("odd")

    disk.write = write  # type: ignore[method-assign]
    committer = Committer(disk)
    committer.add(told.commit("a"))
    await committer.drained()
    ((_, error),) = told.heard
    assert isinstance(error, StoreError)
    assert "ZeroDivisionError: odd" in str(error)
    assert isinstance(error.__cause__, ZeroDivisionError)
    committer.close()


@virtual_time
async def test_one_who_fails_when_told_keeps_nobody_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    committer = Committer(Disk())

    def fails(error: StoreError | None) -> None:
        raise RuntimeError("not my day")

    committer.add(Commit([put("x")], fails))
    committer.add(told.commit("b"))
    await committer.drained()
    committer.add(told.commit("c"))
    await committer.drained()
    assert told.kept == ["b", "c"]
    assert "not my day" in caplog.text
    committer.close()


@virtual_time
async def test_a_write_waits_for_the_disk_if_one_of_its_commits_does() -> None:
    syncs: list[bool] = []

    class Seen(Disk):
        def write(self, puts: Sequence[Put], sync: bool = True) -> None:
            syncs.append(sync)
            super().write(puts, sync)

    told = Told()
    committer = Committer(Seen())
    committer.add(told.commit("a", sync=False))
    await committer.drained()
    committer.add(told.commit("b", sync=False))
    committer.add(told.commit("c", sync=True))
    await committer.drained()
    assert syncs == [False, True]
    committer.close()


@virtual_time(seeds=10)
async def test_room_is_bounded_and_given_in_the_order_of_asking() -> None:
    disk, told = Disk(), Told()
    committer = Committer(disk, capacity=3)
    order: list[int] = []

    async def publisher(number: int) -> None:
        await committer.room()
        order.append(number)
        committer.add(told.commit(str(number)))
        assert committer.gathered <= 3

    disk.hold()
    committer.add(told.commit("first"))
    await turns()
    tasks = []
    for number in range(20):
        tasks.append(asyncio.ensure_future(publisher(number)))
        await asyncio.sleep(0)
    await turns()
    assert order == [0, 1, 2]
    assert committer.full
    tasks[4].cancel()
    await turns()
    disk.release()
    for number in range(20, 40):
        tasks.append(asyncio.ensure_future(publisher(number)))
        await turns(2)
    await asyncio.gather(*tasks, return_exceptions=True)
    await committer.drained()
    assert order == [n for n in range(40) if n != 4]
    assert told.kept == ["first", *map(str, order)]
    committer.close()


@virtual_time
async def test_closing_in_the_middle_of_a_write_lets_it_land_and_tells_the_others() -> None:
    disk, told = Disk(), Told()
    committer = Committer(disk, capacity=1)
    disk.hold()
    committer.add(told.commit("flying"))
    await turns()
    committer.add(told.commit("gathered"))
    waiting = asyncio.ensure_future(committer.room())
    await turns()
    disk.release()
    committer.close()
    with pytest.raises(Closed):
        await waiting
    await until(lambda: len(told.heard) == 2)
    assert told.kept == ["flying"]
    assert list(disk.kept[Family.META]) == [b"flying"]
    with pytest.raises(Closed, match="nothing can be kept"):
        committer.add(told.commit("late"))


def test_the_loop_may_end_in_the_middle_of_a_write() -> None:
    disk, told = Disk(), Told()
    made: list[Committer] = []

    async def main() -> None:
        made.append(Committer(disk))
        disk.hold()
        made[0].add(told.commit("a"))
        await turns()
        disk.release()

    asyncio.run(main())
    made[0].close()
    assert list(disk.kept[Family.META]) == [b"a"]


@virtual_time
async def test_what_was_added_before_the_loop_ran_is_written_with_what_follows() -> None:
    disk, told = Disk(), Told()
    committer = Committer(disk)
    await asyncio.to_thread(committer.add, told.commit("before"))  # no loop runs there
    await turns()
    assert disk.writes == 0
    await committer.drained()
    assert told.kept == ["before"]
    committer.close()


@virtual_time
async def test_what_is_withdrawn_is_not_written_and_nobody_is_told() -> None:
    disk, told = Disk(), Told()
    committer = Committer(disk)
    disk.hold()
    committer.add(told.commit("flying"))
    await turns()
    doomed = told.commit("doomed")
    committer.add(doomed)
    committer.add(told.commit("stays"))
    assert committer.withdraw(lambda commit: commit is doomed) == [doomed]
    disk.release()
    await committer.drained()
    assert told.kept == ["flying", "stays"]
    committer.close()


@virtual_time
async def test_leaves_of_a_write_that_failed_or_was_withdrawn_go_along_with_what_had_gathered() -> None:
    disk, told = Disk(), Told()
    committer = Committer(disk)
    disk.refuse = lambda n: n == 1
    disk.hold()
    committer.add(told.commit("a", put("a"), put("leaf", Family.BLOBS)))
    await turns()
    doomed = told.commit("doomed", put("doomed"), put("other leaf", Family.BLOBS))
    committer.add(doomed)
    committer.add(told.commit("refers to leaf"))
    committer.withdraw(lambda commit: commit is doomed)
    disk.release()
    await committer.drained()
    assert told.kept == ["refers to leaf"]
    assert set(disk.kept[Family.BLOBS]) == {b"leaf", b"other leaf"}
    assert list(disk.kept[Family.META]) == [b"refers to leaf"]
    committer.close()


@virtual_time
async def test_jobs_run_between_writes() -> None:
    disk, told = Disk(), Told()
    committer = Committer(disk)
    committer.add(told.commit("a"))
    await turns(1)
    assert await committer.perform(lambda: list(disk.kept[Family.META])) == [b"a"]
    await committer.drained()
    committer.close()


@virtual_time
async def test_a_companion_that_fails_is_a_write_that_fails_and_the_next_one_goes_on() -> None:
    heard: list[StoreError | None] = []

    class Reads:
        fails = True

        def finish(self, batch: Sequence[Commit]) -> list[Put]:
            if self.fails:
                raise StoreError("cannot be read now")
            return [put("companion")]

        def landed(self, batch: Sequence[Commit], error: StoreError | None) -> None:
            heard.append(error)

    disk, told, companion = Disk(), Told(), Reads()
    committer = Committer(disk)
    committer.companions.append(companion)
    committer.add(told.commit("a"))
    await committer.drained()
    companion.fails = False
    committer.add(told.commit("b"))
    await committer.drained()
    assert told.kept == ["b"]
    assert [error is None for error in heard] == [False, True]
    assert set(disk.kept[Family.META]) == {b"b", b"companion"}
    committer.close()
