"""Dead letters that outlive the process: events nobody could handle and why, until they are retried or dropped."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from loom.errors import ConfigError, InvalidEvent, PayloadTooLarge, StoreCorrupt
from loom.event import Confidentiality, Event, Label
from loom.journal.notes import is_name, told_error
from loom.journal.row import decode_event, flat_event, read_flat
from loom.store import Backend, Family, Put
from loom.store.families import join, number, unnumber
from loom.store.vault import Vault

KEPT = 10_000
"""How many dead letters there are at most; beyond it the oldest goes, and is counted."""
AGE_MS = 30 * 24 * 3600 * 1000
"""How old a dead letter gets, in milliseconds."""
_COUNTS = b"dead"  # in META: the next number, and how many have gone unread
_LARGEST = 65536  # bytes of an event that is in no journal, beyond which its letter does without it


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter.

    ``subscription`` is empty for an event that never reached one. ``seq`` is the event's place in the journal; of one
    that is not there ``event`` holds all of it, in base64, unless that is large or private. ``retry``: it is to be
    handled again.
    """

    number: int
    agent: str
    subscription: str
    id: str
    topic: str
    reason: str
    error: str
    chain: list[list[str]]
    attempts: int
    at_ms: int
    seq: int = 0
    event: str = ""
    retry: bool = False
    retries: int = 0
    label: str = "public"

    def row(self) -> bytes:
        """What is kept of it."""
        fields = asdict(self)
        del fields["number"]
        return json.dumps(fields, separators=(",", ":")).encode()


def read_letter(key: bytes, row: bytes) -> Letter:
    """The letter of a kept row; raises StoreCorrupt."""
    try:
        return Letter(unnumber(key), **json.loads(row))
    except (ValueError, TypeError) as error:
        raise StoreCorrupt(
            f"dead letter {unnumber(key)} cannot be read ({error}); run: loom store verify"
        ) from None


def letter_of(event: Event, agent: str, subscription: str, reason: str, error: str) -> Letter:
    """A letter without number and time for *event*."""
    chain = [list(hop) for hop in (*event.origin.trail, (event.topic, event.id))]
    return Letter(
        0, agent, subscription, event.id, event.topic, reason, told_error(error, event.label), chain, 0, 0,
        event.seq, "" if event.seq else _packed(event), label=str(event.label),
    )  # fmt: skip


def _packed(event: Event) -> str:
    if event.label.confidentiality >= Confidentiality.PRIVATE:
        return ""
    try:
        row = flat_event(event, _LARGEST)
    except (InvalidEvent, PayloadTooLarge):
        return ""
    return b64encode(row).decode() if len(row) <= _LARGEST else ""


