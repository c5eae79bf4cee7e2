"""A thousand subscriptions of mixed patterns against a thousand exact topics, and topics that are seen first."""

from collections.abc import Iterator

from benchmarks._harness import Ratio, Stopwatch, bench, interleave
from loom import Event, Loom

ROOMS = 200
EACH = 5  # every topic is wanted by five subscriptions, on both sides
ROUNDS = 40
NEW = 4000
MIXED = ("home.{0}.temp", "home.{0}.*", "home.{0}.>", "*.{0}.temp", "*.{0}.>")
EXACT = ("home.{0}.temp",) * EACH


def crowd(patterns: tuple[str, ...]) -> Loom:
    """A runtime with ROOMS subscriptions to each pattern. They hold every event published here, and nobody waits."""
    loom = Loom()
    for room in range(ROOMS):
        for pattern in patterns:
            loom.subscribe(pattern.format(f"room{room}"), capacity=1_000_000)
    return loom


async def warm(patterns: tuple[str, ...]) -> float:
    """Nanoseconds of CPU for a delivery."""
    events = [Event("temp", n, topic=f"home.room{n}.temp") for n in range(ROOMS)]
    async with crowd(patterns) as loom:
        publish = loom.bus.publish
        for event in events:
            await publish(event)
        with Stopwatch() as watch:
            for _ in range(ROUNDS):
                for event in events:
                    await publish(event)
        queued = sum(queue.queued for queue in loom.bus.statistics())
    assert queued == (ROUNDS + 1) * ROOMS * EACH, queued
    return watch.cpu / (ROUNDS * ROOMS * EACH) * 1e9


async def mixed() -> float:
    return await warm(MIXED)


async def exact() -> float:
    return await warm(EXACT)


async def first_seen(count: int) -> float:
    """Microseconds of CPU to publish on a topic that was never seen, with three deliveries."""
    events = [Event("x", n, topic=f"home.room{n % ROOMS}.new{n}") for n in range(count)]
    async with crowd(MIXED) as loom:
        publish = loom.bus.publish
        with Stopwatch() as watch:
            for event in events:
                await publish(event)
        queued = sum(queue.queued for queue in loom.bus.statistics())
    assert queued == count * 3, queued
    return watch.cpu / count * 1e6


async def cold() -> float:
    return await first_seen(NEW)


async def overflowing() -> float:
    """The same with five times more topics than the cache of routes holds."""
    return await first_seen(NEW * 10)


async def subscribing(pattern: str) -> float:
    """Microseconds of CPU to subscribe and close again while NEW topics are cached, one of them concerned."""
    async with crowd(MIXED) as loom:
        for n in range(NEW):
            loom.bus.publish_nowait(Event("x", n, topic=f"home.room{n % ROOMS}.new{n}"))
        with Stopwatch() as watch:
            for n in range(100):
                loom.subscribe(pattern.format(n)).close()
    return watch.cpu / 100 * 1e6


async def subscribe_exact() -> float:
    return await subscribing("home.room0.new{0}")


async def subscribe_wildcard() -> float:
    return await subscribing("home.*.new{0}")


@bench
def patterns() -> Iterator[Ratio]:
    got = interleave(7, mixed=mixed, exact=exact)
    note = got.note("mixed", "exact", "ns a delivery")
    yield Ratio("patterns.warm", got.ratio("mixed", "exact"), 1.3, "lower", note=note)


@bench
def changes() -> Iterator[Ratio]:
    got = interleave(
        3, cold=cold, overflowing=overflowing, exact=subscribe_exact, wildcard=subscribe_wildcard
    )

    def row(name: str, side: str, bar: float | None = None) -> Ratio:
        return Ratio(f"patterns.{name}", got.median(side), bar, "lower", "us", slack=5.0)

    yield row("first_seen", "cold", 15.0)
    yield row("first_seen.cache_full", "overflowing", 15.0)
    yield row("subscribe_and_close.exact", "exact")
    yield row("subscribe_and_close.wildcard", "wildcard")
