"""What the router must not forget, in one small file: for programs without a store."""

from __future__ import annotations

import asyncio
import os
import weakref
from base64 import b64decode, b64encode
from pathlib import Path

from loom.errors import ConfigError, LoomError
from loom.router.keep import fitting

FILE = ".loom/router.json"
"""Where a project without a store keeps it, below its folder."""
LARGEST_FILE = 8 * 1024 * 1024
"""Bytes of that file: every write writes all of it."""


class FiledKeep:
    """A Keep in one file that is written anew each time; what comes during one write goes with the next.

    Raises ConfigError for a file that is there and cannot be read. One process at a time writes it: another that
    tries to is refused, and so is one that read it before somebody else wrote it.
    """

    def __init__(self, file: Path) -> None:
        self._file = _Place(file)
        self._kept = _read(file)
        self._wanted: dict[str, bytes | None] = {}
        self._flight: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    def read(self, name: str) -> bytes | None:
        """The value that is in the file, None without one."""
        return self._kept.get(name)

    def names(self, prefix: str = "") -> list[str]:
        """The names with a value that begin with *prefix*, sorted."""
        return sorted(name for name in self._kept if name.startswith(prefix))

    async def write(self, name: str, value: bytes | None) -> None:
        """Keep *value* as *name*, on disk when this returns. Raises LoomError when it cannot be written."""
        fitting(name, value)
        self._wanted[name] = value
        if self._next is None or self._next.done():  # done: cancelled with its loop before it began
            self._next = asyncio.get_running_loop().create_task(self._fly(self._flight))
            self._next.add_done_callback(_heard)
        await asyncio.shield(self._next)

    async def _fly(self, before: asyncio.Task[None] | None) -> None:
        """Write all that is wanted when the write *before* has landed."""
        if before is not None and not before.done():
            await asyncio.wait({before})
        self._flight, self._next = self._next, None
        wanted, self._wanted = self._wanted, {}
        kept = {name: value for name, value in (self._kept | wanted).items() if value is not None}
        try:
            await asyncio.to_thread(self._file.write, kept)
        except OSError as error:
            raise LoomError(
                f"what the router spent and learned cannot be kept: cannot write {self._file.path}: {error.strerror}"
            ) from None
        except asyncio.CancelledError:  # its loop ends: another one may still write what this one wanted
            self._wanted = wanted | self._wanted
            raise
        self._kept = kept


class _Place:
    """The file, as this process has seen it last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = _mark(path)
        self._locked = False

    def write(self, kept: dict[str, bytes]) -> None:
        """Replace it. Raises OSError, also when it is another process's."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._locked:
            self._lock()
        if (mark := _mark(self.path)) is not None and mark != self._seen:
            raise OSError(None, "another process has written it since it was read; start this one again")
        _write(self.path, kept)
        self._seen = _mark(self.path)

    def _lock(self) -> None:
        """Have it alone as long as this lives; a system without such locks goes without."""
        try:
            import fcntl
        except ImportError:
            self._locked = True
            return
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise OSError(None, "another process uses it; give each project folder to one") from None
        weakref.finalize(self, os.close, lock)
        self._locked = True


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What changes when the file is replaced; None without one."""
    try:
        told = path.stat()
    except FileNotFoundError:
        return None
    return told.st_ino, told.st_mtime_ns, told.st_size


def _heard(flight: asyncio.Task[None]) -> None:
    """Whoever waited for it may be gone: then nobody is left to hear of a failure."""
    if not flight.cancelled():
        flight.exception()


def _read(file: Path) -> dict[str, bytes]:
    try:
        import json  # late: without a file nobody needs it

        if file.stat().st_size > LARGEST_FILE:
            raise ValueError(f"over {LARGEST_FILE:,} bytes")
        told = json.loads(file.read_bytes())
        return {str(name): b64decode(value, validate=True) for name, value in told.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{file} says what the router has spent and cannot be read ({error}); mend it, or delete it to begin anew"
        ) from None


def _write(file: Path, kept: dict[str, bytes]) -> None:
    """All of it or nothing, and through to the disk."""
    import json

    text = json.dumps({name: b64encode(value).decode() for name, value in kept.items()})
    if len(text) > LARGEST_FILE:
        raise OSError(None, f"it would have {len(text):,} bytes; give the project a store (data = ...)")
    beside = file.with_name(file.name + ".new")
    beside.unlink(missing_ok=True)  # of a process that died, perhaps with other permissions
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text + "\n")
        out.flush()
        os.fsync(out.fileno())
    os.replace(beside, file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
