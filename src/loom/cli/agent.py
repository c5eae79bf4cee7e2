"""`loom agent`: the agents of a data folder, and their dead letters."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import strftime
from typing import Any

from loom.cli._agent_table import agent_table, letter_lines, letter_table
from loom.cli._control import command, holder
from loom.cli._data_folder import Place, add_place, find_place, opened
from loom.cli._output import columns, complain, count, say
from loom.errors import ConfigError
from loom.store import Backend, Family, Put
from loom.store.vault import Vault


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom agent` takes."""
    parser.description = (
        "Looks at the agents of a data folder, also while a runtime uses it. pause,\n"
        "resume, profile and dead reach one that `loom run` started; reset and fork need\n"
        "the folder alone."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add(
        commands, "list", _list, "every agent: status, position, lag, size of its state, last step", "--json"
    )
    state = _add(commands, "state", _state, "what it knows, as JSON", "NAME")
    state.add_argument("--show-private", action="store_true", help="also when its label is above public")
    _add(commands, "pause", _pause, "handle nothing more until resume, also after a restart", "NAME")
    _add(commands, "resume", _pause, "go on", "NAME")
    profile = _add(
        commands, "profile", _profile, "which policy its router follows from now on, until it ends"
    )
    profile.add_argument(
        "profile", metavar="PROFILE", help="balanced, private, fast, cheap, best, or one of its own"
    )
    reset = _add(commands, "reset", _reset, "begin with the defaults; the old state is put aside", "NAME")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    fork = _add(commands, "fork", _fork, "a copy under another name, as it was after an event", "NAME")
    fork.add_argument("new", metavar="NEW", help="the name of the copy")
    fork.add_argument("--at", metavar="SEQ", type=_number, help="after this journal number (now)")
    for each in (state, reset, fork):
        each.add_argument("--key", dest="of_key", metavar="KEY", help="which instance of a keyed agent")
    _describe_dead(commands)


def _describe_dead(commands: Any) -> None:
    text = "events that no handler could handle"
    dead = commands.add_parser("dead", help=text, description=text[0].upper() + text[1:])
    deeds = dead.add_subparsers(dest="deed", required=True, metavar="COMMAND")
    listed = _add(deeds, "list", _dead_list, "all of them, oldest first", "--json")
    _add(deeds, "show", _dead_show, "one with its chain and its error", "N")
    retry = _add(deeds, "retry", _dead_retry, "hand it to its handler again, after a fix")
    retry.add_argument("letter", metavar="N", nargs="?", type=_number)
    retry.add_argument("--all", action="store_true", help="every one that can be")
    _add(deeds, "drop", _dead_drop, "forget it for good", "N")
    for each in (listed, retry):
        each.add_argument("--agent", metavar="NAME", help="of this agent only")


def _add(
    commands: Any, name: str, does: Callable[[argparse.Namespace], int], text: str, *takes: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + "."
    )
    parser.set_defaults(does=does)
    add_place(parser)
    if "NAME" in takes:
        parser.add_argument("name", metavar="NAME", help="the agent")
    if "N" in takes:
        parser.add_argument("letter", metavar="N", type=_number, help="the number of the dead letter")
    if "--json" in takes:
        parser.add_argument("--json", action="store_true", help="as JSON")
    return parser


def run(options: argparse.Namespace) -> int:
    """Do what was asked for."""
    code: int = options.does(options)
    return code


# --- agents -------------------------------------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    from loom.agent._shelf import kept_agents

    with opened(find_place(options)) as backend:
        agents = kept_agents(backend)
    live = _live(find_place(options).folder)
    if options.json:
        say(json.dumps([{**a._asdict(), "status": live(a)} for a in agents], indent=2))
        return 0
    for line in agent_table([(live(agent), agent) for agent in agents], columns()):
        say(line)
    return 0


def _state(options: argparse.Namespace) -> int:
    from loom.agent._shelf import kept_state

    name = _full_name(options)
    with opened(find_place(options)) as backend:
        state = kept_state(backend, Vault(backend), name)
    if state.label.confidentiality and not options.show_private:
        complain(
            f"loom agent: the state of {name!r} is {state.label}; to see it all the same: --show-private"
        )
        return 1
    say(json.dumps(state.fields, indent=2))
    return 0


def _pause(options: argparse.Namespace) -> int:
    from loom.agent._shelf import kept_agents
    from loom.runtime._operations import paused_key

    def offline(backend: Backend) -> str:
        if options.name not in {each.name for each in kept_agents(backend)}:
            raise ConfigError(f"the store has no agent {options.name!r}; see: loom agent list")
        value = b"1" if options.command == "pause" else None
        backend.write([Put(Family.META, paused_key(options.name), value)])
        return f"{options.name} is {'paused' if value else 'resumed'}, from the next start on"

    return _either(find_place(options), {"do": options.command, "agent": options.name}, offline)


def _profile(options: argparse.Namespace) -> int:
    place = find_place(options)
    process = holder(place.folder)
    if process is None:
        raise ConfigError(
            f"no runtime uses {place.folder}; [router] profile is what the next one begins with"
        )
    say(command(process, {"do": "profile", "profile": options.profile}))
    return 0


def _reset(options: argparse.Namespace) -> int:
    from loom.agent._shelf import reset

    name = _full_name(options)
    with opened(find_place(options), write=True) as backend:
        aside, puts = reset(backend, Vault(backend), name, strftime("%Y%m%d-%H%M%S"))
        if not options.yes and not _agreed(f"Put the state of {name!r} aside as {aside!r} and begin anew?"):
            return 1
        backend.write(puts)
    say(f"{name} begins with its defaults; what it knew is in {aside}")
    return 0


def _fork(options: argparse.Namespace) -> int:
    from loom.agent._shelf import fork

    name, new = _full_name(options), options.new
    if options.of_key is not None and "/" not in new:
        new = f"{new}/{options.of_key}"
    with opened(find_place(options), write=True) as backend:
        backend.write(fork(backend, Vault(backend), (name, new), options.at))
    when = "now" if options.at is None else f"after #{options.at}"
    say(f"{new} is what {name} was {when}; add its class under that name: loom.add(Class, name={new!r})")
    return 0


# --- dead letters -------------------------------------------------------------------------------------------------


def _dead_list(options: argparse.Namespace) -> int:
    with _letters(options) as letters:
        found = letters.letters(options.agent, limit=100_000)
        gone = letters.gone
    if options.json:
        from dataclasses import asdict

        say(json.dumps({"letters": [asdict(each) for each in found], "gone": gone}, indent=2))
        return 0
    for line in letter_table(found, gone, columns()):
        say(line)
    return 0


def _dead_show(options: argparse.Namespace) -> int:
    with _letters(options) as letters:
        letter = letters.get(options.letter)
        event = letters.event(letter)
    for line in letter_lines(letter, event, columns()):
        say(line)
    return 0


def _dead_retry(options: argparse.Namespace) -> int:
    from loom.journal.dead import DeadLetters
    from loom.runtime._operations import retryable

    if (options.letter is None) == (not options.all):
        raise ConfigError("loom agent dead retry: give a number, or --all")

    def offline(backend: Backend) -> str:
        letters = DeadLetters(backend)
        wanted = retryable(letters, options.agent) if options.all else [letters.get(options.letter)]
        backend.write([put for letter in wanted for put in letters.mark(letter)])
        several = f"{count(len(wanted))} dead letter{'s are' if len(wanted) != 1 else ' is'}"
        number = several if options.all else f"dead letter {options.letter} is"
        return f"{number} tried again at the next start"

    asked = {"do": "retry", "letters": None if options.all else [options.letter], "agent": options.agent}
    return _either(find_place(options), asked, offline)


def _dead_drop(options: argparse.Namespace) -> int:
    from loom.journal.dead import DeadLetters

    def offline(backend: Backend) -> str:
        letters = DeadLetters(backend)
        backend.write(letters.remove(letters.get(options.letter)))
        return f"dead letter {options.letter} is dropped"

    return _either(find_place(options), {"do": "drop", "letter": options.letter}, offline)


# --- inside -------------------------------------------------------------------------------------------------------


@contextmanager
def _letters(options: argparse.Namespace) -> Iterator[Any]:
    from loom.journal.dead import DeadLetters

    with opened(find_place(options)) as backend:
        yield DeadLetters(backend)


def _either(place: Place, asked: dict[str, Any], offline: Callable[[Backend], str]) -> int:
    """Have the running runtime do it, or do it in the store where none is running."""
    process = holder(place.folder)
    if process is not None:
        say(command(process, asked))
        return 0
    with opened(place, write=True) as backend:
        said = offline(backend)
    say(said)
    return 0


def _live(folder: Path) -> Callable[[Any], str]:
    """The status of an agent: what a runtime that `loom run` started says, or what is kept."""
    from loom.cli import _socket
    from loom.errors import LoomError

    process, agents = holder(folder), {}
    for name, path in _socket.running().items() if process is not None else ():
        if name.endswith(f"-{process}"):
            try:
                agents = _socket.ask(path).get("agents", {})
            except LoomError:
                agents = {}

    def status(agent: Any) -> str:
        told = agents.get(agent.name, {}).get("status")
        return str(told or ("paused" if agent.paused else "stopped" if process is None else "in use"))

    return status


def _full_name(options: argparse.Namespace) -> str:
    return options.name if options.of_key is None else f"{options.name}/{options.of_key}"


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError(f"{question} say so with --yes")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _number(text: str) -> int:
    digits = text.removeprefix("#").removeprefix("dead:")
    if not digits.isdecimal() or len(digits) > 18:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(digits)
