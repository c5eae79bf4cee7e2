"""Keyed agents: one queue for each handler, and an instance for each key, awake only while it has something to do."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import count
from typing import TYPE_CHECKING, Any

from loom.agent._beats import Beats
from loom.agent._cell import Cell
from loom.agent._handlers import Handler
from loom.agent._keys import compile_key, key_text
from loom.agent._lane import Bell, Door, Lane
from loom.agent._life import Life
from loom.agent._mailbox import Mailbox
from loom.agent.agent import Agent, AgentSpec, offers
from loom.bus import Queue
from loom.errors import ConfigError, StoreError
from loom.event import Event
from loom.journal import DurableQueue
from loom.journal.row import LOST

if TYPE_CHECKING:
    from loom.agent._services import Services

log = logging.getLogger("loom.agent")
MAILBOX = 64
_AGAIN = 1.0  # seconds until a state that could not be read is read again


class Instance(Cell):
    """The agent of one key. Its queues are mailboxes that its herd fills."""

    __slots__ = ("_boxes", "herd", "key")

    def __init__(self, herd: Herd, key: str) -> None:
        self.herd = herd
        self.key = key
        self._boxes: dict[str, Queue] = {}
        super().__init__(herd.spec, herd.spec.cls(), herd.services, f"{herd.name}/{key}", herd.grants)

    def _open_door(self, handler: Handler, lane: Lane, arrivals: Any) -> Door:
        trigger = handler.trigger
        host = self.herd.doors[handler.name].queue
        box = Mailbox(
            host, self.herd.lost, qos=trigger.qos, capacity=min(host.capacity, self.herd.mailbox),
            overflow=trigger.overflow, sample=trigger.sample, aggregate=trigger.aggregate, arrivals=arrivals,
        )  # fmt: skip
        box.owner = self
        box.notify = Bell(self, lane, trigger.interrupts)
        self._boxes[handler.name] = box
        return Door(handler, box, lane)

    def connect(self) -> None:
        """Open a mailbox for every handler."""
        super().connect()
        for lane in self.lanes:
            if lane.single is not None:
                lane.single.alone = False  # the end of a turn is to be noticed: another key may wait for it

    def _clock(self) -> Callable[[], int]:
        return count(1).__next__  # the herd hands out in order

    def wake(self) -> None:
        """Go on, or make room for another."""
        super().wake()
        if self.herd.waits:
            self.herd.dispatch()

    def address(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields with this key where the agent looks for it, so that a timer comes back to who set it."""
        path = self.spec.key
        if path == "key":
            return {"key": self.key, **fields}
        if isinstance(path, str) and path.startswith("metadata."):
            metadata = {path.partition(".")[2]: self.key, **fields.get("metadata", {})}
            return {**fields, "metadata": metadata}
        return fields

    def disconnect(self) -> None:
        """End it: what is in its mailboxes ends as cancelled. Its timers in memory go on, and wake it."""
        if len(self.beats):
            if len(self.herd.dormant) >= self.herd.limit:  # some may have rung since
                self.herd.dormant = {key: beats for key, beats in self.herd.dormant.items() if len(beats)}
            self.herd.dormant[self.key], self.beats = self.beats, Beats(self)
        super().disconnect()
        for queue in self.queues():
            queue.close()

    def box(self, door: Door) -> Queue:
        """The mailbox for what comes through *door* of the herd."""
        return self._boxes[door.handler.name]

    def has_room(self, door: Door) -> bool:
        """Whether it takes another event from *door*: one that sheds always does."""
        box = self._boxes[door.handler.name]
        return door.lane.rank == 0 or len(box.items) < box.capacity

    @property
    def sleepy(self) -> bool:
        """Whether it may sleep: nothing queued, running or on its way, and its state is kept."""
        if self.status != "running" or self.marked or self.asking or not self.quiet():
            return False
        return self.durable is None or self.durable.clean(self)


