"""Whose data a row is, and which label it has, as its key and its head say. Pure.

This is the one place beside their makers that knows how rows begin. What it cannot read it takes to be private and
nobody's in particular: then it is sealed, and its reader will say what is wrong with it.
"""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from loom.event import PUBLIC, Confidentiality, Label
from loom.store.families import Family

SUBJECT = "subject"
"""The metadata that says whose data an event is."""

UNKNOWN = Label(Confidentiality.PRIVATE)
"""The label of rows that do not say theirs."""

SEALED = frozenset({
    Family.JOURNAL, Family.STEPS, Family.STATES, Family.CHANGES, Family.BASES, Family.RECORDS, Family.EFFECTS,
    Family.TIMERS, Family.BLOBS, Family.DEAD, Family.NOTES,
})  # fmt: skip
"""The families with what people said and agents made of it; the others hold names, numbers and moments."""

_LONGEST = 512
_TOLD = (Family.DEAD, Family.NOTES)  # the texts of errors, in which anything may be
_ERRORS = (ValueError, TypeError, KeyError, IndexError, AttributeError)


def label_of(family: Family, key: bytes, row: bytes) -> Label:
    """The label of a row to be kept."""
    if family in (Family.CHANGES, Family.RECORDS, *_TOLD):
        return UNKNOWN
    try:
        if family is Family.STEPS:
            parts = row.split(b"\n", 2)
            return PUBLIC if len(parts) == 1 else _label(json.loads(parts[1]))
        if family is Family.BLOBS:
            return Label.parse(key.split(b"\0", 2)[1].decode())
        facts = _facts(family, row, b'"l":')
        return PUBLIC if facts is None else _label(facts.get("label" if family is Family.EFFECTS else "l"))
    except _ERRORS:
        return UNKNOWN


def subject_of(family: Family, key: bytes, row: bytes) -> str | None:
    """Whose data a row is, ``""`` for nobody's in particular; None when only the row that it came of can say."""
    if referred(family, key) is not None:
        return None
    if family in _TOLD:
        return ""
    try:
        if family is Family.STEPS:
            return usable(json.loads(row.partition(b"\n")[0])[4])
        if family is Family.BLOBS:
            return usable(key.partition(b"\0")[0].decode())
        facts = _facts(family, row, b'"subject":') or {}
        said = facts.get("u") if family in (Family.STATES, Family.BASES) else facts.get("m", {}).get(SUBJECT)
        return usable(said)
    except _ERRORS:
        return ""


def referred(family: Family, key: bytes) -> tuple[Family, bytes] | None:
    """The row that says whose data is kept under *key*: a state for its changes, an event's id for what it caused."""
    if family is Family.CHANGES:
        return Family.STATES, key.partition(b"\0")[0]
    if family is Family.RECORDS and key.count(b"\0") >= 2:
        return Family.IDS, key.split(b"\0", 2)[1]
    if family is Family.EFFECTS and key.count(b"/") >= 3:
        return Family.IDS, key.split(b"/")[-2]
    return None


def usable(subject: object) -> str:
    """*subject* if a key can be kept for it, else ``""``: short text without zero bytes and halves of characters."""
    if not isinstance(subject, str) or len(subject) > _LONGEST or "\0" in subject:
        return ""
    try:
        subject.encode()
    except UnicodeEncodeError:
        return ""
    return subject


def _facts(family: Family, row: bytes, wanted: bytes) -> dict[str, Any] | None:
    """The facts at the head of a row; None for an event that has no *wanted* among them."""
    if family is Family.TIMERS:
        row = b64decode(json.loads(row).get("e", ""))
        if not row:  # a beat: a schedule and a name
            return None
    if family in (Family.JOURNAL, Family.TIMERS):
        topic = row.index(b"\n") + 1
        row = row[topic : row.index(b"\n", topic)]
        if wanted not in row:
            return None
    elif family in (Family.STATES, Family.BASES):
        row = row.partition(b"\n")[0]
    facts = json.loads(row)
    if not isinstance(facts, dict):
        raise ValueError("no facts")
    return facts


def _label(kept: Any) -> Label:
    return PUBLIC if kept is None else Label(Confidentiality(kept[0]), bool(kept[1]))
