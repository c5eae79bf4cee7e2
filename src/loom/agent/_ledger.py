"""The ledger: every effect of the agents of a durable runtime, from its intent to its outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from loom.actions import Action, Invocation
from loom.agent._ledger_entry import ENDED, Entry, labelled, new_row, read_row
from loom.agent._ledger_intents import Intents, diverged, open_keys
from loom.agent._ledger_records import KeptRecords, kept_steps, prefix_of
from loom.agent._ledger_retention import Retention
from loom.agent._ledger_values import Values
from loom.agent._records import Records
from loom.agent._supervision import backoff
from loom.errors import ActionFailed, Diverged, StoreError
from loom.event import Confidentiality, Event, Label
from loom.journal import Commit
from loom.journal.queue import cursor_of
from loom.store import Family, Put
from loom.store.families import unnumber
from loom.store.sealing import PlainSealer, Sealer
from loom.store.text import dump

if TYPE_CHECKING:
    from loom.agent._durable import Durable
    from loom.agent._ledger_recovery import Recovery
    from loom.agent._services import Services
    from loom.agent._step import Step
    from loom.agent.context import Context

log = logging.getLogger("loom.agent")
_ANY = Label(Confidentiality.PRIVATE)
_AGAIN = 1.0  # seconds after which an outcome is written again that could not be


class Ledger:
    """Keeps a row for each effect, and the records of steps that have not committed.

    What is *wanted* is written with the step, what is *running* before the function is called, what *ended* with the
    next write.
    """

    def __init__(self, durable: Durable) -> None:
        self._durable = durable
        self.journal = journal = durable.journal
        self.backend = journal.backend
        self.values = Values()
        sealer: Sealer | None = getattr(self.backend, "sealer", None)
        self._sealer = None if sealer is None or type(sealer) is PlainSealer else sealer
        self.retention = Retention(self.backend)
        self.recovery: Recovery | None = None
        last = self.backend.last(Family.OPEN)
        self.horizon = unnumber(last) if last is not None else 0
        self.serial = self.horizon
        self._before = journal.seq  # events up to here may have been handled by an earlier process
        self.present = kept_steps(self.backend)
        self.intents = Intents(open_keys(self.backend))
        self._stash: dict[bytes, Records] = {}
        self._dirty: dict[str, Entry] = {}
        self._flying: dict[str, Entry] = {}
        self._told = False
        journal.committer.companions.append(self)

    @property
    def services(self) -> Services:
        """What the agents of the runtime share."""
        return self._durable.services

    @property
    def busy(self) -> bool:
        """Whether effects of an earlier process have still to be handed in."""
        return self.recovery is not None and self.recovery.busy

    def now_ms(self) -> int:
        """The runtime's time, Unix milliseconds."""
        return self.services.clock.now_ms()

    # --- acts -----------------------------------------------------------------------------------------------------

    def enter(self, ctx: Context, invocation: Invocation) -> None:
        """Give an act its line; raises StateError naming an argument that has no JSON form."""
        action = invocation.action
        swift = not ctx.door.lane.rank
        write = self.values.described if swift else self.values.arguments
        text = write(action, invocation.arguments)
        light = swift or action.idempotent
        invocation.entry = entry = Entry(self, invocation.key, new_row(ctx, action, "act"), text, light)
        if swift:
            labelled(entry.row, ctx.label)

    def intend(self, ctx: Context) -> list[Put]:
        """The intents of the acts of a step, for its commit; acts that are in the ledger already are dropped."""
        effects = ctx.effects
        assert effects is not None
        if self._seen(ctx):
            effects.acts = [act for act in effects.acts if self.find(act.key) is None]
        puts: list[Put] = []
        for act in effects.acts:
            entry = act.entry
            if isinstance(entry, Entry):
                self.serial += 1
                entry.row["n"] = self.serial
                labelled(entry.row, ctx.label)
                puts += entry.intent()
        return puts

    # --- calls ----------------------------------------------------------------------------------------------------

    def sign(self, mark: str) -> str:
        """What stands for *mark* in a key: where rows are sealed, nobody without the store's key can tell of what."""
        if self._sealer is None:
            return mark
        return self._sealer.digest("", _ANY, mark.encode())[:12].hex()

    async def call(self, ctx: Context, invocation: Invocation) -> Any:
        """Run the action of an at-once call, unless it is known to have run under this key.

        What may not be repeated waits until the agent's earlier steps are on disk and is noted before it is called;
        raises like the executor, ActionFailed when nobody knows whether it ran and nobody may try again.
        """
        action = invocation.action
        swift = not ctx.door.lane.rank
        once = not (swift or action.idempotent)
        row = new_row(ctx, action, "call")
        labelled(row, ctx.label)
        entry = Entry(
            self, invocation.key, row, self.values.described(action, invocation.arguments), not once
        )
        invocation.entry = entry
        self.serial += 1
        row["n"] = self.serial
        known = self.find(invocation.key) if once or ctx.attempt > 1 or self._seen(ctx) else None
        if known is not None and self._knows(entry, known, action):
            return self.values.read(known["result"])
        others = self.intents.claim(entry.key) if self.intents else None
        if once or others:
            await self._in_turn(ctx, row, others or [])
        return await self.services.executor.call(invocation)

    async def _in_turn(self, ctx: Context, row: dict[str, Any], others: list[str]) -> None:
        """Wait for the agent's earlier commits; raises Diverged when the step asked for another call here before."""
        number = ctx._calls - 1
        await asyncio.sleep(0)  # what overlaps with this one has begun then
        row["index"], row["alone"] = number, ctx._under_way == 1 and ctx._calls == number + 1
        if any(diverged(row, self.find(other)) for other in others):
            raise Diverged(
                f"{ctx.agent!r} ran again for event {ctx._event.id} and its call {number + 1} is now of "
                f"{row['capability']!r} or has other arguments; an earlier run began another one, and nobody knows "
                "whether that was done"
            )
        await self._settled(ctx)

    def _knows(self, entry: Entry, known: dict[str, Any], action: Action) -> bool:
        """Whether *known* has the result; takes over what it says of earlier runs. Raises ActionFailed."""
        status = known["status"]
        if status == "done" and "result" in known:
            return True
        entry.take_over(known)
        if status in ("failed", "denied", "cancelled") and not (action.at_most_once and known.get("runs")):
            return False
        if action.idempotent:
            return False
        if status != "asking" or known.get("doubt"):  # it ran, or may have, and what it gave is not known
            self._doubt(entry, status, action)
        return False

    def _doubt(self, entry: Entry, status: str, action: Action) -> None:
        if status == "unknown" or action.at_most_once:
            text = f"outcome unknown: {action.name!r} may have run before under key {entry.key!r}"
            if status not in ENDED:
                self.give_up(entry, "it may run at most once, and it is not known whether it did")
            raise ActionFailed(f"{text} and is not run again")
        if status != "asking":
            entry.row.pop("question", None)
        entry.doubtful = True

    async def _settled(self, ctx: Context) -> None:
        """Wait for the agent's earlier commits; a step whose predecessors are taken back is about to be, too."""
        try:
            await ctx._cell.settled()
        except StoreError:
            if ctx.door.hook:
                raise
            await asyncio.get_running_loop().create_future()

    def settle(self, ctx: Context) -> list[Put]:
        """What goes with the end of a step, be it committed or given up: its records go.

        Calls that an earlier run of it had begun and this one did not ask for are unknown for good.
        """
        if self.intents:
            self._leave(ctx)
        if isinstance(ctx.records, KeptRecords):
            return ctx.records.removal()
        if self.present and prefix_of(ctx) in self.present:
            return self._load(prefix_of(ctx)).removal()
        return []

    def _leave(self, ctx: Context) -> None:
        handler = ctx.door.handler.name.rpartition(".")[2]
        for key in self.intents.left(f"{ctx.agent}/{handler}/{ctx._event.id}"):
            row = self.find(key)
            if row is not None and row["status"] not in ENDED:
                entry = Entry(self, key, row, dump(row.pop("arguments", {})), True)
                self.give_up(entry, "the runtime ended while it ran, and its step did not ask for it again")

    # --- records --------------------------------------------------------------------------------------------------

    def records(self, ctx: Step) -> Records:
        """The records of a step that asks for the first time."""
        prefix = prefix_of(ctx)
        if self._stash and (found := self._stash.pop(prefix, None)) is not None:
            found.rewind()
            return found
        if not ctx._event.seq or cursor_of(ctx.door.queue) is None:
            return Records()
        return self._load(prefix)

    def stash(self, ctx: Context) -> None:
        """Keep the records of a step that could not be committed until it runs again."""
        if ctx.records is not None and not ctx.door.hook:
            self._stash[prefix_of(ctx)] = ctx.records

    def _load(self, prefix: bytes) -> KeptRecords:
        records = KeptRecords(self, prefix)
        if prefix in self.present:
            records.load()
        return records

    # --- rows -----------------------------------------------------------------------------------------------------

    def find(self, key: str) -> dict[str, Any] | None:
        """The row of effect *key* as it is, or is about to be on disk; raises StoreCorrupt."""
        entry = self._dirty.get(key) or self._flying.get(key)
        if entry is not None:
            return entry.row
        data = self.backend.get(Family.EFFECTS, key.encode())
        return None if data is None else read_row(key, data)

    async def keep(self, entry: Entry) -> None:
        """Return when the row of *entry* is on disk; raises StoreError for a call, tries again for an act."""
        failures = 0
        while True:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._dirty.pop(entry.key, None)
            self.journal.committer.add(Commit(entry.puts(), partial(_arrive, waiter)))
            try:
                await waiter
            except StoreError as error:
                if entry.row["kind"] == "call":
                    raise
                failures += 1
                log.error("effect %s waits for the store: %s", entry.key, error)
                await asyncio.sleep(backoff(0.1, 2.0, 10.0, 0.2, failures, self.services.random))
            else:
                entry.former = 0
                return

    def note(self, entry: Entry) -> None:
        """Have the row of *entry* written with the next write."""
        self._dirty[entry.key] = entry
        self._submit()

    def give_up(self, entry: Entry, why: str) -> None:
        """*entry* ends unknown, and that is told on ``loom.action.unknown``."""
        row = entry.row
        entry.doubtful = True
        entry.end("unknown", f"outcome unknown: {why}")
        log.error("%s of %s: outcome unknown: %s", row["capability"], row["agent"], why)
        self.announce("unknown", entry.key, row, why)

    def announce(self, what: str, key: str, row: dict[str, Any], why: str) -> None:
        """Publish ``loom.action.<what>`` about an effect to whoever can take it now."""
        facts = {"key": key, "why": why, **{name: row[name] for name in ("capability", "version", "agent")}}
        self.say(Event(what, facts, topic=f"loom.action.{what}", source="loom", cause=row["cause"]))

    def say(self, event: Event) -> None:
        """Publish what the runtime has to say of an effect: where somebody durable listens, he hears of it for sure."""
        bus = self.services.bus
        if bus.closed:
            return
        if bus.spooled(event.topic) and not self.journal.committer.closed:
            self.journal.append(event)
        else:
            bus.offer(event)

    # --- an earlier process ---------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Run what an earlier process left open, before anything new runs; called once, on the loop."""
        from loom.agent._ledger_recovery import Recovery

        self.recovery = Recovery(self)
        if self.horizon:
            self.services.executor.held = True
            self.services.spawn(self.recovery.run())

    def wake(self) -> None:
        """Look again at what had no capability: one was added."""
        if self.recovery is not None and self.recovery.unresolved:
            self.services.spawn(self.recovery.retry())

    # --- with every write -----------------------------------------------------------------------------------------

    def finish(self, batch: Sequence[Commit]) -> list[Put]:
        """The outcomes since the last write, and what retention takes away."""
        self._told = False
        self._flying, self._dirty = self._dirty, {}
        puts = [put for entry in self._flying.values() for put in entry.puts()]
        return puts + self.retention.prune(self.now_ms()) if self.services is not None else puts

    def landed(self, batch: Sequence[Commit], error: StoreError | None) -> None:
        """The outcomes are kept, or are to be written again."""
        flying, self._flying = self._flying, {}
        self.retention.landed(error is None, sum(e.status in ENDED for e in flying.values()))
        if error is None:
            for entry in flying.values():
                entry.former = 0
        elif flying:
            self._dirty = {**flying, **self._dirty}
            self.services.timers.after(_AGAIN, self._submit)
        self.stir(error)

    def _submit(self) -> None:
        committer = self.journal.committer
        if not self._told and self._dirty and not committer.closed:
            self._told = True
            committer.add(Commit([], self.stir, sync=False))

    async def written(self) -> None:
        """Return when the outcomes and the records so far are on disk, or could not be written this time."""
        committer = self.journal.committer
        if not committer.closed:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            committer.add(Commit([], lambda error: _arrive(waiter, None), sync=False))
            await waiter

    def stir(self, error: StoreError | None) -> None:
        """A write is over: whoever waits for the runtime to be idle may look."""
        if self.services is not None:
            self.services.scheduler.on_idle()

    def _seen(self, ctx: Context) -> bool:
        """Whether an earlier process, or an earlier delivery, may have handled the event of this step already."""
        seq = ctx._event.seq
        cursor = cursor_of(ctx.door.queue) if seq else None
        return cursor is not None and (seq <= self._before or seq <= cursor.position)


def _arrive(waiter: asyncio.Future[None], error: StoreError | None) -> None:
    if waiter.done():
        return
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(error)
