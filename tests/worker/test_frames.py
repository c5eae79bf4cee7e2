"""Frames through shared memory: no torn read, no copy, bounded, and a slow reader costs the source, not the host."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import pickle
import threading
from contextlib import aclosing
from pathlib import Path
from unittest.mock import Mock

import pytest

from loom.errors import ConfigError, LoomError, StaleFrame, WorkerDied, WorkerGarbage
from loom.event import Event
from loom.event.codec import Buffer, decode, encode
from loom.worker import Arena, Frame, Worker
from loom.worker._memory import ArenaLayout
from loom.worker.frame import FrameHandle
from loom.worker.host import Host

SPEC = "tests.worker.behaviours:factory"
LONG = 30.0
SLOTS, SIZE = 3, 10_000


def arena() -> Arena:
    return Arena("frames", slots=SLOTS, slot_bytes=SIZE)


async def settled(memory: Arena, **counts: int) -> None:
    """Wait until the arena's slots are as given."""
    while not counts.items() <= memory.statistics().items():
        gc.collect()
        await asyncio.sleep(0)


async def test_frames_pass_from_worker_to_worker_and_every_byte_is_right() -> None:
    memory = arena()
    async with Worker("a", SPEC, produces=[memory]) as source, Worker("b", SPEC, arenas=[memory]) as reader:
        async for item in source.stream("frames", {"count": 20, "size": SIZE}, window=2):
            frame, number = item["frame"], item["number"]
            assert bytes(frame.view()) == bytes([number]) * SIZE
            assert await reader.call("sum", frame, timeout=LONG) == number * SIZE
            described = await reader.call("shape", {"frame": frame, "note": "n"}, timeout=LONG)
            assert described == [[SIZE], "uint8", "n"]
        assert memory.statistics()["frames"] == 20
    memory.close()


async def test_the_source_sheds_while_readers_hold_every_slot_and_goes_on_when_one_lets_go() -> None:
    memory = arena()
    async with Worker("a", SPEC, produces=[memory]) as source:
        held = [await source.call("offer", SIZE, timeout=LONG) for _ in range(SLOTS)]
        assert all(isinstance(item, dict) and isinstance(item["frame"], Frame) for item in held)
        assert memory.statistics() == {"frames": SLOTS, "free": 0, "leased": 0, "held": SLOTS}
        assert await source.call("offer", SIZE, timeout=LONG) == {"shed": 1}
        held.pop()
        await settled(memory, leased=1, held=SLOTS - 1)
        assert "frame" in await source.call("offer", SIZE, timeout=LONG)  # type: ignore[operator]
    memory.close()


async def test_a_view_keeps_the_slot_when_the_frame_is_gone() -> None:
    memory = arena()
    async with Worker("a", SPEC, produces=[memory]) as source:
        item = await source.call("offer", SIZE, timeout=LONG)
        assert isinstance(item, dict)
        part = item["frame"].view()[10:20]
        del item
        gc.collect()
        await asyncio.sleep(0)
        assert memory.statistics()["held"] == 1
        assert bytes(part) == bytes([7]) * 10
        del part
        await settled(memory, held=0)
    memory.close()


async def test_a_numpy_view_keeps_the_slot_and_is_read_only() -> None:
    pytest.importorskip("numpy")
    memory = arena()
    async with Worker("a", SPEC, produces=[memory]) as source:
        item = await source.call("offer", SIZE, timeout=LONG)
        assert isinstance(item, dict)
        array = item["frame"].numpy()[::2]
        del item
        gc.collect()
        await asyncio.sleep(0)
        assert memory.statistics()["held"] == 1
        assert not array.flags.writeable
        assert array.sum() == 7 * SIZE / 2
        del array
        await settled(memory, held=0)
    memory.close()


async def test_a_frame_let_go_in_another_thread_returns_its_slot() -> None:
    memory = arena()
    async with Worker("a", SPEC, produces=[memory]) as source:
        box = [await source.call("offer", SIZE, timeout=LONG)]
        thread = threading.Thread(target=box.clear)
        thread.start()
        thread.join()
        await settled(memory, held=0, leased=SLOTS)
    memory.close()


async def test_a_released_frame_is_stale_and_its_slot_returns() -> None:
    memory = arena()
    async with Worker("a", SPEC, produces=[memory]) as source:
        item = await source.call("offer", SIZE, timeout=LONG)
        assert isinstance(item, dict)
        item["frame"].release()
        item["frame"].release()
        await settled(memory, held=0)
        with pytest.raises(StaleFrame, match="released"):
            item["frame"].view()
    memory.close()


