"""A child process of the host: started without a shell, watched without a thread, reaped without a zombie."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from loom.errors import ConfigError
from loom.worker._output import OutputRing

PASSED = ("PATH", "LANG", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")
COMMAND = ("-u", "-P", "-X", "faulthandler", "-m", "loom.worker")
CHUNK = 1 << 14
Started = tuple[subprocess.Popen[bytes], socket.socket, int]


# One thread that lives as long as the program: starting a process takes milliseconds, which the loop does not have,
# and PR_SET_PDEATHSIG ends a child together with the very thread that started it.
_starter = ThreadPoolExecutor(1, "loom-start")


class Process:
    """`python -m loom.worker` with one inherited socket; `exited` is done, on the loop, when it is reaped."""

    def __init__(self, started: Started, output: OutputRing) -> None:
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self._output = output
        self._popen, self.socket, self._pipe = started
        self._loop.add_reader(self._pipe, self._read)
        _watch(self._loop, self._popen, self._ended)

    @classmethod
    async def start(cls, fds: Sequence[int], names: Iterable[str], output: OutputRing) -> Process:
        """Start one that also inherits *fds* and the variables *names*; raises OSError and ConfigError.

        Cancelled, it has left none when it ends.
        """
        starting = _starter.submit(_start, fds, tuple(names))
        try:
            return cls(await asyncio.wrap_future(starting), output)
        except asyncio.CancelledError:
            if not starting.cancel():  # behind it in the same thread, so that it needs no loop to be done
                await asyncio.shield(asyncio.wrap_future(_starter.submit(_discard, starting)))
            raise

    @property
    def pid(self) -> int:
        """The process id; not reused before `exited` is done."""
        return self._popen.pid

    def kill(self) -> None:
        """SIGKILL, unless it has exited."""
        if not self.exited.done():
            self._popen.kill()

    async def wait(self, grace: float) -> int:
        """Its exit code, negative for a signal; killed when it takes longer than *grace* seconds."""
        await asyncio.wait({self.exited}, timeout=grace)
        self.kill()
        code = await asyncio.shield(self.exited)
        self._close_pipe()
        return code

    def _ended(self, code: int) -> None:
        if not self.exited.done():
            self.exited.set_result(code)

    def _read(self) -> bool:
        try:
            data = os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._output.feed(data)
        else:
            self._loop.remove_reader(self._pipe)
        return bool(data)

    def _close_pipe(self) -> None:
        if self._pipe < 0:
            return
        for _ in range(64):  # what it said last; a grandchild may keep the pipe open, so never until the end
            if not self._read():
                break
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        self._pipe = -1


def describe_exit(code: int) -> str:
    """What an exit code says, in words."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def child_environment(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The few variables that a worker gets: no secret of the host among them unless it is named."""
    made = {name: environment[name] for name in (*PASSED, *names) if name in environment}
    made["PYTHONPATH"] = os.pathsep.join(_import_path())
    return made


def _import_path() -> list[str]:
    # A worker imports what the host can import, wherever the host was started.
    known = {os.path.realpath(path) for path in sysconfig.get_paths().values()}
    entries = (os.path.abspath(entry) for entry in sys.path if not entry.endswith((".zip", "lib-dynload")))
    return [e for e in dict.fromkeys(entries) if os.path.isdir(e) and os.path.realpath(e) not in known]


def _start(fds: Sequence[int], names: tuple[str, ...]) -> Started:
    if not sys.executable:
        raise ConfigError("this interpreter does not know its own path (sys.executable); workers need it")
    environment = child_environment(os.environ, names)
    mine, its = socket.socketpair()
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    mine.setblocking(False)
    try:
        popen = subprocess.Popen(
            [sys.executable, *COMMAND],
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            pass_fds=(its.fileno(), *fds),
            close_fds=True,
            env={**environment, "LOOM_WORKER_FD": str(its.fileno())},
        )
    except BaseException:
        mine.close()
        os.close(reader)
        raise
    finally:
        its.close()
        os.close(writer)
    return popen, mine, reader


def _discard(starting: Future[Started]) -> None:
    """Whoever wanted the process has gone while it started."""
    if starting.cancelled() or starting.exception() is not None:
        return
    popen, mine, reader = starting.result()
    mine.close()
    os.close(reader)
    popen.kill()
    popen.wait()


def _watch(
    loop: asyncio.AbstractEventLoop, popen: subprocess.Popen[bytes], ended: Callable[[int], None]
) -> None:
    if not hasattr(os, "pidfd_open"):
        _watch_by_thread(loop, popen, ended)
        return
    fd = os.pidfd_open(popen.pid)

    def exited() -> None:
        loop.remove_reader(fd)
        os.close(fd)
        ended(popen.wait())

    loop.add_reader(fd, exited)


def _watch_by_thread(
    loop: asyncio.AbstractEventLoop, popen: subprocess.Popen[bytes], ended: Callable[[int], None]
) -> None:
    def wait() -> None:
        code = popen.wait()
        if not loop.is_closed():
            loop.call_soon_threadsafe(ended, code)

    threading.Thread(target=wait, daemon=True, name=f"wait-{popen.pid}").start()
