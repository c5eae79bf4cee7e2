"""Data folders for the tests of `loom store`, and the events in them."""

from __future__ import annotations

from collections.abc import Callable

from loom.bus import Bus
from loom.event import Confidentiality, Event, Label
from loom.journal import Journal
from loom.store import Family
from loom.store.sealed import open_store

PRIVATE = Label(Confidentiality.PRIVATE)
Do = Callable[..., tuple[int, str, str]]
"""Runs `loom store` with these arguments: exit code, standard output, standard error."""


def add(*events: Event, folder: str = "data", key: str | None = None) -> None:
    """Keep events in a journal as a runtime does."""
    store = open_store(folder, key)
    journal = Journal(store, Bus())
    store.write([put for event in events for put in journal.rows(event)])
    journal.committer.close()
    store.close()


def said(n: int, topic: str = "mic.kitchen", private: bool = False, text: str = "x") -> Event:
    metadata = {"subject": "ann"} if private else None
    label = PRIVATE if private else Label()
    return Event(
        "said", f"{text}{n}", id=f"e{n}", topic=topic, timestamp_ms=n, label=label, metadata=metadata
    )


def rows(folder: str, family: Family, key: str | None = None) -> dict[bytes, bytes]:
    store = open_store(folder, key)
    found = dict(store.backend.scan(family))
    store.close()
    return found