async def test_a_handle_of_an_earlier_lease_is_stale_for_its_reader() -> None:
    memory = arena()
    async with Worker("a", SPEC, produces=[memory]) as source, Worker("b", SPEC, arenas=[memory]) as reader:
        item = await source.call("offer", SIZE, timeout=LONG)
        assert isinstance(item, dict)
        late = Frame(item["frame"].handle, memory._memory)
        assert await reader.call("sum", late, timeout=LONG) == 7 * SIZE
        del item
        await settled(memory, held=0, leased=SLOTS)
        with pytest.raises(StaleFrame, match="gone"):
            late.view()
        with pytest.raises(StaleFrame):
            await reader.call("sum", late, timeout=LONG)
    memory.close()


async def test_a_producer_that_dies_loses_its_leases_and_readers_keep_theirs() -> None:
    memory = arena()
    async with Worker("a", SPEC, produces=[memory]) as source:
        item = await source.call("offer", SIZE, timeout=LONG)
        assert isinstance(item, dict)
        with pytest.raises(WorkerDied):
            await source.call("die", timeout=LONG)
        assert memory.statistics() == {"frames": 1, "free": SLOTS - 1, "leased": 0, "held": 1}
        assert bytes(item["frame"].view()) == bytes([7]) * SIZE
        again = [await source.call("offer", SIZE, timeout=LONG) for _ in range(SLOTS)]
        assert [("frame" in each) for each in again] == [True, True, False]  # type: ignore[operator]
    memory.close()


async def test_what_a_cancelled_stream_took_is_used_again() -> None:
    memory = arena()
    async with Worker("a", SPEC, produces=[memory]) as source:
        for _ in range(3 * SLOTS):
            async with aclosing(source.stream("frames", {"count": 1000, "size": SIZE}, window=1)) as items:
                await anext(items)
        await settled(memory, held=0)
        held = [await source.call("offer", SIZE, timeout=LONG) for _ in range(SLOTS)]
        assert all("frame" in each for each in held)  # type: ignore[operator]
    memory.close()


async def test_a_worker_that_does_not_map_the_arena_gets_a_copy() -> None:
    memory = arena()
    async with Worker("a", SPEC, produces=[memory]) as source, Worker("b", SPEC) as stranger:
        item = await source.call("offer", SIZE, timeout=LONG)
        assert isinstance(item, dict)
        got = await stranger.call("echo", item["frame"], timeout=LONG)
        assert got == Buffer(bytes([7]) * SIZE, "uint8")
    memory.close()


