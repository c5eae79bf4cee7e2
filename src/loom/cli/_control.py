"""How a command changes a running runtime: a Unix socket beside the one for looking, for its user alone.

A client sends one line of JSON, ``{"do": ..., ...}``, and gets one: ``{"said": ...}`` or ``{"wrong": ...}``. What can
be done is the table here. `<name>-<pid>.ctl`, mode 0600 in 0700.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loom.cli import _socket
from loom.cli._output import complain, count
from loom.errors import ConfigError, LoomError

if TYPE_CHECKING:
    from loom.runtime import Loom

SUFFIX = ".ctl"
LIMIT = 65536
SECONDS = 10.0


@asynccontextmanager
async def obeying(loom: Loom) -> AsyncIterator[None]:
    """Do what commands ask of *loom* while the block runs; where that cannot be, say so and let it run all the same."""
    try:
        path = _socket.folder() / f"{loom.name}-{os.getpid()}{SUFFIX}"
        server = await _serve(path, loom)
    except LoomError as error:
        complain(f"note: `loom agent` cannot reach this: {error}")
        yield
        return
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def _serve(path: Path, loom: Loom) -> asyncio.Server:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                told = await obey(loom, await reader.readline())
                writer.write(json.dumps(told).encode() + b"\n")
                await writer.drain()
        except (OSError, TimeoutError, ValueError):  # the client went away, says nothing, or too much
            pass
        finally:
            writer.close()

    _sweep(path)
    before = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(answer, path, limit=LIMIT)
    except OSError as error:
        raise LoomError(f"cannot listen on {path}: {error.strerror or error}") from None
    finally:
        os.umask(before)


def _sweep(path: Path) -> None:
    """Take away *path*, and the sockets of processes that were killed."""
    for each in (path, *path.parent.glob(f"*{SUFFIX}")):
        if each == path or not _alive(each.stem.rpartition("-")[2]):
            each.unlink(missing_ok=True)


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


async def obey(loom: Loom, line: bytes) -> dict[str, Any]:
    """Do what *line* asks for; what to answer."""
    try:
        asked = json.loads(line)
        does = _DEEDS[asked["do"]]
    except (ValueError, TypeError, KeyError):
        return {"wrong": f"this runtime knows {', '.join(_DEEDS)}"}
    try:
        return {"said": await does(loom, asked)}
    except (LoomError, TypeError, ValueError, KeyError) as error:
        return {"wrong": str(error)}


async def _pause(loom: Loom, asked: dict[str, Any]) -> str:
    await loom.pause(_text(asked, "agent"))
    return f"{asked['agent']} is paused; what comes for it waits"


async def _resume(loom: Loom, asked: dict[str, Any]) -> str:
    await loom.resume(_text(asked, "agent"))
    return f"{asked['agent']} goes on"


async def _retry(loom: Loom, asked: dict[str, Any]) -> str:
    numbers = asked.get("letters")
    if numbers is None:
        done = await loom.dead.retry_all(asked.get("agent"))
        return f"{count(done)} dead letter{'s are' if done != 1 else ' is'} tried again"
    await loom.dead.retry(*[int(each) for each in numbers])
    return f"dead letter {', '.join(str(int(each)) for each in numbers)} is tried again"


async def _drop(loom: Loom, asked: dict[str, Any]) -> str:
    letter = int(asked["letter"])
    await loom.dead.drop(letter)
    return f"dead letter {letter} is dropped"


async def _mute(loom: Loom, asked: dict[str, Any]) -> str:
    await loom.mute(_text(asked, "source"))
    return f"{asked['source']} is muted; it publishes nothing, also after a restart"


async def _unmute(loom: Loom, asked: dict[str, Any]) -> str:
    await loom.unmute(_text(asked, "source"))
    return f"{asked['source']} is {loom.source(asked['source']).status}"


async def _allow(loom: Loom, asked: dict[str, Any]) -> str:
    await loom.allow(_text(asked, "source"))
    return f"{asked['source']} is allowed, also after a restart"


async def _profile(loom: Loom, asked: dict[str, Any]) -> str:
    from loom.router.profiles import choose

    return choose(loom.router, _text(asked, "profile"))


_DEEDS: dict[str, Callable[[Loom, dict[str, Any]], Awaitable[str]]] = {
    "pause": _pause,
    "resume": _resume,
    "retry": _retry,
    "drop": _drop,
    "mute": _mute,
    "unmute": _unmute,
    "allow": _allow,
    "profile": _profile,
}


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise ConfigError(f"{name} is missing")
    return value


def holder(data: Path) -> int | None:
    """The process that has the store in *data* open, if it can be told."""
    import fcntl

    process = ""

    try:
        with open(data / "lock", "rb") as file:
            process = file.read(32).decode("ascii", "replace").strip()
            if _alive(process):  # else nobody has it, and it is not touched: somebody may be about to start
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(process)
    except OSError:
        return None
    return None


def command(process: int, asked: dict[str, Any]) -> str:
    """Have the runtime of *process* do something; what it says. Raises LoomError when it does not."""
    found = sorted(_socket.folder().glob(f"*-{process}{SUFFIX}"))
    if not found:
        raise LoomError(
            f"the store is in use by process {process}, which `loom run` did not start; stop it first, "
            "or do it in the program: loom.dead, loom.pause, loom.resume"
        )
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS)
            connection.connect(str(found[0]))
            connection.sendall(json.dumps(asked).encode() + b"\n")
            told = json.loads(connection.makefile("rb").readline())
    except (OSError, ValueError) as error:
        raise LoomError(f"process {process} does not answer ({error})") from None
    if "said" not in told:
        raise LoomError(str(told.get("wrong")))
    return str(told["said"])
