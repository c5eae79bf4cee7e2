"""Whose data a row is, and which label it has, as far as the row and its key say so. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from loom.event import PUBLIC, Confidentiality, Label
from loom.store.families import Family

SUBJECT = "subject"
"""The metadata that says whose data an event is."""

UNKNOWN = Label(Confidentiality.PRIVATE)
"""The label of rows that do not say theirs."""

_LONGEST = 512
_OWNED = (Family.STATES, Family.CHANGES, Family.BASES, Family.RECORDS, Family.TIMERS)
SEALED = frozenset({*_OWNED, Family.JOURNAL, Family.STEPS, Family.EFFECTS, Family.BLOBS})
"""The families with what people said and agents made of it; the others hold names, numbers and moments."""


def label_of(family: Family, row: bytes) -> Label:
    """The label of a row to be kept: events say theirs, of everything else it is taken to be private."""
    if family is not Family.JOURNAL:
        return UNKNOWN
    label = _header(row, b'"l":[').get("l")
    try:
        return PUBLIC if label is None else Label(Confidentiality(label[0]), bool(label[1]))
    except (ValueError, TypeError, IndexError, KeyError):
        return UNKNOWN


def subject_of_event(row: bytes) -> str:
    """Whose data the event of a plain row is, by its metadata: ``""`` for nobody's in particular."""
    facts = _header(row, b'"subject":').get("m")
    return usable(facts.get(SUBJECT)) if isinstance(facts, dict) else ""


def subject_of_key(family: Family, key: bytes) -> str | None:
    """Whose data is kept under *key*: that of an instance of a keyed agent is its key's. None: the key does not say."""
    if family is Family.BLOBS:
        return usable(key.partition(b"\0")[0].decode("utf-8", "replace"))
    if family in _OWNED:
        first, _, rest = key.partition(b"\0")
        if b"/" not in first and family is Family.TIMERS and rest.count(b"\0") == 1:
            return usable(rest.partition(b"\0")[0].decode("utf-8", "replace"))
        return usable(first.partition(b"/")[2].decode("utf-8", "replace"))
    if family is Family.EFFECTS:
        parts = key.decode("utf-8", "replace").split("/")
        return usable("/".join(parts[1:-3])) or None
    return None


def number_of_step(key: bytes) -> bytes | None:
    """The number of the event that a step under *key* handled; None when that is in no journal."""
    return key[:8] if b"\0" not in key[9:] else None


def event_of_effect(key: bytes) -> bytes | None:
    """The id of the event that an effect came of, from its idempotency key."""
    parts = key.split(b"/")
    return parts[-2] if len(parts) >= 4 else None


def usable(subject: object) -> str:
    """*subject* if a key can be kept for it, else ``""``: short text without zero bytes and halves of characters."""
    if not isinstance(subject, str) or len(subject) > _LONGEST or "\0" in subject:
        return ""
    try:
        subject.encode()
    except UnicodeEncodeError:
        return ""
    return subject


def _header(row: bytes, wanted: bytes) -> Mapping[str, Any]:
    """The header of a journal's row if *wanted* may be in it; what cannot be read is told by who reads it."""
    end = row.find(b"\n", row.find(b"\n") + 1)
    if row.find(wanted, 0, end) < 0:
        return {}
    try:
        header = json.loads(row[:end].partition(b"\n")[2])
    except ValueError:
        return {}
    return header if isinstance(header, dict) else {}
