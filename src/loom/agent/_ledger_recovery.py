"""After a crash: what the effects of an earlier process come to, read on from the store as the executor has room."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from loom.actions import Action, Invocation
from loom.actions.registry import granted
from loom.agent._ledger_entry import DOUBT, Entry
from loom.errors import LoomError, StoreError, UnknownAction
from loom.journal import Commit
from loom.store import Family, Put
from loom.store.families import number
from loom.store.text import dump

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loom.agent._ledger import Ledger

log = logging.getLogger("loom.agent")
_CHUNK = 64
_UNRESOLVED = (
    1024  # of so many it is remembered that they wait for a capability; of others when the runtime starts
)


def fate(row: Mapping[str, Any], action: Action | None) -> str:
    """What becomes of an open effect of an earlier process.

    ``run``, ``doubt`` (run it when somebody says so), ``unknown`` or ``cancelled`` (it ends so), ``wait`` (its step
    runs again and decides) or ``unresolved`` (nobody provides it any more).
    """
    doubt = row["status"] == "running" or bool(row.get("doubt"))
    if row["kind"] == "call":
        return "wait" if row.get("seq") else "unknown" if doubt else "cancelled"
    if action is None:
        return "unresolved"
    if not doubt or action.idempotent:
        return "run"
    return "unknown" if action.at_most_once or row.get("once") else "doubt"


class Recovery:
    """Hands the open effects of an earlier process to the executor, oldest first, never more than it takes."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.busy = ledger.horizon > 0
        self.unresolved: dict[str, int] = {}
        self.recovered = 0

    async def run(self) -> None:
        """Go through all of them; new acts may run afterwards."""
        ledger = self._ledger
        end = number(ledger.horizon + 1)
        start = b""
        try:
            while rows := ledger.backend.scan(Family.OPEN, start, end, _CHUNK):
                for spot, _ in rows:
                    await self._take(spot)
                start = rows[-1][0] + b"\0"
        finally:
            self.busy = False
            ledger.services.executor.release()

    async def retry(self) -> None:
        """Look again at what nobody provided."""
        waiting, self.unresolved = self.unresolved, {}
        for key, n in waiting.items():
            await self._take(number(n) + b"\0" + key.encode())

    async def _take(self, spot: bytes) -> None:
        ledger, key = self._ledger, spot[9:].decode()
        try:
            row = ledger.find(key)
        except StoreError as error:
            log.error("%s; it stays open", error)
            return
        if row is None:
            log.error("effect %r is open and has no row; it is forgotten", key)
            ledger.journal.committer.add(Commit([Put(Family.OPEN, spot, None)], ledger.stir, sync=False))
            return
        self.recovered += 1
        await self._decide(key, row)

    async def _decide(self, key: str, row: dict[str, Any]) -> None:
        ledger = self._ledger
        action, why = self._find(row)
        end = fate(row, action)
        if row.get("scope") in ledger.services.cancelled:
            end = "cancelled"
        if end == "unresolved":
            self._report(key, row, why)
            return
        entry = Entry(
            ledger, key, row, dump(row.pop("arguments", {})), action is not None and action.idempotent
        )
        if end == "unknown":
            ledger.give_up(entry, "the runtime ended while it ran, and it may not run again")
        elif end == "cancelled":
            entry.end("cancelled", "its scope was cancelled, or its step went with the runtime")
        elif end != "wait" and action is not None:
            await self._submit(entry, action, end == "doubt")

    async def _submit(self, entry: Entry, action: Action, doubtful: bool) -> None:
        ledger, row = self._ledger, entry.row
        try:
            arguments = ledger.values.restored(action, json.loads(entry.arguments))
        except LoomError as error:
            self._report(entry.key, row, f"its arguments fit no more: {error}")
            return
        invocation = Invocation(action, arguments, entry.key, row["agent"], row.get("scope"))
        invocation.entry = entry
        if row["status"] == "running" or (not doubtful and row.get("question", {}).get("why") == DOUBT):
            row.pop("question", None)  # what was answered then was about an earlier run
        entry.doubtful = doubtful
        if self._revoked(row):
            entry.end("denied", f"{row['agent']!r} is not granted {action.name!r} any more")
            return
        executor = ledger.services.executor
        while not executor.submit(invocation, recovered=True):
            await executor.room(recovered=True)

    def _find(self, row: Mapping[str, Any]) -> tuple[Action | None, str]:
        """The capability in the version that was meant, or None and why there is none."""
        registry, name = self._ledger.services.executor.registry, row["capability"]
        try:
            return registry.find(f"{name}@{row['version']}"), ""
        except UnknownAction:
            pass
        if name in registry:
            return None, f"version {row['version']} was meant and {registry.find(name).version} is there"
        return None, "nobody provides this capability any more"

    def _revoked(self, row: Mapping[str, Any]) -> bool:
        cell = self._ledger.services.cells.get(row["agent"])
        return cell is not None and not granted(row["capability"], cell.grants)

    def _report(self, key: str, row: dict[str, Any], why: str) -> None:
        """Leave it open, and say so."""
        name, version, agent = row["capability"], row["version"], row["agent"]
        log.error("effect %s of %s stays open: %s@%s: %s", key, agent, name, version, why)
        if len(self.unresolved) < _UNRESOLVED:
            self.unresolved[key] = row["n"]
        self._ledger.announce("unresolved", key, row, why)
