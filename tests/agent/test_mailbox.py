"""The mailbox of an instance: whatever ends in it ends in the queue it came from, and both add up at every moment."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from loom.agent._herd import Herd
from loom.agent._mailbox import Mailbox
from loom.bus import Queue
from loom.event import Event, QoS


class Owner:
    """Counts how often the herd was asked to hand out."""

    _making = True
    dispatched = 0

    def dispatch(self) -> None:
        self.dispatched += 1

    def lost(self, box: Mailbox, event: Event, reason: str) -> None:
        Herd.lost(self, box, event, reason)  # type: ignore[arg-type]


class Boxes(RuleBasedStateMachine):
    """A host queue and two mailboxes; events go from the one to the others and end in every way there is."""

    @initialize(qos=st.sampled_from(list(QoS)), overflow=st.sampled_from([None, "latest", "drop_newest"]))
    def open(self, qos: QoS, overflow: Any) -> None:
        overflow = overflow if qos is QoS.REALTIME else None
        self.owner = Owner()
        self.host = Queue("host", qos, 6, overflow)
        self.host.owner = self.owner
        self.boxes = [
            Mailbox(self.host, self.owner.lost, qos=qos, capacity=2, overflow=overflow) for _ in range(2)
        ]
        self.flying: list[tuple[Mailbox, Event]] = []
        self.now = 0

    @rule(key=st.sampled_from("abc"), late=st.booleans())
    def arrive(self, key: str, late: bool) -> None:
        self.now += 1
        self.host.put(Event("t", topic="t", key=key, deadline_ms=self.now if late else None))

    @rule(which=st.integers(0, 1))
    def hand_out(self, which: int) -> None:
        box = self.boxes[which]
        if box.closed or (self.host.qos is not QoS.REALTIME and len(box.items) >= box.capacity):
            return
        event = self.host.take(self.now)
        if event is not None:
            box.put(event)

    @rule(which=st.integers(0, 1), later=st.integers(0, 3))
    def take(self, which: int, later: int) -> None:
        event = self.boxes[which].take(self.now + later)
        if event is not None:
            self.flying.append((self.boxes[which], event))

    @precondition(lambda self: self.flying)
    @rule(how=st.sampled_from(["done", "settled", "cancelled", "back"]))
    def end(self, how: str) -> None:
        box, event = self.flying.pop()
        before = self.owner.dispatched
        if how == "done":
            box.in_flight -= 1
            box.delivered += 1
            assert self.owner.dispatched > before
        elif how == "settled":
            box.settle(1)
        elif how == "cancelled":
            box.settle_cancelled(event)
        else:
            box.put_back(event)

    @rule(which=st.integers(0, 1), key=st.sampled_from("abc"))
    def cancel(self, which: int, key: str) -> None:
        self.boxes[which].cancel(lambda event: event.key == key)

    @rule(which=st.integers(0, 1))
    def sleep(self, which: int) -> None:
        self.boxes[which].close()

    @invariant()
    def both_add_up(self) -> None:
        if not hasattr(self, "host"):
            return
        for queue in (self.host, *self.boxes):
            assert queue.statistics().balanced(), queue.statistics()
        inside = sum(len(box.items) + box.in_flight for box in self.boxes)
        assert self.host.in_flight == inside
        assert self.host.delivered == sum(box.delivered for box in self.boxes)


Boxes.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
test_host_and_mailboxes_add_up_whatever_happens = Boxes.TestCase


def test_no_older_event_comes_to_a_mailbox_later() -> None:
    host = Queue("host")
    box = Mailbox(host, lambda box, event, reason: None)
    assert not box.missing_before(10**9)
    assert not box.durable
