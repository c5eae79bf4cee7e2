"""`loom why`: what led to something, and what came of it; and where a request of a model would go."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING

from loom.cli._data_folder import add_place, find_place, opened
from loom.cli._output import columns, is_terminal, say
from loom.cli._why_lines import clean, lines, painted, plain
from loom.cli._why_try import describe as describe_try
from loom.cli._why_try import show
from loom.errors import ConfigError

if TYPE_CHECKING:
    from loom.journal._why_hops import Hop


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom why` takes."""
    parser.description = (
        "Tells what led to an event, a timer, an action or a dead letter, from its\n"
        "source on, and what came of it. Reads the data folder, also while it is in use.\n\n"
        "With --try it says which model a request would be sent to, and what speaks for\n"
        "or against each; nothing is sent and no model is started."
    )
    parser.epilog = (
        "ID is one of\n"
        "  an event's id                   019b7a2c6c00-8f1e5d3c2b1a0f9e-0000000007\n"
        "  # and its journal number        '#123'\n"
        "  a timer's id, an action's key   greeter/greet/019b.../1\n"
        "  a dead letter                   dead:7\n"
        "  an agent's last step            agent:greeter\n"
        "  a decision of the router        as in loom.router.decision"
    )
    parser.add_argument("id", metavar="ID", nargs="?", help="what to explain")
    add_place(parser)
    describe_try(parser)
    parser.add_argument("--json", action="store_true", help="the answer as JSON, by a schema that only grows")


def run(options: argparse.Namespace) -> int:
    """Print the chain; 1 when nothing was found, or nobody would be asked."""
    if (options.id is None) == (options.text is None):
        raise ConfigError("loom why takes an ID, or a request with --try TEXT; see: loom why --help")
    if options.text is not None:
        return show(options)
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
        _say_decision(why.subject)
    return 0 if why.found else 1


def _say_decision(subject: Hop | None) -> None:
    """The candidates of a decision of the router."""
    if subject is None or subject.kind != "decision":
        return
    from loom.router.explain import table

    for line in ["", *table(subject.facts, columns(120))]:
        say(clean(line))
