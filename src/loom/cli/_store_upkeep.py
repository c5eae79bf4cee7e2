"""`loom store verify|backup|compact|repair`: is it whole, a copy, less space, what can be saved."""

from __future__ import annotations

import argparse
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from loom.cli._data_folder import Place, check_there, find_place, opened
from loom.cli._output import columns, count, counted, is_terminal, say, size
from loom.cli._store_audit import BROKEN, audit
from loom.errors import MissingKey, StoreCorrupt

if TYPE_CHECKING:
    from loom.store import Backend
    from loom.store.sealed import SealedBackend

_SHOWN = 100  # broken things that are named


def verify_store(options: argparse.Namespace) -> int:
    """Say what was looked at, and everything that is broken."""
    place = find_place(options)
    broken = 0
    with opened(place, anyway=True) as store:
        for mark, text in audit(store):
            broken += mark == BROKEN
            if mark != BROKEN or broken <= _SHOWN:
                for line in _wrapped(f"{mark}  {text}"):
                    say(line)
    if broken > _SHOWN:
        say(f"{BROKEN}  and {count(broken - _SHOWN)} more")
    if broken:
        say(f"broken: {count(broken)}; go back to a backup, or run: loom store repair {place.folder}")
    return 1 if broken else 0


def _wrapped(text: str) -> list[str]:
    """*text* as lines that the terminal can show, the second one indented; as it is where nobody watches."""
    if not is_terminal():
        return [text]
    return textwrap.wrap(text, columns(), subsequent_indent="    ", break_on_hyphens=False)


def backup_store(options: argparse.Namespace) -> int:
    """Copy the store, whoever uses it."""
    from loom.store.opening import open_backend

    place, target = find_place(options), Path(options.target)
    check_there(place.folder)
    backend = open_backend(place.folder, read_only=True)  # the copy is sealed as it is: no key is needed
    try:
        backend.backup(str(target))
        kept = _is_sealed(backend)
    finally:
        backend.close()
    copy = open_backend(target, read_only=True)
    try:
        say(f"copied into {target}: {size(copy.nbytes())}")
    finally:
        copy.close()
    if kept:
        say("It is sealed as the original is: keep the key too, in another place.")
    return 0


def compact_store(options: argparse.Namespace) -> int:
    """Take away what nothing refers to, and give space back."""
    place = find_place(options)
    with opened(place, write=True, anyway=True) as store:
        before = store.nbytes()
        code = _sweep(store, place)
        _progress("giving space back")
        store.compact()
        store.checkpoint()
        _progress()
        say(f"{place.folder}: {size(before)} before, {size(store.nbytes())} now")
    return code


def _sweep(store: SealedBackend, place: Place) -> int:
    from loom.journal.sweep import sweep

    try:
        swept = sweep(store, lambda what, rows: _progress(f"{what}: {count(rows)}"))
    except MissingKey:
        _progress()
        say("--  large values stay: the store is sealed, and no key is given (--unlock KEY)")
        return 0
    except StoreCorrupt:
        _progress()
        say("NO  large values stay: a row that cannot be read may refer to any of them")
        say(f"broken: see which one with: loom store verify {place.folder}")
        return 1
    _progress()
    if swept.leaves:
        say(f"ok  {counted(swept.leaves, 'large value')} that nothing refers to: {size(swept.nbytes)}")
    if swept.ids:
        say(f"ok  {counted(swept.ids, 'id')} without an event")
    return 0


def _progress(text: str = "") -> None:
    """What is being done, on one line of a terminal that is written over; nothing clears it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text[:79]}")
        sys.stderr.flush()


def repair_store(options: argparse.Namespace) -> int:
    """Save what can be read; nothing is deleted."""
    from loom.store.repair import repair

    place = find_place(options)
    check_there(place.folder)
    for line in repair(place.folder, f"{datetime.now(UTC):%Y%m%d-%H%M%S}"):
        say(line)
    return 0


def _is_sealed(backend: Backend) -> bool:
    from loom.store import Family
    from loom.store.sealing import CHECK

    return backend.get(Family.META, CHECK) is not None
