"""What a disk may hold after the power was cut: a log of calls in, folders of bytes out. Knows nothing of Loom.

The model (after Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014, and Mohan et al., CrashMonkey, OSDI
2018): what was written to a file before an fsync of it began is on disk once that fsync has returned. What was written
later is there, missing or torn, each 512-byte sector by itself, in any order; a sector that made a file longer and is
missing reads as zeros or as rubbish, or the file is short. Making, renaming and removing names happens in order within
a folder, and any number of the last ones since the folder's own fsync may be missing. A cut of a file's length comes
before what is written after it. Content and names are independent: an fsync of a file does not make its name durable.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

SECTOR = 512
HEAD = struct.Struct("<ciqI")
PASSING = ("-shm", "LOG", "LOCK", "lock")  # rebuilt or meaningless after a crash: never part of an image
FLAVOURS = ("nothing", "everything", "prefix", "torn", "writes", "sectors", "files")


class Record(NamedTuple):
    """One call: what, on which descriptor, a number (offset, length, flags) and bytes."""

    op: str
    fd: int
    number: int
    data: bytes


class Change(NamedTuple):
    """One change of a file's content: ``W`` bytes at an offset, ``T`` a new length, ``F`` at least that length."""

    at: int
    op: str
    number: int
    data: bytes


class Naming(NamedTuple):
    """One change of a folder: *name* stands for file *inode* now (None: for nothing)."""

    at: int
    name: str
    inode: int | None


class Sync(NamedTuple):
    """An fsync that returned at record *end* and covers what came before record *begin*."""

    end: int
    begin: int


@dataclass
class File:
    """All that happened to one file."""

    changes: list[Change] = field(default_factory=list)
    syncs: list[Sync] = field(default_factory=list)


@dataclass
class Folder:
    """All that happened to the names in one folder."""

    namings: list[Naming] = field(default_factory=list)
    syncs: list[Sync] = field(default_factory=list)


class Unsupported(Exception):
    """The log has a call that the model does not follow, so no image could be trusted."""


def read_log(path: Path) -> Iterator[Record]:
    """The records of a log; a last one that is cut short (the process was killed) is left out."""
    data, at = path.read_bytes(), 0
    while at + HEAD.size <= len(data):
        op, fd, number, length = HEAD.unpack_from(data, at)
        at += HEAD.size
        if at + length > len(data):
            return
        yield Record(op.decode(), fd, number, data[at : at + length])
        at += length


class Disk:
    """The history of a folder, record by record; ``image`` is one way it may look after a crash before record *at*."""

    def __init__(self, root: Path, records: Iterator[Record]) -> None:
        self.root = str(root)
        self.files: list[File] = []
        self.folders: dict[str, Folder] = {"": Folder()}
        self.acks: list[tuple[int, bytes]] = []
        self.points: list[int] = []
        """Records after which the disk differs: the moments worth a crash."""
        self.length = 0
        self._names: dict[str, int] = {}
        self._open: dict[int, int | str] = {}
        self._begun: dict[int, tuple[int, int | str]] = {}
        for self.length, record in enumerate(records, 1):
            self._take(self.length - 1, record)

    # --- the history ---------------------------------------------------------------------------------------------

    def _take(self, at: int, record: Record) -> None:
        op, fd, number, data = record
        if op in "WTF":
            self._file(fd).changes.append(Change(at, op, number, data))
            self.points.append(at)
        elif op == "A":
            self.acks.append((at, data))
            self.points.append(at)
        elif op == "B":
            self._begun[number] = (at, self._open[fd])
        elif op == "S":
            begin, what = self._begun.pop(number)
            history = self.folders[what] if isinstance(what, str) else self.files[what]
            history.syncs.append(Sync(at, begin))
            self.points.append(at)
        elif op == "C":
            self._open.pop(fd, None)
        elif op == "P":
            self._open[number] = self._open[fd]
        elif op in "VX":
            self._shared(record)
        else:
            self._name(at, record)

    def _file(self, fd: int) -> File:
        what = self._open[fd]
        assert isinstance(what, int), f"bytes written to the folder {what!r}"
        return self.files[what]

    def _shared(self, record: Record) -> None:
        name = record.data.decode() if record.op == "X" else self._name_of(self._open[record.fd])
        if not passing(name):
            what = "shared memory in" if record.op == "V" else "a call on"
            raise Unsupported(f"{what} {name!r}, which this log does not follow")

    def _name_of(self, what: int | str) -> str:
        return (
            what if isinstance(what, str) else next((n for n, i in self._names.items() if i == what), "gone")
        )

    def _name(self, at: int, record: Record) -> None:
        path, _, target = record.data.decode().partition("\1")
        name = self._relative(path)
        if record.op == "O":
            self._opened(at, record, name)
            return
        self.points.append(at)
        if record.op == "M":
            self.folders[name] = Folder()
            self._point(at, name, -1)
        elif record.op in "RL":
            self._point(at, self._relative(target), self._names[name])
        if record.op in "RUD":
            self._point(at, name, None)

    def _opened(self, at: int, record: Record, name: str) -> None:
        if record.number & 4:
            self._open[record.fd] = name
            return
        if record.number & 1:
            self.files.append(File())
            self._point(at, name, len(self.files) - 1)
            self.points.append(at)
        elif record.number & 2:
            self.files[self._names[name]].changes.append(Change(at, "T", 0, b""))
        if name not in self._names:
            raise Unsupported(f"{name!r} was there before the log began")
        self._open[record.fd] = self._names[name]

    def _point(self, at: int, name: str, inode: int | None) -> None:
        parent = str(PurePosixPath(name).parent).removeprefix(".")
        self.folders[parent].namings.append(Naming(at, name, inode))
        if inode is None:
            self._names.pop(name, None)
        else:
            self._names[name] = inode

    def _relative(self, path: str) -> str:
        return path.removeprefix(self.root).lstrip("/")

    # --- after a crash -------------------------------------------------------------------------------------------

    def image(self, at: int, flavour: str, chance: random.Random) -> dict[str, bytes | None]:
        """What may be on the disk when the power fails before record *at*: name -> bytes, None for a folder."""
        names = self._names_at(at, flavour, chance)
        cut = chance.randint(0, at)
        favoured = chance.choice(sorted(names)) if names else ""
        found: dict[str, bytes | None] = {}
        for name, inode in names.items():
            if inode < 0:
                found[name] = None
            elif not passing(name):
                how = flavour if flavour != "files" else ("everything" if name == favoured else "nothing")
                found[name] = content(self.files[inode], at, how, cut, chance)
        return {n: c for n, c in found.items() if _parents(n) <= found.keys()}

    def _names_at(self, at: int, flavour: str, chance: random.Random) -> dict[str, int]:
        names: dict[str, int] = {}
        for folder in self.folders.values():
            done = [n for n in folder.namings if n.at < at]
            sure = durable(folder.syncs, at)
            least = sum(n.at < sure for n in done)
            kept = {"nothing": least, "everything": len(done)}.get(flavour, chance.randint(least, len(done)))
            for _, name, inode in done[:kept]:
                if inode is None:
                    names.pop(name, None)
                else:
                    names[name] = inode
        return names


