"""An agent that leaves the bus leaves balanced books."""

from loom import Agent, Event, Retry, on
from loom.testing import new_loom, virtual_time


class Stubborn(Agent, retry=Retry(attempts=5, base=1000, limit=1000)):
    @on("a.b")
    async def fail(self, event: Event) -> None:
        raise ValueError("not yet")


@virtual_time(seeds=3)
async def test_an_event_that_waits_for_its_next_attempt_ends_as_cancelled() -> None:
    loom = await new_loom(Stubborn).start()
    for n in range(3):
        await loom.publish("a.b", n)
    (queue,) = loom.agent("Stubborn").queues()
    assert await loom.stop(timeout=5) == 3
    counts = queue.statistics()
    assert counts.balanced()
    assert (counts.in_flight, counts.cancelled) == (0, 3)
