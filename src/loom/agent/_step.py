"""A step under way: its event, the label of what it derives, and what was recorded of what it asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from loom.agent._effects import Effects
from loom.agent._records import Record, Records, fingerprint
from loom.errors import Diverged, ScopeCancelled
from loom.event import Event, Label, Origin

if TYPE_CHECKING:
    from loom.agent._cell import Cell
    from loom.agent._lane import Door


class Step:
    """What every operation of a context stands on."""

    __slots__ = (
        "_calls",
        "_cell",
        "_event",
        "_label",
        "_origin",
        "_under_way",
        "arrival",
        "attempt",
        "doomed",
        "door",
        "effects",
        "finished",
        "records",
    )  # fmt: skip

    def __init__(
        self,
        cell: Cell,
        door: Door,
        event: Event,
        attempt: int = 1,
        records: Records | None = None,
        arrival: int = 0,
    ) -> None:
        self._cell = cell
        self._event = event
        self._label: Label | None = None
        self._origin: Origin | None = None
        self._calls = 0
        self._under_way = 0
        self.door = door
        self.attempt = attempt
        """1 for the first attempt at this event, 2 for the first retry."""
        self.records = records
        self.arrival = arrival
        self.effects: Effects | None = None
        self.doomed = False
        self.finished = False

    @property
    def agent(self) -> str:
        """The agent's name."""
        return self._cell.name

    @property
    def event(self) -> Event:
        """The event being handled."""
        return self._event

    @property
    def label(self) -> Label:
        """The label of what this step derives: of the event, the state, and the results awaited so far."""
        base = self._event._origin[0].join(self._cell.label)
        return base if self._label is None else base.join(self._label)

    def asking(self) -> dict[str, Any]:
        """What a request of a model says of the step it is made in: for whom, because of what, how confidential."""
        event = self._event
        subject = "" if event._metadata is None else event._metadata.get("subject", "")
        origin = event._origin
        self._cell.services.asking(event)
        return {
            "label": self.label, "qos": self.door.queue.qos, "thread": origin.thread, "scope": origin.scope,
            "agent": self.agent, "user": subject if isinstance(subject, str) else str(subject), "event": event.id,
        }  # fmt: skip

    def _derive(self, topic: str, payload: Any, fields: dict[str, Any]) -> Event:
        event = self._event
        origin = self._origin
        if event._metadata is not None and "subject" in event._metadata:  # whose data it is goes along
            metadata = {"subject": event._metadata["subject"], **fields.get("metadata", {})}
            fields = {**fields, "metadata": metadata}
        if origin is None or self._label is not None:
            parent = event._origin
            label = self.label
            trail = (*parent.trail, (event._topic, event.id))
            origin = self._origin = Origin(
                label, parent.thread, parent.scope, event.id, parent.hop + 1, parent.trace, trail
            )
        if not fields:
            return Event(
                topic[topic.rfind(".") + 1 :], payload, topic=topic, source=self._cell.name, origin=origin
            )
        fields = {"type": topic[topic.rfind(".") + 1 :], "source": self.agent, **fields}
        if "label" in fields:
            fields["label"] = origin.label.join(fields["label"])
        return Event(payload=payload, topic=topic, origin=origin, **fields)

    async def _recorded(
        self, what: tuple[Any, ...], make: Callable[[], Awaitable[Any]], mark: str | None = None
    ) -> Any:
        """The result of *make*, or the one recorded when an earlier attempt of this step asked for the same."""
        number, mark, known = self._look_up(what, mark)
        if known is not None and known.error is not None:
            raise known.error
        return known.result if known is not None else await self._record(number, mark, make)

    def _look_up(self, what: tuple[Any, ...], mark: str | None = None) -> tuple[int, str, Record | None]:
        """The number and the mark of a call that begins, and what an earlier attempt was told; raises Diverged."""
        self._check_open()
        if self.doomed:
            raise ScopeCancelled(f"{self.agent!r} has cancelled the scope it works in, {self._event.scope!r}")
        mark = mark or fingerprint(what)
        if self.records is None:
            durable = self._cell.durable
            self.records = Records() if durable is None else durable.ledger.records(self)
        elif not self._calls:
            self.records.rewind()
        number = self._calls
        self._calls += 1
        try:
            return number, mark, self.records.find(number, mark)
        except LookupError:
            raise Diverged(
                f"{self.agent!r} ran again for event {self._event.id} and its call {number + 1} is now "
                f"{what[:2]!r:.120}; make what the step asks for depend on the event, the state and ctx alone"
            ) from None

    async def _record(self, number: int, mark: str, make: Callable[[], Awaitable[Any]]) -> Any:
        alone = not self._under_way
        self._under_way += 1
        try:
            result, error = await make(), None
        except Exception as failure:  # noqa: BLE001 - recorded, then raised
            result, error = None, failure
        finally:
            self._under_way -= 1
        alone = alone and self._calls == number + 1
        if self.records is not None:
            label = self.label if type(result) is not list else self._label_of(result)
            self.records.keep(number, Record(mark, result, error, self._calls, alone), label)
        if error is not None:
            raise error
        return result

    def _label_of(self, result: list[Any]) -> Label:
        """The label of what came back: replies bring theirs."""
        label = self.label
        for reply in result:
            if type(reply) is Event:
                label = label.join(reply.label)
        return label

    def _take_in(self, replies: list[Event]) -> list[Event]:
        for reply in replies:
            if reply.label != self._event.label:
                self._label = reply.label if self._label is None else self._label.join(reply.label)
        return replies

    def _open_effects(self) -> Effects:
        self._check_open()
        self.effects = Effects()
        return self.effects

    def _check_open(self) -> None:
        if self.finished:
            raise RuntimeError(f"ctx of {self.agent!r} was used after its step had ended; do not keep it")
