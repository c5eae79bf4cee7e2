"""`loom why`: what led to something, and what came of it."""

from __future__ import annotations

import argparse
import json
import os

from loom.cli._data_folder import add_place, find_place, opened
from loom.cli._output import columns, is_terminal, say
from loom.cli._why_lines import lines, painted, plain


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom why` takes."""
    parser.description = (
        "Tells what led to an event, a timer, an action or a dead letter, from its\n"
        "source on, and what came of it. Reads the data folder, also while it is in use."
    )
    parser.epilog = (
        "ID is one of\n"
        "  an event's id                   019b7a2c6c00-8f1e5d3c2b1a0f9e-0000000007\n"
        "  # and its journal number        '#123'\n"
        "  a timer's id, an action's key   greeter/greet/019b.../1\n"
        "  a dead letter                   dead:7\n"
        "  an agent's last step            agent:greeter"
    )
    parser.add_argument("id", metavar="ID", help="what to explain")
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="the answer as JSON, by a schema that only grows")


def run(options: argparse.Namespace) -> int:
    """Print the chain; 1 when nothing was found."""
    from loom.journal._why_facts import StoreFacts
    from loom.journal.why import explain

    with opened(find_place(options)) as backend:
        why = explain(StoreFacts(backend), options.id)
    if options.json:
        say(json.dumps(why.document(), indent=2))
    else:
        paint = painted if is_terminal() and "NO_COLOR" not in os.environ else plain
        for line in lines(why, columns(120), paint=paint):
            say(line)
    return 0 if why.found else 1