class DeadLetters:
    """The dead letters of one store. What changes them is returned, to be written with whatever belongs to it."""

    def __init__(
        self, backend: Backend, kept: int = KEPT, age_ms: int = AGE_MS, vault: Vault | None = None
    ) -> None:
        self._backend = backend
        self._vault = vault or Vault(backend)
        self._kept = kept
        self._age_ms = age_ms
        self._next, self.gone = self._counts()
        self.count = backend.count(Family.DEAD)
        self._oldest = 0

    # --- reading --------------------------------------------------------------------------------------------------

    def get(self, letter: int) -> Letter:
        """The letter with this number; raises ConfigError when there is none."""
        key = number(letter) if 0 < letter < 2**63 else b""
        row = self._backend.get(Family.DEAD, key) if key else None
        if row is None:
            raise ConfigError(f"there is no dead letter {letter}; see: loom agent dead list")
        return read_letter(key, row)

    def letters(self, agent: str | None = None, after: int = 0, limit: int = 1000) -> list[Letter]:
        """At most *limit* letters beyond number *after*, oldest first; of one *agent* if that is given."""
        found: list[Letter] = []
        for letter in self._each(after):
            if agent is None or letter.agent == agent:
                found.append(letter)
                if len(found) >= limit:
                    break
        return found

    def event(self, letter: Letter) -> Event | None:
        """The event of a letter as it was, outside the journal; None when it is not retained any more."""
        if letter.seq:
            row = self._backend.get(Family.JOURNAL, number(letter.seq))
            event = None if row is None else decode_event(letter.seq, row, self._vault)
        else:
            event = read_flat(b64decode(letter.event)) if letter.event else None
        if event is None or event.id != letter.id:
            return None
        event._journal = 0  # its place has been passed: this one settles nothing there
        return event

    # --- changing -------------------------------------------------------------------------------------------------

    def bury(self, letter: Letter, now_ms: int, attempts: int) -> list[Put]:
        """Keep *letter* under the next number, and make room for it."""
        kept = replace(letter, number=self._next, at_ms=now_ms, attempts=attempts)
        key = number(self._next)
        puts = [Put(Family.DEAD, key, kept.row())]
        if is_name(kept.id):
            puts.append(Put(Family.CAUSES, join(kept.id, "dead", key), b""))
        self._next += 1
        self.count += 1
        puts += self._make_room(now_ms)
        counts = json.dumps({"next": self._next, "gone": self.gone}).encode()
        return [*puts, Put(Family.META, _COUNTS, counts)]

    def again(self, letter: Letter, error: str, now_ms: int, attempts: int) -> list[Put]:
        """Keep *letter*, which was tried again and failed again."""
        kept = replace(
            letter, error=told_error(error, Label.parse(letter.label)), at_ms=now_ms, retry=False,
            attempts=letter.attempts + attempts, retries=letter.retries + 1,
        )  # fmt: skip
        return [Put(Family.DEAD, number(kept.number), kept.row())]

    def mark(self, letter: Letter, retry: bool = True) -> list[Put]:
        """Have *letter* handled again by the subscription that gave it up.

        Raises ConfigError when there is no such subscription, or the event is not retained any more.
        """
        if retry and not letter.subscription:
            raise ConfigError(
                f"dead letter {letter.number} never reached a handler ({letter.reason}); "
                f"nobody can try it again, only: loom agent dead drop {letter.number}"
            )
        if retry and self.event(letter) is None:
            raise ConfigError(
                f"the event of dead letter {letter.number} is no longer kept; "
                f"only: loom agent dead drop {letter.number}"
            )
        return [Put(Family.DEAD, number(letter.number), replace(letter, retry=retry).row())]

    def remove(self, letter: Letter) -> list[Put]:
        """Forget *letter*: it was handled, or somebody dropped it."""
        key = number(letter.number)
        self.count -= 1
        return [Put(Family.DEAD, key, None), Put(Family.CAUSES, join(letter.id, "dead", key), None)]

    # --- inside ---------------------------------------------------------------------------------------------------

    def _make_room(self, now_ms: int) -> Iterator[Put]:
        """What takes away the oldest letters: two for each that comes, so that a smaller bound is reached too."""
        for key, row in self._backend.scan(Family.DEAD, number(self._oldest), limit=2):
            letter = read_letter(key, row)
            if self.count <= self._kept and now_ms - letter.at_ms <= self._age_ms:
                return
            self._oldest = letter.number + 1
            self.gone += 1
            yield from self.remove(letter)

    def _each(self, after: int) -> Iterator[Letter]:
        start = max(0, after) + 1
        while rows := self._backend.scan(Family.DEAD, number(start), limit=256):
            for key, row in rows:
                yield read_letter(key, row)
            start = unnumber(rows[-1][0]) + 1

    def _counts(self) -> tuple[int, int]:
        row = self._backend.get(Family.META, _COUNTS)
        try:
            counts = {} if row is None else json.loads(row)
            found = int(counts.get("next", 1)), int(counts.get("gone", 0))
        except (ValueError, TypeError, AttributeError) as error:
            raise StoreCorrupt(
                f"the numbers of dead letters cannot be read ({error}); run: loom store verify"
            ) from None
        last = self._backend.last(Family.DEAD)
        return max(found[0], 1 if last is None else unnumber(last) + 1), found[1]
