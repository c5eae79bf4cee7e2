"""What a watched folder lets one see: which files count, and how they look at the moment."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from loom.adapters._folder_settling import Stamp
from loom.errors import DeviceLost

IGNORED = (".*", "*~", "*.tmp", "*.part", "*.partial", "*.crdownload", "*.swp", "#*#")
DEPTH = 32


@dataclass(slots=True)
class View:
    """The ordinary files below *root* whose names match one of *patterns* and none of *ignore*.

    A pattern with a slash is matched against the path below *root*. Symbolic links are followed to files inside
    *root* only, and never to folders. ``outside`` counts the looks at links that lead out, ``unnamed`` names that
    are not UTF-8.
    """

    root: Path
    patterns: Sequence[str] = ("*",)
    ignore: Sequence[str] = IGNORED
    recursive: bool = False
    most: int = 10_000
    outside: int = field(default=0, init=False)
    unnamed: int = field(default=0, init=False)
    _real: str = field(default="", init=False)
    _place: tuple[int, int] = field(default=(0, 0), init=False)

    def open(self) -> None:
        """Begin with the folder as it is now; raises DeviceLost when it is not there or cannot be read."""
        try:
            self._real = os.path.realpath(self.root, strict=True)
            with os.scandir(self._real):
                pass
            self._place = _place(self._real)
        except OSError as error:
            raise DeviceLost(
                f"folder {str(self.root)!r}: {error.strerror}; make it, or name another one"
            ) from None

    def check(self) -> None:
        """Raise DeviceLost unless the folder is still the one that was opened."""
        try:
            same = _place(os.path.realpath(self.root, strict=True)) == self._place
        except OSError as error:
            raise DeviceLost(f"folder {str(self.root)!r} is gone: {error.strerror}") from None
        if not same:
            raise DeviceLost(f"folder {str(self.root)!r} was replaced by another one")

    def look(self, paths: Sequence[str]) -> Mapping[str, Stamp | None]:
        """How *paths* look now, None where there is no such file; those that do not count are left out."""
        return {path: self._stamp(path) for path in paths if self.counts(path)}

    def scan(self, known: Iterable[str] = ()) -> Mapping[str, Stamp | None]:
        """Every file that counts, at most twice *most*, and those of *known* that are gone; raises DeviceLost."""
        found: dict[str, Stamp | None] = {}
        for path in self._walk("", 0):
            if len(found) >= 2 * self.most:
                break
            stamp = self._stamp(path)
            if stamp is not None:
                found[path] = stamp
        found |= {path: self._stamp(path) for path in known if path not in found}
        self.check()  # afterwards: files are not gone because their folder is
        return found

    def below(self, path: str) -> str | None:
        """*path*, absolute, as it is called below the root; None when it lies elsewhere."""
        for base in (self._real, str(self.root)):
            if path.startswith(base + os.sep):
                return path[len(base) + 1 :]
        return None

    def counts(self, path: str) -> bool:
        """Whether a file of this name, relative to the root, is one that is asked for."""
        parts = path.split(os.sep)
        if len(parts) > (DEPTH if self.recursive else 1) or ".." in parts:
            return False
        if not _utf8(path):
            self.unnamed += 1
            return False
        if any(fnmatchcase(part, pattern) for part in parts for pattern in self.ignore):
            return False
        if any("/" in p and fnmatchcase(path, p) for p in self.ignore):
            return False
        return any(fnmatchcase(path if "/" in p else parts[-1], p) for p in self.patterns)

    def _walk(self, below: str, depth: int) -> Iterator[str]:
        try:
            with os.scandir(os.path.join(self._real, below)) as entries:
                names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError:  # gone meanwhile, or not ours to read: there is nothing in it for us
            return
        for name, is_folder in sorted(names):
            path = os.path.join(below, name)
            if not is_folder:
                if self.counts(path):
                    yield path
            elif self.recursive and depth + 1 < DEPTH and not self._hidden(name):
                yield from self._walk(path, depth + 1)

    def _hidden(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.ignore)

    def _stamp(self, path: str) -> Stamp | None:
        whole = os.path.join(self._real, path)
        parent = os.path.dirname(whole)
        try:
            if parent != self._real and os.path.realpath(parent) != parent:
                return None
            found = os.lstat(whole)
            if stat.S_ISLNK(found.st_mode):
                real = os.path.realpath(whole, strict=True)
                if not real.startswith(self._real + os.sep):
                    self.outside += 1
                    return None
                found = os.stat(real)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return Stamp(found.st_size, found.st_mtime_ns, found.st_dev, found.st_ino)


def _place(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
