"""Programs as an action: a list of allowed ones, found at the start, run without a shell and without input."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loom.actions import Action, action
from loom.actions.action import ACTION
from loom.adapters._program import environment, run_program
from loom.adapters._texts import texts
from loom.errors import ActionDenied, ActionFailed, ConfigError

MOST_ARGUMENTS, LONGEST = 256, 65_536


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """What may run: *programs*, by the name it is called, the absolute path; in *folder*, with only *environment*.

    *timeout* is in seconds for one run, *max_output* in bytes for each of its two outputs; *most* run at once.
    """

    programs: Mapping[str, str]
    folder: Path
    timeout: float = 30.0
    max_output: int = 1_000_000
    most: int = 4
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.timeout <= 86_400 or not 0 <= self.max_output <= 100_000_000 or self.most < 1:
            raise ConfigError(
                f"process: timeout {self.timeout} s, max_output {self.max_output} bytes, most {self.most}: "
                "use more than 0 s, at most 100000000 bytes and at least 1"
            )


class Processes:
    """The sink with the action NAME.run."""

    def __init__(self, name: str, options: ProcessOptions) -> None:
        self.name = name
        self.options = options
        self._room = asyncio.Semaphore(options.most)
        self._actions = [self._run()]

    def actions(self) -> Iterable[Action]:
        """NAME.run."""
        return list(self._actions)

    async def close(self) -> None:
        """Nothing is open between runs."""

    def _run(self) -> Action:
        o = self.options

        @action(f"{self.name}.run", timeout=o.timeout, attempts=1)
        async def run(program: str, arguments: list[str] | None = None) -> dict[str, Any]:
            """Run an allowed program with these arguments: {"code", "out", "err", "cut": bytes left out}."""
            command = [self._path(program), *_checked(arguments or [])]
            env = environment({"HOME": str(o.folder), **o.environment})
            async with self._room:
                ended = await run_program(command, env=env, folder=o.folder, limit=o.max_output)
            return {"code": ended.code, "out": ended.out, "err": ended.err, "cut": ended.cut}

        made: Action = getattr(run, ACTION)
        return made

    def _path(self, program: str) -> str:
        path = self.options.programs.get(program)
        if path is None:
            known = ", ".join(sorted(self.options.programs)) or "none"
            raise ActionDenied(
                f"{self.name}.run may not run {program!r:.80}; programs allows {known}, by exactly these names"
            )
        return path


def _checked(arguments: list[str]) -> list[str]:
    if len(arguments) > MOST_ARGUMENTS or sum(len(a) for a in arguments) > LONGEST:
        raise ActionFailed(f"at most {MOST_ARGUMENTS} arguments of {LONGEST} characters together")
    if any("\0" in argument for argument in arguments):
        raise ActionFailed("an argument contains a NUL character")
    return arguments


def find_programs(programs: Iterable[str]) -> dict[str, str]:
    """The absolute path of each program, by the name that it has in the list.

    A name without a slash is looked up in the usual folders only, not in the caller's PATH. Raises ConfigError.
    """
    found = {}
    for program in programs:
        path = program if os.path.isabs(program) else shutil.which(program, path=_places(program))
        if path is None or not (os.path.isfile(path) and os.access(path, os.X_OK)):
            raise ConfigError(
                f"programs: {program!r} is no program here; write its absolute path, "
                "or a name that is found in /usr/local/bin, /usr/bin or /bin"
            )
        found[program] = path
    return found


def _places(program: str) -> str:
    from loom.adapters._program import PATH

    return "" if os.sep in program else PATH


def process(
    name: str,
    home: Path,
    programs: list[str],
    folder: str = ".",
    timeout: float = 30.0,
    max_output: int = 1_000_000,
    most: int = 4,
    environment: dict[str, str] | None = None,
) -> Processes:
    """The action NAME.run for these *programs*, which are found now. Raises ConfigError."""
    extra = environment or {}
    if not all(isinstance(value, str) and "\0" not in value for value in extra.values()):
        raise ConfigError('environment is a table of texts, as in environment = { LANG = "C" }')
    where = home / folder
    if not where.is_dir():
        raise ConfigError(
            f"folder {str(where)!r} is not there; make it, or name another one to run programs in"
        )
    allowed = find_programs(texts("programs", programs))
    return Processes(name, ProcessOptions(allowed, where, timeout, max_output, most, extra))
