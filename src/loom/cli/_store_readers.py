"""For each family of a store what reads one of its rows, or raises what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from loom.errors import StoreCorrupt
from loom.store import Family
from loom.store._squeeze import unsqueeze
from loom.store.families import unnumber
from loom.store.leaves import digest_of

if TYPE_CHECKING:
    from loom.store.sealed import SealedBackend

Read = Callable[[bytes, bytes], object]


def readers(store: SealedBackend) -> dict[Family, Read]:
    """What reads the rows of each family; each takes a key and a row in the clear.

    They raise StoreCorrupt, MissingKey, Shredded, or an error of reading.
    """
    return {**_of_journal(store), **_of_agents(store), **_of_effects(store), Family.BLOBS: _leaf}


def _of_journal(store: SealedBackend) -> dict[Family, Read]:
    from loom.journal.cursor import read_position
    from loom.journal.dead import read_letter
    from loom.journal.notes import read_note
    from loom.journal.row import decode_event
    from loom.store.vault import Vault

    vault = Vault(store)

    def event(key: bytes, row: bytes) -> None:
        number = unnumber(key)
        found = decode_event(number, row, vault)
        if store.get(Family.IDS, found.id.encode()) != key:
            raise StoreCorrupt(f"its id {found.id!r:.100} does not lead to it")

    def position(key: bytes, row: bytes) -> None:
        _, known = read_position(key.decode("utf-8", "replace"), row)
        last = store.last(Family.JOURNAL)
        head = 0 if last is None else unnumber(last)
        if known.top > head:
            raise StoreCorrupt(f"it is at number {known.top}, and the journal ends with number {head}")

    def note(key: bytes, row: bytes) -> None:
        if read_note(row) is None:
            raise StoreCorrupt("it is no note")

    return {Family.JOURNAL: event, Family.POSITIONS: position, Family.DEAD: read_letter, Family.NOTES: note}


def _of_agents(store: SealedBackend) -> dict[Family, Read]:
    from loom.agent._fork import _read as read_base
    from loom.agent._shelf import kept_state
    from loom.agent._timer_row import decode_timer
    from loom.journal.row import decode_event
    from loom.journal.steps import changes_of, read_step
    from loom.store.vault import Vault

    vault = Vault(store)

    def state(key: bytes, row: bytes) -> None:
        kept_state(store, vault, key.decode())

    def change(key: bytes, row: bytes) -> None:
        if store.backend.get(Family.STATES, key[:-9]) is None:
            raise StoreCorrupt("there is no state that it changes")
        json.loads(row)

    def timer(key: bytes, row: bytes) -> None:
        found = decode_timer(key, row)
        if found.kind != "beat":
            decode_event(0, found.event, vault)

    return {
        Family.STATES: state,
        Family.CHANGES: change,
        Family.BASES: lambda key, row: read_base(vault, key, row),
        Family.STEPS: lambda key, row: changes_of(vault, read_step(key, row)),
        Family.TIMERS: timer,
    }


def _of_effects(store: SealedBackend) -> dict[Family, Read]:
    from loom.agent._ledger_entry import read_row
    from loom.journal._plain import is_there

    def listed(key: bytes, row: bytes) -> None:
        if not is_there(store, Family.EFFECTS, key[9:]):
            raise StoreCorrupt("the effect is not there")

    return {
        Family.EFFECTS: lambda key, row: read_row(key.decode(), row),
        Family.RECORDS: lambda key, row: json.loads(row),
        Family.OPEN: listed,
        Family.ENDED: listed,
    }


def _leaf(key: bytes, row: bytes) -> None:
    """A large value that is not private is kept under what it holds."""
    _, label, digest = key.split(b"\0", 2)
    data = unsqueeze(row)
    if label.startswith((b"private", b"local")):
        return  # by a digest that only who has the key can make
    if digest not in (digest_of("t", data), digest_of("b", data)):
        raise StoreCorrupt("it is not what was kept")
