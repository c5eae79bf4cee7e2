"""The timer book: every durable timer, kept in the store in the order of its moments; memory knows the nearest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from loom.agent._schedule import Run, Schedule, due_runs, next_due, rebased, spec_of_schedule
from loom.agent._timer_row import STEADY, StoredTimer, decode_timer, due_key, encode_timer, row_key, rows_of
from loom.agent._timer_window import Window
from loom.errors import MissingKey, Shredded, StoreCorrupt, StoreError
from loom.store import Backend, Family, Put
from loom.store.families import after, join, number

log = logging.getLogger("loom.agent")
WINDOW = 1024
HOLD_MS = 1000
"""How long a timer whose firing could not be kept waits for its next attempt."""
_SHIFT = b"timers.shift"
_STEADY = number(STEADY)
_MOST_REPORTED = 10_000


class Beat(NamedTuple):
    """When a handler is called, what becomes of missed runs, and the topic on which the beat arrives."""

    schedule: Schedule
    policy: str
    topic: str = ""


class Firing(NamedTuple):
    """What to do about a timer that is due: publish one event for each of *runs*, and keep *puts* with them.

    ``missed`` is how many runs were late, ``left_out`` how many of them are too many to be caught up with.
    """

    timer: StoredTimer
    runs: tuple[Run, ...]
    puts: list[Put]
    missed: int
    left_out: int


class _Ahead:
    """A timer of which changes are on their way to disk: how many, what it will be, and every moment it has or had."""

    __slots__ = ("alone", "count", "keys", "row")

    def __init__(self) -> None:
        self.count = 0
        self.alone = True
        self.row: bytes | None = None
        self.keys: set[bytes] = set()


class TimerBook:
    """The durable timers of a runtime. The store is the truth, what is in memory a bounded cache of it.

    Whoever gets puts from it has them written, in the order in which they were asked for, and says how that ended:
    ``landed`` or ``dropped``, once for each list. *report* hears of rows that cannot be read; they stay in the store.
    ``changed`` is called when a timer may be due sooner than before.
    """

    def __init__(
        self, backend: Backend, report: Callable[[str], None] = log.error, window: int = WINDOW
    ) -> None:
        self._backend = backend
        self._report = report
        self._calendar = Window(backend, number(0), _STEADY, window)
        self._steady = Window(backend, _STEADY, number(2 * STEADY), window)
        self._ahead: dict[bytes, _Ahead] = {}
        self._beats: set[bytes] = set()
        self._reported: set[bytes] = set()
        self._shift = self._kept_shift = self._read_shift()
        self.changed: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        """How many timers wait in the store; takes time in proportion."""
        return self._backend.count(Family.TIMERS)

    # --- what is ----------------------------------------------------------------------------------------------------

    def get(self, owner: str, id: str) -> StoredTimer | None:
        """The timer as it will be when everything on its way has landed, or None. Raises StoreError."""
        return self._get(row_key(owner, id))

    def of_owner(self, owner: str) -> list[StoredTimer]:
        """The timers of *owner*, by id, as they will be; not those of the keys of an agent. Raises StoreError."""
        prefix = join(owner, b"")
        keys = {key for key, _ in rows_of(self._backend, Family.TIMERS, prefix, after(prefix))}
        keys.update(key for key in self._ahead if key.startswith(prefix))
        found = [self._get(key) for key in sorted(keys) if b"\0" not in key[len(prefix) :]]
        return [timer for timer in found if timer is not None]

    @property
    def by_calendar(self) -> bool:
        """Whether one of the nearest timers waits for the calendar."""
        return len(self._calendar) > 0

    def next_due_ms(self) -> int | None:
        """When the nearest timer is due, Unix ms; None when there is none. Raises StoreError."""
        calendar, steady = self._calendar.head(), self._steady.head()
        moments = [m for m in (calendar, None if steady is None else steady + self._shift) if m is not None]
        return min(moments, default=None)

    # --- changes: what to write -------------------------------------------------------------------------------------

    def set_after(
        self, owner: str, id: str, seconds: float, event: bytes, policy: str, now_ms: int
    ) -> list[Put]:
        """The puts of a timer that fires once, *seconds* from now by the steady clock."""
        due = _moment(now_ms - self._shift + seconds * 1000)
        return self.puts_for_set(StoredTimer(owner, id, "after", {}, due, policy, event))

    def set_at(self, owner: str, id: str, unix_ms: float, event: bytes, policy: str) -> list[Put]:
        """The puts of a timer that fires once, at a moment of the calendar."""
        return self.puts_for_set(StoredTimer(owner, id, "at", {}, _moment(unix_ms), policy, event))

    def set_every(
        self, owner: str, id: str, schedule: Schedule, event: bytes, policy: str, now_ms: int
    ) -> list[Put]:
        """The puts of a timer that fires again and again, from the next run of *schedule* on."""
        timer = StoredTimer(owner, id, "every", spec_of_schedule(schedule), 0, policy, event)
        due = next_due(schedule, now_ms - self._shift_of(timer.steady))
        return [] if due is None else self.puts_for_set(timer._replace(due_ms=_moment(due)))

    def puts_for_set(self, timer: StoredTimer) -> list[Put]:
        """What to write so that *timer* waits, in place of the one with its owner and id. Raises InvalidEvent."""
        key = row_key(timer.owner, timer.id)
        return self._change(key, self._get(key), timer)

    def puts_for_gone(self, owner: str, id: str) -> list[Put]:
        """What to write so that the timer is no more; nothing when there is none."""
        key = row_key(owner, id)
        before = self._get(key)
        return [] if before is None else self._change(key, before, None)

    def firing(self, timer: StoredTimer, now_ms: int) -> Firing:
        """What to do about *timer*, which ``due`` has given out: to be written with the events in one transaction."""
        key, shift = row_key(timer.owner, timer.id), self._shift_of(timer.steady)
        if key in self._ahead:
            return Firing(timer, (), [], 0, 0)  # it was cancelled or set anew since
        runs = due_runs(timer.schedule, timer.policy, timer.due_ms, max(timer.due_ms, now_ms - shift))
        rest = None
        if runs.next_due_ms is not None:
            rest = timer._replace(due_ms=_moment(runs.next_due_ms), last_fired_ms=runs.last_ms)
        puts = self._change(key, timer, rest)
        return Firing(timer, runs.moved(shift).fire, puts, runs.missed, runs.left_out)

    def beats(self, owner: str, wanted: Mapping[str, Beat], now_ms: int) -> list[Put]:
        """Let the beats of *owner* fire from now on, by id. What to write, for those that are new, changed or gone.

        A beat that is kept already goes on where it was: runs that it missed fall to its policy. Until this is called
        for their owner beats do not fire: their handlers are there first. Raises StoreError.
        """
        puts: list[Put] = []
        for timer in self.of_owner(owner):
            if timer.kind == "beat" and timer.id not in wanted:
                puts += self.puts_for_gone(owner, timer.id)
        for id, want in wanted.items():
            key = row_key(owner, id)
            self._beats.add(key)
            before = self._get(key)
            beat = self._beat(StoredTimer(owner, id, "beat", {}, 0, ""), before, want, now_ms)
            if beat is not None and beat != before:
                puts += self._change(key, before, beat)
            elif beat is not None:
                self._of_key(due_key(beat)).add(due_key(beat))
        self.changed()
        return puts

    def silence(self, owner: str) -> None:
        """Let the beats of *owner* stay in the store without firing, because its handlers go."""
        mine = owner.encode()
        self._beats = {key for key in self._beats if key.rpartition(b"\0")[0] != mine}

    def jumped(self, by_ms: int, now_ms: int) -> list[Put]:
        """The calendar clock jumped to *now_ms*: what to write.

        Timers of the steady clock stay as far away as they were; beats of the calendar that are far only because the
        clock had been wrong come near again.
        """
        self._shift += by_ms
        if by_ms < 0:
            self._calendar.hasten(now_ms + HOLD_MS)
        puts: list[Put] = []
        for key in sorted(self._beats) if by_ms < 0 else ():
            beat = self._get(key)
            if beat is not None and not beat.steady:
                due = rebased(beat.schedule, beat.due_ms, beat.last_fired_ms, now_ms)
                if due != beat.due_ms:
                    puts += self._change(key, beat, beat._replace(due_ms=due))
        self.changed()
        return puts or self._shift_puts()

    # --- how writing ended ------------------------------------------------------------------------------------------

    def landed(self, puts: Sequence[Put]) -> None:
        """*puts* are in the store; others of the same timers may have landed before or after them."""
        self._ended(puts, True, 0)

    def dropped(self, puts: Sequence[Put], now_ms: int) -> None:
        """*puts* will not be written; a timer that was about to fire fires again after a second."""
        self._ended(puts, False, now_ms + HOLD_MS)

    # --- what is due ------------------------------------------------------------------------------------------------

    def due(self, now_ms: int, most: int = 32) -> list[StoredTimer]:
        """Give out the timers that are due, in order; each goes to ``firing``, or to ``back``.

        Looks at no more than *most* at once: the next one may be due already.

        Raises StoreError, and then nothing was given out.
        """
        found: list[StoredTimer] = []
        try:
            for _ in range(most):
                key = self._pop(now_ms)
                if key is None:
                    break
                timer = self._ripe(key, now_ms)
                if timer is not None:
                    found.append(timer)
        except StoreError:
            self.back(found, now_ms)
            raise
        return found

    def back(self, timers: Sequence[StoredTimer], now_ms: int) -> None:
        """Take back what ``due`` has given out, and give it out again in a second."""
        for timer in timers:
            key = due_key(timer)
            self._of_key(key).add(key, now_ms + HOLD_MS - self._shift_of(timer.steady))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _get(self, key: bytes) -> StoredTimer | None:
        ahead = self._ahead.get(key)
        row = self._row(key) if ahead is None else ahead.row
        return None if row is None else self._read(key, row)

    def _row(self, key: bytes) -> bytes | None:
        """The row in the store; one that nobody can open is reported and stays. Raises StoreError."""
        try:
            return self._backend.get(Family.TIMERS, key)
        except (StoreCorrupt, Shredded, MissingKey) as error:
            self._tell(key, f"timer {key!r}: {error}")
            return None

    def _read(self, key: bytes, row: bytes) -> StoredTimer | None:
        """The timer of a row; a row that cannot be read is reported and stays."""
        try:
            return decode_timer(key, row)
        except StoreCorrupt as error:
            self._tell(key, str(error))
            return None

    def _tell(self, key: bytes, what: str) -> None:
        if key not in self._reported and len(self._reported) < _MOST_REPORTED:
            self._reported.add(key)
            self._report(what)

    def _change(self, key: bytes, before: StoredTimer | None, to: StoredTimer | None) -> list[Put]:
        """Note that the timer is on its way from one state to another, and say what to write."""
        ahead = self._ahead.setdefault(key, _Ahead())
        ahead.count += 1
        ahead.alone = ahead.count == 1 and ahead.alone
        ahead.row = None if to is None else encode_timer(to)
        if before is not None:
            ahead.keys.add(due_key(before))
        # all of them: changes before this one may be dropped, and what they would have taken away is still there
        puts = [*self._shift_puts(), *(Put(Family.DUE, each, None) for each in ahead.keys)]
        puts.append(Put(Family.TIMERS, key, ahead.row))
        if to is not None:
            ahead.keys.add(due_key(to))
            puts.append(Put(Family.DUE, due_key(to), b""))
        return puts

    def _ended(self, puts: Sequence[Put], kept: bool, hold_ms: int) -> None:
        if not self._ahead and self._shift == self._kept_shift:
            return
        changed = False
        for family, key, value in puts:
            if family is Family.TIMERS and key in self._ahead:
                changed = self._settled(key, value, kept, hold_ms) or changed
            elif family is Family.META and key == _SHIFT and kept and value is not None:
                self._kept_shift = int(value)
        if changed:
            self.changed()

    def _settled(self, key: bytes, value: bytes | None, kept: bool, hold_ms: int) -> bool:
        """One change of a timer has come to its end: when it was the last, look what the timer is now."""
        ahead = self._ahead[key]
        ahead.count -= 1
        if ahead.count:
            return False
        del self._ahead[key]
        for each in ahead.keys:
            self._of_key(each).discard(each)
        try:
            row = value if kept and ahead.alone else self._row(key)
        except StoreError:  # it may be any of them: ``_ripe`` looks again
            for each in ahead.keys:
                self._of_key(each).add(each, hold_ms - self._shift_of(each >= _STEADY))
            return True
        timer = None if row is None else self._read(key, row)
        if timer is not None:
            due = due_key(timer)
            self._of_key(due).add(due, hold_ms - self._shift_of(timer.steady))
        return timer is not None

    def _pop(self, now_ms: int) -> bytes | None:
        calendar, steady = self._calendar.head(), self._steady.head()
        moment = None if steady is None else steady + self._shift
        if calendar is not None and calendar <= now_ms and (moment is None or calendar <= moment):
            return self._calendar.pop()
        return self._steady.pop() if moment is not None and moment <= now_ms else None

    def _ripe(self, key: bytes, now_ms: int) -> StoredTimer | None:
        """The timer that a key in a window stands for; None when it must not fire, now or any more."""
        place = key[9:]
        if place in self._ahead:
            return None  # what becomes of it is on its way to disk; ``_settled`` puts it back
        try:
            row = self._row(place)
        except StoreError:
            self._of_key(key).add(key, now_ms + HOLD_MS - self._shift_of(key >= _STEADY))
            raise
        timer = None if row is None else self._read(place, row)
        if timer is None or due_key(timer) != key:
            if row is None or timer is not None:
                self._tell(key, f"{place!r} is due and no such timer is kept; run: loom store verify")
            return None
        return timer if timer.kind != "beat" or place in self._beats else None

    def _beat(
        self, beat: StoredTimer, before: StoredTimer | None, want: Beat, now_ms: int
    ) -> StoredTimer | None:
        """The beat as it is to be: where it was, or from the next run on if it is new or its schedule is."""
        schedule = want.schedule
        beat = beat._replace(spec=spec_of_schedule(schedule), policy=want.policy, event=_head(want.topic))
        if before is not None and before.spec == beat.spec:
            due = rebased(schedule, before.due_ms, before.last_fired_ms, now_ms)
            return beat._replace(due_ms=due, last_fired_ms=before.last_fired_ms)
        first = next_due(schedule, now_ms - self._shift_of(beat.steady))
        return None if first is None else beat._replace(due_ms=_moment(first))

    def _of_key(self, key: bytes) -> Window:
        return self._steady if key >= _STEADY else self._calendar

    def _shift_of(self, steady: bool) -> int:
        return self._shift if steady else 0

    def _shift_puts(self) -> list[Put]:
        if self._shift == self._kept_shift:
            return []
        return [Put(Family.META, _SHIFT, str(self._shift).encode())]

    def _read_shift(self) -> int:
        kept = self._backend.get(Family.META, _SHIFT) or b"0"
        try:
            return int(kept[:20])
        except ValueError:
            self._report(f"{_SHIFT.decode()!r} of the store is no number: {kept[:20]!r}; taken as 0")
            return 0


def _head(topic: str) -> bytes:
    """A beat's topic, as the head of an event of which everybody may know."""
    return f"{topic}\n{{}}\n".encode()


def _moment(ms: float) -> int:
    """A moment as it is kept: whole milliseconds, not before 1970 and not after all time."""
    return min(max(0, round(ms)), STEADY - 1)
