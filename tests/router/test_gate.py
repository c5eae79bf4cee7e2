"""A gate never lets more in than it has slots, serves the urgent first and nobody never, and leaks nothing."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.errors import BackendBusy, ModelError, Overloaded
from loom.event import QoS
from loom.router.gate import PATIENCE, Gate
from loom.testing import virtual_time


async def turns(n: int = 3) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


@virtual_time
async def test_a_free_slot_is_taken_at_once_and_the_next_one_waits() -> None:
    gate = Gate("cloud", 1)
    await gate.enter(QoS.BATCHED)
    second = asyncio.create_task(gate.enter(QoS.BATCHED))
    await turns()
    assert (gate.running, gate.waiting, second.done()) == (1, 1, False)
    gate.leave()
    await second
    assert (gate.running, gate.waiting) == (1, 0)


@virtual_time
async def test_realtime_goes_first_and_a_class_is_first_come_first_served() -> None:
    gate, order = Gate("cloud", 1), []

    async def work(name: str, qos: QoS) -> None:
        await gate.enter(qos)
        order.append(name)
        gate.leave()

    await gate.enter(QoS.BATCHED)
    classes = [("c", QoS.BACKGROUND), ("b1", QoS.BATCHED), ("b2", QoS.BATCHED), ("a", QoS.REALTIME)]
    tasks = [asyncio.create_task(work(name, qos)) for name, qos in classes]
    await turns()
    gate.leave()
    await asyncio.gather(*tasks)
    assert order == ["a", "b1", "b2", "c"]


@virtual_time
async def test_under_a_flood_of_realtime_the_others_still_get_their_slots() -> None:
    gate, order = Gate("cloud", 1), []

    async def work(qos: QoS) -> None:
        await gate.enter(qos)
        order.append(qos)
        gate.leave()

    await gate.enter(QoS.REALTIME)
    many = [QoS.BACKGROUND] * 2 + [QoS.BATCHED] * 2 + [QoS.REALTIME] * 40
    tasks = [asyncio.create_task(work(qos)) for qos in many]
    await turns()
    gate.leave()
    await asyncio.gather(*tasks)
    assert order.index(QoS.BATCHED) == PATIENCE
    assert order.index(QoS.BACKGROUND) == PATIENCE + 1
    assert order[: 2 * PATIENCE + 4].count(QoS.REALTIME) == 2 * PATIENCE


@virtual_time
async def test_a_full_line_refuses_with_the_backend_and_the_class() -> None:
    gate = Gate("cloud", 1, dict.fromkeys(QoS, 1))
    await gate.enter(QoS.BATCHED)
    waiter = asyncio.create_task(gate.enter(QoS.BATCHED))
    await turns()
    with pytest.raises(
        BackendBusy, match=r"'cloud' has no slot free and its batched line is full \(1 request"
    ):
        await gate.enter(QoS.BATCHED)
    assert issubclass(BackendBusy, Overloaded)
    assert issubclass(BackendBusy, ModelError)
    gate.leave()
    await waiter


@virtual_time
async def test_who_is_cancelled_in_the_turn_that_gives_it_a_slot_passes_it_on() -> None:
    gate = Gate("cloud", 1)
    await gate.enter(QoS.BATCHED)
    first = asyncio.create_task(gate.enter(QoS.BATCHED))
    second = asyncio.create_task(gate.enter(QoS.BATCHED))
    await turns()
    gate.leave()
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert first.cancelled()
    assert (gate.running, gate.waiting) == (1, 0)


@virtual_time
async def test_without_a_limit_nobody_waits() -> None:
    gate = Gate("local")
    for _ in range(1_000):
        assert gate.enter_nowait(QoS.BATCHED)
    assert gate.running == 1_000


steps = st.lists(
    st.tuples(
        st.sampled_from(["come", "cancel", "leave", "turn"]), st.integers(0, 9), st.sampled_from(list(QoS))
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 3), steps)
@virtual_time
async def test_never_more_than_the_slots_nobody_waits_beside_a_free_one_and_nothing_leaks(
    slots: int, steps: list[tuple[str, int, QoS]]
) -> None:
    gate = Gate("cloud", slots, dict.fromkeys(QoS, 4))
    tasks: list[asyncio.Task[None]] = []
    most = 0

    async def work() -> None:
        nonlocal most
        qos = wanted.pop()
        await gate.enter(qos)
        most = max(most, gate.running)
        try:
            await doors[asyncio.current_task()].wait()  # type: ignore[index]
        finally:
            gate.leave()

    wanted: list[QoS] = []
    doors: dict[asyncio.Task[None], asyncio.Event] = {}
    for what, which, qos in steps:
        match what:
            case "come":
                wanted.append(qos)
                task = asyncio.create_task(work())
                doors[task] = asyncio.Event()
                tasks.append(task)
                await asyncio.sleep(0)
            case "cancel" if tasks:
                tasks[which % len(tasks)].cancel()
            case "leave" if tasks:
                doors[tasks[which % len(tasks)]].set()
            case _:
                await turns()
                assert not gate.waiting or gate.running == slots
    for task in tasks:
        doors[task].set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(each is None or isinstance(each, asyncio.CancelledError | BackendBusy) for each in ended)
    assert (gate.running, gate.waiting) == (0, 0)
    assert most <= slots
