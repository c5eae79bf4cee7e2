"""The server: uvicorn in the loop that runs already, without its signals, its logs and its lifespan."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from loom.errors import ConfigError
from loom.web._protocol import protocol
from loom.web.door import HEAD
from loom.web.settings import Settings

KEEP_ALIVE_S = 30
BACKLOG = 128


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are for the program around it."""
        yield


class Server:
    """*app* behind a socket."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self._settings = settings
        self._config = uvicorn.Config(
            app, http=protocol(settings.connections), ws="none", lifespan="off", interface="asgi3", loop="asyncio",
            log_config=None, access_log=False, proxy_headers=False, server_header=False, backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S, h11_max_incomplete_event_size=HEAD,
            timeout_graceful_shutdown=max(1, round(settings.drain)),
        )  # fmt: skip
        self._server = _Uvicorn(self._config)
        self._running: asyncio.Task[None] | None = None
        self.address: tuple[str, int] | None = None

    async def start(self) -> None:
        """Listen; raises ConfigError when the port is taken or not allowed."""
        listening = bound(self._settings)
        self.address = listening.getsockname()[:2]
        self._running = asyncio.get_running_loop().create_task(self._server.serve([listening]))
        while not (self._server.started or self._running.done()):
            await asyncio.sleep(0)
        if self._running.done():
            listening.close()
            await self._running

    async def stop(self) -> None:
        """Take nothing new, let what runs end within `drain` seconds, then end it."""
        if self._running is None:
            return
        self._server.should_exit = True
        running, self._running = self._running, None
        await running
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        if left := list(self._server.server_state.tasks):
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


def bound(settings: Settings) -> socket.socket:
    """A listening socket; raises ConfigError saying what is in the way."""
    address = settings.address()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # the protocol by name, else asyncio leaves Nagle's algorithm on, and each answer waits 40 ms for an acknowledgement
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, settings.port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise ConfigError(_why(error, settings)) from None
    made.setblocking(False)
    return made


def _why(error: OSError, settings: Settings) -> str:
    place = f"{settings.host} port {settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{place} is taken by another program; set another port in [gateway], or 0 for any free one"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{place} is no address of this machine; set host in [gateway] to one that is"
    return f"the gateway cannot listen on {place}: {error.strerror}"
