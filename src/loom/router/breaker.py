"""A circuit breaker: a backend that keeps failing is left alone for a while, then tried with one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Permit(NamedTuple):
    """Leave to try once; given back with `done` or `abandoned`. *probe*: it is the one request that finds out."""

    epoch: int
    probe: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """When a breaker opens, and for how long.

    It opens after *failures* in a row, or when of the latest *window* results at least *least* are known and the share
    *ratio* failed. It stays open for *first_ms*, twice as long each time a probe fails, *longest_ms* at most. A peer
    that asks to be left alone gets at most *rest_ms*.
    """

    failures: int = 5
    ratio: float = 0.5
    window: int = 32
    least: int = 10
    first_ms: int = 1_000
    longest_ms: int = 60_000
    rest_ms: int = 3_600_000


class Breaker:
    """Says whether a backend may be tried; closed, open, or half open, when exactly one request may probe it.

    Michael Nygard, "Release It!" (2007), chapter 5. Time is passed in: Unix milliseconds. A result of a try that began
    before the breaker last opened or closed changes nothing: it tells of another time. A clock that is set back makes
    no pause longer.
    """

    __slots__ = (
        "_epoch", "_known", "_limits", "_open_for", "_open_until", "_probing", "_recent", "_row", "_since",
    )  # fmt: skip

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._epoch = 0
        self._row = 0
        self._recent = 0  # the latest results, one bit each: 1 failed
        self._known = 0
        self._open_until: int | None = None
        self._since = 0
        self._open_for = 0
        self._probing = False

    @property
    def open_until_ms(self) -> int | None:
        """When it may be probed, None while it is closed."""
        return self._open_until

    @property
    def probing(self) -> bool:
        """Whether the one probe is out."""
        return self._probing

    def admit(self, now_ms: int) -> Permit | None:
        """Leave to try now, or None; whoever gets one gives it back."""
        self.look(now_ms)
        if self._open_until is None:
            return Permit(self._epoch, False)
        if self._probing or now_ms < self._open_until:
            return None
        self._probing = True
        return Permit(self._epoch, True)

    def look(self, now_ms: int) -> int | None:
        """When it may be probed, as seen now: before it opened there is no now, so the clock was set back since."""
        if self._open_until is not None and now_ms < self._since:
            self._open_until -= self._since - now_ms
            self._since = now_ms
        return self._open_until

    def current(self, permit: Permit) -> bool:
        """Whether *permit* is still leave to try: the breaker has neither opened nor closed since."""
        return permit.epoch == self._epoch

    def done(self, permit: Permit, ok: bool, now_ms: int) -> None:
        """The try of *permit* ended, well or not."""
        if permit.epoch != self._epoch:
            return
        if permit.probe:
            self._close() if ok else self._open(now_ms)
            return
        self._row = 0 if ok else self._row + 1
        self._recent = (self._recent << 1 | (not ok)) & ((1 << self._limits.window) - 1)
        self._known = min(self._known + 1, self._limits.window)
        if not ok and self._too_many():
            self._open(now_ms)

    def abandoned(self, permit: Permit) -> None:
        """The try of *permit* ended without telling anything: never sent, or cancelled."""
        if permit.probe and permit.epoch == self._epoch:
            self._probing = False

    def rest(self, permit: Permit, until_ms: int, now_ms: int) -> None:
        """The peer asked to be left alone until then: no failure, but nobody tries before, and then one does."""
        until_ms = min(until_ms, now_ms + self._limits.rest_ms)
        self.abandoned(permit)
        open_until = self.look(now_ms)
        if open_until is None:
            self._turn()
        if open_until is None or until_ms > open_until:
            self._open_until, self._since = until_ms, now_ms

    def _too_many(self) -> bool:
        limits = self._limits
        failed = self._recent.bit_count()
        return self._row >= limits.failures or (
            self._known >= limits.least and failed >= limits.ratio * self._known
        )

    def _open(self, now_ms: int) -> None:
        limits = self._limits
        self._open_for = min(self._open_for * 2, limits.longest_ms) if self._open_for else limits.first_ms
        self._turn()
        self._open_until, self._since = now_ms + self._open_for, now_ms

    def _close(self) -> None:
        self._turn()
        self._open_until = None
        self._open_for = 0

    def _turn(self) -> None:
        """Begin a new epoch, in which nothing is known."""
        self._epoch += 1
        self._row = self._recent = self._known = 0
        self._probing = False
