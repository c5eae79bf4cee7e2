"""Where running runtimes are found: a Unix socket each, in a folder that only their user may enter.

A client connects and gets one JSON document; nothing is ever read from it. `<name>-<pid>.sock`, mode 0600 in 0700.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from loom.cli._output import complain
from loom.errors import LoomError

SUFFIX = ".sock"
LIMIT = 4_000_000


def folder() -> Path:
    """The folder of the sockets; made when it is not there. Raises LoomError if somebody else could be in it."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    try:
        ours = (
            base is not None and os.stat(base).st_uid == os.getuid()
        )  # after `su` it is still somebody else's
    except OSError:
        ours = False
    path = Path(base, "loom") if base and ours else Path(tempfile.gettempdir(), f"loom-{os.getuid()}")
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        seen = path.lstat()
    except OSError as error:
        raise LoomError(f"cannot make {path} for the sockets of running runtimes: {error.strerror}") from None
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or seen.st_mode & 0o077:
        raise LoomError(
            f"{path} is not a folder of yours alone (mode 0700); remove it or set XDG_RUNTIME_DIR"
        )
    return path


@asynccontextmanager
async def serving(name: str, document: Callable[[], Mapping[str, Any]]) -> AsyncIterator[None]:
    """Answer while the block runs; where that cannot be, say so and let it run all the same."""
    try:
        server, path = await serve(name, document)
    except LoomError as error:
        complain(f"note: `loom top` will not see this: {error}")
        yield
        return
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def serve(name: str, document: Callable[[], Mapping[str, Any]]) -> tuple[asyncio.Server, Path]:
    """Answer every connection with what *document* returns; the server and the path of its socket."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(json.dumps(document(), default=str).encode())
            async with asyncio.timeout(2.0):
                await writer.drain()
        except (OSError, TimeoutError):  # the client went away or does not read
            pass
        finally:
            writer.close()

    path = folder() / f"{name}-{os.getpid()}{SUFFIX}"
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(answer, path)
    except OSError as error:
        raise LoomError(
            f"cannot listen on {path}: {error.strerror or error}; set XDG_RUNTIME_DIR to a short path"
        ) from None
    finally:
        os.umask(before)
    return server, path


def running() -> dict[str, Path]:
    """The sockets of runtimes that answer, by `name-pid`; those left behind by dead ones are removed."""
    found = {}
    for path in sorted(folder().glob(f"*{SUFFIX}")):
        try:
            with _connected(path):
                found[path.name.removesuffix(SUFFIX)] = path
        except ConnectionRefusedError:
            for left in path.parent.glob(f"{path.stem}.*"):  # all that the process had listened on
                left.unlink(missing_ok=True)
        except OSError:
            continue
    return found


def ask(path: Path) -> dict[str, Any]:
    """What the runtime behind *path* says about itself; raises LoomError when it is gone or talks nonsense."""
    try:
        with _connected(path) as connection:
            chunks: list[bytes] = []
            while (chunk := connection.recv(65536)) and sum(map(len, chunks)) < LIMIT:
                chunks.append(chunk)
        document = json.loads(b"".join(chunks))
    except (OSError, ValueError) as error:
        raise LoomError(f"{path.name.removesuffix(SUFFIX)} does not answer any more ({error})") from None
    if not isinstance(document, dict):
        raise LoomError(f"{path} answered something else than statistics")
    return document


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(2.0)
    try:
        connection.connect(str(path))
    except BaseException:
        connection.close()
        raise
    return connection
