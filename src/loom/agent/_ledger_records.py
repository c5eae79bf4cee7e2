"""Records that outlive the process: what a step was told, until the step is committed or given up."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from loom.agent._ledger_values import read_error, read_events, write_error, write_events
from loom.agent._records import Record, Records
from loom.errors import LoomError
from loom.event import PUBLIC, Label
from loom.journal import Commit
from loom.store import Backend, Family, Put
from loom.store.families import after, join, number, unnumber
from loom.store.text import dump

if TYPE_CHECKING:
    from loom.agent._ledger import Ledger
    from loom.agent._step import Step

log = logging.getLogger("loom.agent")


def prefix_of(ctx: Step) -> bytes:
    """Where the records of a step are kept."""
    return join(ctx.agent, ctx._event.id, ctx.door.handler.name.rpartition(".")[2])


def kept_steps(backend: Backend) -> set[bytes]:
    """The steps of which an earlier process kept records."""
    found: set[bytes] = set()
    rows = backend.scan(Family.RECORDS)
    while rows:
        found.update(key[:-9] for key, _ in rows)
        rows = backend.scan(Family.RECORDS, rows[-1][0] + b"\0")
    return found


class KeptRecords(Records):
    """The results of one event's attempts, in memory and in the store."""

    __slots__ = ("_ledger", "_prefix", "_rows")

    def __init__(self, ledger: Ledger, prefix: bytes) -> None:
        super().__init__()
        self._ledger = ledger
        self._prefix = prefix
        self._rows: set[int] = set()

    def load(self) -> None:
        """Take in what an earlier process kept; a row that does not make sense is as good as none."""
        start, end = self._prefix + b"\0", after(self._prefix + b"\0")
        for key, row in self._ledger.backend.scan(Family.RECORDS, start, end, 100_000):
            which = unnumber(key[-8:])
            self._rows.add(which)
            try:
                self._kept[which] = self._parsed(json.loads(row))
            except (ValueError, KeyError, TypeError, LoomError) as error:
                log.error("a record of %r cannot be read: %s", self._prefix, error)

    def keep(self, number: int, record: Record, label: Label = PUBLIC) -> int:
        """Remember how call *number* ended, and have it written; one that cannot be is asked for again."""
        number = super().keep(number, record)
        text = self._text(record, label)
        if text is not None:
            self._rows.add(number)
            self._submit([Put(Family.RECORDS, self._key(number), text)])
        return number

    def forget_failure(self, failure: BaseException, asked: int) -> list[int]:
        """Forget the errors that made the step fail, here and in the store."""
        gone = super().forget_failure(failure, asked)
        rows = [which for which in gone if which in self._rows]
        self._rows.difference_update(rows)
        if rows:
            self._submit([Put(Family.RECORDS, self._key(which), None) for which in rows])
        return gone

    def removal(self) -> list[Put]:
        """What takes them out of the store, with the commit of the step."""
        self._ledger.present.discard(self._prefix)
        return [Put(Family.RECORDS, self._key(which), None) for which in sorted(self._rows)]

    def discard(self) -> None:
        """The step will not run again, and commits nothing."""
        puts = self.removal()
        if puts:
            self._submit(puts)

    def _submit(self, puts: list[Put]) -> None:
        committer = self._ledger.journal.committer
        if not committer.closed:
            committer.add(Commit(puts, self._ledger.stir, sync=False))

    def _key(self, which: int) -> bytes:
        return join(self._prefix, number(which))

    def _text(self, record: Record, label: Label) -> bytes | None:
        """The row of *record*, or None when its result has no form that lasts: it is asked for again then."""
        row: dict[str, Any] = {"mark": record.mark, "asked": record.asked, "alone": record.alone}
        if label != PUBLIC:
            row["l"] = [int(label.confidentiality), int(label.untrusted)]
        if record.error is not None:
            row["error"] = write_error(record.error)
            if record.result is None:
                return dump(row).encode()
        events = write_events(record.result)
        if events is not None:
            return dump({**row, "events": events}).encode()
        result = self._ledger.values.write(record.result)
        return None if result is None else f'{dump(row)[:-1]},"result":{result}}}'.encode()

    def _parsed(self, row: dict[str, Any]) -> Record:
        result, error = None, None
        if "error" in row:
            error = read_error(row["error"])
        if "events" in row:
            result = read_events(row["events"])
        elif "result" in row or error is None:
            result = self._ledger.values.read(row["result"])
        return Record(row["mark"], result, error, row["asked"], row["alone"])
