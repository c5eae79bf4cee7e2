"""Reading a whole store as its readers would, and saying what they could not read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from loom.cli._output import count, counted, size
from loom.errors import MissingKey, Shredded, StoreCorrupt

if TYPE_CHECKING:
    from loom.cli._store_readers import Read
    from loom.journal._plain import Found
    from loom.store import Family
    from loom.store.sealed import SealedBackend

FINE, UNSEEN, BROKEN = "ok", "--", "NO"


class Finding(NamedTuple):
    """One thing looked at: `ok`, `--` for what could not be looked at, `NO` for something broken."""

    mark: str
    text: str


def audit(store: SealedBackend) -> Iterator[Finding]:
    """Everything there is to find out about *store*: its files, its rows, what leads where, its data keys."""
    wrong = False
    for line in store.verify():
        wrong = True
        yield Finding(BROKEN, line)
    if not wrong:
        yield Finding(FINE, f"files: {size(store.nbytes())}")
    seen: Counter[str] = Counter()
    yield from _rows(store, seen)
    yield from _timers(store)
    yield from _lost(store)
    if seen["shredded"]:
        yield Finding(FINE, f"{counted(seen['shredded'], 'row')} of shredded subjects")
    if seen["sealed"]:
        yield Finding(UNSEEN, f"{counted(seen['sealed'], 'sealed row')}: no key is given")
    yield from _keys(store)


def _rows(store: SealedBackend, seen: Counter[str]) -> Iterator[Finding]:
    """Every row, read by its reader."""
    from loom.cli._store_readers import readers
    from loom.store import Family
    from loom.store.families import unnumber

    told = []
    for family, read in readers(store).items():
        number = 0
        for text in _unreadable(store, family, read, seen):
            if text is None:
                number += 1
            else:
                yield Finding(BROKEN, text)
        if family is Family.JOURNAL:
            last = store.last(family)
            end = f", the last is number {unnumber(last)}" if last else ""
            yield Finding(FINE, f"journal: {counted(number, 'event')}{end}")
        elif number and family in NAMES:
            told.append(counted(number, NAMES[family]))
    yield from (Finding(FINE, f"beside it: {line}") for line in _lines(told))


NAMES = {
    "positions": "position", "dead": "dead letter", "notes": "note", "states": "state", "bases": "earlier state",
    "changes": "state change", "steps": "step", "timers": "timer", "effects": "effect", "records": "record",
    "blobs": "large value",
}  # fmt: skip
"""What one row of a family is called; the others are lists of those."""


def _lines(told: list[str]) -> Iterator[str]:
    """What is told, a few things a line."""
    for start in range(0, len(told), 4):
        yield ", ".join(told[start : start + 4])
    if not told:
        yield "nothing"


def _unreadable(store: SealedBackend, family: Family, read: Read, seen: Counter[str]) -> Iterator[str | None]:
    """None for each row of *family* that can be read, and what is wrong with each other one."""
    from loom.journal._plain import each_row

    for key, row in each_row(store, family, 64):
        try:
            wrong = _wrong(read, key, row)
            if wrong is not None:  # perhaps somebody changed it meanwhile, or what it belongs to
                now = _again(store, family, key)
                wrong = None if now is None else _wrong(read, key, now)
        except Shredded:
            seen["shredded"] += 1
        except MissingKey:
            seen["sealed"] += 1
        else:
            yield None if wrong is None else _told(_place(family, key), wrong)


def _wrong(read: Read, key: bytes, row: Found) -> str | None:
    """What is wrong with a row; raises Shredded and MissingKey for one that cannot be looked at."""
    try:
        if isinstance(row, Exception):
            raise row
        read(key, row)
    except (StoreCorrupt, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        return str(error)
    return None


def _again(store: SealedBackend, family: Family, key: bytes) -> Found | None:
    from loom.journal._plain import plain_rows

    rows = plain_rows(store, family, key, key + b"\0", 1)
    return rows[0][1] if rows else None


def _told(place: str, wrong: str) -> str:
    return f"{place}: {_ADVICE.sub('', wrong).removeprefix(place).lstrip(' :')}"


_ADVICE = re.compile("; (run|look closer with): loom store verify$")


def _place(family: Family, key: bytes) -> str:
    """What is kept under *key*, in words."""
    from loom.store.families import unnumber

    if family in ("journal", "dead"):
        return f"{'journal entry' if family == 'journal' else 'dead letter'} {unnumber(key)}"
    if family in ("steps", "notes", "open", "ended"):
        rest = key[9:].decode("utf-8", "replace")
        return f"{family} {unnumber(key)} {rest!r:.80}" if rest else f"{family} {unnumber(key)}"
    if family == "blobs":
        return f"large value {key[-16:].hex()}"
    return f"{family} {key.decode('utf-8', 'replace')!r:.100}"


def _timers(store: SealedBackend) -> Iterator[Finding]:
    """Timers that would never be due, or are due and not there."""
    from loom.agent._timer_faults import timer_faults

    try:
        found = {text for text, mend in timer_faults(store) if mend}  # the others were told with their rows
        if found:  # a timer that fired meanwhile is not wrong the second time
            found.intersection_update(text for text, _ in timer_faults(store))
    except (MissingKey, StoreCorrupt):
        return  # told with their rows
    yield from (Finding(BROKEN, text) for text in sorted(found))


def _lost(store: SealedBackend) -> Iterator[Finding]:
    """Ids that lead to nothing: harmless, and taken away by compact."""
    from loom.journal.sweep import lost_ids

    lost = sum(1 for _ in lost_ids(store))
    if lost:
        yield Finding(FINE, f"{counted(lost, 'id')} without an event; taken away by: loom store compact")


def _keys(store: SealedBackend) -> Iterator[Finding]:
    from loom.store import Family

    check = getattr(store.sealer, "verify", None)
    if check is None:
        return
    faults = list(check())
    yield from (Finding(BROKEN, line) for line in faults)
    if not faults:
        yield Finding(FINE, f"data keys: {count(store.count(Family.KEYS))}")
