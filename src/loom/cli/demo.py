"""`loom demo`: programs that run a whole Loom in front of you, and check what they claim while they do."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple


class Demo(NamedTuple):
    """One demo: its module has `describe(parser)` and `run(options) -> int`, and imports what it needs when it runs."""

    module: str
    what: str


DEMOS = {
    "camera": Demo(
        "loom.cli._camera_demo", "frames, a face detector, a greeter, and a flood that must not make it late"
    ),
    "desk": Demo("loom.cli._desk_demo", "a folder that is read and indexed while you ask it questions"),
    "voice": Demo(
        "loom.cli._voice_demo", "an assistant that hears, thinks and speaks, all of it on this machine"
    ),
}


def demos() -> dict[str, Demo]:
    """The demos that this installation has."""
    return {name: demo for name, demo in DEMOS.items() if find_spec(demo.module) is not None}


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom demo` takes: which one, and then that one's own options."""
    parser.description = "See it work. Exit code 0 when everything that a demo claims was seen to hold."
    which = parser.add_subparsers(dest="which", metavar="which", required=True)
    for name, demo in demos().items():
        own = which.add_parser(
            name, help=demo.what, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )
        import_module(demo.module).describe(own)


def run(options: argparse.Namespace) -> int:
    """Run the demo that was asked for; its exit code."""
    code: int = import_module(DEMOS[options.which].module).run(options)
    return code
