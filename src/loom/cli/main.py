"""Reading the command line: which command, which options, which exit code."""

from __future__ import annotations

import argparse
import difflib
import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from loom.cli._output import complain

# A command's module has `describe(parser)` and `run(options) -> int`; it is imported only when it is asked for.
COMMANDS = {
    "run": "run a project: loom run loom.toml",
    "new": "make a working project: loom new kitchen",
    "demo": "see it work: loom demo camera",
    "doctor": "say what this machine can do and what is missing",
    "models": "the models that can run here, and what they cost",
    "gateway": "serve the models of a project over HTTP",
    "top": "watch a running `loom run`",
    "store": "look into a data folder, and look after it",
    "why": "what led to an event, and what came of it",
    "source": "sources: list, mute, unmute, allow",
    "agent": "agents in a data folder: state, dead letters, pause, fork",
}
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

OVERVIEW = """\
loom - a runtime for AI agents that run all the time

  usage: loom COMMAND [OPTIONS]

{commands}

  loom COMMAND --help   what a command takes
  loom --version        which Loom and which Python

Exit codes: 0 it worked, 1 it did not, 2 the command or the
configuration is wrong, 130 interrupted twice.
"""


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        complain(f"{self.prog}: {message}; see {self.prog} --help")
        sys.exit(USAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line *arguments* (those of the process if not given) and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a sign shows another
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _dispatch(given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the end of Python tries again
        if error.errno == errno.ENOSPC:  # else it is `loom top | head`: nobody reads any more
            complain(f"loom: cannot write its output: {error.strerror}")
        return FAILED
    return code


def _dispatch(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        print(overview())
        return OK if given else USAGE
    if given[0] in ("-V", "--version"):
        print(version())
        return OK
    if given[0] not in COMMANDS:
        complain(unknown(given[0]))
        return USAGE
    return _command(given[0], given[1:])


def _command(name: str, given: list[str]) -> int:
    from loom.errors import ConfigError, LoomError

    module = import_module(f"loom.cli.{name}")
    parser = Parser(
        prog=f"loom {name}", formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    module.describe(parser)
    try:
        options = parser.parse_args(given)
        code: int = module.run(options)
    except SystemExit as stop:  # argparse: --help, or an option that is wrong
        return int(stop.code or 0)
    except ConfigError as error:
        complain(str(error))
        return USAGE
    except LoomError as error:
        complain(str(error))
        return FAILED
    return code


def overview() -> str:
    """What `loom --help` prints."""
    width = max(map(len, COMMANDS))
    return OVERVIEW.format(commands="\n".join(f"  {name:{width}}  {what}" for name, what in COMMANDS.items()))


def version() -> str:
    """What `loom --version` prints."""
    from loom import __version__

    return f"loom {__version__} (Python {'.'.join(map(str, sys.version_info[:3]))}, {sys.platform})"


def unknown(word: str) -> str:
    """The line for a command that does not exist, with the nearest one that does."""
    if word.startswith("-"):
        return f"loom: no option {word}; see loom --help"
    near = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
    return f"loom: no command {word!r}; {hint}"
