"""Routes: the cache never answers otherwise than the trie would, and it is bounded."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from loom.bus import Entry, Queue
from loom.bus._route import Router, choices, choose, compile_route
from loom.errors import InvalidTopic
from loom.event import Event, QoS
from loom.event.topic import matches

TOPICS = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map(".".join)
PATTERNS = st.builds(
    lambda head, rest: (*head, *rest),
    st.lists(st.sampled_from("ab*"), min_size=1, max_size=3),
    st.sampled_from([(), (), (">",)]),
) | st.just((">",))
CAPACITY = 5


class RouterMachine(RuleBasedStateMachine):
    """Subscriptions come and go between publishes; what is cached has to follow."""

    def __init__(self) -> None:
        super().__init__()
        self.router = Router(CAPACITY)
        self.entries: list[Entry] = []
        self.retained: list[tuple[str, ...]] = []

    @rule(pattern=PATTERNS, qos=st.sampled_from(list(QoS)), group=st.sampled_from([None, "g", "h"]))
    def subscribe(self, pattern: tuple[str, ...], qos: QoS, group: str | None) -> None:
        entry = Entry(pattern, Queue("q", qos), group=group)
        self.entries.append(entry)
        self.router.add(entry)

    @precondition(lambda self: self.entries)
    @rule(which=st.integers(0, 99))
    def unsubscribe(self, which: int) -> None:
        self.router.remove(self.entries.pop(which % len(self.entries)))

    @rule(pattern=PATTERNS)
    def retain(self, pattern: tuple[str, ...]) -> None:
        self.retained.append(pattern)
        self.router.retain(pattern)

    @rule(topic=TOPICS)
    def publish(self, topic: str) -> None:
        route = self.router.cache.get(topic) or self.router.find(topic)
        assert self.router.cache[topic] is route

    @invariant()
    def every_cached_route_is_the_one_the_definition_gives(self) -> None:
        for topic, route in self.router.cache.items():
            tokens = topic.split(".")
            entries = [e for e in self.entries if matches(e.pattern, tokens)]
            retained = any(matches(p, tokens) for p in self.retained)
            assert route == compile_route(entries, False, retained)

    @invariant()
    def the_cache_is_bounded_and_its_index_too(self) -> None:
        assert len(self.router.cache) <= CAPACITY
        indexed = set(self.router._topics.matching((">",)))
        assert indexed == set(self.router.cache)


RouterMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestTheCacheFollowsEverySubscription = RouterMachine.TestCase


def entry(
    qos: QoS = QoS.BATCHED,
    group: str | None = None,
    where: Callable[[Event], bool] | None = None,
    capacity: int = 2,
) -> Entry:
    return Entry(("a",), Queue("q", qos, capacity), where=where, group=group)


def test_only_topics_near_a_new_pattern_are_forgotten() -> None:
    router = Router()
    for topic in ("a.x", "a.y", "b.x", "c"):
        router.find(topic)
    router.add(Entry(("a", "*"), Queue("q")))
    assert set(router.cache) == {"b.x", "c"}
    router.add(Entry(("b", "x"), Queue("q")))
    assert set(router.cache) == {"c"}


def test_the_oldest_route_makes_room() -> None:
    router = Router(2)
    for topic in ("a", "b", "c"):
        router.find(topic)
    assert list(router.cache) == ["b", "c"]


def test_an_invalid_topic_is_never_cached() -> None:
    router = Router()
    with pytest.raises(InvalidTopic):
        router.find("a..b")
    assert not router.cache


def test_realtime_comes_first_and_the_rest_in_the_order_of_subscription() -> None:
    entries = [entry(QoS.BACKGROUND), entry(QoS.REALTIME), entry(QoS.BATCHED), entry(QoS.REALTIME)]
    queues = [e.queue for e in entries]
    expected = [queues[1], queues[3], queues[0], queues[2]]
    assert list(compile_route(entries, False, False).direct or ()) == expected
    filtered = [entry(where=lambda event: False)]
    assert choose(compile_route(entries + filtered, False, False), Event("t", topic="a")) == expected


def test_a_group_gives_an_event_to_the_member_with_room_and_least_to_do() -> None:
    event = Event("t", topic="a")
    small, busy, idle = (entry(group="g", capacity=n) for n in (1, 9, 9))
    small.queue.put(event)
    for _ in range(5):
        busy.queue.put(event)
    route = compile_route([small, busy, idle], False, False)
    assert choose(route, event) == [idle.queue]
    for _ in range(6):
        idle.queue.put(event)
    assert choose(route, event) == [busy.queue], "the small one has least to do and is full"


def test_a_closed_member_of_a_group_gets_nothing() -> None:
    open_, closed = entry(group="g"), entry(group="g")
    closed.queue.close()
    event = Event("t", topic="a")
    open_.queue.put(event)
    assert choose(compile_route([closed, open_], False, False), event) == [open_.queue]
    assert choose(compile_route([closed], False, False), event) == []


def test_a_publisher_may_wait_before_every_willing_member_of_the_group_at_once() -> None:
    event = Event("t", topic="a")
    first, second, other = entry(group="g"), entry(group="g"), entry()
    unwilling = entry(group="g", where=lambda event: False)
    route = compile_route([first, second, other, unwilling], False, False)
    assert choices(route, event, [other.queue, second.queue]) == [
        [other.queue],
        [second.queue, first.queue],
    ]
