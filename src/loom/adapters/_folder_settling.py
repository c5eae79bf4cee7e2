"""When a change of a file counts: once it has been left alone for a while. Pure, with the time passed in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Stamp(NamedTuple):
    """What a look at a file finds: size in bytes, time of its last change in nanoseconds, device and inode."""

    size: int
    mtime_ns: int
    device: int = 0
    inode: int = 0


class Change(NamedTuple):
    """One settled change of *path*: created, changed, moved (from *before*) or deleted (then *stamp* was its last)."""

    kind: str
    path: str
    stamp: Stamp
    before: str = ""


class _Pending(NamedTuple):
    stamp: Stamp | None
    since: float


class Settling:
    """The files that are known, and those that have changed and are not yet left alone for *settle* seconds.

    At most *most* files are known or pending; a file over that is left out, and counted each time it is looked at.
    """

    def __init__(self, settle: float, most: int) -> None:
        self.settle = settle
        self.most = most
        self.left_out = 0
        self.known: dict[str, Stamp] = {}
        self.pending: dict[str, _Pending] = {}

    def observe(self, path: str, stamp: Stamp | None, now: float, *, hinted: bool = False) -> bool:
        """Note what a look at *path* found at *now* (None: no file); False when there is no room for another file.

        *hinted*: something said that it was touched, so its time begins anew even if it looks the same.
        """
        current = self.pending.get(path)
        known = self.known.get(path)
        if current is None and stamp == known:
            return True
        if current is not None and stamp == known == current.stamp:
            del self.pending[path]
            return True
        if current is None and known is None and len(self.known) + len(self.pending) >= self.most:
            self.left_out += 1
            return False
        if current is None or hinted or stamp != current.stamp:
            self.pending[path] = _Pending(stamp, now)
        return True

    def due(self) -> float | None:
        """When the next file will have been left alone for long enough, if nobody touches it; None when none waits."""
        if not self.pending:
            return None
        return min(p.since for p in self.pending.values()) + self.settle

    def ready(self, now: float) -> list[str]:
        """The files that have been left alone for long enough: look at them again, `observe`, then `take`."""
        return [path for path, p in self.pending.items() if now - p.since >= self.settle]

    def take(self, now: float, paths: Iterable[str]) -> list[Change]:
        """The settled changes among *paths*, which were just looked at; they are known from here on."""
        ready = {p: self.pending[p].stamp for p in paths if self._quiet(p, now)}
        gone = [p for p, stamp in ready.items() if stamp is None]
        here = [p for p, stamp in ready.items() if stamp is not None]
        moved = self._moves(gone, here)
        changes = [self._arrived(path, moved.get(path, "")) for path in here]
        for path in gone:
            if path not in moved.values() and not self._travels(path):
                stamp = self.known.pop(path, None)
                del self.pending[path]
                if stamp is not None:
                    changes.append(Change("deleted", path, stamp))
        return changes

    def adopt(self, path: str, stamp: Stamp) -> None:
        """Know a file without telling of it; one over *most* is left out and counted."""
        if path in self.known or len(self.known) + len(self.pending) < self.most:
            self.known[path] = stamp
        else:
            self.left_out += 1

    def _quiet(self, path: str, now: float) -> bool:
        pending = self.pending.get(path)
        return pending is not None and now - pending.since >= self.settle

    def _moves(self, gone: list[str], here: list[str]) -> dict[str, str]:
        """New name by old one, of files that are the same ones in another place."""
        by_stamp = {self.known[p]: p for p in gone if p in self.known and self.known[p].inode}
        moved: dict[str, str] = {}
        for path in here:
            stamp = self.pending[path].stamp
            if path not in self.known and stamp in by_stamp:
                moved[path] = by_stamp.pop(stamp)
        return moved

    def _travels(self, path: str) -> bool:
        """Whether a file that is gone seems to be one that waits under another name: then both are told together."""
        stamp = self.known.get(path)
        return stamp is not None and any(
            p.stamp == stamp and other not in self.known for other, p in self.pending.items() if other != path
        )

    def _arrived(self, path: str, before: str) -> Change:
        stamp = self.pending.pop(path).stamp
        assert stamp is not None
        kind = "moved" if before else ("changed" if path in self.known else "created")
        if before:
            del self.known[before], self.pending[before]
        self.known[path] = stamp
        return Change(kind, path, stamp, before)
