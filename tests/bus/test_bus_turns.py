"""Who publishes without ever waiting does not keep the loop from the others."""

import asyncio

import pytest

from loom.bus import Bus
from loom.event import Event, QoS


def event(payload: object = None, topic: str = "", **fields: object) -> Event:
    return Event("t", payload, topic=topic, **fields)  # type: ignore[arg-type]


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.mark.parametrize("still", [True, False], ids=["time stands still", "time runs"])
@pytest.mark.parametrize("listeners", [0, 1, 2])
@pytest.mark.parametrize("topics", [1, 200])
async def test_a_publisher_that_never_waits_does_not_starve_the_others(
    still: bool, listeners: int, topics: int
) -> None:
    class Slow:
        """Each look at it takes a slice, or none does."""

        now = 0.0

        def now_ms(self) -> int:
            return 0

        def monotonic(self) -> float:
            self.now += 0 if still else 0.002
            return self.now

    bus = Bus(Slow())
    for _ in range(listeners):
        bus.subscribe(">", qos=QoS.REALTIME, capacity=100_000)
    rounds = 0

    async def other() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for n in range(20_000):
        await bus.publish(event(n, f"a{n % topics}"))
    task.cancel()
    assert rounds >= (4 if still else 300)


async def test_many_publishers_of_many_do_not_starve_the_others(bus: Bus) -> None:
    bus.subscribe("a", qos=QoS.REALTIME)
    rounds = 0

    async def other() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await bus.publish_many([event(n, "a") for n in range(10_000)])
    task.cancel()
    assert rounds > 10
