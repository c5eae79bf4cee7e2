"""`loom store export|import`: events as CloudEvents in a file, and back into a store."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, NamedTuple

from loom.cli._data_folder import find_place, opened
from loom.cli._output import complain, count, counted
from loom.cli._store_entries import entries
from loom.errors import ConfigError, InvalidEvent, LoomError
from loom.event import PUBLIC, Label
from loom.event.topic import check_pattern

if TYPE_CHECKING:
    from loom.event.cloudevents import Hole, Line
    from loom.journal import Journal
    from loom.store import Put
    from loom.store.sealed import SealedBackend

_BATCH = 512
_HIGHEST = 2**53  # a number beyond it was made up
_NAMED = 5  # holes that are named


class Exported(NamedTuple):
    """How many events were written, how many of them are private, and which could not be."""

    written: int
    private: int
    unreadable: list[str]


class Imported(NamedTuple):
    """How many events were added, under which numbers, and how many were there already or got another number."""

    added: int
    first: int
    last: int
    twice: int
    renumbered: int


class Read(NamedTuple):
    """What a file holds: how many events, and the numbers that it leaves out."""

    events: int
    holes: list[Hole]


def export_store(options: argparse.Namespace) -> int:
    """Write events, one a line."""
    pattern = check_pattern(options.topics)
    with opened(find_place(options)) as store, _output(options.file) as stream:
        done = _export(store, pattern, options.first, stream)
    complain(
        f"exported {counted(done.written, 'event')}" + ("" if options.file == "-" else f" to {options.file}")
    )
    if done.private:
        what = f"{count(done.private)} of them {'is' if done.private == 1 else 'are'}"
        complain(f"note: {what} private and in the clear there")
    for line in done.unreadable:
        complain(line)
    return 1 if done.unreadable else 0


def import_store(options: argparse.Namespace) -> int:
    """Add the events of a file at the end of the journal: all of them, or none when a line is wrong."""
    with _input(options.file) as stream:
        found = _look(stream)
    with opened(find_place(options), write=True) as store, _input(options.file) as stream:
        done = _import(store, stream, options.label or PUBLIC)
    added = f"added {counted(done.added, 'event')}"
    added += f", numbers {done.first} to {done.last}" if done.added else ""
    twice = (
        f"; {count(done.twice)} {'was' if done.twice == 1 else 'were'} there already" if done.twice else ""
    )
    complain(added + twice)
    if done.renumbered:
        complain(f"note: {counted(done.renumbered, 'event')} got another number than in the file")
    if found.holes:
        complain(f"note: {_left_out(found.holes)}")
    return 0


def _export(store: SealedBackend, pattern: tuple[str, ...], first: int, stream: IO[bytes]) -> Exported:
    from loom.event.cloudevents import to_line
    from loom.store.sealing import must_seal

    written = private = 0
    unreadable = []
    for number, event, why in entries(store, pattern, first):
        try:
            if event is not None:
                stream.write(to_line(event, number))
                written += 1
                private += must_seal(event.label)
            elif why != "shredded":
                unreadable.append(f"not exported: event {number}: {why}")
        except LoomError as error:
            unreadable.append(f"not exported: event {number}: {error}")
    stream.flush()
    return Exported(written, private, unreadable)


def _look(stream: IO[bytes]) -> Read:
    """Read all of a file before anything is changed; raises InvalidEvent naming the line."""
    from loom.event.cloudevents import Hole, read_lines

    events, holes = 0, []
    for each in read_lines(stream):
        if isinstance(each, Hole):
            holes.append(each)
        else:
            _check(each)
            events += 1
    if not events:
        raise ConfigError("there is no event in it; nothing was imported")
    return Read(events, holes)


def _check(line: Line) -> None:
    """Refuse what a journal cannot keep."""
    from loom.journal.row import flat_event

    event = line.event
    for name, text in (("id", event.id), ("loomcause", event.cause or "")):
        if "\0" in text or len(text) > 512:
            raise InvalidEvent(
                f"line {line.number}: CloudEvent attribute {name!r} is too long or has a zero byte"
            )
    try:
        flat_event(event)
    except LoomError as error:
        raise InvalidEvent(f"line {line.number}: {error}") from None


def _import(store: SealedBackend, stream: IO[bytes], least: Label) -> Imported:
    """Add the events, each at *least* so; in an empty journal they keep the numbers that they had."""
    from loom.bus import Bus
    from loom.event.cloudevents import Line, read_lines
    from loom.journal import Journal

    journal = Journal(store, Bus())
    adding = Adding(store, journal, least)
    try:
        for each in read_lines(stream):
            if isinstance(each, Line):
                adding.add(each)
        adding.write()
        return Imported(adding.added, adding.first, journal.seq, adding.twice, adding.renumbered)
    finally:
        journal.committer.close()


class Adding:
    """Adds events to a journal, some at a time."""

    def __init__(self, store: SealedBackend, journal: Journal, least: Label) -> None:
        self._store, self._journal, self._least = store, journal, least
        self._puts: list[Put] = []
        self._ids: set[str] = set()
        self._was_empty = not journal.seq
        self.first = self.added = self.twice = self.renumbered = 0

    def add(self, line: Line) -> None:
        """Add one event, unless it is there."""
        event, journal = line.event, self._journal
        if event.id in self._ids or journal.find(event.id) is not None:
            self.twice += 1
            return
        self._ids.add(event.id)
        if not event.label.covers(self._least):
            event = event.replace(label=event.label.join(self._least), id=event.id)
        if self._was_empty and line.seq is not None and journal.seq < line.seq < _HIGHEST:
            journal.seq = line.seq - 1
        self._puts += journal.rows(event)
        self.first = self.first or journal.seq
        self.added += 1
        self.renumbered += line.seq not in (None, journal.seq)
        if len(self._ids) >= _BATCH:
            self.write()

    def write(self) -> None:
        """Write what was added."""
        self._store.write(self._puts)
        self._puts, self._ids = [], set()


def _left_out(holes: list[Hole]) -> str:
    missing = sum(last - first + 1 for first, last, _ in holes)
    named = ", ".join(
        f"{first}" if first == last else f"{first} to {last}" for first, last, _ in holes[:_NAMED]
    )
    more = f" and {count(len(holes) - _NAMED)} more places" if len(holes) > _NAMED else ""
    return (
        f"the file leaves out {counted(missing, 'number')} ({named}{more}): "
        "events that were not exported, not kept any more, or lost from the file"
    )


@contextmanager
def _output(name: str) -> Iterator[IO[bytes]]:
    """A new file for us alone that is there when all of it is, or standard output."""
    if name == "-":
        yield sys.stdout.buffer
        return
    if os.path.lexists(name):
        raise ConfigError(f"{name} exists already; choose another name, nothing was changed")
    part = f"{name}.part"
    try:
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(file, "wb") as stream:
                yield stream
            os.rename(part, name)
        except BaseException:
            os.unlink(part)
            raise
    except OSError as error:
        raise LoomError(f"cannot write {name}: {error.strerror or error}; nothing was left behind") from None


@contextmanager
def _input(name: str) -> Iterator[IO[bytes]]:
    """A file, which is read twice."""
    if os.path.exists(name) and not os.path.isfile(name):
        raise ConfigError(
            f"cannot read {name}: it must be a file, which is checked before anything is changed"
        )
    try:
        stream = open(name, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror or error}") from None
    with stream:
        yield stream
