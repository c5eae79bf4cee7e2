"""Which large leaves a row refers to, as those who write the rows of each family have them refer to leaves."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable

from loom.errors import StoreCorrupt
from loom.event import PUBLIC
from loom.journal.steps import read_step
from loom.store import Backend, Family
from loom.store.text import load
from loom.store.vault import Vault, Whose, read_label

REFERRING = (Family.JOURNAL, Family.STEPS, Family.STATES, Family.CHANGES, Family.BASES, Family.TIMERS)
"""The families whose rows refer to leaves."""
_LEAF = re.compile(rb'"\$leaf": ?"[tb]([0-9a-f]{32})"')  # a user's own "$leaf" has another "$" before it
Digests = tuple[Whose, list[bytes]]


class References:
    """Finds the keys, in the family of leaves, of all that rows of one store refer to."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._vault = Vault(backend)
        self._state: tuple[bytes, Whose | None] = (b"", None)
        self._readers: dict[Family, Callable[[bytes, bytes], Digests]] = {
            Family.JOURNAL: lambda key, row: _of_event(row),
            Family.TIMERS: lambda key, row: _of_timer(row),
            Family.STEPS: _of_step,
            Family.STATES: lambda key, row: _of_state(row),
            Family.BASES: lambda key, row: _of_state(row),
            Family.CHANGES: self._of_change,
        }

    def of(self, family: Family, key: bytes, row: bytes) -> list[bytes]:
        """The keys of the leaves that *row*, as it is in the clear, refers to; raises StoreCorrupt."""
        try:
            whose, digests = self._readers[family](key, row)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise StoreCorrupt(
                f"{family} {key!r:.80} cannot be read ({error}); run: loom store verify"
            ) from None
        return [self._vault._key(whose, digest) for digest in digests]

    def _of_change(self, key: bytes, row: bytes) -> Digests:
        """A change belongs to whom its state belongs to."""
        name = key[:-9]
        if self._state[0] != name:
            state = self._backend.get(Family.STATES, name)
            self._state = name, None if state is None else _of_state(state)[0]
        whose = self._state[1]
        if whose is None:
            raise ValueError("there is no state that it changes")
        return whose, _found(row)


def _of_event(row: bytes) -> Digests:
    _, text, payload = row.split(b"\n", 2)
    header = load(text)
    whose = header.get("m", {}).get("subject", ""), read_label(header.get("l"))
    if "b" in header:
        return whose, [payload]
    return whose, _found(payload)


def _of_timer(row: bytes) -> Digests:
    event = b64decode(load(row).get("e", ""))
    return _of_event(event) if event else (("", PUBLIC), [])


def _of_step(key: bytes, row: bytes) -> Digests:
    step = read_step(key, row)
    return (step.subject, step.label), _found(step.change or b"")


def _of_state(row: bytes) -> Digests:
    head, _, body = row.partition(b"\n")
    facts = load(head)
    return (facts.get("u", ""), read_label(facts.get("l"))), _found(body)


def _found(text: bytes) -> list[bytes]:
    return [bytes.fromhex(digest.decode()) for digest in _LEAF.findall(text)] if b'$leaf"' in text else []