def durable(syncs: list[Sync], at: int) -> int:
    """The record before which everything is on disk for sure when the power fails before record *at*."""
    return max((sync.begin for sync in syncs if sync.end < at), default=0)


def passing(name: str) -> bool:
    """Whether a file means nothing after a crash."""
    last = PurePosixPath(name).name
    return last.endswith("-shm") or last.startswith(PASSING[1:])


def _parents(name: str) -> set[str]:
    return {str(p) for p in PurePosixPath(name).parents} - {"."}


def content(file: File, at: int, flavour: str, cut: int, chance: random.Random) -> bytes:
    """One legal content of *file* when the power fails before record *at*."""
    sure = durable(file.syncs, at)
    done = bytearray()
    for change in file.changes:
        if change.at < sure:
            _apply(done, change)
    pending = [c for c in file.changes if sure <= c.at < at]
    if flavour == "nothing" or not pending:
        return bytes(done)
    if flavour in ("everything", "prefix", "torn"):
        kept = [c for c in pending if flavour == "everything" or c.at < cut]
        for change in kept[:-1] if flavour == "torn" else kept:
            _apply(done, change)
        if flavour == "torn" and kept:
            _scatter(done, kept[-1], 0.5, chance)
        return bytes(done)
    return _subset(done, pending, flavour, chance)


def _subset(done: bytearray, pending: list[Change], flavour: str, chance: random.Random) -> bytes:
    """Any subset of the pending writes or of their sectors; a cut that is missing takes with it what came after it."""
    share = chance.choice((0.1, 0.5, 0.9))
    for change in pending:
        if change.op != "W":
            if chance.random() < 0.3:
                break
            _apply(done, change)
        elif flavour == "sectors":
            _scatter(done, change, share, chance)
        elif chance.random() < share:
            _apply(done, change)
    return bytes(done)


def _apply(done: bytearray, change: Change) -> None:
    if change.op == "W":
        _place(done, change.number, change.data)
    elif change.op == "T" and change.number < len(done):
        del done[change.number :]
    else:
        done.extend(bytes(max(0, change.number - len(done))))


def _place(done: bytearray, at: int, data: bytes) -> None:
    done.extend(bytes(max(0, at - len(done))))
    done[at : at + len(data)] = data


def _scatter(done: bytearray, change: Change, share: float, chance: random.Random) -> None:
    """Apply some sectors of a write; what is missing beyond the old end is short, zeros or rubbish."""
    if change.op != "W":
        _apply(done, change)
        return
    end, old = change.number + len(change.data), len(done)
    fill = chance.choice(("short", "zeros", "rubbish"))
    if fill != "short" and end > old:
        done.extend(chance.randbytes(end - old) if fill == "rubbish" else bytes(end - old))
    at = change.number
    while at < end:
        upto = min(end, (at // SECTOR + 1) * SECTOR)
        if chance.random() < share:
            _place(done, at, change.data[at - change.number : upto - change.number])
        at = upto


def write_image(folder: Path, image: dict[str, bytes | None]) -> None:
    """Make *image* a folder."""
    folder.mkdir(parents=True)
    for name, held in sorted(image.items()):
        if held is None:
            (folder / name).mkdir(parents=True, exist_ok=True)
        else:
            (folder / name).write_bytes(held)


def differences(folder: Path, image: dict[str, bytes | None]) -> list[str]:
    """Where a folder and an image differ: what the log has missed."""
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if not passing(p.name)}
    wrong = [f"{name} is only on one side" for name in there ^ image.keys()]
    return wrong + [
        f"{name} differs"
        for name, held in image.items()
        if held is not None and name in there and (folder / name).read_bytes() != held
    ]
