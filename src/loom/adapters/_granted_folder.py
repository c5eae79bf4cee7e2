"""One folder that is granted, and nothing outside it: each step of a path is opened by itself, links are refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from loom.errors import ActionFailed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
DEPTH = 32


class GrantedFolder:
    """Files below *root*, of at most *max_size* bytes. Every method blocks; every path is relative, with ``/``.

    Security: paths come from agents, and so from anywhere. Each component is opened relative to the one before and
    never through a link, so that nothing that is renamed or replaced meanwhile leads out of the folder.
    """

    def __init__(self, root: Path, max_size: int) -> None:
        self.root = root
        self.max_size = max_size

    def write(self, path: str, data: bytes) -> int:
        """Put *data* in the place of the whole file, at once or not at all; returns its size. Raises ActionFailed."""
        self._check_size(path, len(data))
        with self._opened(_parts(path), make=True) as (folder, name):
            self._refuse_other(folder, name, path)
            beside = f".{uuid4().hex}.tmp"
            try:
                file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o600, dir_fd=folder)
                with open(file, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:  # cancelled too: half a file does not stay
                with suppress(FileNotFoundError):
                    os.unlink(beside, dir_fd=folder)
                raise
            os.fsync(folder)
        return len(data)

    def append(self, path: str, data: bytes) -> int:
        """Add *data* at the end of a file, made if it is not there; returns its size. Raises ActionFailed."""
        with self._opened(_parts(path), make=True) as (folder, name):
            file = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _FILE, 0o600, dir_fd=folder)
            with open(file, "ab") as stream:
                found = os.fstat(stream.fileno())
                _check_ordinary(path, found)
                if found.st_nlink > 1:
                    raise ActionFailed(
                        f"{path!r} has a second name elsewhere; write it anew instead of appending"
                    )
                self._check_size(path, found.st_size + len(data))
                stream.write(data)
            return int(found.st_size) + len(data)

    def read(self, path: str) -> bytes:
        """The content of a file. Raises ActionFailed."""
        with self._opened(_parts(path)) as (folder, name):
            file = os.open(name, os.O_RDONLY | _FILE, dir_fd=folder)
            with open(file, "rb") as stream:
                found = os.fstat(stream.fileno())
                _check_ordinary(path, found)
                self._check_size(path, found.st_size)
                data = stream.read(self.max_size + 1)
        self._check_size(path, len(data))  # it may have grown meanwhile
        return data

    def entries(self, path: str, most: int) -> list[dict[str, Any]]:
        """At most *most* entries of a folder (``""``: the granted one), by name; no links. Raises ActionFailed."""
        with (
            self._opened([*(_parts(path) if path else ()), "."]) as (folder, _),
            os.scandir(folder) as entries,
        ):
            names = sorted(entry.name for entry in entries if not entry.is_symlink() and _utf8(entry.name))[
                :most
            ]
            return [entry for name in names if (entry := _entry(folder, name)) is not None]

    @contextmanager
    def _opened(self, parts: Sequence[str], make: bool = False) -> Iterator[tuple[int, str]]:
        """The folder that the last of *parts* lies in, open, and that part; OSErrors inside become ActionFailed."""
        try:
            if make:
                self.root.mkdir(mode=0o700, exist_ok=True)
            folder = os.open(self.root, _FOLDER & ~os.O_NOFOLLOW)
            try:
                for part in parts[:-1]:
                    if make:
                        with suppress(FileExistsError):
                            os.mkdir(part, 0o700, dir_fd=folder)
                    inner = os.open(part, _FOLDER, dir_fd=folder)
                    os.close(folder)
                    folder = inner
                yield folder, parts[-1]
            finally:
                os.close(folder)
        except OSError as error:
            raise ActionFailed(f"{'/'.join(parts)!r} in {self.root}: {_said(error)}") from error

    def _refuse_other(self, folder: int, name: str, path: str) -> None:
        with suppress(FileNotFoundError):
            _check_ordinary(path, os.stat(name, dir_fd=folder, follow_symlinks=False))

    def _check_size(self, path: str, size: int) -> None:
        if size > self.max_size:
            raise ActionFailed(f"{path!r} would be or is {size:,} bytes, over max_size = {self.max_size:,}")


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    for part in parts:
        if part in ("", ".", "..") or "\0" in part or len(part.encode("utf-8", "replace")) > 255:
            raise ActionFailed(
                f'path {path!r:.120} is refused: write it relative to the granted folder, as "notes/today.txt", '
                'without ".." and empty parts'
            )
    if len(parts) > DEPTH or not _utf8(path):
        raise ActionFailed(f"path {path!r:.120} is refused: it is too deep (at most {DEPTH}) or no text")
    return parts


def _check_ordinary(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = "a link" if stat.S_ISLNK(found.st_mode) else "no ordinary file"
        raise ActionFailed(f"{path!r} is {kind}; only ordinary files inside the folder are read and written")


def _entry(folder: int, name: str) -> dict[str, Any] | None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        return None
    kind = "folder" if stat.S_ISDIR(found.st_mode) else "file"
    return {"name": name, "kind": kind, "size": found.st_size, "mtime_ms": found.st_mtime_ns // 1_000_000}


def _said(error: OSError) -> str:
    import errno

    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "a part of the path is a link or no folder; links are not followed"
    return error.strerror or str(error)


def _utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
