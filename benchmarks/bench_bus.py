"""The bus against a bare deque with batch wake-up that builds the same Event, by CPU time of one process."""

from collections.abc import Iterator

from benchmarks._bare import bare_one_to_one, bare_put_one_to_one, timed
from benchmarks._harness import Ratio, Stopwatch, bench, interleave
from loom import Event, Loom, Subscription

COUNT = 100_000
TOPIC = "bench.reading"
MANY = 64
BARE_MILLIONS = 1.2  # the rate of the bare loop with construction to which DESIGN.md's figures in M/s refer


class Nine:
    """The nine wire fields and nothing else: the yardstick for making an Event."""

    __slots__ = (
        "confidence", "id", "metadata", "payload", "priority", "source", "tags", "timestamp_ms", "type",
    )  # fmt: skip

    def __init__(
        self,
        type: str,
        payload: object = None,
        *,
        source: str = "",
        tags: tuple[str, ...] = (),
        metadata: dict[str, str] | None = None,
        confidence: float = 1.0,
        priority: int = 50,
        timestamp_ms: int = 0,
        id: str = "",
    ) -> None:
        self.type = type
        self.payload = payload
        self.source = source
        self.tags = tags
        self.metadata = metadata
        self.confidence = confidence
        self.priority = priority
        self.timestamp_ms = timestamp_ms
        self.id = id


def make(n: int) -> Event:
    return Event("reading", n, topic=TOPIC)


async def consume(subscription: Subscription, count: int) -> None:
    """Take *count* events in batches and look at each."""
    seen = 0
    while seen < count:
        for _ in await subscription.take_batch(1024):
            seen += 1


async def iterate(subscription: Subscription, count: int) -> None:
    """Take *count* events one by one."""
    seen = 0
    async for _ in subscription:
        seen += 1
        if seen == count:
            return


async def publish(loom: Loom, count: int) -> None:
    bus = loom.bus
    for n in range(count):
        await bus.publish(make(n))


async def publish_by_topic(loom: Loom, count: int) -> None:
    for n in range(count):
        await loom.publish(TOPIC, n)


async def bare() -> float:
    return await bare_one_to_one(COUNT, make)


async def bare_put() -> float:
    return await bare_put_one_to_one(COUNT, make)


async def batched() -> float:
    async with Loom() as loom:
        return await timed(COUNT, publish(loom, COUNT), consume(loom.subscribe(TOPIC), COUNT))


async def one_by_one() -> float:
    async with Loom() as loom:
        return await timed(COUNT, publish(loom, COUNT), iterate(loom.subscribe(TOPIC), COUNT))


async def by_topic() -> float:
    async with Loom() as loom:
        return await timed(COUNT, publish_by_topic(loom, COUNT), consume(loom.subscribe(TOPIC), COUNT))


async def four_publishers() -> float:
    async with Loom() as loom:
        publishers = [publish(loom, COUNT // 4) for _ in range(4)]
        return await timed(COUNT, *publishers, consume(loom.subscribe(TOPIC), COUNT))


async def one_to_ten() -> float:
    """Deliveries per second."""
    count = COUNT // 4
    async with Loom() as loom:
        consumers = [consume(loom.subscribe(TOPIC), count) for _ in range(10)]
        return await timed(count * 10, publish(loom, count), *consumers)


async def nowait() -> float:
    """Prebuilt events, published without waiting and taken in batches."""
    events = [make(n) for n in range(1000)]
    async with Loom() as loom:
        bus, subscription = loom.bus, loom.subscribe(TOPIC)
        with Stopwatch() as watch:
            for _ in range(COUNT // 1000):
                for event in events:
                    bus.publish_nowait(event)
                await subscription.take_batch(1024)
    return COUNT / watch.cpu


async def many() -> float:
    """Prebuilt events, 64 a call, taken in batches."""
    events = [make(n) for n in range(MANY)]
    async with Loom() as loom:
        bus, subscription = loom.bus, loom.subscribe(TOPIC)
        rounds, calls = 400, 15
        with Stopwatch() as watch:
            for _ in range(rounds):
                for _ in range(calls):
                    await bus.publish_many(events)
                await subscription.take_batch(1024)
    return rounds * calls * MANY / watch.cpu


def build_events() -> float:
    """Nanoseconds for an Event, the loop around it included."""
    with Stopwatch() as watch:
        for n in range(COUNT):
            Event("reading", n, topic=TOPIC)
    return watch.cpu / COUNT * 1e9


def build_nine() -> float:
    with Stopwatch() as watch:
        for n in range(COUNT):
            Nine("reading", n, source=TOPIC)
    return watch.cpu / COUNT * 1e9


@bench
def construction() -> Iterator[Ratio]:
    got = interleave(15, event=build_events, nine=build_nine)
    yield Ratio(
        "event.construction", got.ratio("event", "nine"), 2.0, "lower", note=got.note("event", "nine", "ns")
    )


@bench
def bus() -> Iterator[Ratio]:
    got = interleave(
        7,
        bare=bare,
        bare_put=bare_put,
        batched=batched,
        one_by_one=one_by_one,
        by_topic=by_topic,
        four=four_publishers,
        ten=one_to_ten,
        nowait=nowait,
        many=many,
    )

    def row(name: str, ours: str, theirs: str, bar: float | None = None) -> Ratio:
        return Ratio(f"bus.{name}", got.ratio(ours, theirs), bar, note=got.note(ours, theirs, "M/s", 1e-6))

    yield row("one_to_one", "batched", "bare", 0.8)
    yield row("one_to_one.against_put", "batched", "bare_put", 0.8)
    yield row("one_to_one.async_for", "one_by_one", "bare")
    yield row("one_to_one.loom_publish", "by_topic", "bare")
    yield row("four_publishers", "four", "bare")
    yield row("publish_nowait", "nowait", "bare", 2.0 / BARE_MILLIONS)
    yield row("publish_many_64", "many", "bare", 8.0 / BARE_MILLIONS)
    yield row("one_to_ten", "ten", "batched", 4.0)
