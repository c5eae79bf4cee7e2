"""What a subscriber may ask for: filters, policies, a share of the work, the last values."""

import asyncio
from itertools import chain

import pytest

from loom.bus import Bus, Queue
from loom.errors import Closed, ConfigError, InvalidTopic, WouldBlock
from loom.event import Event, QoS


def event(payload: object = None, topic: str = "", **fields: object) -> Event:
    return Event("t", payload, topic=topic, **fields)  # type: ignore[arg-type]


def drain(queue: Queue) -> list[object]:
    return [e.payload for e in queue.take_batch(99, 0)]


async def turns(count: int = 10) -> None:
    """Let everybody else run."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def bus() -> Bus:
    return Bus()


async def test_types_and_where_narrow_a_subscription(bus: Bus) -> None:
    def big(e: Event) -> bool:
        return bool(e.payload > 1)

    one, some, large = (
        bus.subscribe("a", types="x"),
        bus.subscribe("a", types=["x", "y"]),
        bus.subscribe("a", where=big),
    )
    for n, kind in enumerate("xyzx"):
        await bus.publish("a", Event(kind, n))
    assert [drain(s.queue) for s in (one, some, large)] == [[0, 3], [0, 1, 3], [2, 3]]


async def test_a_filter_that_raises_lets_nothing_through_and_is_counted_and_logged(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    picky = bus.subscribe("a", where=lambda e: e.payload["missing"], name="picky")
    other = bus.subscribe("a")
    for n in range(3):
        await bus.publish("a", event(n))
    assert (picky.statistics().errors, picky.statistics().offered) == (3, 0)
    assert drain(other.queue) == [0, 1, 2]
    assert [r.getMessage() for r in caplog.records] == [
        "where of 'picky' failed (1 so far)",
        "where of 'picky' failed (2 so far)",
    ]


async def test_an_aggregate_that_raises_loses_the_newcomer_counted_and_logged(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(old: Event, new: Event) -> Event:
        raise ZeroDivisionError

    subscription = bus.subscribe("a", qos=QoS.REALTIME, capacity=1, overflow="aggregate", aggregate=broken)
    assert [bus.offer("a", event(n)) for n in range(2)] == [1, 1]
    statistics = subscription.statistics()
    assert (statistics.dropped_by, statistics.errors) == ({"aggregate_failed": 1}, 1)
    assert statistics.balanced()
    assert "ZeroDivisionError" in caplog.text


async def test_an_aggregate_stays_on_the_topic_of_the_event_it_grows_from(bus: Bus) -> None:
    subscription = bus.subscribe(
        "*", qos=QoS.REALTIME, capacity=1, overflow="aggregate", shed_at=5,
        aggregate=lambda old, new: Event("sum", old.payload + new.payload, topic=new.topic),
    )  # fmt: skip
    for topic in ("a", "b", "c"):
        bus.offer(topic, event(1))
    got = await subscription.take()
    assert (got.topic, got.payload, subscription.statistics().merged) == ("a", 3, 2)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"capacity": 0}, "capacity of 'a#1' must be a whole number of at least 1, not 0"),
        ({"capacity": 1.5}, "not 1.5"),
        ({"capacity": True}, "not True"),
        ({"shed_at": 0}, "shed_at of 'a#1'"),
        ({"overflow": "latest"}, "publishers wait and nothing is lost"),
        ({"qos": QoS.REALTIME, "overflow": "wait"}, "no overflow policy 'wait'"),
        ({"qos": QoS.REALTIME, "overflow": "newest"}, "use one of drop_oldest, drop_newest, latest"),
        ({"qos": QoS.REALTIME, "overflow": "sample", "sample": 0}, "sample of 'a#1'"),
        ({"qos": QoS.REALTIME, "overflow": "aggregate"}, "needs aggregate=function"),
        ({"qos": "urgent"}, "no QoS 'urgent' for 'a#1'; use one of realtime, batched, background"),
    ],
)
async def test_settings_that_cannot_be_used_are_named(
    bus: Bus, settings: dict[str, object], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        bus.subscribe("a", **settings)  # type: ignore[arg-type]
    assert bus.queues() == []


async def test_an_invalid_pattern_is_refused(bus: Bus) -> None:
    with pytest.raises(InvalidTopic, match="token 2 is empty"):
        bus.subscribe("a..b")
    assert bus.queues() == []


async def test_a_group_shares_the_work_and_others_get_everything(bus: Bus) -> None:
    members = [bus.subscribe(pattern, group="g") for pattern in ("a", "*", ">")]
    alone = bus.subscribe("a")
    for n in range(9):
        await bus.publish("a", event(n))
    shares = [drain(m.queue) for m in members]
    assert sorted(chain(*shares)) == list(range(9))
    assert [len(share) for share in shares] == [3, 3, 3]
    assert drain(alone.queue) == list(range(9))


async def test_a_full_member_of_a_group_does_not_block_while_another_has_room(bus: Bus) -> None:
    small, roomy = bus.subscribe("a", group="g", capacity=1), bus.subscribe("a", group="g", capacity=9)
    for n in range(10):
        bus.publish_nowait("a", event(n))
    assert (len(small.queue), len(roomy.queue)) == (1, 9)
    with pytest.raises(WouldBlock):
        bus.publish_nowait("a", event(10))


async def test_who_waits_for_a_group_is_served_by_whoever_has_room_first(bus: Bus) -> None:
    stuck, quick = (bus.subscribe("a", group="g", capacity=1) for _ in range(2))
    for n in range(2):
        await bus.publish("a", event(n))
    waiting = [asyncio.create_task(bus.publish("a", event(n))) for n in (2, 3)]
    await turns()
    got = [(await quick.take()).payload for _ in range(3)]
    assert got == [1, 2, 3]
    await asyncio.gather(*waiting)
    assert stuck.statistics().waiting == quick.statistics().waiting == 0
    assert stuck.queue.limit == 1, "the line is gone, the way is free"
    assert all(s.balanced() and s.refused == 0 for s in bus.statistics())


async def test_who_delivers_without_waiting_learns_which_queues_would_do(bus: Bus) -> None:
    alone = bus.subscribe("a", capacity=1)
    members = [bus.subscribe("a", group="g", capacity=1) for _ in range(2)]
    for n in range(2):
        bus.offer("a", event(n))
    alone.take_nowait()
    assert bus.deliver(event(2, "a")) == [[members[0].queue, members[1].queue]]
    assert drain(alone.queue) == [2]
    members[1].take_nowait()
    assert bus.deliver(event(3, "a")) == []


async def test_a_member_that_closes_hands_its_waiting_publishers_to_the_others(bus: Bus) -> None:
    leaving, staying = (bus.subscribe("a", group="g", capacity=1) for _ in range(2))
    for n in range(2):
        await bus.publish("a", event(n))
    waiting = asyncio.create_task(bus.publish("a", event(2)))
    await turns()
    leaving.close()
    await turns()
    assert not waiting.done()
    assert [(await staying.take()).payload for _ in range(2)] == [1, 2]
    await waiting


async def test_the_last_member_to_close_turns_waiting_publishers_away(bus: Bus) -> None:
    members = [bus.subscribe("a", group="g", capacity=1) for _ in range(2)]
    for n in range(2):
        await bus.publish("a", event(n))
    waiting = asyncio.create_task(bus.publish("a", event(2)))
    await turns()
    for member in members:
        member.close()
    with pytest.raises(Closed):
        await waiting


async def test_a_late_subscriber_begins_with_the_last_value_of_each_topic(bus: Bus) -> None:
    bus.retain("state.*")
    for topic, n in (("state.x", 1), ("state.y", 2), ("state.x", 3), ("other", 4)):
        await bus.publish(topic, event(n))
    assert drain(bus.subscribe(">", last=True).queue) == [2, 3]
    assert drain(bus.subscribe("state.y", last=True, group="g").queue) == [2]
    assert drain(bus.subscribe(">", last=True, where=lambda e: e.payload > 2).queue) == [3]
    assert drain(bus.subscribe(">").queue) == []
    last = bus.last("state.x")
    assert last is not None
    assert last.payload == 3
    assert bus.last("other") is None


async def test_last_values_are_bounded_by_topics() -> None:
    bus = Bus(retained=2)
    bus.retain(">")
    for topic in ("a", "b", "a", "c"):
        await bus.publish(topic, event(topic))
    assert (bus.last("b"), bus.last("a") is None, bus.last("c") is None) == (None, False, False)


async def test_last_values_that_do_not_fit_are_counted(bus: Bus) -> None:
    bus.retain(">")
    for topic in ("a", "b", "c"):
        await bus.publish(topic, event(topic))
    statistics = bus.subscribe(">", capacity=2, last=True).statistics()
    assert (statistics.queued, statistics.refused) == (2, 1)