class Herd(Cell):
    """All instances of a keyed agent: it hands each event to the one of its key, waking it if need be.

    At most ``limit`` instances are awake; the one that had nothing to do for longest sleeps first. An instance has at
    most ``mailbox`` events of each handler waiting. An event without a usable key is a dead letter, and so is what
    comes for a parked instance whose mailbox is full: it holds up no others.
    """

    __slots__ = ("_key_of", "_making", "awake", "doors", "dormant", "limit", "mailbox", "waits", "woken")

    def __init__(
        self, spec: AgentSpec, instance: Agent, services: Services, name: str, grants: Iterable[str] | None
    ) -> None:
        super().__init__(spec, instance, services, name, grants)
        self._key_of = compile_key(spec.key, spec.cls.__qualname__)
        self._making = False
        self.waits = False  # for an instance that has room, or may sleep
        self.limit, self.mailbox = spec.awake, MAILBOX
        self.awake: OrderedDict[str, Instance] = OrderedDict()
        self.dormant: dict[str, Beats] = {}  # the timers in memory of those who sleep
        self.doors: dict[str, Door] = {}
        self.woken = 0
        self.life = _HerdLife(self)
        beating = [h.name for h in spec.handlers if not h.trigger.pattern]
        if beating:
            raise ConfigError(f"{beating[0]}: a keyed agent has no beat; set ctx.every(...) in each instance")

    def connect(self) -> None:
        """Attach a queue for every handler to the bus."""
        super().connect()
        self.doors = {door.handler.name: door for lane in self.lanes for door in lane.doors}
        for door in self.doors.values():
            door.queue.notify = self.dispatch

    def quiet(self) -> bool:
        """Whether nothing waits for an instance; the instances answer for themselves."""
        return self.status in ("parked", "paused") or not any(queue.items for queue in self.queues())

    def wake(self) -> None:
        """Hand out what waits."""
        self.dispatch()

    def dispatch(self) -> None:
        """Hand out what waits, the urgent first, as long as the instances of the oldest have room."""
        if self._making or self.status != "running":
            return
        self._making, self.waits = True, False
        try:
            for lane in self.lanes:
                while (door := self._oldest(lane)) is not None:
                    if not self._hand_out(door, lane):
                        self.waits = True
                        break
        finally:
            self._making = False

    def lost(self, box: Mailbox, event: Event, reason: str) -> None:
        """An event in the mailbox of an instance ended without being handled: it ends so in the queue it came from."""
        host = box.host
        host.in_flight -= 1
        if reason in ("cancelled", "closed"):
            host.cancelled += 1
        elif reason == "expired":
            host.expired += 1
        elif reason == "merged":
            host.merged += 1
        else:
            host.dropped[reason] += 1
        if host.on_loss is not None:
            host.on_loss(host, event, reason)
        if isinstance(host, DurableQueue) and event.seq and not box.closed:
            host.settled(host.cursor, event.seq)
        self.dispatch()

    # --- inside ---------------------------------------------------------------------------------------------------

    def _hand_out(self, door: Door, lane: Lane) -> bool:
        """Give the oldest event behind *door* to its instance; False when that has to wait."""
        queue = door.queue
        if queue.in_flight >= queue.capacity and lane.rank:
            return False
        first, cell, arrival = queue.items[0], None, queue.arrivals[0] if queue.arrivals else 0
        key, why = self._key(first), ("no_key", f"the event has no usable {self.spec.key!r}")
        if key is not None:
            try:
                cell = self.awake.get(key) or self._rouse(key)
            except Exception as error:  # noqa: BLE001 - what is kept of it cannot be used, or a stranger's class failed
                if isinstance(error, StoreError) and not isinstance(error, LOST):
                    self.services.timers.after(_AGAIN, self.dispatch, self.name)
                    return False
                why = ("no_instance", f"{type(error).__name__}: {error}")
            else:
                if cell is None:
                    return False
                if not cell.has_room(door):
                    if cell.status != "parked":
                        return False
                    why, cell = ("parked", f"{cell.name} is parked and has {MAILBOX} events waiting"), None
        event = queue.take(self.services.clock.now_ms())
        if event is not first:  # it had expired
            if event is not None:
                queue.put_back(event, arrival)
            return True
        if key is None or cell is None:
            self._refuse(door, event, *why)
            return True
        self.awake.move_to_end(key)
        cell.box(door).put(event)
        return True

    def _oldest(self, lane: Lane) -> Door | None:
        """The door of *lane* behind which the oldest event waits."""
        if lane.single is None:
            return lane.head()
        return lane.single if lane.single.queue.items else None

    def _key(self, event: Event) -> str | None:
        try:
            return key_text(self._key_of(event))
        except Exception as error:  # noqa: BLE001 - a stranger's function: its event is a dead letter
            log.warning("%s: key= failed for %s: %s: %s", self.name, event, type(error).__name__, error)
            return None

    def _refuse(self, door: Door, event: Event, reason: str, error: str) -> None:
        door.queue.settle(1)
        if self.durable is not None:
            self.durable.causes.refuse(self.name, door.queue, event, (reason, error))
        self.services.bury(self.name, event, reason, error, kept=self.durable is not None)

    def _rouse(self, key: str) -> Instance | None:
        """Make the instance of *key* from its kept state; None while too many others are busy."""
        if len(self.awake) >= self.limit and not self._make_room() and self._crowded():
            return None
        cell = Instance(self, key)
        cell.recall()
        beats = self.dormant.pop(key, None)
        if beats is not None:
            cell.beats = beats.of(cell)
        cell.connect()
        self.awake[key] = cell
        self.services.cells[cell.name] = cell
        self.woken += 1
        if "on_start" in self.spec.hooks:
            self.services.spawn(cell.life.start())
        else:
            cell.life.run()
        return cell

    def _crowded(self) -> bool:
        """Whether nobody else may be awake: parked instances hold up no others, until there are as many of them."""
        parked = sum(cell.status == "parked" for cell in self.awake.values())
        return len(self.awake) - min(parked, self.limit) >= self.limit

    def _make_room(self) -> bool:
        """Let the instance sleep that had nothing to do for longest."""
        for key, cell in self.awake.items():
            if cell.sleepy:
                self._lull(key, cell)
                return len(self.awake) < self.limit
        return False

    def _lull(self, key: str, cell: Instance) -> None:
        if "on_stop" in self.spec.hooks:
            cell.status = "stopping"
            self.services.spawn(self._stop(key, cell))
            return
        cell.disconnect()
        del self.awake[key]
        del self.services.cells[cell.name]

    async def _stop(self, key: str, cell: Instance) -> None:
        await cell.life.say_stop()
        cell.disconnect()
        self.awake.pop(key, None)
        self.services.cells.pop(cell.name, None)
        self.dispatch()


class _HerdLife(Life):
    """A herd starts by handing out; its instances have lives of their own."""

    async def start(self) -> None:
        """Begin to hand out."""
        cell = self._cell
        cell.status = "paused" if cell.name in cell.services.paused else "running"
        cell.services.announce(cell.name, "started", offers(cell.spec))
        cell.wake()

    async def stop(self, timeout: float) -> None:
        """Nothing: the instances stop."""
