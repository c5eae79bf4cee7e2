"""The events of a store, one after another, as `loom store` shows and exports them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from loom.errors import MissingKey, Shredded, StoreCorrupt
from loom.event.topic import matches

if TYPE_CHECKING:
    from loom.event import Event
    from loom.store.sealed import SealedBackend
    from loom.store.vault import Vault

EVERYTHING = (">",)
_WINDOW = 256


class Entry(NamedTuple):
    """The event with this number in the journal, or why it cannot be read: `sealed`, `shredded`, what is broken."""

    number: int
    event: Event | None
    why: str = ""


def head_of(store: SealedBackend) -> int:
    """The number of the last event; 0 when there is none."""
    from loom.store import Family
    from loom.store.families import unnumber

    last = store.last(Family.JOURNAL)
    return 0 if last is None else unnumber(last)


def entries(
    store: SealedBackend, pattern: tuple[str, ...], first: int, last: int | None = None
) -> Iterator[Entry]:
    """The events from number *first* to *last* whose topic matches; those that cannot be read match `>` alone."""
    from loom.store import Family
    from loom.store.families import number
    from loom.store.vault import Vault

    vault = Vault(store)
    start, end = number(first), None if last is None else number(last + 1)
    while rows := store.backend.scan(Family.JOURNAL, start, end, _WINDOW):
        for key, row in rows:
            entry = _entry(store, vault, (key, row))
            event = entry.event
            if pattern == EVERYTHING or (event is not None and matches(pattern, event.topic.split("."))):
                yield entry
        start = rows[-1][0] + b"\0"


def last_entries(store: SealedBackend, pattern: tuple[str, ...], wanted: int) -> list[Entry]:
    """The last *wanted* events whose topic matches, oldest first."""
    found: list[Entry] = []
    last = head_of(store)
    while last > 0 and len(found) < wanted:
        first = max(1, last - _WINDOW + 1)
        found = [*entries(store, pattern, first, last), *found]
        last = first - 1
    return found[-wanted:] if wanted else []


def _entry(store: SealedBackend, vault: Vault, kept: tuple[bytes, bytes]) -> Entry:
    from loom.journal.row import decode_event
    from loom.store import Family
    from loom.store.families import unnumber

    key, row = kept
    seq = unnumber(key)
    try:
        return Entry(seq, decode_event(seq, store.opened(Family.JOURNAL, key, row), vault))
    except Shredded:
        return Entry(seq, None, "shredded")
    except MissingKey:
        return Entry(seq, None, "sealed")
    except StoreCorrupt as error:
        return Entry(seq, None, str(error))
