"""The commit of a step, and the bounded outbox from which its effects leave."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from loom.actions import Invocation
from loom.agent._asking import waits_for
from loom.agent._requests import REPLY_TO
from loom.agent._waits import path_between
from loom.agent.context import Context, Effects
from loom.bus import Queue, Ticket
from loom.errors import StateError, StoreError
from loom.event import HOP_LIMIT, Event
from loom.event.scope import CancelledScopes
from loom.store import StepCommit

if TYPE_CHECKING:
    from loom.agent._cell import Cell


class _Ahead:
    """The agent runs ahead: what the step changed is on its way to disk."""

    def __await__(self) -> Generator[Any, None, None]:
        raise RuntimeError("a step on its way is not awaited; see Cell.settled")


AHEAD = _Ahead()


def commit(cell: Cell, ctx: Context, result: Any) -> Awaitable[None] | None:
    """Keep what the step changed. None when that is done; raises StateError, StoreError and then nothing is kept.

    AHEAD when it is on its way: its output leaves, and its event is settled, when it has landed.
    """
    if result is not None:
        effects = ctx.effects or ctx._open_effects()
        effects.reply = result if effects.reply is None else effects.reply
    if cell.stale:
        _take_back(cell, ctx)
        return None
    attributes = cell.attributes
    snapshot = cell.snapshot
    state = snapshot.capture(attributes)
    if len(attributes) > len(state) and (strange := snapshot.strangers(attributes)):
        raise StateError(
            f"{cell.name}.{strange[0]} was assigned but is not declared; annotate it in the class to keep it, "
            f"or call it _{strange[0]} to forget it"
        )
    label = cell.label
    if (ctx._label is not None or ctx._event._origin[0] is not label) and state != cell.committed:
        label = ctx.label
    durable = cell.durable
    if durable is not None and ctx.door.lane.rank:
        durable.keep(cell, ctx, state, label)
        return AHEAD
    effects = ctx.effects or _NO_EFFECTS
    step = _step_commit((cell.name, ctx._event, snapshot.names, state, label, effects.outputs, effects.acts))
    waiting = cell.keep((step,))
    if waiting is None:
        cell.committed, cell.label = state, label
        return None
    return _after(waiting, cell, state, label)


def _take_back(cell: Cell, ctx: Context) -> None:
    """End a step that began with what has been taken back since: its state is not kept."""
    cell.roll_back()
    if ctx.door.lane.rank:
        raise StoreError(
            f"{cell.name}: a step before this one could not be kept; it is taken back, and so is this one"
        )


async def _after(waiting: Awaitable[None], cell: Cell, state: tuple[Any, ...], label: Any) -> None:
    await waiting
    cell.committed, cell.label = state, label


_NO_EFFECTS = Effects()
_step_commit = partial(tuple.__new__, StepCommit)  # a third of the cost of the class's own __new__


class Outbox:
    """What an agent has committed and not yet handed over: events before full queues, acts before a full executor.

    While it holds anything the agent takes no further BATCHED or BACKGROUND event, so it is bounded by the output of
    one step; REALTIME steps and timers may add until the agent's ``outbox`` limit, the rest ends as dead letters.
    """

    __slots__ = ("_acts", "_cell", "standing")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.standing: list[tuple[list[Queue], Ticket]] = []
        self._acts: deque[Invocation] | None = None

    def __bool__(self) -> bool:
        return bool(self.standing or self._acts)

    def __len__(self) -> int:
        return len(self.standing) + len(self._acts or ())

    def send(self, ctx: Context) -> None:
        """Let the effects of a committed step leave, in order. Never raises: what cannot leave is buried."""
        self._reply(ctx)
        effects, beats = ctx.effects, self._cell.beats
        if effects is None:
            return
        ctx.effects = None
        for event in effects.outputs:
            self.push(event)
        for timer in effects.ended:
            beats.cancel(timer)
        for kind, seconds, event, missed in effects.timers:
            try:
                beats.add(kind, seconds, event, missed)
            except OverflowError as error:
                self._cell.services.bury(self._cell.name, event, "too_many_timers", str(error))
        for invocation in effects.acts:
            self._act(invocation, ctx._event)

    def _reply(self, ctx: Context) -> None:
        """Answer the request that a committed step handled, or say that it is not going to."""
        metadata, requests = ctx._event._metadata, self._cell.services.requests
        number = metadata.get(REPLY_TO) if metadata else None
        if number is None:
            return
        if ctx.effects is not None and ctx.effects.reply is not None:
            requests.answer(number, ctx._derive("loom.reply", ctx.effects.reply, {}))
        else:
            requests.pass_over(number)

    def too_far(self, event: Event) -> bool:
        """Whether *event* is past the hop limit; then it is a dead letter."""
        if event._origin.hop <= HOP_LIMIT:
            return False
        why = f"derived {event.hop} times; the limit is {HOP_LIMIT}"
        self._cell.services.bury(self._cell.name, event, "hop_limit", why)
        return True

    def push(self, event: Event) -> None:
        """Deliver *event* to all who have room and stand in line before the others."""
        cell = self._cell
        origin, cancelled = event._origin, cell.services.cancelled
        if origin[4] > HOP_LIMIT and self.too_far(event):
            return
        if cancelled.any and origin[2] in cancelled:
            if event.seq and cell.durable is not None:
                cell.durable.journal.drop(event)
            return
        try:
            if cell.durable is not None and not event.seq and cell.services.bus.spooled(event._topic):
                cell.durable.journal.append(event)
                return
            if event.seq and cell.services.bus.closed:
                return  # it is in the journal: the next life delivers it
            full = cell.services.bus.deliver(event)
        except Exception as error:  # noqa: BLE001 - a bus that is closed, or a stranger's filter or aggregate
            cell.services.bury(cell.name, event, "undeliverable", f"{type(error).__name__}: {error}")
            return
        for queues in full:
            if len(self.standing) >= cell.spec.outbox:
                why = f"{queues[0].name!r} is full and so is the outbox"
                cell.services.bury(cell.name, event, "outbox_full", why)
                queues[0].put(event)
                continue
            self._stand(event, queues)

    def forget(self, cancelled: CancelledScopes) -> None:
        """Give up the acts of cancelled scopes; the queues have turned away the events already."""
        if self._acts is not None:
            for act in [a for a in self._acts if a.scope in cancelled]:
                _cancelled(act)
            self._acts = deque(a for a in self._acts if a.scope not in cancelled) or None
        self._arrived()

    def _stand(self, event: Event, queues: list[Queue]) -> None:
        """Wait before a full queue, or before those members of a group that do not wait for this agent."""
        cell = self._cell
        owners: list[Any] = [queue.owner for queue in queues]
        ways = [None if owner is None else path_between(owner, cell, waits_for) for owner in owners]
        free = [queue for queue, way in zip(queues, ways, strict=True) if way is None]
        if not free:
            names = " -> ".join([cell.name, *(c.name for c in ways[0] or ())])
            queues[0].put(event)  # has no room: counts the refusal
            why = f"{queues[0].name!r} is full and its agent waits for this one: {names}"
            cell.services.bury(cell.name, event, "cycle", why)
            return
        ticket = Ticket(event, self._arrived)
        self.standing.append((free, ticket))
        self._cell.blocked = True
        for queue in free:
            if not ticket.granted:
                queue.stand_in_line(ticket)

    def _arrived(self) -> None:
        """Forget the tickets that were granted or turned away; wake the agent when nothing is left."""
        self.standing = [
            (qs, t) for qs, t in self.standing if not t.granted and not all(q.closed for q in qs)
        ]
        durable = self._cell.durable
        self._cell.blocked = bool(self) or (durable is not None and durable.holds(self._cell))
        if not self:
            self._cell.wake()
            self._cell.services.scheduler.on_idle()

    def _act(self, invocation: Invocation, cause: Event) -> None:
        services = self._cell.services
        if invocation.scope in services.cancelled:
            _cancelled(invocation)
            return
        entry = invocation.entry
        swift = entry is not None and not entry.lasting
        if (self._acts is None or swift) and services.executor.submit(invocation):
            return
        if self._acts is None:
            self._acts = deque()
            self._cell.blocked = True
            services.spawn(self._drain_acts())
        if len(self._acts) >= self._cell.spec.outbox and (entry is None or not entry.lasting):
            why = f"action {invocation.action.name!r} was not run: the executor is full and so is the outbox"
            services.bury(self._cell.name, cause, "outbox_full", why)
            return
        self._acts.append(invocation)

    async def _drain_acts(self) -> None:
        executor = self._cell.services.executor
        while self._acts:
            if executor.submit(self._acts[0]):
                self._acts.popleft()
            else:
                await executor.room()
        self._acts = None
        self._arrived()


def _cancelled(act: Invocation) -> None:
    if act.entry is not None:
        act.entry.end("cancelled", "its scope was cancelled")