async def test_two_arenas_of_one_name_are_never_taken_for_each_other() -> None:
    left, right = arena(), arena()
    assert left.name == right.name
    async with (
        Worker("left", SPEC, produces=[left]) as one,
        Worker("right", SPEC, produces=[right]) as two,
        Worker("reader", SPEC, arenas=[left, right]) as reader,
    ):
        for _ in range(2 * SLOTS):
            first = await one.call("fill", {"size": SIZE, "with": 1}, timeout=LONG)
            second = await two.call("fill", {"size": SIZE // 2, "with": 2}, timeout=LONG)
            assert isinstance(first, Frame)
            assert isinstance(second, Frame)
            lease = (first.handle.slot, first.handle.generation)
            assert lease == (second.handle.slot, second.handle.generation)  # only the arena tells them apart
            assert first.handle.arena != second.handle.arena
            assert await reader.call("sum", first, timeout=LONG) == SIZE
            assert await reader.call("sum", second, timeout=LONG) == SIZE
    left.close()
    right.close()


async def test_a_worker_gets_a_copy_of_a_frame_from_an_arena_whose_namesake_it_maps() -> None:
    mine, other = arena(), arena()
    async with Worker("source", SPEC, produces=[other]) as source, Worker("r", SPEC, arenas=[mine]) as reader:
        frame = await source.call("fill", {"size": 12, "with": 9}, timeout=LONG)
        assert await reader.call("echo", frame, timeout=LONG) == Buffer(bytes([9]) * 12, "uint8")
    mine.close()
    other.close()


def test_a_frame_of_an_arena_that_a_worker_does_not_hold_is_stale_there() -> None:
    mine, other = arena(), arena()
    host = Host("reader", {}, Mock())
    host.add_arena(mine._memory, producer=False)
    with pytest.raises(StaleFrame, match="no arena of worker 'reader'"):
        host.frame_from(FrameHandle(other.id, 0, 0, 8, (8,), "uint8"))
    with pytest.raises(StaleFrame, match="no arena of worker 'reader'"):
        host.frame_from(FrameHandle(mine.name, 0, 0, 8, (8,), "uint8"))  # a name is no identity
    assert host.frame_from(FrameHandle(mine.id, 0, 0, 8, (8,), "uint8")).nbytes == 8


def test_a_worker_cannot_produce_into_two_arenas_of_one_name() -> None:
    with pytest.raises(ConfigError, match="two arenas called 'frames'"):
        Worker("a", SPEC, produces=[arena(), arena()])


async def test_a_handle_that_the_worker_does_not_own_is_garbage() -> None:
    from loom.worker import _wire
    from loom.worker._framing import frame

    memory = arena()
    own, foreign = memory.id, arena().id
    wrong = ((own, 0, 99, 8), (own, 77, 1, 8), (own, 0, 1, SIZE + 1), (foreign, 0, 1, 8), ("frames", 0, 1, 8))
    for identity, slot, generation, size in wrong:
        handle = {
            "arena": identity,
            "slot": slot,
            "generation": generation,
            "size": size,
            "shape": [size],
            "dtype": "uint8",
        }
        reply = _wire.envelope(reply={"id": 1, "body": {"frame": handle}})
        async with Worker("a", SPEC, produces=[memory]) as source:
            with pytest.raises(WorkerGarbage):
                await source.call("garbage", frame(reply, 1 << 20, "test").hex(), timeout=LONG)
    assert memory.statistics()["frames"] == 0
    memory.close()


async def test_a_frame_as_payload_crosses_a_boundary_as_a_copy_and_is_never_pickled() -> None:
    memory = arena()
    async with Worker("a", SPEC, produces=[memory]) as source:
        item = await source.call("offer", 12, timeout=LONG)
        assert isinstance(item, dict)
        frame = item["frame"]
        assert decode(encode(Event("frame", frame))).payload == Buffer(bytes([7]) * 12, "uint8")
        with pytest.raises(LoomError, match="pickled"):
            pickle.dumps(frame)
    memory.close()


async def test_an_arena_has_one_producer() -> None:
    memory = arena()
    async with Worker("a", SPEC, produces=[memory]) as first, Worker("b", SPEC, produces=[memory]) as second:
        await first.start()
        with pytest.raises(ConfigError, match="producer already"):
            await second.start()
        assert "frame" in await first.call("offer", SIZE, timeout=LONG)  # type: ignore[operator]
    memory.close()


async def test_a_frame_larger_than_a_slot_is_the_workers_error() -> None:
    memory = arena()
    async with Worker("a", SPEC, produces=[memory]) as source:
        with pytest.raises(ConfigError, match="10,001 bytes"):
            await source.call("offer", SIZE + 1, timeout=LONG)
    memory.close()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
async def test_memory_and_descriptor_go_with_the_arena_and_its_last_view() -> None:
    memory = arena()
    fd = memory.fd
    inode = str(os.fstat(fd).st_ino)

    def mapped() -> bool:
        lines = Path("/proc/self/maps").read_text().splitlines()
        return any("memfd:loom-frames" in line and inode in line.split() for line in lines)

    async with Worker("a", SPEC, produces=[memory]) as source:
        item = await source.call("offer", SIZE, timeout=LONG)
        assert isinstance(item, dict)
        view = item["frame"].view()
    memory.close()
    memory.close()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)
    del memory, item, source
    gc.collect()
    assert await asyncio.to_thread(mapped)
    assert view[0] == 7
    del view
    while await asyncio.to_thread(mapped):
        gc.collect()


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only memory files are sealed")
def test_no_worker_can_shrink_the_memory_under_the_host() -> None:
    with arena() as memory, pytest.raises(PermissionError):
        os.ftruncate(memory.fd, 0)


def test_slots_begin_on_pages_and_do_not_overlap() -> None:
    layout = ArenaLayout.of("x", 3, 5000)
    assert layout.offset % 4096 == layout.stride % 4096 == 0
    assert layout.stride >= 5000
    assert layout.nbytes == layout.offset + 3 * layout.stride


@pytest.mark.parametrize(
    "handle",
    [
        FrameHandle("f", 3, 1, 8, (8,), "uint8"),
        FrameHandle("f", 0, 1, 101, (101,), "uint8"),
        FrameHandle("f", 0, 1, 8, (9,), "uint8"),
        FrameHandle("f", 0, 1, 8, (1,) * 9, "uint8"),
    ],
)
def test_a_handle_whose_numbers_disagree_does_not_fit(handle: FrameHandle) -> None:
    assert not handle.fits(3, 100)


def test_an_arena_without_room_is_a_config_error() -> None:
    with pytest.raises(ConfigError):
        Arena("x", slots=0, slot_bytes=10)


@pytest.mark.parametrize("size", [10**15, 2**62, 10**30])
def test_an_arena_larger_than_memory_is_a_config_error_and_leaves_nothing(size: int) -> None:
    gc.collect()
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(ConfigError, match=f"arena 'x': no memory for 8 slots of {size:,} bytes"):
        Arena("x", slots=8, slot_bytes=size)
    gc.collect()
    assert len(os.listdir("/dev/fd")) == before


def test_an_arena_for_which_no_file_can_be_made_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("loom.worker.arena._anonymous_file", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        Arena("x", slots=1, slot_bytes=10)
