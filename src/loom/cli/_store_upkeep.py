"""`loom store verify|backup|compact|repair`: is it whole, a copy, less space, what can be saved."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from loom.cli._data_folder import check_there, find_place, opened
from loom.cli._output import count, say, size
from loom.cli._store_audit import BROKEN, audit

if TYPE_CHECKING:
    from loom.store import Backend

_SHOWN = 100  # broken things that are named


def verify_store(options: argparse.Namespace) -> int:
    """Say what was looked at, and everything that is broken."""
    place = find_place(options)
    broken = 0
    with opened(place, anyway=True) as store:
        for mark, text in audit(store):
            broken += mark == BROKEN
            if mark != BROKEN or broken <= _SHOWN:
                say(f"{mark}  {text}")
    if broken > _SHOWN:
        say(f"{BROKEN}  and {count(broken - _SHOWN)} more")
    if broken:
        say(f"broken: {count(broken)}; go back to a backup, or run: loom store repair {place.folder}")
    return 1 if broken else 0


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
    """Give space back."""
    from loom.store.opening import open_backend

    place = find_place(options)
    check_there(place.folder)
    backend = open_backend(place.folder)
    try:
        before = backend.nbytes()
        backend.compact()
        backend.checkpoint()
        say(f"{place.folder}: {size(before)} before, {size(backend.nbytes())} now")
    finally:
        backend.close()
    return 0


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
