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
from collections.abc import Callable, Iterable, Mapping

from loom.errors import ConfigError
from loom.worker._output import OutputRing

PASSED = ("PATH", "LANG", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR")
COMMAND = ("-u", "-P", "-X", "faulthandler", "-m", "loom.worker")
CHUNK = 1 << 14


class Process:
    """`python -m loom.worker` with one inherited socket; `on_exit` is called once, on the loop."""

    def __init__(self, fds: Iterable[int], names: Iterable[str], output: OutputRing) -> None:
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self._output = output
        mine, its = socket.socketpair()
        reader, writer = os.pipe()
        environment = child_environment(os.environ, names) | {"LOOM_WORKER_FD": str(its.fileno())}
        try:
            # In this thread: PR_SET_PDEATHSIG ends the child with the thread that started it.
            self._popen = _popen(environment, (its.fileno(), *fds), writer)
        except BaseException:
            mine.close()
            os.close(reader)
            raise
        finally:
            its.close()
            os.close(writer)
        self.socket = mine
        os.set_blocking(reader, False)
        self._pipe = reader
        self._loop.add_reader(reader, self._read)
        _watch(self._loop, self._popen, self._ended)

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


def _popen(environment: dict[str, str], fds: tuple[int, ...], output: int) -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise ConfigError("this interpreter does not know its own path (sys.executable); workers need it")
    return subprocess.Popen(
        [sys.executable, *COMMAND],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=fds,
        close_fds=True,
        env=environment,
    )


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
