"""`loom store`: looking into a data folder, looking after it, and its keys."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from loom.cli._data_folder import add_place
from loom.event import Label


class Verb(NamedTuple):
    """One thing that can be done to a store: where it is, what it is for, and what it takes beside the folder."""

    module: str
    what: str
    options: Callable[[argparse.ArgumentParser], None]
    positional: bool = False


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom store` takes."""
    parser.description = (
        "Looks into the store in a data folder and after it. The folder is --data DIR, or\n"
        "that of the project here ([loom] data in loom.toml). tail, export, verify and\n"
        "backup also work while Loom runs."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        sub = verbs.add_parser(name, help=verb.what, description=verb.what, allow_abbrev=False)
        verb.options(sub)
        add_place(sub, verb.positional)


def run(options: argparse.Namespace) -> int:
    """Do it; 0 when it worked and nothing is wrong."""
    module = import_module(f"loom.cli.{VERBS[options.verb].module}")
    code: int = getattr(module, f"{options.verb}_store")(options)
    return code


def _nothing(parser: argparse.ArgumentParser) -> None:
    pass


def _backup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="DIR", help="the folder to copy into; it must not hold a store")


def _tail(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pattern", nargs="?", default=">", help="the topics to show, such as 'camera.>' (all)"
    )
    parser.add_argument("-n", type=_count, default=10, metavar="N", help="how many of the last events (10)")
    parser.add_argument("-f", action="store_true", help="go on with new events until Ctrl-C")


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", default="-", help="a new file (standard output)")
    parser.add_argument("--topics", default=">", metavar="PATTERN", help="only topics that match (all)")
    parser.add_argument("--first", type=_count, default=1, metavar="N", help="from this number on (1)")


def _import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="CloudEvents 1.0, one JSON object a line")
    parser.add_argument("--label", type=_label, help="what they are at least, such as 'private, untrusted'")


def _rotate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", required=True, metavar="KEY", help="the new key; a file is made if need be")


def _shred(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("subject", help="whose data: metadata['subject'], or the key of a keyed agent")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--new", metavar="FILE", help="write a new key into FILE, and do nothing else")


def _label(text: str) -> Label:
    try:
        return Label.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return int(text)


VERBS = {
    "verify": Verb("_store_upkeep", "read everything and say what is broken", _nothing, positional=True),
    "backup": Verb("_store_upkeep", "copy the store into another folder", _backup),
    "compact": Verb("_store_upkeep", "give the space of what is gone back", _nothing, positional=True),
    "repair": Verb("_store_upkeep", "save what can be read of a broken store", _nothing, positional=True),
    "tail": Verb("_store_events", "show the last events", _tail),
    "export": Verb("_store_export", "write events as CloudEvents, one a line", _export),
    "import": Verb("_store_export", "add events from such a file", _import),
    "rotate": Verb("_store_keys", "keep the store under a new master key", _rotate),
    "shred": Verb("_store_keys", "destroy the keys of one subject's private data", _shred),
    "key": Verb("_store_keys", "say how the store is sealed, or make a key", _key, positional=True),
}
