"""The packages of a model backend on this machine: which are there, how big they are, what would bring the others."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import metadata

from loom.errors import install_command
from loom.models.catalog import Backend, package_of


@dataclass(frozen=True, slots=True)
class Presence:
    """What is there of a backend: versions by package, the packages that are missing, bytes on disk, what to run."""

    versions: dict[str, str]
    missing: tuple[str, ...]
    nbytes: int
    install: str

    @property
    def installed(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def look(backend: Backend) -> Presence:
    """What is there of *backend*; nothing is imported."""
    versions: dict[str, str] = {}
    missing = []
    nbytes = 0
    for requirement in backend.packages:
        name = package_of(requirement)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            missing.append(requirement)
            continue
        versions[name] = found.version
        nbytes += _size(found)
    return Presence(versions, tuple(missing), nbytes, command(backend, missing))


def command(backend: Backend, missing: list[str]) -> str:
    """One line for a shell that installs what is *missing* of *backend*; empty when nothing is."""
    bare = [each for each in missing if each in backend.bare]
    steps = [] if len(bare) == len(missing) else [install_command(backend.extra)]
    if bare:
        steps.append(f"{sys.executable} -m pip install --no-deps {' '.join(bare)}")
    return " && ".join(steps)


def _size(found: metadata.Distribution) -> int:
    """Bytes of the files of a package, as it says itself, or as they are."""
    total = 0
    for file in found.files or ():
        if file.size is not None:
            total += file.size
            continue
        try:
            total += file.locate().stat().st_size  # type: ignore[attr-defined]
        except OSError:
            continue
    return total
