"""The probe sees everything at once and slows nobody down."""

import pytest

from loom.bus import Bus
from loom.testing import Probe, virtual_time


@virtual_time
async def test_it_records_what_matches_the_moment_it_is_published() -> None:
    from loom import Event

    bus = Bus()
    with Probe(bus, "a.*") as probe:
        for number in range(5000):
            bus.publish_nowait("a.b", Event("b", number))
            assert probe.count == number + 1
        bus.publish_nowait("b.a", Event("a"))
    assert probe.payloads == list(range(5000))
    assert set(probe.topics) == {"a.b"}
    bus.publish_nowait("a.b", Event("b"))
    assert probe.count == 5000


@virtual_time
async def test_it_keeps_the_last_and_counts_all() -> None:
    from loom import Event

    bus = Bus()
    probe = Probe(bus, ">", keep=3)
    for number in range(10):
        bus.publish_nowait("a", Event("a", number))
    assert (probe.payloads, probe.count) == ([7, 8, 9], 10)


@virtual_time
async def test_waiting_ends_with_the_event_or_says_how_many_came() -> None:
    import asyncio

    from loom import Event

    bus = Bus()
    probe = Probe(bus, "a")
    asyncio.get_running_loop().call_later(5, bus.publish_nowait, "a", Event("a", 1))
    assert [e.payload for e in await probe.wait(1)] == [1]
    with pytest.raises(TimeoutError, match=r"1 of 2 events after 3 s"):
        await probe.wait(2, timeout=3)
