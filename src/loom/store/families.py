"""What a store holds: its families, and how their keys are made so that they sort as they are read."""

from __future__ import annotations

from enum import StrEnum


class Family(StrEnum):
    """The families of a store.

    A key of several parts joins them with a zero byte (``join``); numbers are 8 bytes, big-endian (``number``).
    """

    META = "meta"
    """name -> value: the format's version, when the store was made, its clean end."""
    JOURNAL = "journal"
    """number(seq) -> an event: header and payload. Large values."""
    IDS = "ids"
    """event id -> number(seq)."""
    CAUSES = "causes"
    """cause id, kind, own id -> b"" or a few facts: what came of an event. Kinds: event, timer, act, dead."""
    STEPS = "steps"
    """number(seq), subscription -> how that event was handled there, with the change of state (JSON)."""
    POSITIONS = "positions"
    """subscription -> its position and exceptions (JSON)."""
    STATES = "states"
    """agent (and key) -> its snapshot (JSON). Large values."""
    CHANGES = "changes"
    """agent (and key), number(n) -> a change of a large state since its snapshot (JSON)."""
    BASES = "bases"
    """agent, number(seq), number(Unix us) -> all of its state before a step (JSON): what it was. Large values."""
    RECORDS = "records"
    """agent (and key), event id, handler, number(index) -> the result of an at-once call of an open step."""
    EFFECTS = "effects"
    """idempotency key -> the effect's intent and outcome (JSON)."""
    OPEN = "open"
    """number(n), idempotency key -> b"": the effects that have not ended, in the order of their intents."""
    ENDED = "ended"
    """number(when, Unix ms), idempotency key -> cause id: the effects that have ended, for retention."""
    TIMERS = "timers"
    """agent (and key), timer id -> a timer (JSON)."""
    DUE = "due"
    """number(due, Unix ms), agent (and key), timer id -> b"": the timers by the moment they are due."""
    DEAD = "dead"
    """number(n) -> a dead letter (JSON)."""
    NOTES = "notes"
    """number(n) -> a drop, denial or decision (JSON): a bounded ring."""
    BLOBS = "blobs"
    """subject, label, hash -> a large text or bytes that events and states refer to. Large values."""
    KEYS = "keys"
    """subject, key id -> a wrapped data key."""

    __hash__ = (
        str.__hash__
    )  # that of Enum is written in Python, and each row of each write is sorted by family


LARGE = frozenset({Family.JOURNAL, Family.STATES, Family.BLOBS, Family.CHANGES, Family.BASES})
"""The families whose values may be large."""


def number(value: int) -> bytes:
    """*value* (0 .. 2**63 - 1) as bytes that sort like it."""
    return value.to_bytes(8, "big")


def unnumber(key: bytes) -> int:
    """The number at the head of *key*."""
    return int.from_bytes(key[:8], "big")


def join(*parts: str | bytes) -> bytes:
    """One key of several parts; no text part may contain a zero byte."""
    return b"\0".join([p.encode() if isinstance(p, str) else p for p in parts])


def after(prefix: bytes) -> bytes:
    """The least key greater than every key that begins with *prefix* (which does not end with 0xff)."""
    return prefix[:-1] + bytes([prefix[-1] + 1])
