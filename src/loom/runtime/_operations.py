"""What people ask of a running runtime beside giving it work: why, dead letters, pause and resume."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from loom.errors import ConfigError
from loom.runtime._durability import retain
from loom.store.families import Family, join

if TYPE_CHECKING:
    from datetime import datetime

    from loom.agent import Cell, DeadLetter, Services
    from loom.agent._durable import Durable
    from loom.bus import Bus, Subscription
    from loom.journal import Journal
    from loom.journal.dead import Letter
    from loom.journal.why import Why
    from loom.runtime._approvals import Approvals


class Operations:
    """The part of a Loom that people operate it by."""

    bus: Bus
    approvals: Approvals
    _services: Services
    _durable: Durable | None

    def subscribe(
        self, pattern: str, *, durable: str | None = None, start: str | int | datetime = "now", **options: Any
    ) -> Subscription:
        """A subscription to read events from; options as ``Bus.subscribe``.

        A *durable* one has a name and goes on where it was, also after a crash: an event is settled when whoever took
        it asks for the next. A new one begins at *start*: ``"now"``, ``"beginning"``, after a journal number, or at a
        datetime with a time zone (nearly, where events came out of the order of their timestamps). Raises ConfigError
        for a name that is being read, or without a store.
        """
        if durable is None:
            return self.bus.subscribe(pattern, **options)
        from loom.journal.follower import follow

        return follow(self._journal(), pattern, durable, start, options)

    async def forget(self, durable: str) -> None:
        """End the durable subscription *durable* for good: its position is not kept any more.

        Raises ConfigError when there is none or somebody reads it, StoreError.
        """
        from loom.journal.follower import forget

        await forget(self._journal(), durable)

    def journal(self, pattern: str, **rule: Any) -> None:
        """Let a rule hold for the topics of *pattern*; of several that match the one that was added last decides.

        *keep* (True: journalled whoever listens, False: never), *sync* (False: a publisher does not wait for the disk,
        only for the operating system), and how long events stay, each topic for itself: *age* in seconds (30 days
        unless said, None for ever), *count*, *size* in bytes, *compact* (the last event of each key). What a durable
        subscription has not handled yet always stays. Raises ConfigError, InvalidTopic.
        """
        journal = self._journal()
        journal.rules.add(pattern, **rule)
        self.bus.attach_spool(journal)

    async def tidy(self) -> int:
        """Take away now what has outlived its rule, as happens every hour; returns how many events.

        Raises StoreError, Closed; what was taken away until then stays so.
        """
        self._journal()
        assert self._durable is not None
        return await retain(self._durable, self._services.clock.now_ms())

    def abandon(self) -> None:
        """Close the store of a runtime that is never started."""
        if self._durable is not None:
            self._durable.journal.close()
            self._durable.backend.close()

    def _journal(self) -> Journal:
        if self._durable is None:
            raise ConfigError("this runtime has no journal: make it with Loom(data=...)")
        return self._durable.journal

    async def why(self, id: str) -> Why:
        """What led to an event, timer, action or dead letter, from its source on, and what came of it.

        *id* is an event's id, ``#`` and a journal number, a timer's id, an idempotency key, ``dead:7`` or
        ``agent:NAME``. A runtime without a store answers from a ring of notes, if it was made with ``causes=True``.
        Raises ConfigError for what cannot be an id.
        """
        from loom.journal._why_facts import Facts, MemoryFacts, StoreFacts
        from loom.journal.why import Why, explain

        notes = self._services.notes
        if notes is None:
            told = "this runtime keeps no causes: make it with Loom(causes=True), or with Loom(data=...)"
            return Why(id, False, told, "no longer kept")
        facts: Facts
        if self._durable is None:
            facts = MemoryFacts(notes.waiting())
            return explain(facts, id)
        facts = StoreFacts(self._durable.backend, notes.waiting())
        return await asyncio.to_thread(explain, facts, id)

    @property
    def dead(self) -> Dead:
        """The dead letters that are kept on disk; raises ConfigError for a runtime without a store."""
        if self._durable is None:
            raise ConfigError(
                "dead letters are kept with Loom(data=...); see loom.dead_letters for the last ones"
            )
        return Dead(self._durable)

    def approve(self, question: str, allow: bool = True, by: str = "") -> bool:
        """Answer an approval that was requested on ``loom.approval.requested``; *by* says who did, for the records."""
        return self.approvals.answer(question, allow, by)

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """The last events nobody could handle, oldest first."""
        return list(self._services.dead_letters)

    @property
    def observers(self) -> Any:
        """Where observers are attached."""
        return self.bus.observers

    async def pause(self, agent: str) -> None:
        """Let *agent* finish its step and handle nothing more until ``resume``, also after a restart.

        What comes meanwhile waits in its queues and in the journal. Raises ConfigError, StoreError.
        """
        cell = self._cell(agent)
        self._services.paused.add(agent)
        if cell.status == "running":
            cell.status = "paused"
        await self._note(agent, b"1")
        self._services.scheduler.on_idle()

    async def resume(self, agent: str) -> None:
        """Let *agent* go on after ``pause``, if it was paused. Raises ConfigError, StoreError."""
        cell = self._cell(agent)
        self._services.paused.discard(agent)
        await self._note(agent, None)
        if cell.status == "paused":
            cell.status = "running"
            cell.wake()

    async def unpark(self, agent: str) -> None:
        """Start a parked agent again with a clean record."""
        cell = self.agent(agent)
        if cell.status != "parked":
            raise ConfigError(f"{agent!r} is {cell.status}, not parked")
        await cell.life.unpark()

    def agent(self, name: str) -> Cell:
        """The running agent called *name*; raises ConfigError."""
        cells = self._services.cells
        if name not in cells:
            raise ConfigError(f"no agent {name!r}; there are {', '.join(sorted(cells)) or 'none'}")
        return cells[name]

    def _cell(self, agent: str) -> Cell:
        if "/" in agent:
            raise ConfigError(f"pause the whole agent, {agent.partition('/')[0]!r}, not one of its keys")
        return self.agent(agent)

    async def _note(self, agent: str, value: bytes | None) -> None:
        if self._durable is not None:
            from loom.store import Put

            await self._durable.causes.write([Put(Family.META, paused_key(agent), value)])


class Dead:
    """The dead letters of a durable runtime."""

    def __init__(self, durable: Durable) -> None:
        self._causes = durable.causes
        self._letters = durable.causes.dead

    def __len__(self) -> int:
        return self._letters.count

    @property
    def gone(self) -> int:
        """How many were given up to keep their number and age bounded, since the store was made."""
        return self._letters.gone

    def letters(self, agent: str | None = None, after: int = 0, limit: int = 1000) -> list[Letter]:
        """At most *limit* letters beyond number *after*, oldest first; of one *agent* if that is given."""
        return self._letters.letters(agent, after, limit)

    async def retry(self, *letters: int) -> None:
        """Have these letters handled again, each by the subscription that gave it up; one that fails is dead again.

        Raises ConfigError for one that is not there or cannot be tried again, and then none of them is.
        """
        puts = [put for each in letters for put in self._letters.mark(self._letters.get(each))]
        await self._causes.write(puts)
        self._causes.revival.begin()

    async def retry_all(self, agent: str | None = None) -> int:
        """Have every letter handled again that can be, of one *agent* if that is given; returns how many."""
        wanted = [each.number for each in retryable(self._letters, agent)]
        await self.retry(*wanted)
        return len(wanted)

    async def drop(self, letter: int) -> None:
        """Forget a letter for good; raises ConfigError when it is not there."""
        await self._causes.write(self._letters.remove(self._letters.get(letter)))


def note_causes(services: Services) -> None:
    """Keep a ring of notes in memory for the runtime of *services*."""
    from loom.agent._causes import watch
    from loom.journal.notes import Notes

    watch(services, Notes(services.bus))


def retryable(letters: Any, agent: str | None) -> list[Letter]:
    """The letters that a subscription gave up and whose event is still kept."""
    found: list[Letter] = []
    while page := letters.letters(agent, found[-1].number if found else 0):
        found += page
    return [each for each in found if each.subscription and letters.event(each) is not None]


def paused_key(agent: str) -> bytes:
    """Where META says that *agent* is paused."""
    return join("paused", agent)
