"""The durable side of agents: steps that run ahead of their commit, states that outlive the process."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from loom.agent._causes import Causes, place_of
from loom.agent._kept import States
from loom.agent._ledger import Ledger
from loom.agent._ringing import Ringing
from loom.agent._supervision import backoff
from loom.agent._timer_book import TimerBook
from loom.agent.context import Context
from loom.errors import StateError, StoreError
from loom.event import HOP_LIMIT, PUBLIC, Event, Label
from loom.journal import Commit, DurableQueue, Journal
from loom.journal.queue import cursor_of
from loom.journal.steps import StepRow, step_key, step_row
from loom.store import Family, Put, StepCommit
from loom.store.backend import row_put
from loom.store.families import number
from loom.store.vault import subject_of

if TYPE_CHECKING:
    from loom.agent._cell import Cell
    from loom.agent._handlers import Trigger
    from loom.agent._services import Services

log = logging.getLogger("loom.agent")
AHEAD = 64  # steps an agent may run ahead of its commit
_STEPS = Family.STEPS
_step = partial(tuple.__new__, StepRow)  # a third of the cost of the class's own __new__
_FLUSH = 1.0  # seconds after which a state that only REALTIME steps changed is written


class Step(Commit):
    """A step on its way to disk, and what the agent was before it. ``waiter``: a hook that waits for it."""

    __slots__ = ("_durable", "cell", "ctx", "label", "recent", "state", "waiter")

    def __init__(self, durable: Durable, ctx: Context, puts: list[Put], last: int) -> None:
        self._durable = durable
        self.puts, self.last, self.sync = puts, last, True
        self.ctx = ctx
        self.cell = cell = ctx._cell
        self.state = cell.committed
        self.label = cell.label
        self.recent = () if cell.recent is None else tuple(cell.recent)
        self.waiter: asyncio.Future[None] | None = None
        seq = ctx._event.seq
        cursor = cursor_of(ctx.door.queue) if seq else None
        self.settles = () if cursor is None else ((cursor, seq),)

    def landed(self, error: StoreError | None) -> None:
        """Let the output leave, or have the step taken back."""
        self._durable._landed(self.cell, error)


class Durable:
    """Keeps the steps and states of one runtime's agents in its journal's store; the Store of a durable runtime."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.backend = journal.backend
        self.services: Services = None  # type: ignore[assignment]  # set by the runtime, which makes both
        self.vault = journal.vault
        self.causes = Causes(journal)
        self.states = States(self.backend, self.vault, self.causes.history)
        self.failures = 0
        self._flushing = False
        journal.committer.companions.append(self.states)
        self.ledger = Ledger(self)

    # --- steps ----------------------------------------------------------------------------------------------------

    def keep(self, cell: Cell, ctx: Context, state: tuple[Any, ...], label: Label) -> None:
        """Send a finished step off to disk; its output leaves when it is there, and the agent may go on meanwhile."""
        event = ctx._event
        try:
            puts, last = self._rows(cell, ctx, state)
        except BaseException:  # raised again, whatever it was
            self.vault.forget()  # leaves that are not written are not kept
            raise
        step = Step(self, ctx, puts, last)
        if ctx.door.hook:
            step.waiter = asyncio.get_running_loop().create_future()
        if cell.ahead is None:
            cell.ahead = deque()
        cell.ahead.append(step)
        cell.committed, cell.label = state, label
        if cell.recent is not None:
            cell.recent.append(event)
        self.states.changed(cell)
        if len(cell.ahead) >= AHEAD:
            cell.blocked = True
        self.journal.committer.add(step)

    def _rows(self, cell: Cell, ctx: Context, state: tuple[Any, ...]) -> tuple[list[Put], int]:
        """What keeps a step, and the number of its last output."""
        journal, effects, causes = self.journal, ctx.effects, self.causes
        bus, history = journal.bus, causes.history
        before = history.before(cell)
        delta = cell.spec.codec.delta(before, state)  # first: a state that cannot be kept fails the step
        puts: list[Put] = []
        last = 0
        if effects is not None:
            for output in effects.outputs:
                if bus.route(output._topic).spooled and self._may_leave(output):
                    puts += journal.rows(output)
                    last = output.seq
            if effects.acts:
                puts += self.ledger.intend(ctx)
        puts += self.ledger.settle(ctx)
        step = self._note(cell, ctx, delta, puts)
        puts.append(step)
        puts += history.base(cell, before, step.value or b"")
        timed = effects is not None and (effects.timers or effects.ended)
        if timed or causes.retrying or not ctx._event.seq:
            puts += causes.of_step(cell, ctx)
        if timed and effects is not None:
            puts += cell.beats.puts(effects)
        return puts, last

    def attach(self, services: Services) -> None:
        """Serve the runtime of *services*."""
        self.services = services
        self.ringing = Ringing(TimerBook(self.backend), self.journal, services)

    def begin(self) -> None:
        """The agents are there: let them have what is due."""
        self.journal.wake()
        self.ringing.begin()

    def give_up(self, cell: Cell, ctx: Context, puts: list[Put]) -> None:
        """The event of *ctx* is a dead letter: its position advances with *puts*, and nothing else changes."""
        queue, event = ctx.door.queue, ctx._event
        puts = [*puts, *self.ledger.settle(ctx)]
        cursor = cursor_of(queue)
        if cursor is not None and event.seq:
            self.journal.insist(puts, cursor, event.seq)
        elif puts:
            self.journal.committer.add(Commit(puts, _told, sync=False))

    def commit(self, batch: Sequence[StepCommit]) -> None:
        """States that REALTIME steps changed: they ride on the agent's next commit, or on one made for them soon."""
        for step in batch:
            cell = self.services.cells[step.agent]
            self.causes.history.changed_apart(cell)
            self.states.changed(cell)
        self._flush_soon()

    def clean(self, cell: Cell) -> bool:
        """Whether the state of *cell* is on disk as it is."""
        return self.states.clean(cell)

    def flush(self) -> None:
        """Have the states written that no commit has taken along yet."""
        self._flushing = False
        if self.journal.committer.closed:
            return
        if self.states:
            self.journal.committer.add(Commit([], self._flushed, sync=False))
        else:
            self._flushed(None)

    def holds(self, cell: Cell) -> bool:
        """Whether *cell* may take nothing ordinary for now, whatever becomes of its output."""
        return cell.recovering or (cell.ahead is not None and len(cell.ahead) >= AHEAD)

    async def settled(self, cell: Cell) -> None:
        """Return when every step of *cell* so far has landed; raises StoreError if one could not be kept."""
        if cell.ahead:
            step = cell.ahead[-1]
            step.waiter = waiter = step.waiter or asyncio.get_running_loop().create_future()
            await asyncio.shield(waiter)

    def queue(self, name: str, trigger: Trigger, options: dict[str, Any]) -> DurableQueue:
        """The queue of a durable handler, which goes on where it was; a group shares one place."""
        place = f"group {trigger.group} {trigger.pattern}" if trigger.group else name
        return DurableQueue(name, self.journal.cursor(place, trigger.start), self.journal.settle, **options)

    # --- states ---------------------------------------------------------------------------------------------------

    def restore(self, cell: Cell) -> tuple[tuple[Any, ...], Label] | None:
        """The state of *cell* as last committed, and its label; raises StateError when it does not fit the class."""
        found = self.states.restore(cell.spec, cell.name)
        if found is None:
            return None
        state, label, cell.kept = found
        cell.subject = cell.kept.subject
        return state, label

    def load(self, agent: str) -> tuple[Mapping[str, Any], Label] | None:
        """Not used: ``restore`` knows the class."""
        raise StateError(f"the state of {agent!r} is read with its class")

    def quiet(self) -> bool:
        """Whether nothing is on its way to disk and nobody has still to read from there."""
        journal = self.journal
        if journal.committer.busy or self.causes.revival.busy or self.ledger.busy:
            return False
        return not any(c.behind and not c.closed and c.queues[0].owner for c in journal.cursors.values())

    async def shut(self) -> None:
        """Write what is left to write and close the store."""
        committer = self.journal.committer
        self.journal.flush()
        self.flush()
        self.causes.ending()
        await committer.drained()
        self.journal.close()
        self.backend.close()

    def close(self) -> None:
        """Nothing: ``shut`` does it."""

    # --- inside ---------------------------------------------------------------------------------------------------

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self.services.timers.after(_FLUSH, self.flush)

    def _flushed(self, error: StoreError | None) -> None:
        if error is None:
            for cell in list(self.services.cells.values()):
                if cell.spec.key is not None:
                    cell.wake()  # its state is kept: it may sleep, and make room for another
        elif not self.journal.committer.closed:
            self._flush_soon()

    def _may_leave(self, output: Event) -> bool:
        """Whether an output goes anywhere: one past the hop limit, or of a cancelled scope, ends when it is sent."""
        origin, cancelled = output._origin, self.services.cancelled
        return origin[4] <= HOP_LIMIT and not (cancelled.any and origin[2] in cancelled)

    def _note(self, cell: Cell, ctx: Context, delta: Any, puts: list[Put]) -> Put:
        """Write down how a step went and what it changed (see ``loom.journal.steps``)."""
        event = ctx._event
        subject = subject_of(event)
        if delta is not None:
            cell.subject = subject if cell.subject in (None, subject) else ""
        seq, queue = event.seq, ctx.door.queue
        cursor = cursor_of(queue) if seq else None
        if cursor is not None:
            key = number(seq) + b"\0" + cursor.key
        else:
            key = step_key(event, self.journal.seq, place_of(queue))
        change = None
        label = PUBLIC
        if delta is not None:
            label = ctx.label
            change = self.vault.pack((subject, label), delta, puts)
        now = self.causes.history.moment(cell, event, self.services.clock.now_ms())
        row = _step((seq, "", cell.name, event.id, ctx.attempt, now, subject, label, change))
        return row_put((_STEPS, key, step_row(row)))

    def _landed(self, cell: Cell, error: StoreError | None) -> None:
        """The oldest step of *cell* that was on its way is kept, or could not be."""
        ahead = cell.ahead
        if not ahead:
            return  # an earlier one failed and took it along
        if error is not None:
            self._failed(cell, error)
            return
        step = ahead.popleft()
        cell.setbacks = 0
        self.journal.reached(step.last)
        ctx = step.ctx
        queue = ctx.door.queue
        cell.outbox.send(ctx)
        if not ctx.door.hook:
            cell.committed_steps += 1
            queue.in_flight -= 1
            queue.delivered += 1
        if step.waiter is not None and not step.waiter.done():
            step.waiter.set_result(None)
        if cell.blocked and not cell.recovering and len(ahead) < AHEAD:
            cell.blocked = bool(cell.outbox)
            if not cell.busy:
                cell.wake()

    def _failed(self, cell: Cell, error: StoreError) -> None:
        """Take back every step of *cell* that is not on disk, and handle their events again after a while."""
        self.failures += 1
        steps = list(cell.ahead or ())
        if cell.ahead is not None:
            cell.ahead.clear()
        first = steps[0]
        self.causes.history.forget(cell)
        mine = set(map(id, steps))
        self.ringing.withdrawn(self.journal.committer.withdraw(lambda commit: id(commit) in mine))
        cell.committed, cell.label = first.state, first.label
        if cell.recent is not None:
            cell.recent.clear()
            cell.recent.extend(first.recent)
        if cell.step is not None and cell.step.door.lane.rank:
            cell.interrupt("uncommitted")
        elif cell.busy:
            cell.stale = True  # a hook or a REALTIME step, which began with what is taken back
        else:
            cell.roll_back()
        for step in steps:
            for output in () if step.ctx.effects is None else step.ctx.effects.outputs:
                output._journal = 0
            step.ctx.effects = None
            self.ledger.stash(step.ctx)
            if step.waiter is not None and not step.waiter.done():
                step.waiter.set_exception(error)
                step.waiter.exception()
        log.error("%s: %d steps could not be kept: %s", cell.name, len(steps), error)
        cell.blocked = cell.recovering = True
        cell.setbacks += 1
        self.services.spawn(self._recover(cell, steps))

    async def _recover(self, cell: Cell, steps: list[Step]) -> None:
        await cell.free()
        for lane in cell.lanes:
            if lane.rank and lane.resume is not None:
                work, lane.resume, lane.held = lane.resume, None, False
                self.ledger.stash(Context(cell, work.door, work.event, work.attempt, work.records))
                work.door.queue.put_back(work.event, work.arrival)
        for step in reversed(steps):
            if not step.ctx.door.hook:
                step.ctx.door.queue.put_back(step.ctx._event, step.ctx.arrival)
        cell.roll_back()
        delay = backoff(0.1, 2.0, 10.0, 0.2, cell.setbacks, self.services.random)
        self.services.timers.after(delay, partial(_go_on, cell), cell.name)


def _go_on(cell: Cell) -> None:
    cell.recovering = False
    cell.blocked = bool(cell.outbox)
    cell.wake()


def _told(error: StoreError | None) -> None:
    """For commits nobody waits for."""
