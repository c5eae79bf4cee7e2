"""Reading a whole store as its readers would, and saying what they could not read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from loom.cli._output import count, counted, size
from loom.errors import MissingKey, Shredded, StoreCorrupt

if TYPE_CHECKING:
    from loom.store import Family
    from loom.store.sealed import SealedBackend

FINE, UNSEEN, BROKEN = "ok", "--", "NO"


class Finding(NamedTuple):
    """One thing looked at: `ok`, `--` for what could not be looked at, `NO` for something broken."""

    mark: str
    text: str


def audit(store: SealedBackend) -> Iterator[Finding]:
    """Everything there is to find out about *store*: files, events, states and the like, data keys."""
    wrong = False
    for line in store.verify():
        wrong = True
        yield Finding(BROKEN, line)
    if not wrong:
        yield Finding(FINE, f"files: {size(store.nbytes())}")
    seen: Counter[str] = Counter()
    yield from _events(store, seen)
    yield from _documents(store, seen)
    if seen["shredded"]:
        yield Finding(FINE, f"{counted(seen['shredded'], 'row')} of shredded subjects")
    if seen["sealed"]:
        yield Finding(UNSEEN, f"{counted(seen['sealed'], 'sealed row')}: no key is given")
    yield from _keys(store)


def _events(store: SealedBackend, seen: Counter[str]) -> Iterator[Finding]:
    from loom.journal.row import decode_event
    from loom.store import Family
    from loom.store.families import unnumber
    from loom.store.vault import Vault

    read, vault = 0, Vault(store)
    for key, row in _plain_rows(store, Family.JOURNAL, seen):
        number = unnumber(key)
        try:
            if isinstance(row, StoreCorrupt):
                raise row
            event = decode_event(number, row, vault)
            read += 1
            if store.get(Family.IDS, event.id.encode()) != key:
                yield Finding(BROKEN, f"journal entry {number}: its id {event.id!r:.100} does not lead to it")
        except StoreCorrupt as error:
            yield Finding(BROKEN, f"journal entry {number}: {error}")
    last = store.last(Family.JOURNAL)
    yield Finding(
        FINE,
        f"journal: {counted(read, 'event')}" + (f", the last is number {unnumber(last)}" if last else ""),
    )


def _documents(store: SealedBackend, seen: Counter[str]) -> Iterator[Finding]:
    """The families whose rows are lines of JSON."""
    from loom.store import Family

    read: Counter[str] = Counter()
    for name in ("states", "changes", "bases", "steps", "records", "effects", "timers", "dead", "notes"):
        family = Family(name)
        for key, row in _plain_rows(store, family, seen):
            try:
                if isinstance(row, StoreCorrupt):
                    raise row
                for line in row.split(b"\n"):
                    json.loads(line)
                read[name] += 1
            except (StoreCorrupt, ValueError) as error:
                yield Finding(BROKEN, f"{name} {key!r:.100}: {error}")
    told = ", ".join(f"{count(number)} {name}" for name, number in read.items()) or "nothing"
    yield Finding(FINE, f"beside it: {told}")


def _plain_rows(
    store: SealedBackend, family: Family, seen: Counter[str]
) -> Iterator[tuple[bytes, bytes | StoreCorrupt]]:
    """The rows of *family* as their readers see them, or why they cannot."""
    from loom.store._subjects import SEALED

    start = b""
    while rows := store.backend.scan(family, start):
        for key, row in rows:
            try:
                yield key, store.opened(family, key, row) if family in SEALED else row
            except Shredded:
                seen["shredded"] += 1
            except MissingKey:
                seen["sealed"] += 1
            except StoreCorrupt as error:
                yield key, error
        start = rows[-1][0] + b"\0"


def _keys(store: SealedBackend) -> Iterator[Finding]:
    from loom.store import Family

    check = getattr(store.sealer, "verify", None)
    if check is None:
        return
    faults = list(check())
    yield from (Finding(BROKEN, line) for line in faults)
    if not faults:
        yield Finding(FINE, f"data keys: {count(store.count(Family.KEYS))}")
