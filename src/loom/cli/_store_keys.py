"""`loom store key|rotate|shred`: how a store is sealed, a new master key, and destroying what belongs to somebody."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter

from loom.cli._data_folder import Place, check_there, find_place, opened
from loom.cli._output import complain, counted, say
from loom.errors import ConfigError, MissingKey


def key_store(options: argparse.Namespace) -> int:
    """Make a key, or say what there is."""
    from loom.store._master_key import find_master_key, generate_key_file

    if options.new is not None:
        generate_key_file(options.new)
        say(f"Made {options.new}, which only you may read. Keep a copy in another place: without it")
        say("everything that was sealed with it is lost, and nobody can help.")
        return 0
    place = find_place(options)
    check_there(place.folder)
    master = find_master_key(place.key)
    if not _is_sealed(place):
        where = "no key is given" if master is None else f"it will be with the key from {master.origin}"
        say(f"{place.folder}: nothing in it is sealed yet; {where}")
        return 0
    if master is None:
        say(f"{place.folder}: it is sealed, and no key is given")
        return 1
    live, gone = _census(place)
    say(f"{place.folder}: it is sealed, and the key from {master.origin} fits")
    keys, subjects = counted(live.total(), "data key"), counted(len(live), "subject")
    say(f"{keys} of {subjects}; shredded: {counted(len(gone), 'subject')}")
    return 0


def rotate_store(options: argparse.Namespace) -> int:
    """Keep the data keys under a new master key."""
    from loom.store._master_key import find_master_key, generate_key_file
    from loom.store.crypto import rotate
    from loom.store.opening import open_backend

    place = find_place(options)
    check_there(place.folder)
    old = find_master_key(place.key)
    if old is None:
        raise MissingKey("which is the old key? give --unlock KEY, or set LOOM_KEY")
    if _is_file(options.to) and not os.path.lexists(options.to.removeprefix("file:")):
        generate_key_file(options.to.removeprefix("file:"))
        say(f"made {options.to}")
    new = find_master_key(options.to)
    assert new is not None
    backend = open_backend(place.folder)
    try:
        keys = rotate(backend, old, new)
        if keys is not None:
            backend.compact()  # the old wrapping must not be left in free pages
    finally:
        backend.close()
    if keys is None:
        say("There was nothing to do: nothing is sealed yet, or the new key fits already.")
    else:
        say(f"{counted(keys, 'data key')} kept under the key from {new.origin}")
    say(f"Give Loom the key from {new.origin} from now on. The old one still opens copies made before.")
    return 0


def shred_store(options: argparse.Namespace) -> int:
    """Destroy the data keys of one subject."""
    from loom.store.crypto import KeySealer, shred

    if not options.subject:
        raise ConfigError(
            "without a subject that is everything nobody owns; to lose all of it delete the folder"
        )
    if not options.yes:
        _ask(
            f"Private data of {options.subject!r} will be unreadable for ever. Type the subject again: ",
            options,
        )
    with opened(find_place(options), write=True) as store:
        if not isinstance(store.sealer, KeySealer):
            raise MissingKey("nothing in this store is sealed: there is no key to destroy")
        keys = shred(store.backend, store.sealer, options.subject)
    if not keys:
        complain(f"nothing is sealed for {options.subject!r}; subjects are told apart by case and spaces")
        return 1
    say(
        f"destroyed {counted(keys, 'data key')} of {options.subject!r}: what was private of it cannot be read any more"
    )
    say("Not destroyed: its public and sensitive events, and copies of this store that")
    say("were made before.")
    return 0


def _ask(question: str, options: argparse.Namespace) -> None:
    if not sys.stdin.isatty():
        raise ConfigError(f"this destroys data; give --yes to destroy that of {options.subject!r}")
    if input(question) != options.subject:
        raise ConfigError("that is another subject; nothing was destroyed")


def _is_file(source: str) -> bool:
    return source.partition(":")[0] not in ("env", "keyring")


def _is_sealed(place: Place) -> bool:
    from loom.store import Family
    from loom.store.opening import open_backend
    from loom.store.sealing import CHECK

    backend = open_backend(place.folder, read_only=True)
    try:
        return backend.get(Family.META, CHECK) is not None
    finally:
        backend.close()


def _census(place: Place) -> tuple[Counter[str], set[str]]:
    """How many data keys each subject has, and which had some that were destroyed; raises WrongKey."""
    from loom.store.crypto import subjects

    with opened(place) as store:
        return subjects(store.backend)
