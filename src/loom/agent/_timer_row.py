"""A timer as it is kept: a row under its owner and id, and a key that sorts it by the moment it is due."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from loom.agent._schedule import POLICIES, Schedule, schedule_from
from loom.errors import InvalidEvent, LoomError, StoreCorrupt
from loom.store import Backend, Family
from loom.store.families import join, number, unnumber

KINDS = ("after", "every", "at", "beat")
STEADY = 1 << 62
"""Set in the number of a key that is due by the steady clock; those keys are a range of their own."""
_PAGE = 256
_dumps = json.JSONEncoder(separators=(",", ":")).encode


class StoredTimer(NamedTuple):
    """A timer of *owner* (an agent, or agent and key joined by a zero byte).

    *spec* is its schedule as JSON, empty for a single moment; *policy* what becomes of missed runs; *event* the bytes
    of what it publishes, the topic for a beat. *due_ms* is Unix ms; that of a ``steady`` one is counted on without the
    jumps of the calendar clock. *last_fired_ms* is the run before, by the same count.
    """

    owner: str
    id: str
    kind: str
    spec: dict[str, Any]
    due_ms: int
    policy: str
    event: bytes = b""
    last_fired_ms: int | None = None

    @property
    def steady(self) -> bool:
        """Whether it follows the steady clock, as ``after`` and ``every`` do."""
        return self.kind == "after" or "every_ms" in self.spec

    @property
    def schedule(self) -> Schedule:
        """When it fires; raises ConfigError where the spec makes no sense, MissingExtra."""
        return _schedule(_dumps(self.spec))


def row_key(owner: str, id: str) -> bytes:
    """The key of a timer's row; raises InvalidEvent for an id that cannot be kept."""
    if not id or "\0" in id:
        raise InvalidEvent(f"a timer cannot have the id {id!r}")
    return join(owner, id)


def due_key(timer: StoredTimer) -> bytes:
    """The key that says when *timer* is due."""
    due = timer.due_ms | STEADY if timer.steady else timer.due_ms
    return join(number(due), timer.owner, timer.id)


def key_due(key: bytes) -> int:
    """The moment in the key of a due timer."""
    return unnumber(key) & (STEADY - 1)


def encode_timer(timer: StoredTimer) -> bytes:
    """The row of *timer*, JSON."""
    row: dict[str, Any] = {"k": timer.kind, "d": timer.due_ms, "m": timer.policy}
    if timer.spec:
        row["s"] = timer.spec
    if timer.event:
        row["e"] = b64encode(timer.event).decode()
    if timer.last_fired_ms is not None:
        row["f"] = timer.last_fired_ms
    return _dumps(row).encode()


def decode_timer(key: bytes, row: bytes) -> StoredTimer:
    """The timer of a row; raises StoreCorrupt, with the key, for one that makes no sense."""
    try:
        owner, _, id = key.rpartition(b"\0")
        kept = json.loads(row)
        timer = StoredTimer(
            owner.decode(),
            id.decode(),
            kept["k"],
            kept.get("s", {}),
            kept["d"],
            kept["m"],
            b64decode(kept.get("e", ""), validate=True),
            kept.get("f"),
        )
        _check(timer)
        timer.schedule  # noqa: B018 - raises when there is none
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, LoomError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise StoreCorrupt(f"timer {key!r} cannot be read ({reason:.200}); run: loom store verify") from None
    return timer


def rows_of(
    backend: Backend, family: Family, start: bytes = b"", end: bytes | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """All rows of *family* from *start* to before *end*, read by pages; raises StoreError."""
    while rows := backend.scan(family, start, end, _PAGE):
        yield from rows
        start = rows[-1][0] + b"\0"


def _check(timer: StoredTimer) -> None:
    if not timer.owner or not timer.id:
        raise ValueError("no owner or no id")
    if timer.kind not in KINDS or timer.policy not in POLICIES or type(timer.spec) is not dict:
        raise ValueError(f"kind {timer.kind!r}, policy {timer.policy!r}")
    for moment in (timer.due_ms, 0 if timer.last_fired_ms is None else timer.last_fired_ms):
        if type(moment) is not int or not 0 <= moment < STEADY:
            raise ValueError(f"no moment: {str(moment)[:40]}")


@lru_cache(maxsize=256)
def _schedule(spec: str) -> Schedule:
    return schedule_from(json.loads(spec))
