"""Dead letters that are tried again: handed, one after the other, to the subscription that gave them up."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from loom.agent._mailbox import Mailbox
from loom.bus import Line, Queue
from loom.errors import Closed, LoomError
from loom.event import QoS
from loom.journal.queue import cursor_of

if TYPE_CHECKING:
    from loom.agent._causes import Causes
    from loom.journal.dead import Letter

log = logging.getLogger("loom.agent")
_CHUNK = 64


class Revival:
    """Delivers the letters that somebody wants tried again. A letter goes away with the step that handles it."""

    def __init__(self, causes: Causes) -> None:
        self._causes = causes
        self._wanted = False
        self._running = False
        self.busy = False

    def begin(self) -> None:
        """Deliver what is marked, now or as soon as the present round is over."""
        self._wanted = True
        if not self._running:
            self._running = self.busy = True
            self._causes.services.spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._wanted:
                self._wanted = False
                await self._round()
        except Closed:  # the runtime ends; what is marked stays marked
            return
        finally:
            self._running = self.busy = False
            self._causes.services.scheduler.on_idle()

    async def _round(self) -> None:
        dead, last = self._causes.dead, 0
        places = self._places()
        while letters := dead.letters(after=last, limit=_CHUNK):
            last = letters[-1].number
            for letter in letters:
                if letter.retry:
                    await self._revive(letter, places.get(letter.subscription))
            await asyncio.sleep(0)

    async def _revive(self, letter: Letter, queue: Queue | None) -> None:
        causes, key = self._causes, (letter.subscription, letter.id)
        if key in causes.retrying and causes.retrying[key].number == letter.number:
            return
        try:
            event = causes.dead.event(letter)
        except LoomError as error:
            log.error("dead letter %d cannot be tried again: %s", letter.number, error)
            event = None
        if queue is None or event is None:
            why = "its event is no longer kept" if queue else f"there is no {letter.subscription!r}"
            log.warning("dead letter %d waits: %s", letter.number, why)
            return
        if queue.qos is QoS.REALTIME:  # at most once: it is gone before it is handled
            await causes.write(causes.dead.remove(letter))
            queue.put(event)
            return
        causes.retrying[key] = letter
        if queue.has_room(event):
            queue.put(event)
        else:
            self.busy = False  # whoever is full may be paused: that is not work on its way
            await Line(event, [[queue]]).wait(None)
            self.busy = True

    def _places(self) -> dict[str, Queue]:
        """The queues of all agents by the name of their subscription; those of keys are filled by their agent."""
        found: dict[str, Queue] = {}
        for cell in self._causes.services.cells.values():
            for queue in cell.queues():
                if not isinstance(queue, Mailbox):
                    cursor = cursor_of(queue)
                    found.setdefault(queue.name if cursor is None else cursor.name, queue)
        return found
