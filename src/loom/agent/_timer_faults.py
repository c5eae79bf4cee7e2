"""What is wrong with the timers of a store, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator

from loom.agent._timer_row import decode_timer, due_key, rows_of
from loom.errors import StoreCorrupt
from loom.store import Backend, Family, Put


def timer_faults(backend: Backend) -> Iterator[tuple[str, list[Put]]]:
    """Each fault in words, and what to write to mend it (nothing: look by hand); for a store that nobody changes.

    Raises StoreError.
    """
    for key, row in rows_of(backend, Family.TIMERS):
        try:
            timer = decode_timer(key, row)
        except StoreCorrupt as error:
            yield str(error), []
            continue
        if backend.get(Family.DUE, due_key(timer)) is None:
            yield f"timer {key!r} would never be due", [Put(Family.DUE, due_key(timer), b"")]
    for key, _ in rows_of(backend, Family.DUE):
        row_at = backend.get(Family.TIMERS, key[9:])
        if row_at is None:
            yield f"timer {key[9:]!r} is due and not there", [Put(Family.DUE, key, None)]
        elif _is_another(key, row_at):
            yield f"timer {key[9:]!r} is due at another moment too", [Put(Family.DUE, key, None)]


def _is_another(key: bytes, row: bytes) -> bool:
    try:
        return due_key(decode_timer(key[9:], row)) != key
    except StoreCorrupt:
        return False  # told already
